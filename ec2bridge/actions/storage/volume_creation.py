"""Making volumes: empty, or of a snapshot.

EC2 takes any size of a type. CloudStack takes a disk offering, and a size only with a customised one; a volume of a
data disk's snapshot keeps the offering of that disk, and is in a zone that has the snapshot.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import gib, known
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.places.zones import Zone, asked_zone, zones
from ec2bridge.resources.snapshots.lookup import require_completed, require_zone, resolve_snapshot
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes import creation
from ec2bridge.resources.volumes.items import resolve_volume, volume_items
from ec2bridge.resources.volumes.types import (
    GENERAL,
    PLAIN_SPEED,
    SNAPSHOT_MARK,
    TYPE_MARK,
    check_type,
    choose_offering,
    disk_offerings,
    performance,
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
    zone = await asked_zone(ctx, request)
    if zone is None:
        raise Ec2Error("MissingParameter", "The request must contain the parameter availabilityZone")
    if not request.get("Size") and not request.get("SnapshotId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter size/snapshot")
    tags = resource_tags.specified(request, "volume")
    offerings, source = await disk_offerings(ctx), None
    if request.get("SnapshotId"):
        params, source = await _from_snapshot(ctx, request, zone, offerings)
    else:
        params = _empty(ctx, request, request["Size"], zone, offerings)
    marks = known(**{TYPE_MARK: request.get("VolumeType"), SNAPSHOT_MARK: source})
    given = {
        "name": tags.get("Name") or "ec2-volume",
        "params": {"zoneid": zone.uuid, **params},
        "tags": {**tags, **{resource_tags.RESERVED + name: value for name, value in marks.items()}},
        # An empty volume's job is quick; a copy goes on as "creating".
        "copied": "snapshotid" in params,
    }
    made = await creation.make(ctx, given, request.get("ClientToken"))
    row = await resolve_volume(ctx, made["id"])
    items = await volume_items(ctx, [row], [zone], offerings)
    return {name: value for name, value in items[0].items() if name[0] != "_" and name != "Attachments"}


def _empty(
    ctx: Context, request: dict[str, Any], size: int, zone: Zone, offerings: list[Row]
) -> dict[str, Any]:
    """Return offering, size and speed as createVolume takes them."""
    kind = check_type(ctx, request.get("VolumeType"))
    encrypted = bool(request.get("Encrypted"))
    row, asked = choose_offering(ctx, offerings, kind, size, zone.uuid, encrypted=encrypted)
    return known(diskofferingid=row["id"], size=asked, **performance(kind, row, request.get("Iops")))


async def _from_snapshot(
    ctx: Context, request: dict[str, Any], zone: Zone, offerings: list[Row]
) -> tuple[dict[str, Any], str]:
    """Return what createVolume is told of a snapshot and what differs from it, and the snapshot's uuid."""
    row = await resolve_snapshot(ctx, request["SnapshotId"])
    size, least = request.get("Size"), gib(row.get("virtualsize") or 0)
    if size and size < least:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The volume size is invalid for snapshot: {size} GiB is less than {least} GiB.",
        )
    require_completed(row)
    require_zone(row, zone, await zones(ctx))
    if row.get("empty"):
        return _empty(ctx, request, size or least, zone, offerings), row["id"]
    params = known(snapshotid=row["id"], size=size if size != least else None)
    if row.get("volumetype") == "ROOT":
        # A data disk's copy keeps its offering; CloudStack takes another only for a root disk's.
        chosen = _empty(ctx, request, size or least, zone, offerings)
        chosen.pop("size", None)
        return {**chosen, **params}, row["id"]
    _refuse_choice(ctx, request)
    return params, row["id"]


def _refuse_choice(ctx: Context, request: dict[str, Any]) -> None:
    """Refuse to promise more of a data disk's copy than its offering does, which nobody knows before it is made."""
    for member in ("Encrypted", "Iops"):
        if request.get(member):
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter {member} with the value '{request[member]}' is not supported for a volume of a data"
                " volume's snapshot: CloudStack gives it the offering of that volume.",
            )
    if check_type(ctx, request.get("VolumeType")) not in GENERAL:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter VolumeType with the value '{request['VolumeType']}' is not supported for a volume of a data"
            " volume's snapshot. Create it without a type and change that with ModifyVolume.",
        )
