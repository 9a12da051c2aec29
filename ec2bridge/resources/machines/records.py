"""What the bridge remembers of a machine while CloudStack's own row does not tell the whole story.

EC2 shows a machine as `pending` until it has its addresses and volumes, as `shutting-down` until all it held is
released, and as `terminated` for an hour after that. CloudStack forgets a failed or expunged machine at once, and
hides a destroyed one from its owner. So a launch or a termination that is under way has a record in the store, and the
work itself runs as a task, again and again as long as CloudStack gives no answer. A record whose bearer died is taken
up by the sweep (`ec2/recovery.py`), or by whoever lists the machines before.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import background, leases
from ec2bridge.ec2.context import Context, Site
from ec2bridge.ec2.leases import Lease, LostError
from ec2bridge.ids import ec2_id
from ec2bridge.store import Change, Entry, StoreUnavailable

log = logging.getLogger(__name__)

Row = dict[str, Any]

KIND = "machine"
LAUNCHING, ENDING, ENDED, UNDONE = "launching", "ending", "ended", "undone"
SHOWN = 3600.0
"""Seconds for which a terminated machine is still listed (AWS: "for a short while", about an hour)."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds between looks for what became of a step without an answer."""
BEAT = 10.0
STALE = 3 * BEAT
CALLERS = 1_000
"""Accounts whose records are remembered as they were read last."""
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


@dataclass(slots=True)
class Record:
    """One machine's record: `data` has its phase, the trimmed row, and what is left to do."""

    ctx: Context
    uuid: str
    data: dict[str, Any]
    launch: dict[str, Any] | None = None
    """What the launch that this termination follows upon has written down."""
    again: bool = False
    """Whether a step may have been done before, unseen."""
    _lease: Lease | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def taken(cls, ctx: Context, entry: Entry) -> "Record | None":
        """Return a record whose bearer died; None if somebody else was faster."""
        lease = await leases.take(ctx, KIND, entry, STALE)
        return cls(ctx, entry.key, lease.value, again=True, _lease=lease) if lease else None

    async def save(self, **changes: Any) -> None:
        """Write the record with these changes, and that its bearer lives; raises LostError.

        The first time it is taken from whoever bore it before.
        """
        async with self._lock:
            self.data.update(changes)
            if self._lease is None:
                await self.ctx.store.together(self.ctx.owner_id, self.begun())
            else:
                await self._lease.write()

    def begun(self) -> Change:
        """Return the record's first writing, for who writes it together with other things."""
        self.data["access_key"] = self.ctx.credentials.access_key
        self._lease, change = leases.seized(self.ctx, KIND, self.uuid, self.data)
        return change

    async def close(self) -> None:
        """Forget the machine: CloudStack's row tells all from now on."""
        async with self._lock:
            await self._held().end()

    async def bury(self, reason: tuple[str, str]) -> None:
        """Show the machine as terminated for an hour; `reason` is the code and sentence of EC2's StateReason."""
        async with self._lock:
            self.data |= {"phase": ENDED, "reason": list(reason), "at": timestamp()}
            # No more than what is shown: a busy account has thousands.
            shown = {name: self.data[name] for name in ("phase", "row", "reason", "at")}
            await self._held().leave(shown, SHOWN)

    async def give_way(self) -> None:
        """Write nothing more, and end the work at its next step."""
        async with self._lock:
            self._held().give_way()

    async def beat(self) -> None:
        """Tell every few seconds that the bearer lives."""
        await self._held().beat(BEAT)

    def _held(self) -> Lease:
        if self._lease is None:
            raise RuntimeError("the record has not been saved")
        return self._lease


class Records(dict[str, dict[str, Any]]):
    """Records by uuid, to be looked at alone. A busy account has thousands that have ended, and change no more."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__((entry.key, entry.value) for entry in entries)
        self.entries = entries

    @cached_property
    def unfinished(self) -> dict[str, dict[str, Any]]:
        """Those of launches and terminations under way."""
        return {uuid: data for uuid, data in self.items() if data["phase"] != ENDED}

    @cached_property
    def by_id(self) -> dict[str, str]:
        """Instance id → uuid."""
        return {ec2_id("i", uuid): uuid for uuid in self}


async def records(ctx: Context) -> Records:
    """Return the records of the caller's machines; the same object as long as none has changed."""
    entries = await ctx.store.watch(ctx.owner_id, KIND)
    memory: OrderedDict[str, Records] = ctx.site.caches.setdefault("machine-records", OrderedDict())
    known = memory.get(ctx.owner_id)
    if known is None or known.entries is not entries:
        known = memory[ctx.owner_id] = Records(entries)
    memory.move_to_end(ctx.owner_id)
    if len(memory) > CALLERS:
        memory.popitem(last=False)
    return known


def timestamp(when: float | None = None) -> str:
    """Return the present, or those seconds since the epoch, as AWS writes it in a state transition's reason."""
    moment = datetime.now(UTC) if when is None else datetime.fromtimestamp(when, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S GMT")


def trimmed(row: Row) -> Row:
    """Return what EC2 still shows of a machine that is gone: neither addresses nor volumes."""
    return {name: row[name] for name in (*_KEPT, *_KEPT_TOO, *_KEPT_LAST) if name in row}


def due(data: Mapping[str, Any]) -> float | None:
    """Return when a record is there for whoever takes it up, in seconds since the epoch; None if nothing is left."""
    unfinished = data["phase"] in (LAUNCHING, ENDING, UNDONE)
    return float(data.get("beat", 0.0)) + STALE if unfinished else None


def is_orphan(site: Site, uuid: str, data: Mapping[str, Any]) -> bool:
    """Whether work is under way for the machine, but nobody does it any more."""
    since = due(data)
    return since is not None and uuid not in _tasks(site) and since < time.time()


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
    beat = asyncio.create_task(record.beat())
    try:
        if previous is not None:
            await asyncio.wait([previous])
        await _until_answered(record, work)
    except LostError:
        log.debug("machine %s: somebody else goes on with it", record.uuid)
    except Exception:
        # The record stays, so the machine shows as it is, and the sweep takes the work up again.
        log.exception("machine %s: %s failed", record.uuid, record.data["phase"])
    finally:
        beat.cancel()


async def _until_answered(record: Record, work: Callable[[Record], Awaitable[None]]) -> None:
    """Do the work from where it stands until no answer is missing: what has none may have been done."""
    pause = FIRST_PAUSE
    while True:
        try:
            await work(record)
            return
        except (CloudStackError, StoreUnavailable) as error:
            if not (isinstance(error, CloudStackUnavailable | StoreUnavailable) or error.passes):
                raise
            log.warning("machine %s: %s; looking again", record.uuid, error)
        record.again = True
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
        with suppress(StoreUnavailable):
            await record.save()


@dataclass(slots=True, eq=False)
class _UnderWay:
    task: asyncio.Task[None]
    record: Record


def _tasks(site: Site) -> dict[str, _UnderWay]:
    tasks: dict[str, _UnderWay] = site.caches.setdefault("machine-tasks", {})
    return tasks
