"""Snapshots: taking them, of one volume or of a machine's, listing and deleting them.

CloudStack takes a snapshot only of a volume that has content, knows no snapshots of others, and shares none.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ec2bridge.actions import _tags
from ec2bridge.actions._context import Context
from ec2bridge.actions._describe import Ids, Item, describe
from ec2bridge.actions._filters import TAGS
from ec2bridge.actions._images import images_of_snapshot
from ec2bridge.actions._machines import machine, volumes_of
from ec2bridge.actions._places import Zone, zones
from ec2bridge.actions._registry import action
from ec2bridge.actions._snapshots import (
    answer,
    check_volume,
    resolve_snapshot,
    snapshot_item,
    snapshot_rows,
    take,
)
from ec2bridge.actions.volumes import resolve_volume
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id

Row = dict[str, Any]

ALIASES = ("amazon", "aws-marketplace", "aws-backup-vault")
_INFO = (
    "Description",
    "Tags",
    "Encrypted",
    "VolumeId",
    "State",
    "VolumeSize",
    "StartTime",
    "Progress",
    "OwnerId",
    "SnapshotId",
    "AvailabilityZone",
)


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
    native=("listSnapshots", "listZones"),
)
async def describe_snapshots(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's snapshots: CloudStack has none that are public or shared."""
    owners, users = request.get("OwnerIds") or [], request.get("RestorableByUserIds") or []
    if not (_means_caller(ctx, owners) and _means_caller(ctx, users)):
        return []
    rows, places = await asyncio.gather(snapshot_rows(ctx, request.get("SnapshotIds")), zones(ctx))
    tags = await _tags.merged(ctx, "snapshot", rows)
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
    native=("listSnapshots",),
)
async def describe_snapshot_tier_status(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the storage tier of the caller's snapshots: there is one, and nothing moves between tiers."""
    rows = await snapshot_rows(ctx)
    tags = await _tags.merged(ctx, "snapshot", rows)
    items = [snapshot_item(row, tags[row["id"]], []) for row in rows]
    return [
        {
            **{name: item[name] for name in ("SnapshotId", "VolumeId", "OwnerId", "StorageTier", "Tags")},
            "Status": item["State"],
        }
        for item in items
    ]


@action(
    "CreateSnapshot",
    honours=("VolumeId", "Description", "TagSpecifications"),
    defaults={"Location": ("regional",)},
    native=("createSnapshot", "listVolumes", "listSnapshots"),
)
async def create_snapshot(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin a snapshot of a volume; it is pending until CloudStack has copied it away."""
    tags, text = _tags.specified(request, "snapshot"), request.get("Description")
    row, places = await resolve_volume(ctx, request.get("VolumeId")), await zones(ctx)
    made, _ = await take(ctx, row, text, tags)
    return answer(made, text, tags, places)


@action(
    "CreateSnapshots",
    honours=("InstanceSpecification", "Description", "TagSpecifications", "CopyTagsFromSource"),
    defaults={"Location": ("regional",)},
    native=("createSnapshot", "listVolumes", "listSnapshots", "listVirtualMachines"),
)
async def create_snapshots(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin snapshots of all volumes of a machine, or of none if one is refused.

    CloudStack takes them one after the other, so they are crash-consistent each, not with one another.
    """
    tags, text = _tags.specified(request, "snapshot"), request.get("Description")
    volumes = await _chosen_volumes(ctx, request.get("InstanceSpecification") or {})
    own: dict[str, dict[str, str]] = {}
    if request.get("CopyTagsFromSource"):
        merged = await _tags.merged(ctx, "volume", volumes)
        own = {uuid: {tag["Key"]: tag["Value"] for tag in pairs} for uuid, pairs in merged.items()}
    places = await zones(ctx)
    for volume in volumes:
        check_volume(volume)
    items = await _take_all(
        ctx, [(volume, {**own.get(volume["id"], {}), **tags}) for volume in volumes], text, places
    )
    return {"Snapshots": [{name: item[name] for name in _INFO if name in item} for item in items]}


async def _chosen_volumes(ctx: Context, wanted: dict[str, Any]) -> list[Row]:
    """Return the volumes of the machine that the request leaves in."""
    if not wanted.get("InstanceId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter InstanceSpecification")
    found = await machine(ctx, wanted["InstanceId"])
    volumes = (await volumes_of(ctx, [found.row])).get(found.uuid, [])
    left_out = wanted.get("ExcludeDataVolumeIds") or []
    known = {ec2_id("vol", row["id"]) for row in volumes if row["type"] != "ROOT"}
    for volume in left_out:
        if volume not in known:
            raise Ec2Error(
                "InvalidParameterValue", f"The volume '{volume}' is no data volume of '{found.id}'."
            )
    chosen = [row for row in volumes if ec2_id("vol", row["id"]) not in left_out]
    if wanted.get("ExcludeBootVolume"):
        chosen = [row for row in chosen if row["type"] != "ROOT"]
    if not chosen:
        raise Ec2Error("InvalidParameterValue", f"No volume of '{found.id}' is left to be copied.")
    return chosen


async def _take_all(
    ctx: Context, wanted: Iterable[tuple[Row, dict[str, str]]], text: str | None, places: list[Zone]
) -> list[Item]:
    """Take a snapshot of each volume, giving it its tags; undo those made when one is refused."""
    items: list[Item] = []
    jobs: dict[str, str] = {}
    try:
        for volume, tags in wanted:
            row, job = await take(ctx, volume, text, tags)
            jobs[row["id"]] = job
            items.append(answer(row, text, tags, places))
    except BaseException:
        await asyncio.shield(_undo(ctx, jobs))
        raise
    return items


async def _undo(ctx: Context, jobs: dict[str, str]) -> None:
    """Delete snapshots that were begun; CloudStack refuses that of one that it still takes."""
    for uuid, job in jobs.items():
        with suppress(CloudStackError):
            await ctx.account.wait(job)
        with suppress(CloudStackError):
            await ctx.account.job("deleteSnapshot", id=uuid)


@action(
    "DeleteSnapshot", honours=("SnapshotId",), native=("deleteSnapshot", "listSnapshots", "listTemplates")
)
async def delete_snapshot(ctx: Context, request: dict[str, Any]) -> None:
    """Delete a snapshot from all of its zones, unless it is what an image was made of."""
    row = await resolve_snapshot(ctx, request.get("SnapshotId"))
    images = await images_of_snapshot(ctx, row["id"])
    if images:
        raise Ec2Error(
            "InvalidSnapshot.InUse",
            f"The snapshot {ec2_id('snap', row['id'])} is currently in use by {', '.join(images)}",
        )
    await ctx.account.job("deleteSnapshot", id=row["id"])
    await _tags.forget(ctx, "snapshot", row["id"])
