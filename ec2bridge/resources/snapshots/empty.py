"""Snapshots of volumes that hold nothing.

CloudStack makes a data disk on storage only when it is first attached, and takes no snapshot before. There is nothing
to copy then: a volume of such a snapshot is an empty one of its size. So the snapshot is a row of the store, written as
CloudStack would list it, and unlike CloudStack's own it serves every zone.
"""

from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import native_time
from ec2bridge.ids import own_uuid
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

KIND = "empty-snapshot"


def is_empty(volume: Row) -> bool:
    """Whether a volume has never been on storage."""
    return bool(volume["state"] == "Allocated")


async def rows(ctx: Context) -> dict[str, Row]:
    """Return uuid → row of the caller's snapshots that hold nothing."""
    return {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)}


async def take(ctx: Context, volume: Row, name: str) -> Row:
    """Write down a snapshot of a volume that holds nothing, and return its row."""
    row: Row = {
        "id": own_uuid(),
        "name": name,
        "volumeid": volume["id"],
        "volumetype": volume["type"],
        "virtualsize": volume["size"],
        "state": "BackedUp",
        "created": native_time(),
        **{field: volume[field] for field in ("account", "domainid", "projectid") if field in volume},
        "empty": True,
    }
    return await put(ctx, row)


async def put(ctx: Context, row: Row) -> Row:
    """Write a snapshot's row, and return it."""
    await quotas.check(ctx, KIND, "SnapshotLimitExceeded", "snapshots of empty volumes")
    await ctx.store.put(ctx.owner_id, KIND, row["id"], row)
    return row


async def delete(ctx: Context, uuid: str) -> None:
    """Forget a snapshot that holds nothing, with its tags."""
    await ctx.store.delete(ctx.owner_id, KIND, uuid)
    await resource_tags.forget(ctx, "snapshot", uuid)
