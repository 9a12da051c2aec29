"""Attaching volumes to machines.

EC2 attaches under a device name and answers at once; CloudStack attaches under a number, in a job.
"""

from functools import partial
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.machines.devices import device_name, device_number, is_root
from ec2bridge.resources.machines.lookup import Machine, machine
from ec2bridge.resources.places import deletion
from ec2bridge.resources.volumes import attachment as attachments
from ec2bridge.resources.volumes.items import attachment, require_state, resolve_volume, settled

Row = dict[str, Any]


@action(
    "AttachVolume",
    honours=("VolumeId", "InstanceId", "Device"),
    native=("attachVolume", "listVolumes", "listVirtualMachines"),
)
async def attach_volume(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Attach a volume to a machine under a device name."""
    device = request.get("Device") or ""
    for member, name in (("VolumeId", "volumeId"), ("InstanceId", "instanceId"), ("Device", "device")):
        if not request.get(member):
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
    number = device_number(device)
    place = attachments.place_of(request["VolumeId"], request["InstanceId"], device)
    begun = await journal.claim(ctx, attachments.ATTACH, place)
    row, found = await resolve_volume(ctx, request["VolumeId"]), await machine(ctx, request["InstanceId"])
    if begun is None and row.get("virtualmachineid") == found.uuid and device_name(row) == device:
        # Whoever took the first request up has been through with it.
        return attachment(row, "attaching")
    if not begun:
        row = await settled(ctx, row)
        _check_free(request, row, found)
        number = await _free_number(ctx, found, device, number)
    given = {"volume": row, "machine": found.uuid, "device": device, "number": number}
    async with deletion.while_there(partial(resolve_volume, ctx, request["VolumeId"])):
        made = await attachments.attach(ctx, given, place)
    # AWS answers before the volume is there, and tells of `attached` in a description.
    return {**attachment({**row, **made}, "attaching"), "Device": device}


def _check_free(request: dict[str, Any], row: Row, found: Machine) -> None:
    """Refuse what CloudStack would refuse in words that name neither volume nor machine."""
    if row.get("virtualmachineid"):
        raise Ec2Error("VolumeInUse", f"{request['VolumeId']} is already attached to an instance")
    require_state(row, "available")
    if found.state not in ("running", "stopped"):
        raise Ec2Error("IncorrectState", f"Instance '{found.id}' is not 'running' or 'stopped'.")
    if row["zoneid"] != found.row["zoneid"]:
        raise Ec2Error(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{request['VolumeId']}' is not in the same availability zone as instance"
            f" '{request['InstanceId']}'",
        )


async def _free_number(ctx: Context, found: Machine, device: str, number: int | None) -> int | None:
    """Return the number to ask for; None lets CloudStack choose when another name holds the number."""
    attached = await ctx.account.list("listVolumes", virtualmachineid=found.uuid)
    if is_root(device) and 0 not in {row.get("deviceid") for row in attached}:
        # A machine whose root was detached gets another.
        return 0
    if device in map(device_name, attached):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
        )
    return None if number in {row.get("deviceid") for row in attached} else number


@action(
    "DetachVolume",
    honours=("VolumeId", "InstanceId", "Device"),
    ignores={"Force": "CloudStack has one way to detach"},
    native=("detachVolume", "listVolumes"),
)
async def detach_volume(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Detach a volume from the machine that it is attached to."""
    holder, device = request.get("InstanceId"), request.get("Device")
    place = attachments.place_of(request.get("VolumeId"), holder, device)
    if await journal.claim(ctx, attachments.DETACH, place):
        return attachment(await attachments.finish(ctx, place), "detaching")
    row = await resolve_volume(ctx, request.get("VolumeId"))
    if not row.get("virtualmachineid"):
        raise Ec2Error("IncorrectState", f"Volume '{request['VolumeId']}' is in the 'available' state.")
    held = attachment(row, "detaching")
    if holder and row["virtualmachineid"] != await ctx.directory.resolve("instance", holder):
        raise _not_attached(request, f"to instance {holder}")
    if device and device != held.get("Device"):
        raise _not_attached(request, f"to instance {held['InstanceId']} as device {device}")
    await settled(ctx, row)
    await attachments.detach(ctx, row, place)
    return held


def _not_attached(request: dict[str, Any], how: str) -> Ec2Error:
    return Ec2Error("InvalidAttachment.NotFound", f"The volume {request['VolumeId']} is not attached {how}")
