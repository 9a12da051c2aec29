"""Objects that were deleted a short while ago: AWS still describes them, in the state `deleted`."""

import time
from collections.abc import Mapping
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.store import Entry

SHOWN = 3600.0
"""Seconds for which what was deleted is still described."""


async def keep(ctx: Context, kind: str, key: str, record: Mapping[str, Any]) -> None:
    """Have what was deleted be described as such for a while."""
    await ctx.store.put(ctx.owner_id, kind, key, {**record, "gone": time.time()}, ttl=SHOWN)
    ctx.directory.forget(kind, [key])


async def take_place(ctx: Context, kind: str, entry: Entry) -> bool:
    """`keep`, in the place of a record that is as it was read; False where it is not."""
    record = {**entry.value, "gone": time.time()}
    if not await ctx.store.replace(ctx.owner_id, kind, entry.key, record, entry.version, ttl=SHOWN):
        return False
    ctx.directory.forget(kind, [entry.key])
    return True
