"""The volumes of many machines, listed once for several polls.

Which volumes are attached to a machine stands only in listVolumes, which costs CloudStack nearly as much as the
machines themselves. Clients that poll hundreds of machines ask every second or two; so a long listing of volumes is
good for KEEP seconds, unless anything was changed through this bridge meanwhile. Machines are never kept.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.ec2.context import Context, Site
from ec2bridge.resources.machines.states import (
    KEEP_MARK,
)
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]
Volumes = dict[str, list[Row]]
"""Volumes by the uuid of their machine."""

KEEP = 2.0
LONG = 100
"""Volumes from which on a listing is kept; a shorter one is cheap enough to be made anew."""


@dataclass(slots=True)
class Lists:
    """Listings by caller, and a count of the native calls that may have changed something."""

    changes: int = 0
    kept: dict[Any, tuple[float, int, Volumes]] = field(default_factory=dict)

    def saw(self, call: NativeCall) -> None:
        """Count a change; a job's effect is there at the latest when its end has been asked for."""
        if not call.command.startswith(("list", "get")):
            self.changes += 1


async def all_volumes(ctx: Context) -> Volumes:
    """Return all the caller's volumes that machines have, to be looked at alone."""
    lists, now = _lists(ctx.site), time.monotonic()
    until, changes, kept = lists.kept.get(ctx.account.cache_key, (0.0, 0, {}))
    if until > now and changes == lists.changes:
        return kept
    changes = lists.changes
    rows: list[Row] = await ctx.account.watch("listVolumes")
    volumes = by_machine(rows)
    lists.kept = {key: entry for key, entry in lists.kept.items() if entry[0] > now}
    if len(rows) > LONG:
        lists.kept[ctx.account.cache_key] = now + KEEP, changes, volumes
    return volumes


def by_machine(rows: list[Row]) -> Volumes:
    """Sort volumes by their machines."""
    found: Volumes = {}
    for row in rows:
        if "virtualmachineid" in row:
            found.setdefault(row["virtualmachineid"], []).append(row)
    return found


def _lists(site: Site) -> Lists:
    lists: Lists | None = site.caches.get("volume-lists")
    if lists is None:
        lists = site.caches["volume-lists"] = Lists()
        site.cloud.observers.append(lists.saw)
    return lists


def goes_with_machine(volume: Row) -> bool:
    """Whether a volume is deleted when its machine is terminated."""
    marked = resource_tags.hidden(volume).get(KEEP_MARK) if volume.get("tags") else None
    return marked == "true" if marked else volume.get("type") == "ROOT"
