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


async def for_each(
    items: Sequence[T], work: Callable[[T], Awaitable[None]], name: Callable[[T], str] = str
) -> None:
    """Do the work for each; a refusal keeps none of the others from being done, and the first is raised in the end.

    Where others were done, a note on it says which by their names: what cannot be known before is told afterwards.
    """
    refusals: dict[str, BaseException] = {}
    for start in range(0, len(items), AT_ONCE):
        some = items[start : start + AT_ONCE]
        done = await asyncio.gather(*map(work, some), return_exceptions=True)
        refusals |= {
            name(one): outcome for one, outcome in zip(some, done, strict=True) if outcome is not None
        }
    if refusals:
        first = next(iter(refusals.values()))
        others = [name(one) for one in items if name(one) not in refusals]
        if others:
            first.add_note(
                f"This is for {', '.join(refusals)}; the request was carried out for {', '.join(others)}."
            )
        raise first
