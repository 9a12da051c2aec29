"""Instances as they were translated last time, for those that have not changed since.

A poll for the state of a thousand machines finds most of them as they were. Comparing a row with the one before costs
a tenth of translating and rendering it. CloudStack is still asked each time: only work is saved, never a question.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.gently import gently
from ec2bridge.resources.instances.facts import Facts
from ec2bridge.resources.instances.translation import Item, instance
from ec2bridge.resources.machines.records import ENDED, Records
from ec2bridge.wire.render import Kept

Row = dict[str, Any]

CALLERS = 100
MOST = 20_000
"""Instances kept for all callers together."""


class Listing(list[Item]):
    """Instances that nothing has changed in since they were listed before, and what they were answered with then."""

    __slots__ = ("answer",)

    def __init__(self, items: list[Item]) -> None:
        super().__init__(items)
        self.answer: dict[str, Any] | None = None


@dataclass(slots=True)
class Seen:
    """One instance with all that its translation rested on: row, volumes, tags, stop."""

    rests_on: tuple[Any, ...]
    item: Item


@dataclass(slots=True)
class Memory:
    """What one caller's last listing was translated to, and under which facts."""

    grounds: tuple[Any, ...] = ()
    seen: dict[str, Seen] = field(default_factory=dict)
    whole: tuple[tuple[Any, ...], "Listing"] | None = None
    """The last listing as it was asked for, and what came of it."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a listing is translated: hundreds may ask for the same one in the same moment."""


async def instances(ctx: Context, facts: Facts, rows: list[Row]) -> list[Item]:
    """Translate machines; `_Public` is what clients see of an item, `_Alone` its reservation if it has no other."""
    memory = _memory(ctx)
    async with memory.turn:
        return await _remembered(memory, facts, rows)


async def _remembered(memory: Memory, facts: Facts, rows: list[Row]) -> list[Item]:
    grounds = (
        facts.zones,
        facts.types,
        facts.vpcs,
        facts.named_vpcs,
        facts.groups,
        dict(facts.images),
    )
    if memory.grounds != grounds:
        memory.grounds, memory.seen, memory.whole = grounds, {}, None
    settled = not facts.moving and not _unfinished(facts.records)
    asked = rows, facts.volumes, facts.tags, facts.stops, facts.interfaces, facts.records
    # Most rows are the very objects of the last time, so that comparing them all costs hardly anything.
    if settled and memory.whole is not None and memory.whole[0] == asked:
        return memory.whole[1]
    found = Listing(await _instances(memory, facts, rows))
    memory.whole = (asked, found) if settled else None
    return found


async def _instances(memory: Memory, facts: Facts, rows: list[Row]) -> list[Item]:
    found: list[Item] = []
    fresh: dict[str, Seen] = {}
    async for some in gently(rows):
        _add(found, fresh, memory.seen, facts, some)
    if len(fresh) > 1 or not memory.seen:
        memory.seen = fresh
    else:
        # A look at one machine says nothing of the others.
        memory.seen.update(fresh)
    return found


def _add(
    found: list[Item], fresh: dict[str, Seen], known: Mapping[str, Seen], facts: Facts, rows: list[Row]
) -> None:
    held = facts.interfaces
    for row in rows:
        uuid = row["id"]
        record = facts.records.get(uuid)
        if uuid in facts.moving or (record is not None and _goes_on(record)):
            found.append(translated(facts, row))
            continue
        rests_on = (
            row,
            record,
            facts.volumes.get(uuid),
            facts.tags.get(uuid),
            facts.stops.get(uuid),
            [held.get(nic["id"]) for nic in row.get("nic") or ()] if held else (),
        )
        seen = known.get(uuid)
        if seen is None or seen.rests_on != rests_on:
            seen = Seen(rests_on, translated(facts, row))
        fresh[uuid] = seen
        found.append(seen.item)


def _unfinished(records: Mapping[str, Mapping[str, Any]]) -> bool:
    if isinstance(records, Records):
        return bool(records.unfinished)
    return any(map(_goes_on, records.values()))


def _goes_on(record: Mapping[str, Any]) -> bool:
    """Whether a launch or a termination is under way; of one that has ended nothing changes any more."""
    return bool(record["phase"] != ENDED)


def reservation(item: Item, machines: list[Item]) -> Item:
    """Return the reservation of some machines, of which `item` is one."""
    return {
        "ReservationId": item["_Reservation"],
        "OwnerId": item["_Owner"],
        "Groups": [],
        "Instances": machines,
    }


def translated(facts: Facts, row: Row) -> Item:
    """Translate one machine, for whom nothing is remembered."""
    item = instance(facts, row)
    public = Kept({name: value for name, value in item.items() if name[0] != "_"})
    item["_Public"], item["_Alone"] = public, Kept(reservation(item, [public]))
    return item


def _memory(ctx: Context) -> Memory:
    memories: OrderedDict[Any, Memory] = ctx.site.caches.setdefault("instances-seen", OrderedDict())
    key = ctx.account.cache_key
    memory = memories.setdefault(key, Memory())
    memories.move_to_end(key)
    while len(memories) > CALLERS or (
        len(memories) > 1 and sum(len(m.seen) for m in memories.values()) > MOST
    ):
        memories.popitem(last=False)
    return memory
