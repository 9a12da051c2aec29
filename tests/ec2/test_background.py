"""Work in the background ends with the process, whether it has begun or not."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

from ec2bridge.ec2 import background


def test_work_that_is_stopped_before_its_first_step_is_closed() -> None:
    async def work() -> None:
        raise AssertionError("must not begin")

    async def stopped_at_once(left: Any) -> None:
        site: Any = SimpleNamespace(caches={})
        background.leave(site, left, "work")
        await background.stop(site)
        assert background.count(site) == 0

    left = work()
    asyncio.run(stopped_at_once(left))
    assert inspect.getcoroutinestate(left) == inspect.CORO_CLOSED
