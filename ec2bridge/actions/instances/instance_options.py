"""Options of instances that CloudStack leaves no choice about: monitoring, recovery, names; metadata and placement.

Clients set them to what AWS has by default as a matter of course, and are told that it is so. Whoever asks for
anything else is refused by name. The placement group is a real choice, and the source check, which can be reset; what
is chosen of metadata is kept and told.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.instances import metadata_options
from ec2bridge.resources.instances.changes import change, changeable
from ec2bridge.resources.machines.lookup import machine, machines
from ec2bridge.resources.machines.states import MONITORED
from ec2bridge.resources.placement_groups import find
from ec2bridge.resources.tags import resource_tags


@action("MonitorInstances", honours=("InstanceIds",), native=("listVirtualMachines", "createTags"))
async def monitor_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell machines as monitored in detail: CloudStack measures every one each minute, which AWS calls so."""
    return await _monitor(ctx, request, "enabled")


@action("UnmonitorInstances", honours=("InstanceIds",), native=("listVirtualMachines", "deleteTags"))
async def unmonitor_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell machines as monitored no more than others."""
    return await _monitor(ctx, request, "disabled")


async def _monitor(ctx: Context, request: dict[str, Any], state: str) -> dict[str, Any]:
    if not request.get("InstanceIds"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter InstanceId")
    found = await machines(ctx, request["InstanceIds"])
    for each in found:
        # What has ended has no tags in CloudStack any more.
        if each.state not in ("terminated", "shutting-down"):
            mark = "true" if state == "enabled" else None
            await resource_tags.mark(ctx, "instance", each.row, {MONITORED: mark})
    return {"InstanceMonitorings": [{"InstanceId": m.id, "Monitoring": {"State": state}} for m in found]}


@action(
    "ModifyInstanceMetadataOptions",
    honours=("InstanceId", *metadata_options.DEFAULTS),
    native=("listVirtualMachines", "createTags"),
)
async def modify_instance_metadata_options(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep what is chosen; CloudStack goes on serving metadata with and without tokens."""
    found = await changeable(ctx, request.get("InstanceId") or "")
    present = metadata_options.chosen(found.row)
    options = metadata_options.changed(present, request)
    if options != present:
        await resource_tags.mark(
            ctx, "instance", found.row, {metadata_options.MARK: metadata_options.mark(options)}
        )
    return {"InstanceId": found.id, "InstanceMetadataOptions": {"State": "applied", **options}}


@action(
    "ModifyInstanceMaintenanceOptions",
    honours=("InstanceId",),
    defaults={"AutoRecovery": ("default",), "RebootMigration": ("default",)},
    native=("listVirtualMachines",),
)
async def modify_instance_maintenance_options(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm the default: whether a machine is recovered is said by its offering."""
    found = await machine(ctx, request.get("InstanceId") or "")
    return {"InstanceId": found.id, "AutoRecovery": "default", "RebootMigration": "default"}


@action(
    "ModifyPrivateDnsNameOptions",
    honours=("InstanceId",),
    defaults={
        "PrivateDnsHostnameType": ("ip-name",),
        "EnableResourceNameDnsARecord": (False,),
        "EnableResourceNameDnsAAAARecord": (False,),
    },
    native=("listVirtualMachines",),
)
async def modify_private_dns_name_options(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm the default: CloudStack names machines in its own way."""
    await machine(ctx, request.get("InstanceId") or "")
    return {"Return": True}


@action(
    "ModifyInstancePlacement",
    honours=("InstanceId", "GroupName", "GroupId"),
    defaults={"Tenancy": ("default",), "Affinity": ("default",)},
    native=("updateVMAffinityGroup", "listVirtualMachines", "listAffinityGroups"),
)
async def modify_instance_placement(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Put a stopped machine into a placement group, or with an empty name into none."""
    found = await machine(ctx, request.get("InstanceId") or "")
    name = request.get("GroupName") or request.get("GroupId")
    if name is None and "GroupName" not in request:
        return {"Return": True}
    group = await find(ctx, name) if name else None
    if found.state != "stopped":
        raise Ec2Error(
            "IncorrectInstanceState",
            f"The instance '{found.id}' is not in the 'stopped' state: its placement can only be changed while it is.",
        )
    await ctx.account.job(
        "updateVMAffinityGroup", id=found.uuid, affinitygroupids=group["id"] if group else ""
    )
    return {"Return": True}


@action(
    "ResetInstanceAttribute",
    honours=("InstanceId", "Attribute"),
    native=("listVirtualMachines", "deleteTags"),
)
async def reset_instance_attribute(ctx: Context, request: dict[str, Any]) -> None:
    """Turn the source check on again, which is AWS's default; a kernel or a RAM disk does not exist here."""
    name = request.get("Attribute")
    if name not in ("kernel", "ramdisk", "sourceDestCheck"):
        raise Ec2Error("InvalidParameterValue", f"Value ({name}) for parameter attribute is invalid.")
    if name != "sourceDestCheck":
        await machine(ctx, request.get("InstanceId") or "")
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Attribute with the value '{name}' is not supported: CloudStack has none to reset to.",
        )
    await change(ctx, request.get("InstanceId") or "", "SourceDestCheck", True)
