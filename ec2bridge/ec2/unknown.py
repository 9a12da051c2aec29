"""What became of a change whose answer did not come.

No answer means unknown, never "not done": CloudStack may have carried out what it was asked, or be about to. Whoever
asked looks for what the change would have made, under the name that it gave it, before doing it again or taking
anything back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSES = (0.0, 0.3, 1.0, 3.0)
"""Seconds before each look. An answer is lost after its call has arrived, so what it makes is soon to be seen."""


async def found_out(look: Callable[[], Awaitable[T | None]]) -> T | None:
    """Return what a change has made after all; None if it made nothing. Raises while CloudStack does not tell."""
    silent: CloudStackUnavailable | None = None
    for pause in PAUSES:
        await asyncio.sleep(pause)
        try:
            found = await look()
        except CloudStackUnavailable as error:
            silent = error
            continue
        silent = None
        if found is not None:
            return found
    if silent is not None:
        raise silent
    return None


async def surely(do: Callable[[], Awaitable[T]], look: Callable[[], Awaitable[T | None]]) -> T:
    """Make a change that may be repeated, and return what it made.

    Where the answer does not come, what it would have made is looked for; where nothing is found, it is done once more.
    """
    try:
        return await do()
    except CloudStackUnavailable as error:
        log.info("%s; looking for what became of it", error)
    found = await found_out(look)
    return await do() if found is None else found


async def removed(deleting: Awaitable[object]) -> None:
    """Have something deleted by its id; somebody else may have been faster."""
    try:
        await deleting
    except CloudStackError as error:
        if not error.is_unknown_id:
            raise
