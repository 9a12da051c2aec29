"""Records in the store that one bearer at a time may write: each write rests on the version before.

Several bridges share a store, and a bearer may be taken for dead that was only slow. It finds out at its next write,
and overwrites nothing of its heir's.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.store import Entry

log = logging.getLogger(__name__)


class LostError(Exception):
    """Somebody else bears the record by now."""


@dataclass(slots=True)
class Lease:
    """A record while its bearer lives; `value` has, under `beat`, when that was last said."""

    ctx: Context
    kind: str
    key: str
    value: dict[str, Any]
    version: int
    lost: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(self, **changes: Any) -> None:
        """Change the record, and tell that its bearer lives; raises LostError."""
        async with self._lock:
            self._check()
            value = {**self.value, "beat": time.time(), **changes}
            place = (self.ctx.owner_id, self.kind, self.key)
            self.lost = not await self.ctx.store.replace(*place, value, self.version)
            self._check()
            self.value.update(value)
            self.version += 1

    async def end(self) -> None:
        """Remove the record; raises LostError."""
        async with self._lock:
            self._check()
            place = (self.ctx.owner_id, self.kind, self.key)
            self.lost = True
            if not await self.ctx.store.delete(*place, version=self.version):
                raise LostError(self.key)

    async def leave(self, value: Mapping[str, Any], ttl: float) -> None:
        """Have another value stand in the record's place, for so many seconds, that nobody bears; raises LostError."""
        async with self._lock:
            self._check()
            place = (self.ctx.owner_id, self.kind, self.key)
            self.lost = True
            if not await self.ctx.store.replace(*place, value, self.version, ttl=ttl):
                raise LostError(self.key)

    def give_way(self) -> None:
        """Write nothing more."""
        self.lost = True

    async def beat(self, every: float) -> None:
        """Tell every few seconds that the bearer lives, until the lease is lost."""
        while not self.lost:
            await asyncio.sleep(every)
            try:
                await self.write()
            except LostError:
                return
            except Exception as error:
                # A store that is busy may take the next one; if not, the lease runs out as it should.
                log.warning("a record of kind %s could not be renewed: %s", self.kind, type(error).__name__)

    def _check(self) -> None:
        if self.lost:
            raise LostError(self.key)


async def begin(ctx: Context, kind: str, key: str, value: dict[str, Any]) -> Lease | None:
    """Return the lease of a record that was not there; None where it is."""
    fresh = {**value, "beat": time.time()}
    return (
        Lease(ctx, kind, key, fresh, 1) if await ctx.store.put_new(ctx.owner_id, kind, key, fresh) else None
    )


async def seize(ctx: Context, kind: str, key: str, value: dict[str, Any]) -> Lease:
    """Return the lease of a record whoever bore it before: they find out at their next write."""
    while True:
        if lease := await begin(ctx, kind, key, value):
            return lease
        entry = await ctx.store.entry(ctx.owner_id, kind, key)
        if entry is not None:
            lease = Lease(ctx, kind, key, value, entry.version)
            try:
                await lease.write()
            except LostError:
                continue
            return lease


async def take(ctx: Context, kind: str, entry: Entry, length: float) -> Lease | None:
    """Return the lease of a record whose bearer has been silent for `length` seconds; None if there is none."""
    if not is_free(entry.value, length):
        return None
    lease = Lease(ctx, kind, entry.key, entry.value, entry.version)
    try:
        await lease.write()
    except LostError:
        return None
    return lease


def is_free(value: Mapping[str, Any], length: float) -> bool:
    """Whether nobody bears a record any more."""
    return float(value.get("beat", 0.0)) + length < time.time()
