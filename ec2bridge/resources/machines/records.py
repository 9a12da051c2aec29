"""What the bridge remembers of a machine while CloudStack's own row does not tell the whole story.

EC2 shows a machine as `pending` until it has its addresses and volumes, as `shutting-down` until all it held is
released, and as `terminated` for an hour after that. CloudStack forgets a failed or expunged machine at once, and
hides a destroyed one from its owner. So a launch or a termination that is under way has a record in the store, the
work itself runs as a task, and a record whose bearer died is taken up again by whoever lists the machines next.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2 import background
from ec2bridge.ec2.context import Context, Site

log = logging.getLogger(__name__)

Row = dict[str, Any]

KIND = "machine"
LAUNCHING, ENDING, ENDED, UNDONE = "launching", "ending", "ended", "undone"
SHOWN = 3600.0
"""Seconds for which a terminated machine is still listed (AWS: "for a short while", about an hour)."""
BEAT = 10.0
STALE = 3 * BEAT
_KEPT = (
    "id",
    "name",
    "displayname",
    "created",
    "zoneid",
    "templateid",
    "serviceofferingid",
    "serviceofferingname",
)
_KEPT_TOO = (
    "cpunumber",
    "memory",
    "details",
    "keypairs",
    "tags",
    "account",
    "domainid",
    "projectid",
    "hypervisor",
)
_KEPT_LAST = ("osdisplayname", "deleteprotection", "state")


class SupersededError(Exception):
    """Someone else has taken the machine over: a launch that is still going on ends when it is to be terminated."""


@dataclass(slots=True)
class Record:
    """One machine's record: `data` has its phase, the trimmed row, and what is left to do."""

    ctx: Context
    uuid: str
    data: dict[str, Any]
    launch: dict[str, Any] | None = None
    """What the launch that this termination follows upon has written down."""
    superseded: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _closed: bool = False

    async def save(self, **changes: Any) -> None:
        """Write the record with these changes, and that its bearer lives; raises SupersededError."""
        async with self._lock:
            self.data.update(changes)
            self._check()
            if not self._closed:
                self.data["beat"] = time.time()
                await self.ctx.store.put(self.ctx.owner_id, KIND, self.uuid, self.data)

    async def close(self) -> None:
        """Forget the machine: CloudStack's row tells all from now on."""
        async with self._lock:
            self._check()
            self._closed = True
            await self.ctx.store.delete(self.ctx.owner_id, KIND, self.uuid)

    async def bury(self, reason: tuple[str, str]) -> None:
        """Show the machine as terminated for an hour; `reason` is the code and sentence of EC2's StateReason."""
        async with self._lock:
            self._check()
            self._closed = True
            self.data |= {"phase": ENDED, "reason": reason, "at": timestamp()}
            await self.ctx.store.put(self.ctx.owner_id, KIND, self.uuid, self.data, ttl=SHOWN)

    async def give_way(self) -> None:
        """Write nothing more, and end the work at its next step."""
        async with self._lock:
            self.superseded = True

    def _check(self) -> None:
        if self.superseded:
            raise SupersededError(self.uuid)


async def records(ctx: Context) -> dict[str, dict[str, Any]]:
    """Return uuid → record of every machine of the caller that has one."""
    return {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)}


def timestamp() -> str:
    """Return the present as AWS writes it in a state transition's reason."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S GMT")


def trimmed(row: Row) -> Row:
    """Return what EC2 still shows of a machine that is gone: neither addresses nor volumes."""
    return {name: row[name] for name in (*_KEPT, *_KEPT_TOO, *_KEPT_LAST) if name in row}


def is_orphan(site: Site, uuid: str, data: dict[str, Any]) -> bool:
    """Whether work is under way for the machine, but nobody does it any more."""
    unfinished = data["phase"] in (LAUNCHING, ENDING, UNDONE)
    return unfinished and uuid not in _tasks(site) and data.get("beat", 0.0) + STALE < time.time()


async def supersede(site: Site, uuid: str) -> dict[str, Any] | None:
    """Take a machine over from the work that this process does on it, and return that work's own data."""
    under_way = _tasks(site).get(uuid)
    if under_way is None:
        return None
    await under_way.record.give_way()
    return under_way.record.data


def carry_on(record: Record, work: Callable[[Record], Awaitable[None]]) -> None:
    """Do the work in the background, after what is under way for the machine; it outlives the request."""
    site, uuid = record.ctx.site, record.uuid
    tasks = _tasks(site)
    previous = tasks.get(uuid)
    task = background.start(site, _bear(record, work, previous.task if previous else None), f"machine {uuid}")
    entry = tasks[uuid] = _UnderWay(task, record)
    task.add_done_callback(lambda _: tasks.pop(uuid) if tasks.get(uuid) is entry else None)


async def _bear(
    record: Record, work: Callable[[Record], Awaitable[None]], previous: asyncio.Task[None] | None
) -> None:
    beat = asyncio.create_task(_beat(record))
    try:
        if previous is not None:
            await asyncio.wait([previous])
        await work(record)
    except SupersededError:
        log.debug("machine %s: the launch gives way", record.uuid)
    except Exception:
        # The record stays, so the machine shows as it is, and the next listing takes the work up again.
        log.exception("machine %s: %s failed", record.uuid, record.data["phase"])
    finally:
        beat.cancel()


async def _beat(record: Record) -> None:
    while not record.superseded:
        await asyncio.sleep(BEAT)
        with suppress(SupersededError):
            await record.save()


@dataclass(slots=True, eq=False)
class _UnderWay:
    task: asyncio.Task[None]
    record: Record


def _tasks(site: Site) -> dict[str, _UnderWay]:
    tasks: dict[str, _UnderWay] = site.caches.setdefault("machine-tasks", {})
    return tasks
