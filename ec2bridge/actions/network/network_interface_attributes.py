"""Attributes of network interfaces, one at a time.

Groups and the source check are a machine's in CloudStack, not its interfaces': they are read from the machine, and
changed through its primary interface. Those of an interface that is not attached are kept until it is.
"""

from functools import partial
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Item
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.instances.changes import change, refuse_unchecked
from ec2bridge.resources.instances.interface_items import every
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.machines.lookup import machine
from ec2bridge.resources.places import deletion

_MEMBERS = {
    "attachment": "Attachment",
    "description": "Description",
    "groupSet": "Groups",
    "sourceDestCheck": "SourceDestCheck",
}


async def _interface(ctx: Context, request: Request) -> Item:
    ident = request.get("NetworkInterfaceId") or ""
    for item in await every(ctx):
        if ident in (item["NetworkInterfaceId"], item["_Uuid"]):
            return item
    kind = KINDS["network-interface"]
    raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)


@action(
    "DescribeNetworkInterfaceAttribute",
    honours=("NetworkInterfaceId", "Attribute"),
    native=("listVirtualMachines",),
)
async def describe_network_interface_attribute(ctx: Context, request: Request) -> dict[str, Any]:
    """Return one attribute of an interface."""
    name = request.get("Attribute") or ""
    if not name:
        raise Ec2Error("InvalidParameterCombination", "No attributes specified.")
    if name not in _MEMBERS:
        raise Ec2Error("InvalidParameterValue", f"Value ({name}) for parameter attribute is invalid.")
    item = await _interface(ctx, request)
    value = item.get(_MEMBERS[name])
    answer = {"NetworkInterfaceId": item["NetworkInterfaceId"]}
    if value is None:
        return answer
    return {**answer, _MEMBERS[name]: value if name in ("attachment", "groupSet") else {"Value": value}}


@action(
    "ModifyNetworkInterfaceAttribute",
    honours=(
        "NetworkInterfaceId",
        "Description",
        "Groups",
        "SourceDestCheck",
        "Attachment.AttachmentId",
        "Attachment.DeleteOnTermination",
    ),
    native=("listVirtualMachines", "updateVirtualMachine"),
)
async def modify_network_interface_attribute(ctx: Context, request: Request) -> None:
    """Change one attribute of an interface; groups and source check of one that is attached are its machine's."""
    item = await _interface(ctx, request)
    named = [member for member in _MEMBERS.values() if request.get(member)]
    if not named:
        raise Ec2Error("InvalidParameterCombination", "No attributes specified.")
    if len(named) > 1:
        attributes = ", ".join(name for name, member in _MEMBERS.items() if member in named)
        sentence = f"Fields for multiple attribute types specified: {attributes}"
        raise Ec2Error("InvalidParameterCombination", sentence)
    if named == ["Description"]:
        await _keep(ctx, item, description=network_interfaces.description(request["Description"]["Value"]))
    elif named == ["Attachment"]:
        await _set_attachment(ctx, item, request["Attachment"])
    elif "Attachment" in item:
        await _change_machine(ctx, item, named[0], request[named[0]])
    elif named == ["Groups"]:
        groups = (await security_groups.groups(ctx)).chosen(item["VpcId"], request["Groups"])
        before = await _keep(ctx, item, groups=[group.id for group in groups])
        places = [("security-group", group.uuid) for group in groups]
        await deletion.check_all(ctx, places, partial(_keep, ctx, item, groups=before["groups"]))
    else:
        await _set_check(ctx, item, request["SourceDestCheck"])


async def _keep(ctx: Context, item: Item, **changes: Any) -> Record:
    """Write down what CloudStack has no place for; returns what was kept before."""
    record = network_interfaces.find(await network_interfaces.records(ctx), item["_Uuid"])
    if record is not None or "Attachment" not in item:
        return await network_interfaces.change(ctx, record["id"] if record else item["_Uuid"], changes)
    attachment = item["Attachment"]
    found = await machine(ctx, attachment["InstanceId"])
    nic = next(nic for nic in found.row["nic"] if nic["id"] == item["_Uuid"])
    record = network_interfaces.of_nic(nic, found.uuid, attachment["DeviceIndex"])
    record["groups"] = [group["GroupId"] for group in item["Groups"]]
    await network_interfaces.put(ctx, {**record, **changes})
    return record


async def _set_attachment(ctx: Context, item: Item, asked: Request) -> None:
    if asked.get("DeleteOnTermination") is None:
        raise Ec2Error(
            "MissingParameter", "The request must contain the parameter attachment.deleteOnTermination"
        )
    ident = asked.get("AttachmentId") or ""
    if ident != item.get("Attachment", {}).get("AttachmentId"):
        kind = KINDS["network-interface-attachment"]
        raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)
    await _keep(ctx, item, keep=not asked["DeleteOnTermination"])


async def _set_check(ctx: Context, item: Item, asked: Request) -> None:
    """Set the source check of an interface that is not attached; it holds once a machine is launched with it."""
    if not asked.get("Value") and item["_Zone"] and item["_Zone"].security_groups:
        refuse_unchecked(item["_Zone"])
    await _keep(ctx, item, check=bool(asked.get("Value")))


async def _change_machine(ctx: Context, item: Item, member: str, value: Any) -> None:
    if item["Attachment"]["DeviceIndex"] != 0:
        sentence = (
            f"The parameter {member} can be changed on an instance's primary interface only: CloudStack has it for the"
            " machine and all its interfaces."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    wanted = value["Value"] if isinstance(value, dict) else value
    await change(ctx, item["Attachment"]["InstanceId"], member, wanted)


@action(
    "ResetNetworkInterfaceAttribute",
    honours=("NetworkInterfaceId", "SourceDestCheck"),
    native=("listVirtualMachines", "deleteTags"),
)
async def reset_network_interface_attribute(ctx: Context, request: Request) -> None:
    """Have the source and destination of an interface's traffic be checked again; whatever value is sent, AWS says."""
    value = {"Value": True}
    item = await _interface(ctx, request)
    if not request.get("SourceDestCheck"):
        return
    if "Attachment" in item:
        await _change_machine(ctx, item, "SourceDestCheck", value)
    else:
        await _set_check(ctx, item, value)
