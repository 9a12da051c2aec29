"""Reads that come together share an answer of CloudStack's, and none gets one that was asked for before it came.

Every agent, exporter and autoscaler of a company polls the same account, and a listing takes a real server hundreds of
milliseconds. A read that finds two of its kind under way waits for the next one, with all others that come meanwhile.
So everyone sees what was done before they asked, by whomever, and CloudStack is never asked more than two at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

WIDTH = 2
"""Calls of a kind that may be under way: two, so that who comes a moment after the first need not wait for it."""

Fetch = Callable[[], Awaitable[Any]]


@dataclass(slots=True, eq=False)
class _Batch:
    """Those who wait for a call that has not begun."""

    answer: asyncio.Future[Any]
    fetch: Fetch


@dataclass(slots=True, eq=False)
class _Kind:
    """The calls of one kind: how many are under way, and who waits for the next."""

    under_way: int = 0
    waiting: _Batch | None = None


class Shared:
    """Calls by kind; a kind is whatever makes two calls the same (keys, command, parameters)."""

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self._kinds: dict[Any, _Kind] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Any, fetch: Fetch) -> Any:
        """Return an answer that is asked for from now on; of those who wait together, the first one's `fetch` runs."""
        kind = self._kinds.setdefault(question, _Kind())
        if kind.under_way < self.width:
            kind.under_way += 1
            return await self._fetch(question, kind, fetch)
        if kind.waiting is None:
            kind.waiting = _Batch(asyncio.get_running_loop().create_future(), fetch)
        # One who hangs up leaves the others waiting.
        return await asyncio.shield(kind.waiting.answer)

    async def _fetch(self, question: Any, kind: _Kind, fetch: Fetch) -> Any:
        """Have one call, whose place is taken already."""
        try:
            return await fetch()
        finally:
            kind.under_way -= 1
            self._begin_next(question, kind)

    def _begin_next(self, question: Any, kind: _Kind) -> None:
        batch, kind.waiting = kind.waiting, None
        if batch is None:
            if not kind.under_way:
                self._kinds.pop(question, None)
            return
        kind.under_way += 1
        task = asyncio.get_running_loop().create_task(self._serve(question, kind, batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, question: Any, kind: _Kind, batch: _Batch) -> None:
        try:
            answer = await self._fetch(question, kind, batch.fetch)
        except asyncio.CancelledError:
            batch.answer.cancel()
            raise
        except Exception as error:
            batch.answer.set_exception(error)
            # All who waited may have hung up: then nobody asks for it.
            batch.answer.exception()
        else:
            batch.answer.set_result(answer)
