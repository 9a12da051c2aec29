"""A listing walked from any place in it, page by page, for clients that page themselves.

CloudStack numbers its pages, so a row that goes away shifts all that follow. A place is therefore told by how many
rows come before it and by the ids of some of those, the nearest first: from the number a page is asked for, and by the
ids it is seen whether the rows have moved meanwhile. CloudStack lists most things in the order in which they were made,
so they move towards the front, where they are then looked for. No row that is there all the while is skipped.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.pages import Asker, Page, Pages, Rows

NEAR = (1, 2, 3, 4, 5, 6, 8, 16, 32, 64, 128, 256, 512)
"""How far before a place the rows are whose ids tell it."""
DIGITS = 12
"""As much of an id as tells it from the others of its page."""
TRIES = 3
"""How often a place is looked for again because rows come and go all the time."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a listing: how many rows come before it, and ids of some of those, the nearest first."""

    before: int = 0
    ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((str(self.before), *self.ids))

    @classmethod
    def read(cls, text: str) -> "Spot":
        """Return the place that a text tells; raises ValueError."""
        before, *ids = text.split(".")
        return cls(int(before), tuple(ids))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some rows as CloudStack lists them, the place before the first, and whether more follow the last."""

    start: Spot
    rows: Rows
    more: bool
    total: int

    def after(self, index: int) -> Spot:
        """Return the place behind a row."""
        near = (index + 1 - distance for distance in NEAR)
        ids = [str(self.rows[place]["id"])[:DIGITS] for place in near if place >= 0]
        return Spot(self.start.before + index + 1, (*ids, *self.start.ids)[: len(NEAR)])


async def walk(
    ask: Asker, pages: Pages, spot: Spot, wanted: int | None = None, width: int = 4
) -> AsyncIterator[Stretch]:
    """Yield what follows a place, a page at a time.

    `wanted` is how many rows the caller needs at first, where that is known; up to `width` pages are asked for at once.
    """
    total: int | None = None
    moved = 0
    while True:
        if total is None:
            start, total = await _begin(ask, pages, spot)
        left = None if total is None else min(total - start, wanted or total)
        skipped, found = await _ahead(ask, pages, start, left, wanted, width)
        totals = {page.total for page in found}
        if moved < TRIES and totals != {found[0].total if total is None else total}:
            # Rows have come or gone meanwhile: the place is looked for again.
            total, moved = None, moved + 1
            continue
        moved = 0
        for page in found:
            total, rows, skipped = page.total or 0, page.rows[skipped:], 0
            stretch = Stretch(Spot(start, spot.ids), rows, bool(rows) and start + len(rows) < total, total)
            start += len(rows)
            spot = stretch.after(len(rows) - 1) if rows else spot
            yield stretch
            if not stretch.more:
                return
            wanted = wanted - len(rows) if wanted and wanted > len(rows) else None


async def _ahead(
    ask: Asker, pages: Pages, start: int, left: int | None, wanted: int | None, width: int
) -> tuple[int, list[Page]]:
    """Return the next pages from a row on, and how many rows of the first come before that row."""
    while True:
        size = most = pages.size
        if wanted and wanted < most and not start % wanted:
            size = wanted
        count = 1 if left is None else max(1, min(width, -(-left // size)))
        first = start // size + 1
        found = await asyncio.gather(*(pages.one(ask, first + nth, size) for nth in range(count)))
        if pages.size == most:
            return start % size, list(found)


async def _begin(ask: Asker, pages: Pages, spot: Spot) -> tuple[int, int | None]:
    """Return how many rows come before a place now, and the count of all where that was told."""
    if not spot.before or not spot.ids:
        return 0, None
    page = await pages.one(ask, spot.before, 1)
    if page.rows and _is(page.rows[0], spot.ids[0]):
        return spot.before, page.total
    return await _sought(ask, pages, spot), None


async def _sought(ask: Asker, pages: Pages, spot: Spot) -> int:
    """Look for a place whose rows have moved: from where it was towards the front, then towards the end."""
    expected = (spot.before - 1) // pages.size
    best: tuple[int, int] | None = None
    number = expected
    while number >= 0 and best is None:
        best = _nearest(await pages.one(ask, number + 1), number * pages.size, spot)
        number -= 1
    number = expected
    while best is None or best[0] > 0:
        # A row that is nearer may have moved towards the end, where a listing begins with what is new.
        number += 1
        page = await pages.one(ask, number + 1)
        found = _nearest(page, number * pages.size, spot)
        if found is None:
            break
        best = min(best or found, found)
    return best[1] if best else 0


def _nearest(page: Page, start: int, spot: Spot) -> tuple[int, int] | None:
    """Return the rank of the nearest of a place's ids in a page, and how many rows there are up to it."""
    places = {str(row["id"])[:DIGITS]: start + index + 1 for index, row in enumerate(page.rows)}
    return next(((rank, places[known]) for rank, known in enumerate(spot.ids) if known in places), None)


def _is(row: Mapping[str, Any], known: str) -> bool:
    return str(row["id"])[:DIGITS] == known
