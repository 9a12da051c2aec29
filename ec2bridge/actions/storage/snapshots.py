"""Snapshots: listing and deleting them.

CloudStack knows no snapshots of others and shares none, and keeps none for the images that were made of it.
"""

import asyncio
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.images.lookup import images_of_snapshot
from ec2bridge.resources.places.zones import zones
from ec2bridge.resources.snapshots import empty, removal
from ec2bridge.resources.snapshots.lookup import (
    resolve_snapshot,
    settled_snapshot,
    snapshot_item,
    snapshot_rows,
)
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

ALIASES = ("amazon", "aws-marketplace", "aws-backup-vault")


@describe(
    "DescribeSnapshots",
    items="Snapshots",
    ids={"SnapshotIds": Ids("SnapshotId", "snapshot")},
    filters={
        **TAGS,
        "description": "Description",
        "encrypted": "Encrypted",
        "owner-alias": None,
        "owner-id": "OwnerId",
        "progress": "Progress",
        "snapshot-id": "SnapshotId",
        "start-time": "StartTime",
        "status": "State",
        "storage-tier": "StorageTier",
        "transfer-type": None,
        "volume-id": "VolumeId",
        "volume-size": "VolumeSize",
    },
    honours=("OwnerIds", "RestorableByUserIds"),
    native=("listSnapshots", "listTags", "listZones"),
    # Kubernetes' EBS driver sends it to AWS, too, where it wants all of a volume's.
    zero_is_none=True,
)
async def describe_snapshots(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's snapshots: CloudStack has none that are public or shared."""
    owners, users = request.get("OwnerIds") or [], request.get("RestorableByUserIds") or []
    if not (_means_caller(ctx, owners) and _means_caller(ctx, users)):
        return []
    rows, places = await asyncio.gather(snapshot_rows(ctx, request.get("SnapshotIds")), zones(ctx))
    tags = await resource_tags.merged(ctx, "snapshot", rows)
    return [snapshot_item(row, tags[row["id"]], places) for row in rows]


def _means_caller(ctx: Context, accounts: list[str]) -> bool:
    """Whether a list of owners or users, where there is one, has the caller in it; refuse what is none."""
    for name in accounts:
        if name not in ("self", "all", *ALIASES) and not name.replace("-", "").isdigit():
            raise Ec2Error("InvalidUserID.Malformed", f'Invalid user id: "{name}"')
    return not accounts or not {"self", ctx.owner_id}.isdisjoint(accounts)


@describe(
    "DescribeSnapshotTierStatus",
    items="SnapshotTierStatuses",
    key="SnapshotId",
    filters={"snapshot-id": "SnapshotId", "volume-id": "VolumeId", "last-tiering-operation": None},
    native=("listSnapshots", "listTags"),
)
async def describe_snapshot_tier_status(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the storage tier of the caller's snapshots: there is one, and nothing moves between tiers."""
    rows = await snapshot_rows(ctx)
    tags = await resource_tags.merged(ctx, "snapshot", rows)
    items = [snapshot_item(row, tags[row["id"]], []) for row in rows]
    return [
        {
            **{name: item[name] for name in ("SnapshotId", "VolumeId", "OwnerId", "StorageTier", "Tags")},
            "Status": item["State"],
        }
        for item in items
    ]


@action(
    "DeleteSnapshot", honours=("SnapshotId",), native=("deleteSnapshot", "listSnapshots", "listTemplates")
)
async def delete_snapshot(ctx: Context, request: dict[str, Any]) -> None:
    """Delete a snapshot from all of its zones, unless it is what an image was made of."""
    place = str(request.get("SnapshotId") or "")
    begun = await journal.claim(ctx, removal.PLAN, place)
    if begun:
        await removal.delete(ctx, None, place)
        return
    try:
        row = await resolve_snapshot(ctx, place)
    except Ec2Error as error:
        if begun is None and error.code == KINDS["snapshot"].not_found:
            # Whoever took the first request up has been through with it.
            return
        raise
    images = await images_of_snapshot(ctx, row["id"])
    if images:
        raise Ec2Error(
            "InvalidSnapshot.InUse",
            f"The snapshot {ec2_id('snap', row['id'])} is currently in use by {', '.join(images)}",
        )
    if row.get("empty"):
        await empty.delete(ctx, row["id"])
        return
    await settled_snapshot(ctx, row)
    await removal.delete(ctx, row["id"], place)
