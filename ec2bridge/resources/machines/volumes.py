"""The volumes of many machines, listed once for several polls.

Which volumes are attached to a machine stands only in listVolumes, which costs CloudStack nearly as much as the
machines themselves, and clients that poll machines ask every second or two. So a listing of volumes is good for KEEP
seconds, as long as the machines are what they were with it, and no volume was changed through any bridge meanwhile:
each bridge tells the others in the store that they share. Machines are never kept.
"""

import asyncio
import re
import time
import uuid
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ec2bridge.cloudstack.walking import Spot
from ec2bridge.ec2.context import Context, Site
from ec2bridge.resources.machines.states import KEEP_MARK
from ec2bridge.resources.tags import resource_tags
from ec2bridge.store import StoreUnavailable

Row = dict[str, Any]
Volumes = dict[str, list[Row]]
"""Volumes by the uuid of their machine."""

KEEP = 2.0
"""Seconds for which a change made outside any bridge may not be seen."""
FEW = 4
"""Up to that many machines are asked for their volumes one by one; for more, all volumes are listed."""
MOST = 1_000
"""Callers whose listings are kept."""
FIRST = 100
"""Machines at the beginning of a walk that are asked for alone: a small first page need not wait for all volumes."""
AT_ONCE = 10
KEEP_WALK = 30.0
"""Seconds between two pages of a client after which its volumes are listed anew."""
MOST_WALKS = 8
"""Clients that page through large accounts at the same time without having volumes listed more than once."""
DIGITS = 8
SHOWN = ("id", "deviceid", "type", "attached", "tags")
"""What a machine's item tells of a volume rests on these."""
EVERYONE, KIND, MARK = "", "volumes-changed", "mark"
_VOLUMES = re.compile(r"Volume")


@dataclass(frozen=True, slots=True)
class Listing:
    """A caller's volumes, and what has to be as it was for them to be good."""

    until: float
    ground: Any
    machines: list[Row]
    volumes: Volumes


@dataclass(slots=True)
class Walked:
    """The volumes of a large account, trimmed, for the pages of one client's walk."""

    number: str
    since: float
    ground: Any
    until: float
    volumes: Volumes
    is_whole: bool
    """Whether they have been listed for all machines."""
    asked: int = 0
    """How many machines have been asked for one by one."""


@dataclass(slots=True)
class Lists:
    """Listings by caller, and how many changes of volumes this process has made."""

    changes: int = 0
    kept: dict[Any, Listing] = field(default_factory=dict)
    walked: OrderedDict[Any, Walked] = field(default_factory=OrderedDict)


def watch_changes(site: Site) -> None:
    """Have changes of volumes noticed, here and by all bridges on the same store."""
    lists: Lists = site.caches.setdefault("volume-lists", Lists())

    async def changed(command: str, kind: str | None) -> None:
        if _VOLUMES.search(command) or kind == "Volume":
            lists.changes += 1
            if site.store.is_shared:
                # While the store is away, no bridge trusts its listing.
                with suppress(StoreUnavailable):
                    await site.store.put(EVERYONE, KIND, MARK, uuid.uuid4().hex)

    site.cloud.change_observers.append(changed)


async def kept(ctx: Context) -> Listing | None:
    """Return the caller's last listing while it may be good; whether it is depends on the machines, too."""
    lists = _lists(ctx.site)
    listing = lists.kept.get(ctx.account.cache_key)
    if listing is None or listing.until <= time.monotonic():
        return None
    return listing if listing.ground == await _ground(ctx) else None


async def list_volumes(ctx: Context) -> Listing:
    """Return all the caller's volumes that machines have, to be looked at alone."""
    ground = await _ground(ctx)
    rows: list[Row] = await ctx.account.watch("listVolumes")
    return Listing(time.monotonic() + KEEP, ground, [], by_machine(rows))


async def brought_up(ctx: Context, last: Listing, machines: list[Row]) -> Volumes:
    """Return the volumes of the machines as they are now; of few that have changed, theirs alone are asked for."""
    if machines == last.machines:
        return last.volumes
    before = {row["id"]: row for row in last.machines}
    changed = [row["id"] for row in machines if before.get(row["id"]) != row]
    if len(changed) > FEW:
        listing = await list_volumes(ctx)
    else:
        lists = await asyncio.gather(
            *(ctx.account.list("listVolumes", virtualmachineid=uuid) for uuid in changed)
        )
        volumes = {**last.volumes, **dict(zip(changed, lists, strict=True))}
        listing = replace(last, volumes=volumes)
    keep(ctx, listing, machines)
    return listing.volumes


async def for_walk(ctx: Context, number: str, machines: list[Row]) -> Walked:
    """Return the volumes for one more page of a walk through the machines: those of its first, while they are good.

    A client that pages asked for all with its first page, and that is how old they may be; a change through any
    bridge has them listed anew, and so have machines that are new, and a pause. The first few machines are asked
    for alone, which costs less than all volumes and is all that a small first page needs.
    """
    began = time.monotonic()
    walked = await _walked(ctx, number)
    new = [row["id"] for row in machines if row["id"] not in walked.volumes]
    if len(new) <= FEW or (not walked.is_whole and walked.asked + len(new) <= FIRST):
        walked.asked += len(new)
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            lists = await asyncio.gather(
                *(ctx.account.list("listVolumes", virtualmachineid=uuid) for uuid in some)
            )
            walked.volumes.update((uuid, _trimmed(rows)) for uuid, rows in zip(some, lists, strict=True))
    elif not walked.is_whole or walked.since < began:
        walked.volumes, walked.since, walked.is_whole = await _trimmed_volumes(ctx), time.monotonic(), True
    return walked


async def _walked(ctx: Context, number: str) -> Walked:
    lists, ground = _lists(ctx.site), await _ground(ctx)
    walked = lists.walked.get((ctx.account.cache_key, number))
    if walked is None or walked.ground != ground or walked.until <= time.monotonic():
        # One that was begun before, here or on another bridge, goes on with all.
        volumes = await _trimmed_volumes(ctx) if number else {}
        own = number or uuid.uuid4().hex[:DIGITS]
        walked = Walked(own, time.monotonic(), ground, 0.0, volumes, is_whole=bool(number))
    walked.until = time.monotonic() + KEEP_WALK
    key = ctx.account.cache_key, walked.number
    lists.walked[key] = walked
    lists.walked.move_to_end(key)
    while len(lists.walked) > MOST_WALKS:
        lists.walked.popitem(last=False)
    return walked


async def _trimmed_volumes(ctx: Context) -> Volumes:
    found: Volumes = {}
    async for stretch in ctx.account.walk("listVolumes", Spot()):
        for row in stretch.rows:
            if "virtualmachineid" in row:
                found.setdefault(row["virtualmachineid"], []).extend(_trimmed([row]))
    return found


def _trimmed(rows: list[Row]) -> list[Row]:
    return [{name: row[name] for name in SHOWN if name in row} for row in rows]


def keep(ctx: Context, listing: Listing, machines: list[Row]) -> None:
    """Have a listing serve the polls of the next seconds that find the same machines."""
    lists, now = _lists(ctx.site), time.monotonic()
    if len(lists.kept) >= MOST:
        lists.kept = {key: entry for key, entry in lists.kept.items() if entry.until > now}
    lists.kept[ctx.account.cache_key] = replace(listing, machines=machines)


async def _ground(ctx: Context) -> Any:
    """What is another after each change of a volume through any bridge."""
    changes = _lists(ctx.site).changes
    if not ctx.site.store.is_shared:
        return changes, ()
    try:
        # A list, since the store need not be asked for one that has not changed.
        return changes, [entry.value for entry in await ctx.site.store.list(EVERYONE, KIND)]
    except StoreUnavailable:
        # Like no other: what others have changed cannot be known.
        return object()


def _lists(site: Site) -> Lists:
    lists: Lists = site.caches["volume-lists"]
    return lists


def by_machine(rows: list[Row]) -> Volumes:
    """Sort volumes by their machines."""
    found: Volumes = {}
    for row in rows:
        if "virtualmachineid" in row:
            found.setdefault(row["virtualmachineid"], []).append(row)
    return found


def goes_with_machine(volume: Row) -> bool:
    """Whether a volume is deleted when its machine is terminated."""
    marked = resource_tags.hidden(volume).get(KEEP_MARK) if volume.get("tags") else None
    return marked == "true" if marked else volume.get("type") == "ROOT"
