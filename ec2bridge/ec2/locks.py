"""What an account's requests do one after the other in this process, though they come at the same time."""

import asyncio
from weakref import WeakValueDictionary

from ec2bridge.ec2.context import Context


def turn(ctx: Context, what: str, *place: str) -> asyncio.Lock:
    """Return the lock of the account for what is done at a place; it lives while somebody has or awaits it."""
    turns: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = ctx.site.caches.setdefault(
        "turns", WeakValueDictionary()
    )
    return turns.setdefault((what, ctx.owner_id, *place), asyncio.Lock())
