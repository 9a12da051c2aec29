"""Attributes of an instance, one at a time: reading them.

AWS has an action for attributes that DescribeInstances leaves out. CloudStack has some as fields of the machine
(protection from deletion, user data, offering); the rest are reserved tags. A client that asks for an attribute
dereferences the element, so it is always there; its value is left out where CloudStack does not know it.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.instance_types import type_of, type_table
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.instances.network import has_mark
from ec2bridge.resources.instances.translation import instance
from ec2bridge.resources.machines.devices import ROOT_DEVICE
from ec2bridge.resources.machines.lookup import Machine, machine, user_data, volumes_of
from ec2bridge.resources.machines.states import EBS_OPTIMIZED, SHUTDOWN, STOP_LOCK
from ec2bridge.resources.tags import resource_tags

Answer = dict[str, Any]
Reader = Callable[[Context, Machine], Awaitable[Answer]]


async def _item(ctx: Context, found: Machine, *, volumes: bool = False) -> Answer:
    rows = [found.row]
    known = {found.uuid: found.record} if found.record else {}
    return instance(
        await gather_facts(ctx, rows, known, await volumes_of(ctx, rows) if volumes else None), found.row
    )


async def _instance_type(ctx: Context, found: Machine) -> Answer:
    return {"InstanceType": {"Value": type_of(await type_table(ctx), found.row)}}


async def _user_data(ctx: Context, found: Machine) -> Answer:
    data = await user_data(ctx, found)
    return {"UserData": {"Value": data} if data else {}}


async def _protection(ctx: Context, found: Machine) -> Answer:
    return {"DisableApiTermination": {"Value": bool(found.row.get("deleteprotection"))}}


async def _stop_lock(ctx: Context, found: Machine) -> Answer:
    return {"DisableApiStop": {"Value": resource_tags.hidden(found.row).get(STOP_LOCK) == "true"}}


async def _shutdown(ctx: Context, found: Machine) -> Answer:
    behaviour = resource_tags.hidden(found.row).get(SHUTDOWN, "stop")
    return {"InstanceInitiatedShutdownBehavior": {"Value": behaviour}}


async def _mappings(ctx: Context, found: Machine) -> Answer:
    item = await _item(ctx, found, volumes=True)
    return {"BlockDeviceMappings": item["BlockDeviceMappings"]}


async def _source_check(ctx: Context, found: Machine) -> Answer:
    return {"SourceDestCheck": {"Value": (await _item(ctx, found)).get("SourceDestCheck", True)}}


async def _optimized(ctx: Context, found: Machine) -> Answer:
    return {"EbsOptimized": {"Value": has_mark(found.row, EBS_OPTIMIZED, "true")}}


async def _groups(ctx: Context, found: Machine) -> Answer:
    return {"Groups": (await _item(ctx, found))["SecurityGroups"]}


def _constant(member: str, value: Any) -> Reader:
    async def read(ctx: Context, found: Machine) -> Answer:
        return {member: value}

    return read


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "instanceType": _instance_type,
        "kernel": _constant("KernelId", {}),
        "ramdisk": _constant("RamdiskId", {}),
        "userData": _user_data,
        "disableApiTermination": _protection,
        "disableApiStop": _stop_lock,
        "instanceInitiatedShutdownBehavior": _shutdown,
        "rootDeviceName": _constant("RootDeviceName", {"Value": ROOT_DEVICE}),
        "blockDeviceMapping": _mappings,
        "productCodes": _constant("ProductCodes", []),
        "sourceDestCheck": _source_check,
        "groupSet": _groups,
        "ebsOptimized": _optimized,
        "sriovNetSupport": _constant("SriovNetSupport", {}),
        "enaSupport": _constant("EnaSupport", {"Value": False}),
        "enclaveOptions": _constant("EnclaveOptions", {"Enabled": False}),
    }
)


@action(
    "DescribeInstanceAttribute",
    honours=("InstanceId", "Attribute"),
    native=("listVirtualMachines",),
)
async def describe_instance_attribute(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one attribute of an instance."""
    name = request.get("Attribute") or ""
    reader = READERS.get(name)
    if reader is None:
        raise Ec2Error(
            "InvalidParameterValue", f"Value ({name}) for parameter attribute is invalid. Unknown attribute."
        )
    found = await machine(ctx, request.get("InstanceId") or "")
    return {"InstanceId": found.id, **await reader(ctx, found)}
