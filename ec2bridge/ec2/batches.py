"""The same for many objects, a few at a time.

CloudStack takes one machine a call, and a second or more for it when it is busy: one after another, a large request
would outlast its client's patience.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 5
"""Calls that are under way together."""


async def for_each(items: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do the work for each; a refusal keeps none of the others from being done, and the first is raised in the end."""
    refusals: list[BaseException] = []
    for start in range(0, len(items), AT_ONCE):
        some = items[start : start + AT_ONCE]
        done = await asyncio.gather(*map(work, some), return_exceptions=True)
        refusals += [outcome for outcome in done if outcome is not None]
    if refusals:
        raise refusals[0]
