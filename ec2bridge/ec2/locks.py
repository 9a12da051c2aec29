"""Locks for what an account's requests must do one after the other: in this process, or in all that share the store."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from ec2bridge.ec2.context import Context

TURN = 60.0
"""Seconds after which a turn is over, whatever has become of who has it."""
_PAUSE = 0.2


def account_lock(ctx: Context, what: str, *place: str) -> asyncio.Lock:
    """Return the lock of the account for what is done at a place; it lives while somebody has or awaits it."""
    locks: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = ctx.site.caches.setdefault(
        "locks", WeakValueDictionary()
    )
    return locks.setdefault((what, ctx.owner_id, *place), asyncio.Lock())


@asynccontextmanager
async def turn(ctx: Context, kind: str, key: str) -> AsyncIterator[None]:
    """Have the account's other requests wait for their turn, in every process.

    What a turn rests on is to be read in it: whoever had the turn before may have changed it. A dry run has none.
    """
    if ctx.dry_run:
        yield
        return
    until = time.monotonic() + TURN
    while (version := await ctx.store.put_new(ctx.owner_id, kind, key, {}, ttl=TURN)) is None:
        await asyncio.sleep(_PAUSE)
        if time.monotonic() > until:
            break
    try:
        yield
    finally:
        if version is not None:
            await ctx.store.delete(ctx.owner_id, kind, key, version)
