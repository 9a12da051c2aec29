"""Work that outlives its request: strong references to its tasks, and their end with the process.

EC2 answers before CloudStack's jobs are done. The event loop keeps only weak references to tasks, so whoever starts
one has to hold it.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from ec2bridge.ec2.context import Site
from ec2bridge.store import StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")


def start(site: Site, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Run the coroutine beside the requests until it ends or the process stops."""
    task = asyncio.create_task(work, name=name)
    tasks = _tasks(site)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def leave(site: Site, work: Coroutine[Any, Any, None], name: str) -> None:
    """Run a coroutine that nobody waits for; what ends it early is told in the log."""
    task = start(site, _told(work, name), name)
    # One that is cancelled before its first step never comes to the work.
    task.add_done_callback(lambda _: work.close())


async def _told(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except StoreUnavailable as error:
        log.warning("%s is broken off: %s", name, error)
    except Exception:
        log.exception("%s failed", name)


async def stop(site: Site) -> None:
    """End all that is running; what is written down in the store is taken up by another process."""
    tasks = list(_tasks(site))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def count(site: Site) -> int:
    """How many tasks are running."""
    return len(_tasks(site))


def _tasks(site: Site) -> set[asyncio.Task[Any]]:
    tasks: set[asyncio.Task[Any]] = site.caches.setdefault("background", set())
    return tasks
