"""Listings: CloudStack's pages put together to one list of rows."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.gently import gently

Row = dict[str, Any]
Rows = list[Row]

PAGE_SIZE = 500  # what a fresh install allows; a smaller limit is learnt from its refusal
_PAGE_LIMIT = re.compile(r"max allowed page size value: (\d+)")


@dataclass(slots=True)
class Page:
    """One page of a listing, and CloudStack's count of all rows."""

    rows: Rows
    total: int | None
    same: bool = False
    """Whether these are the very rows of the last time."""


Asker = Callable[[int, int], Awaitable[Page]]
"""What asks for one page: its number from 1, and how many rows it may have."""


class Pages:
    """How many rows a page may have on one server; it is learnt from the server's refusal."""

    def __init__(self, size: int = PAGE_SIZE) -> None:
        self.size = size

    async def all(self, ask: Asker) -> list[Page]:
        """Return all pages of a listing."""
        pages: list[Page] = []
        for _ in range(3):
            first = await self.one(ask, 1)
            pages = [first, *await self._further(ask, first)]
            # Rows that come and go between two pages shift the rest; then the count differs, too.
            if len({page.total for page in pages if page.rows}) <= 1:
                break
        return pages

    async def _further(self, ask: Asker, first: Page) -> Sequence[Page]:
        if len(first.rows) < self.size or first.total is None or first.total <= len(first.rows):
            return ()
        numbers = range(2, -(-first.total // self.size) + 1)
        return await asyncio.gather(*(self.one(ask, number) for number in numbers))

    async def one(self, ask: Asker, number: int, size: int | None = None) -> Page:
        """Return one page of a listing, counted from 1; the size of all may be smaller after it."""
        size = size or self.size
        try:
            return await ask(number, size)
        except CloudStackError as error:
            limit = _PAGE_LIMIT.search(error.errortext)
            if limit is None or not 0 < int(limit[1]) < size:
                raise
            self.size = int(limit[1])
            return await self.one(ask, number)


def page_of(answer: Row, same: bool = False) -> Page:
    rows = next((value for value in answer.values() if isinstance(value, list)), [])
    return Page(rows, answer.get("count"), same)


async def distinct(pages: list[Page]) -> Rows:
    """The rows without those seen twice; a template has one row a zone under one id."""
    if len(pages) == 1 and len(pages[0].rows) <= 1:
        return pages[0].rows
    seen: dict[Any, Row] = {}
    async for some in gently(pages, 1):
        for row in some[0].rows:
            seen[(row["id"], row.get("zoneid")) if "id" in row else len(seen)] = row
    return list(seen.values())
