"""Options of instances: monitoring, recovery, names; metadata and placement.

Clients set them to what AWS has by default as a matter of course, and are told that it is so. Whoever asks for
anything else is refused by name. The placement group is a real choice, and the source check, which can be reset; what
is chosen of metadata is kept and told.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources import placement_groups
from ec2bridge.resources.instances import metadata_options
from ec2bridge.resources.instances.changes import change, changeable
from ec2bridge.resources.instances.network import has_mark
from ec2bridge.resources.instances.protection import unrecovered
from ec2bridge.resources.machines.lookup import machine
from ec2bridge.resources.machines.states import MONITORING, NO_RECOVERY
from ec2bridge.resources.tags import resource_tags


@action("MonitorInstances", honours=("InstanceIds",), native=("listVirtualMachines", "createTags"))
async def monitor_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep that machines are monitored in detail: CloudStack measures each of them every minute anyway."""
    return await _monitor(ctx, request, "true", "pending")


@action("UnmonitorInstances", honours=("InstanceIds",), native=("listVirtualMachines", "deleteTags"))
async def unmonitor_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep that machines are no longer monitored in detail."""
    return await _monitor(ctx, request, None, "disabling")


async def _monitor(ctx: Context, request: dict[str, Any], mark: str | None, word: str) -> dict[str, Any]:
    found = [await changeable(ctx, ident) for ident in request.get("InstanceIds") or ()]
    for one in found:
        await resource_tags.mark(ctx, "instance", one.row, {MONITORING: mark})
    return {"InstanceMonitorings": [{"InstanceId": one.id, "Monitoring": {"State": word}} for one in found]}


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
    honours=("InstanceId", "AutoRecovery"),
    defaults={"RebootMigration": ("default",)},
    native=("listVirtualMachines", "createTags"),
)
async def modify_instance_maintenance_options(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep that a machine is not recovered where that is so: its offering says whether it is."""
    found = await changeable(ctx, request.get("InstanceId") or "")
    asked, kept = request.get("AutoRecovery"), has_mark(found.row, NO_RECOVERY, "true")
    wanted = unrecovered(asked, recovers=bool(found.row.get("haenable"))) if asked else kept
    if wanted != kept:
        await resource_tags.mark(ctx, "instance", found.row, {NO_RECOVERY: "true" if wanted else None})
    told = "disabled" if wanted else "default"
    return {"InstanceId": found.id, "AutoRecovery": told, "RebootMigration": "default"}


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
    group = await placement_groups.find(ctx, name) if name else None
    if found.state != "stopped":
        raise Ec2Error(
            "IncorrectInstanceState",
            f"The instance '{found.id}' is not in the 'stopped' state: its placement can only be changed while it is.",
        )
    await placement_groups.place(ctx, found.row, group)
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
