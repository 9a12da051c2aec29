"""Copies of snapshots in other zones.

An EC2 snapshot serves a whole region, and a copy of it is another snapshot. CloudStack's serves its zone, and a copy
in another zone is the same snapshot with the same id.
"""

from typing import Any

from ec2bridge.ec2 import releases
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import keep_description, native_time
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id, own_uuid
from ec2bridge.resources.places.zones import require_region, resolve_zone
from ec2bridge.resources.snapshots import creation
from ec2bridge.resources.snapshots import empty as empty_snapshots
from ec2bridge.resources.snapshots.lookup import (
    describe_with,
    description,
    require_completed,
    resolve_snapshot,
)
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


@action(
    "CopySnapshot",
    honours=(
        "SourceRegion",
        "DestinationRegion",
        "SourceSnapshotId",
        "DestinationAvailabilityZone",
        "Description",
        "TagSpecifications",
    ),
    ignores={
        "PresignedUrl": "source and destination are one endpoint",
    },
    defaults={"Encrypted": (False,)},
    native=("copySnapshot", "listSnapshots", "listZones"),
)
async def copy_snapshot(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Copy a snapshot to another zone; it keeps its id there."""
    tags = resource_tags.specified(request, "snapshot")
    require_region(ctx, request.get("SourceRegion"))
    # boto3 adds the region that it talks to.
    require_region(ctx, request.get("DestinationRegion") or None, "DestinationRegion")
    row = await resolve_snapshot(ctx, request.get("SourceSnapshotId"))
    if row.get("empty"):
        return await _copy_empty(ctx, row, request.get("Description"), tags)
    keep_description(request.get("Description"), description(row), "snapshot")
    if not request.get("DestinationAvailabilityZone"):
        raise Ec2Error(
            "UnsupportedOperation",
            "CopySnapshot without DestinationAvailabilityZone is not supported: CloudStack copies a snapshot to another"
            " zone only.",
        )
    zone = await resolve_zone(ctx, request["DestinationAvailabilityZone"])
    if zone.uuid in row["zones"]:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The snapshot '{ec2_id('snap', row['id'])}' is in {zone.name} already.",
        )
    require_completed(row)
    await releases.require(ctx, releases.COPY)
    await creation.copy(ctx, row, zone.uuid, tags)
    return {"SnapshotId": ec2_id("snap", row["id"]), "Tags": resource_tags.as_list(tags)}


async def _copy_empty(ctx: Context, row: Row, text: str | None, tags: dict[str, str]) -> dict[str, Any]:
    """Copy a snapshot that holds nothing, which lies in no zone: as on AWS that is another snapshot."""
    made = await empty_snapshots.put(ctx, {**row, "id": own_uuid(), "created": native_time()})
    await describe_with(ctx, made, text, tags)
    return {"SnapshotId": ec2_id("snap", made["id"]), "Tags": resource_tags.as_list(tags)}
