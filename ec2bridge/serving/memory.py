"""What becomes of memory that nobody needs any more.

After a moment in which hundreds of clients got large answers, the C library goes on holding several times what the
process needs. What cycles hold is looked for once an hour, since that stops everything else for a moment.
"""

import asyncio
import ctypes
import gc
import time
from contextlib import suppress

TRIM_EVERY, COLLECT_EVERY = 60.0, 3600.0


async def tidy(stopping: asyncio.Event) -> None:
    """Give memory that is free back to the system every minute, and collect garbage now and every hour."""
    collected = float("-inf")
    while not stopping.is_set():
        if time.monotonic() - collected >= COLLECT_EVERY:
            gc.collect()
            collected = time.monotonic()
        trim()
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), TRIM_EVERY)


def trim() -> None:
    """Give memory that is free back to the system; where the C library is not glibc, nothing is done."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
