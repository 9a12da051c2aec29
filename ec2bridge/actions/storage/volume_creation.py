"""Making volumes: empty, or of a snapshot.

EC2 takes any size of a type. CloudStack takes a disk offering, and a size only with a customised one; a volume of a
data disk's snapshot keeps the offering of that disk, and is in a zone that has the snapshot.
"""

from functools import partial
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import known
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.zones import Zone, asked_zone, zones
from ec2bridge.resources.snapshots.lookup import resolve_snapshot
from ec2bridge.resources.snapshots.volumes import empty_volume, size_of, volume_of
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes import creation
from ec2bridge.resources.volumes.items import resolve_volume, volume_items
from ec2bridge.resources.volumes.types import (
    PLAIN_SPEED,
    SNAPSHOT_MARK,
    TYPE_MARK,
    check_size,
    disk_offerings,
)

Row = dict[str, Any]


@action(
    "CreateVolume",
    honours=(
        "AvailabilityZone",
        "AvailabilityZoneId",
        "Size",
        "SnapshotId",
        "VolumeType",
        "Iops",
        "Encrypted",
        "TagSpecifications",
        "ClientToken",
    ),
    defaults={"MultiAttachEnabled": (False,), **PLAIN_SPEED},
    native=("createVolume", "listVolumes", "listDiskOfferings"),
)
async def create_volume(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a volume in a zone, empty or from a snapshot."""
    zone = await asked_zone(ctx, request, resolve=_zone)
    if zone is None:
        raise Ec2Error("MissingParameter", "The request must contain the parameter availabilityZone")
    if not request.get("Size") and not request.get("SnapshotId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter size/snapshot")
    tags = resource_tags.specified(request, "volume")
    offerings, source = await disk_offerings(ctx), None
    if request.get("SnapshotId"):
        snapshot = await resolve_snapshot(ctx, request["SnapshotId"])
        least = size_of(snapshot)
        if request.get("Size") and request["Size"] < least:
            raise Ec2Error(
                "InvalidParameterValue",
                f"The volume size is invalid for snapshot: {request['Size']} GiB is less than {least} GiB.",
            )
        params = await volume_of(ctx, snapshot, request, request.get("Size"), zone, offerings)
        source, size = snapshot["id"], request.get("Size") or least
    else:
        size = request["Size"]
        params = empty_volume(ctx, request, size, zone, offerings)
        await check_size(ctx, params)
    marks = known(**{TYPE_MARK: request.get("VolumeType"), SNAPSHOT_MARK: source})
    given = {
        "name": tags.get("Name") or "ec2-volume",
        "params": {"zoneid": zone.uuid, **params},
        "tags": {**tags, **{resource_tags.RESERVED + name: value for name, value in marks.items()}},
        # An empty volume's job is quick; a copy goes on as "creating".
        "copied": "snapshotid" in params,
        "shown": {"zoneid": zone.uuid, "size": size << 30},
    }
    async with deletion.while_there(partial(_check_source, ctx, request.get("SnapshotId"))):
        made = await creation.make(ctx, given, request.get("ClientToken"))
    row = await resolve_volume(ctx, made["id"])
    items = await volume_items(ctx, [row], [zone], offerings)
    return {name: value for name, value in items[0].items() if name[0] != "_" and name != "Attachments"}


async def _check_source(ctx: Context, snapshot: str | None) -> None:
    if snapshot:
        await resolve_snapshot(ctx, snapshot)


async def _zone(ctx: Context, name: str) -> Zone:
    """Return the zone of a name; for one that is none AWS has a code of its own here."""
    for zone in await zones(ctx):
        if zone.answers_to(name):
            return zone
    raise Ec2Error("InvalidZone.NotFound", f"The zone '{name}' does not exist.")
