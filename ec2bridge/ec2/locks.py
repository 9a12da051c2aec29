"""Locks for what an account's requests must do one after the other in this process."""

import asyncio
from weakref import WeakValueDictionary

from ec2bridge.ec2.context import Context


def account_lock(ctx: Context, what: str, *place: str) -> asyncio.Lock:
    """Return the lock of the account for what is done at a place; it lives while somebody has or awaits it."""
    locks: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = ctx.site.caches.setdefault(
        "locks", WeakValueDictionary()
    )
    return locks.setdefault((what, ctx.owner_id, *place), asyncio.Lock())
