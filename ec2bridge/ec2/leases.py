"""Records in the store that one bearer at a time may write: each write rests on the version before.

Several bridges share a store, and a bearer may be taken for dead that was only slow. It finds out at its next write,
and overwrites nothing of its heir's: every write has a version of its own, drawn by lot, by which a bearer also finds
out whether the store has made a write that it did not answer.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.store import Change, Entry

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
    ttl: float | None = None
    """Seconds after its last write for which the record is kept; None: until it is removed."""
    lost: bool = False
    _sent: int | None = None
    """The version of a write of which nobody knows whether the store has made it."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(self, *along: Change, **changes: Any) -> None:
        """Change the record, and tell that its bearer lives; raises LostError.

        What is to be written `along` with it is written in the same moment, or not at all.
        """
        async with self._lock:
            value = {**self.value, "beat": time.time(), **changes}
            await self._change(value, self.ttl, along)
            self.value.update(value)

    async def end(self, *along: Change) -> None:
        """Remove the record; raises LostError."""
        async with self._lock:
            await self._change(None, None, along)
            self.lost = True

    async def leave(self, value: Mapping[str, Any], ttl: float | None, *along: Change) -> None:
        """Have another value stand in the record's place that nobody bears, for so many seconds; raises LostError."""
        async with self._lock:
            await self._change(value, ttl, along)
            self.lost = True

    async def last(self) -> Change:
        """Return the removal of the record, which is to be written along with another; raises LostError."""
        async with self._lock:
            await self._find_out()
            self.lost = True
            return Change(self.kind, self.key, version=self.version)

    def give_way(self) -> None:
        """Write nothing more."""
        self.lost = True

    async def beat(self, every: float) -> None:
        """Tell every few seconds that the bearer lives, until the lease is lost."""
        while not self.lost:
            await asyncio.sleep(every)
            try:
                # A write that is broken off is made all the same, and the next one rests on it.
                await asyncio.shield(asyncio.ensure_future(self.write()))
            except LostError:
                return
            except Exception as error:
                # A store that is busy may take the next one; if not, the lease runs out as it should.
                log.warning("a record of kind %s could not be renewed: %s", self.kind, type(error).__name__)

    async def _change(
        self, value: Mapping[str, Any] | None, ttl: float | None, along: Sequence[Change]
    ) -> None:
        await self._find_out()
        own = Change(self.kind, self.key, value, ttl, self.version)
        self._sent = own.becomes
        self.lost = not await self.ctx.store.together(self.ctx.owner_id, own, *along)
        self._sent = None
        if self.lost:
            raise LostError(self.key)
        self.version = own.becomes

    async def _find_out(self) -> None:
        """See whether a write was made that was not answered; raises LostError."""
        if self.lost:
            raise LostError(self.key)
        if self._sent is not None:
            entry = await self.ctx.store.entry(self.ctx.owner_id, self.kind, self.key)
            if entry is not None and entry.version == self._sent:
                self.version = self._sent
            self._sent = None


async def begin(
    ctx: Context, kind: str, key: str, value: dict[str, Any], ttl: float | None = None
) -> Lease | None:
    """Return the lease of a record that was not there; None where it is."""
    first = {**value, "beat": time.time()}
    version = await ctx.store.put_new(ctx.owner_id, kind, key, first, ttl=ttl)
    return None if version is None else Lease(ctx, kind, key, first, version, ttl)


def seized(ctx: Context, kind: str, key: str, value: dict[str, Any]) -> tuple[Lease, Change]:
    """Return the lease of a record whoever bore it before, and the change that takes it from them.

    They find out at their next write.
    """
    value["beat"] = time.time()
    change = Change(kind, key, value)
    return Lease(ctx, kind, key, value, change.becomes), change


async def take(
    ctx: Context, kind: str, entry: Entry, length: float, ttl: float | None = None
) -> Lease | None:
    """Return the lease of a record whose bearer has been silent for `length` seconds; None if there is none."""
    if not is_free(entry.value, length):
        return None
    lease = Lease(ctx, kind, entry.key, entry.value, entry.version, ttl)
    try:
        await lease.write()
    except LostError:
        return None
    return lease


def is_free(value: Mapping[str, Any], length: float) -> bool:
    """Whether nobody bears a record any more."""
    return float(value.get("beat", 0.0)) + length < time.time()
