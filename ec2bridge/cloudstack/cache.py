"""Answers that may be a few minutes old: fetched by one, shared by all who ask meanwhile."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Cached:
    """Values that are fetched once however many ask at the same moment, and kept for `ttl` seconds."""

    def __init__(self, ttl: float, size: int = 1024) -> None:
        self.ttl = ttl
        self.size = size
        self._entries: OrderedDict[Any, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def get(self, key: Any, fetch: Callable[[], Awaitable[T]]) -> T:
        """The value under `key`, fetched when it is missing or old; a failure is not kept.

        A fetch that is under way is shared whatever the `ttl`; with 0 that is all that is shared.
        """
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is None or (entry[0] <= now and entry[1].done()):
            entry = (now + self.ttl, asyncio.ensure_future(fetch()))
            self._entries[key] = entry
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)
        try:
            # The one who asked first may be cancelled; the others still wait for the answer.
            value: T = await asyncio.shield(entry[1])
        except BaseException:
            if entry[1].done() and self._entries.get(key) is entry:
                del self._entries[key]
            raise
        return value

    def forget(self, key: Any) -> None:
        """Have the next one who asks fetch it again."""
        self._entries.pop(key, None)
