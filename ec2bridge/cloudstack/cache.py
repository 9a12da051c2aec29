"""Answers that may be a few minutes old: fetched by one, shared by all who ask meanwhile."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Cached:
    """Values that are fetched once however many ask at the same moment, and kept for `ttl` seconds.

    A fetch that is under way is shared whatever the `ttl`; with 0 that is all that is shared. A failure reaches
    those who wait for it and is not kept.
    """

    def __init__(self, ttl: float, size: int = 1024) -> None:
        self.ttl = ttl
        self.size = size
        self._entries: OrderedDict[Any, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def get(self, key: Any, fetch: Callable[[], Awaitable[T]]) -> T:
        """The value under `key`, fetched when it is missing or old."""
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is not None and entry[0] > now and entry[1].done():
            known: T = entry[1].result()
            return known
        if entry is None or (entry[0] <= now and entry[1].done()):
            future = asyncio.ensure_future(fetch())
            future.add_done_callback(lambda done: self._drop_failure(key, done))
            entry = self._entries[key] = (now + self.ttl, future)
            self._entries.move_to_end(key)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)
        # The one who asked first may be cancelled; the others still wait for the answer.
        value: T = await asyncio.shield(entry[1])
        return value

    def _drop_failure(self, key: Any, done: asyncio.Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None:
            entry = self._entries.get(key)
            if entry is not None and entry[1] is done:
                del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)

    def forget(self, key: Any) -> None:
        """Have the next one who asks fetch it again."""
        self._entries.pop(key, None)
