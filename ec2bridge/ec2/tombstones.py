"""Objects that were deleted a short while ago: AWS still describes them, in the state `deleted`."""

import time
from collections.abc import Mapping
from typing import Any

from ec2bridge.ec2.context import Context

SHOWN = 3600.0
"""Seconds for which what was deleted is still described."""


async def keep(ctx: Context, kind: str, key: str, record: Mapping[str, Any]) -> None:
    """Have what was deleted be described as such for a while."""
    await ctx.store.put(ctx.owner_id, kind, key, {**record, "gone": time.time()}, ttl=SHOWN)
    ctx.directory.forget(kind, [key])
