"""Long work in turns: one process has one loop, and everybody else waits while one of them computes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

T = TypeVar("T")

TURN = 0.01
"""Seconds of work after which others have their turn."""
AT_ONCE = 20
"""Items between two looks at the clock."""
LONG = 200
"""Items from which on the work on them begins with a turn of its own."""


async def gently(items: list[T], at_once: int = AT_ONCE) -> AsyncIterator[list[T]]:
    """Yield the items, some at a time; others have their turn whenever the work on them has taken long enough."""
    if len(items) > LONG:
        # What came before was work of this turn, too.
        await asyncio.sleep(0)
    due = time.perf_counter() + TURN
    for start in range(0, len(items), at_once):
        if time.perf_counter() > due:
            await asyncio.sleep(0)
            due = time.perf_counter() + TURN
        yield items[start : start + at_once]


async def aside(is_long: bool, work: Callable[..., T], *arguments: Any) -> T:
    """Do what may take long in a thread, where others are served meanwhile; what does not is done here."""
    return await asyncio.to_thread(work, *arguments) if is_long else work(*arguments)
