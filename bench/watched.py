"""`python -m bench.watched FILE serve …`: the bridge, with the time that each callback holds its loop.

At SIGUSR1 the longest since the last time are written to FILE as JSON: CPU and wall milliseconds, and what ran. CPU
time says what the bridge did; wall time also what else the machine was doing.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ec2bridge.__main__ import main

MOST = 5
NOTEWORTHY = 0.010
"""Seconds of CPU from which on a callback may be among the longest."""

longest: list[tuple[float, float, str]] = []


def watch() -> None:
    """Have each callback of the loop timed."""
    run = asyncio.Handle._run

    def timed(handle: Any) -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        run(handle)
        cpu = time.thread_time() - cpu
        if cpu >= NOTEWORTHY:
            longest.append((1000 * cpu, 1000 * (time.perf_counter() - wall), _what(handle)))
            longest.sort(reverse=True)
            del longest[MOST:]

    setattr(asyncio.Handle, "_run", timed)  # noqa: B010 - mypy takes no assignment to a method


def _what(handle: Any) -> str:
    """What a callback was: of a task, where it stands now, which is where it gave way."""
    task = getattr(handle._callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return repr(handle._callback)[:200]
    frames = task.get_stack(limit=8)
    places = [f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" for frame in frames]
    return f"{task.get_coro()!r:.80} {' > '.join(places)}"


def tell(file: Path) -> None:
    """Write the longest callbacks, and begin anew."""
    file.write_text(json.dumps(longest))
    longest.clear()


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    watch()
    signal.signal(signal.SIGUSR1, lambda *_: tell(file))
    main()
