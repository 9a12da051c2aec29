"""What createVolume is told of a volume that is empty, or made of a snapshot: one rule for volumes and for launches."""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import gib, known
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.places.zones import Zone, zones
from ec2bridge.resources.snapshots.lookup import require_completed, require_zone
from ec2bridge.resources.volumes.types import GENERAL, check_type, choose_offering, performance

Row = dict[str, Any]


def empty_volume(
    ctx: Context, request: dict[str, Any], size: int, zone: Zone, offerings: list[Row]
) -> dict[str, Any]:
    """Return offering, size and speed as createVolume takes them."""
    kind = check_type(ctx, request.get("VolumeType"))
    encrypted = bool(request.get("Encrypted"))
    row, asked = choose_offering(ctx, offerings, kind, size, zone.uuid, encrypted=encrypted)
    return known(diskofferingid=row["id"], size=asked, **performance(kind, row, request.get("Iops")))


def size_of(snapshot: Row) -> int:
    """Return the GiB of a snapshot's volume."""
    return gib(snapshot.get("virtualsize") or 0)


async def volume_of(
    ctx: Context, row: Row, request: dict[str, Any], size: int | None, zone: Zone, offerings: list[Row]
) -> dict[str, Any]:
    """Return what createVolume is told of a snapshot and what differs from it; `request` has type, speed, encryption.

    `size` is no less than the snapshot's (GiB); None is the same.
    """
    least = size_of(row)
    require_completed(row)
    require_zone(row, zone, await zones(ctx))
    if row.get("empty"):
        return empty_volume(ctx, request, size or least, zone, offerings)
    params = known(snapshotid=row["id"], size=size if size != least else None)
    if row.get("volumetype") == "ROOT":
        # A data disk's copy keeps its offering; CloudStack takes another only for a root disk's.
        chosen = empty_volume(ctx, request, size or least, zone, offerings)
        chosen.pop("size", None)
        return {**chosen, **params}
    _refuse_choice(ctx, request)
    return params


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
