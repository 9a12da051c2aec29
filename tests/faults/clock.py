"""A loop whose time passes as soon as there is nothing to do, so that a lease of twenty seconds costs none.

All that waits runs in one thread: what is given to an executor is done at once. When nothing is ready, the clock is
put to the next timer; when there is none either, nothing would ever happen again, and that is an error.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

TURN = 1e-5
"""Seconds that a turn of the loop takes, whatever it really took: so every run of a story is the same."""

LOOK = 0.02
"""Seconds between looks while another process is waited for."""


class StuckError(RuntimeError):
    """Everybody waits for somebody else."""


class _Skipping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Waits for nobody: the time that it was to wait for has passed when it returns."""

    passed = 0.0
    outside = 0
    """How many wait for another process, which takes its real time."""

    def select(self, timeout: float | None = None) -> Any:
        self.passed += TURN
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.outside:
            began = time.perf_counter()
            ready = super().select(LOOK)
            self.passed += time.perf_counter() - began
            return ready
        if timeout is None:
            raise StuckError("nothing is ready and no timer runs")
        self.passed += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock, and that of the whole process while it runs, can be hurried."""

    def __init__(self) -> None:
        self.skipping = _Skipping()
        self._monotonic, self._time = time.monotonic(), time.time()
        super().__init__(self.skipping)

    def time(self) -> float:
        return self._monotonic + self.skipping.passed

    def now(self) -> float:
        """The time of day."""
        return self._time + self.skipping.passed

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


@contextmanager
def outside() -> Iterator[None]:
    """Do not hurry while another process is waited for."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, Loop):
        yield
        return
    loop.skipping.outside += 1
    try:
        yield
    finally:
        loop.skipping.outside -= 1


@contextmanager
def _hurried(loop: Loop) -> Iterator[None]:
    real = time.monotonic, time.time
    time.monotonic, time.time = loop.time, loop.now
    try:
        yield
    finally:
        time.monotonic, time.time = real


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in such a loop."""
    loop = Loop()
    with _hurried(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)
