"""Changes of an instance's attributes.

What CloudStack has a field for is changed there, the rest kept in reserved tags; the machine's details are never
touched, since CloudStack replaces them all. CloudStack changes offering, user data and groups of stopped machines
only, where AWS changes groups of running ones too.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import as_sent
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.enforcement import firewall, tiers
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.membership import membership, native_uuids
from ec2bridge.resources.instance_types import TYPE_TAG, asked_type, resolve_type, type_of, type_table
from ec2bridge.resources.instances import user_data
from ec2bridge.resources.instances.network import has_mark
from ec2bridge.resources.instances.protection import require_protection, shutdown_behaviour
from ec2bridge.resources.machines.devices import device_name
from ec2bridge.resources.machines.lookup import Machine, group_uuids, machine, volumes_of
from ec2bridge.resources.machines.states import (
    EBS_OPTIMIZED,
    GROUPS,
    KEEP_MARK,
    SHUTDOWN,
    SOURCE_CHECK,
    STOP_LOCK,
)
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import vpc_ids
from ec2bridge.resources.places.zones import Zone, resolve_zone
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


Writer = Callable[[Context, Machine, Any], Awaitable[None]]


def _truth(value: Any) -> bool:
    """Read a boolean that may have come as text, in the old Attribute and Value form."""
    text = str(value).lower()
    if text not in ("true", "false"):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({value}) for parameter value is invalid. It must be true or false.",
        )
    return text == "true"


def _require_stopped(found: Machine, why: str) -> None:
    if found.state != "stopped":
        raise Ec2Error(
            "IncorrectInstanceState", f"The instance '{found.id}' is not in the 'stopped' state: {why}."
        )


async def _mark(ctx: Context, found: Machine, name: str, value: str | None) -> None:
    await resource_tags.mark(ctx, "instance", found.row, {name: value})


async def _instance_type(ctx: Context, found: Machine, value: Any) -> None:
    offering, details = await resolve_type(ctx, value, found.row["zoneid"])
    # AWS looks at the state first, even where nothing would change.
    _require_stopped(found, "its type can only be changed while it is")
    if type_of(await type_table(ctx), found.row) == value and asked_type(found.row) in (None, value):
        return
    # The mark first: it is believed as soon as the machine has that size.
    before = resource_tags.marked(found.row, TYPE_MARK)
    await _mark(ctx, found, TYPE_MARK, value)
    if offering["id"] == found.row.get("serviceofferingid") and not details:
        return
    try:
        await _scale(ctx, found, offering["id"], details)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        await _mark(ctx, await machine(ctx, found.id), TYPE_MARK, before)
        raise


TYPE_MARK = TYPE_TAG.removeprefix(resource_tags.RESERVED)
_HAS_IT = "already has the requested service offering"


async def _scale(ctx: Context, found: Machine, offering: str, details: Mapping[str, Any]) -> None:
    try:
        await ctx.account.job(
            "scaleVirtualMachine", id=found.uuid, serviceofferingid=offering, details=details or None
        )
    except CloudStackError as error:
        # The request before, whose answer was lost, has come to its end.
        if details or _HAS_IT not in error.errortext:
            raise


async def _user_data(ctx: Context, found: Machine, value: Any) -> None:
    _require_stopped(found, "its user data can only be changed while it is")
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else user_data.checked(str(value))
    await ctx.account.call("updateVirtualMachine", id=found.uuid, userdata=text)


async def _protection(ctx: Context, found: Machine, value: Any) -> None:
    wanted = _truth(value)
    if wanted == bool(found.row.get("deleteprotection")):
        return
    await require_protection(ctx)
    await ctx.account.call("updateVirtualMachine", id=found.uuid, deleteprotection=wanted)


async def _stop_lock(ctx: Context, found: Machine, value: Any) -> None:
    await _mark(ctx, found, STOP_LOCK, "true" if _truth(value) else None)


async def _optimized(ctx: Context, found: Machine, value: Any) -> None:
    wanted = _truth(value)
    if wanted == has_mark(found.row, EBS_OPTIMIZED, "true"):
        return
    _require_stopped(found, "its disks can only be optimized while it is")
    await _mark(ctx, found, EBS_OPTIMIZED, "true" if wanted else None)


async def _shutdown(ctx: Context, found: Machine, value: Any) -> None:
    await _mark(ctx, found, SHUTDOWN, shutdown_behaviour(value))


async def _source_check(ctx: Context, found: Machine, value: Any) -> None:
    zone = await resolve_zone(ctx, found.row["zoneid"])
    if not _truth(value) and zone.security_groups:
        refuse_unchecked(zone)
    await _mark(ctx, found, SOURCE_CHECK, None if _truth(value) else "false")


def refuse_unchecked(zone: Zone) -> None:
    """Refuse to let a machine send under other addresses where CloudStack drops that."""
    raise Ec2Error(
        "UnsupportedOperation",
        f"The parameter SourceDestCheck=false is not supported in {zone.name}: CloudStack's security groups"
        " always drop what a machine sends under another address.",
    )


async def _group_set(ctx: Context, found: Machine, value: Any) -> None:
    zone = await resolve_zone(ctx, found.row["zoneid"])
    ids = [value] if isinstance(value, str) else list(value)
    networks = [nic["networkid"] for nic in found.row.get("nic", ()) if nic.get("isdefault")][:1]
    vpcs = await vpc_ids(ctx, networks)
    chosen = (await security_groups.groups(ctx)).chosen(next(iter(vpcs.values())), ids)
    uuids = native_uuids(chosen) if zone.security_groups else [group.uuid for group in chosen]
    if set(uuids) == set(group_uuids(found.row)):
        return
    if zone.security_groups:
        # UserVmManagerImpl.updateSecurityGroup refuses any other state.
        why = "CloudStack changes the groups of a machine only while it is. Stop it, change them, and start it again"
        _require_stopped(found, why)
        await ctx.account.call("updateVirtualMachine", id=found.uuid, securitygroupids=uuids)
    else:
        await _mark(ctx, found, GROUPS, membership(uuids))
        try:
            await deletion.check_all(ctx, [("security-group", uuid) for uuid in uuids])
            await firewall.settle(ctx, machines=[found.uuid])
            await tiers.settle(ctx, *tiers.vpcs_of(found.row.get("nic", ())))
        except BaseException:
            # Or the same request, sent again, would find nothing to do.
            marked = {"key": resource_tags.RESERVED + GROUPS, "value": membership(uuids)}
            now = {**found.row, "tags": [*found.row.get("tags", ()), marked]}
            await resource_tags.mark(ctx, "instance", now, {GROUPS: membership(group_uuids(found.row))})
            raise


async def _mappings(ctx: Context, found: Machine, value: Any) -> None:
    by_name = {device_name(v): v for v in (await volumes_of(ctx, [found.row])).get(found.uuid, ())}
    wanted = []
    for mapping in value:
        volume = by_name.get(mapping.get("DeviceName"))
        if volume is None:
            raise Ec2Error(
                "InvalidInstanceAttributeValue",
                f"No device is currently mapped at {mapping.get('DeviceName')}",
            )
        named = (mapping.get("Ebs") or {}).get("VolumeId")
        if named not in (None, "", volume["id"], ec2_id("vol", volume["id"])):
            raise Ec2Error(
                "InvalidInstanceAttributeValue",
                f"The volume '{named}' is not the one at {mapping.get('DeviceName')}:"
                f" that is '{ec2_id('vol', volume['id'])}'.",
            )
        # AWS takes a mapping that does not say it as one that has the volume go.
        wanted.append((volume, (mapping.get("Ebs") or {}).get("DeleteOnTermination") is not False))
    for volume, goes in wanted:
        await resource_tags.mark(ctx, "volume", volume, {KEEP_MARK: "true" if goes else "false"})


def _refusal(member: str, why: str, *harmless: Any) -> Writer:
    """Refuse a change of what CloudStack has no choice about, unless it asks for what there is."""

    async def write(ctx: Context, found: Machine, value: Any) -> None:
        if value not in harmless and str(value).lower() not in map(str, harmless):
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter {member} with the value '{as_sent(value)}' is not supported: {why}.",
            )

    return write


_CARDS = "CloudStack's hypervisor and template say what network cards a machine has"
_KERNEL = "CloudStack boots the kernel that is in the image"

WRITERS: Mapping[str, tuple[str, Writer]] = MappingProxyType(
    {
        "InstanceType": ("instanceType", _instance_type),
        "UserData": ("userData", _user_data),
        "DisableApiTermination": ("disableApiTermination", _protection),
        "DisableApiStop": ("disableApiStop", _stop_lock),
        "InstanceInitiatedShutdownBehavior": ("instanceInitiatedShutdownBehavior", _shutdown),
        "SourceDestCheck": ("sourceDestCheck", _source_check),
        "Groups": ("groupSet", _group_set),
        "BlockDeviceMappings": ("blockDeviceMapping", _mappings),
        "EbsOptimized": ("ebsOptimized", _optimized),
        "EnaSupport": ("enaSupport", _refusal("EnaSupport", _CARDS)),
        "SriovNetSupport": ("sriovNetSupport", _refusal("SriovNetSupport", _CARDS)),
        "Kernel": ("kernel", _refusal("Kernel", _KERNEL)),
        "Ramdisk": ("ramdisk", _refusal("Ramdisk", _KERNEL)),
        "EnclaveOptions": (
            "enclaveOptions",
            _refusal("EnclaveOptions", "CloudStack has no enclaves", False, "false"),
        ),
    }
)

HONOURED = (
    *(member for member in WRITERS if member != "BlockDeviceMappings"),
    "BlockDeviceMappings.DeviceName",
    "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "BlockDeviceMappings.Ebs.VolumeId",
)
"""The members of requests that are read."""


async def change(ctx: Context, ident: str, member: str, value: Any) -> None:
    """Write one attribute of a machine, which must not be on its way out."""
    await WRITERS[member][1](ctx, await changeable(ctx, ident), value)


async def changeable(ctx: Context, ident: str) -> Machine:
    """Return a machine that is not on its way out."""
    found = await machine(ctx, ident)
    if found.state in ("terminated", "shutting-down"):
        raise Ec2Error(
            "IncorrectInstanceState",
            f"The instance '{found.id}' is not in a state in which its attributes can be changed.",
        )
    return found
