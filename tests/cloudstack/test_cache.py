"""One fetches, all share; failures and cancellations stay where they belong."""

import asyncio

import pytest

from ec2bridge.cloudstack.cache import Cached


class Source:
    """Counts how often it is asked, and answers after a moment."""

    def __init__(self, *failures: Exception) -> None:
        self.asked = 0
        self.failures = list(failures)

    async def fetch(self) -> int:
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0.01)
        if self.failures:
            raise self.failures.pop()
        return number


async def test_many_who_ask_at_once_share_one_fetch() -> None:
    cached, source = Cached(ttl=60), Source()
    assert await asyncio.gather(*(cached.get("a", source.fetch) for _ in range(10))) == [1] * 10
    assert await cached.get("a", source.fetch) == 1
    assert await cached.get("b", source.fetch) == 2


async def test_without_a_ttl_only_the_fetch_under_way_is_shared() -> None:
    cached, source = Cached(ttl=0), Source()
    assert await asyncio.gather(cached.get("a", source.fetch), cached.get("a", source.fetch)) == [1, 1]
    assert await cached.get("a", source.fetch) == 2


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    cached, source = Cached(ttl=60), Source(ValueError("no"))
    results = await asyncio.gather(*(cached.get("a", source.fetch) for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["no"] * 3
    assert await cached.get("a", source.fetch) == 2


async def test_one_who_gives_up_does_not_spoil_it_for_the_others() -> None:
    cached, source = Cached(ttl=60), Source()
    first = asyncio.create_task(cached.get("a", source.fetch))
    await asyncio.sleep(0)
    second = asyncio.create_task(cached.get("a", source.fetch))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_value_can_be_forgotten_and_the_oldest_goes_first() -> None:
    cached, source = Cached(ttl=60, size=2), Source()
    for key in "ab":
        await cached.get(key, source.fetch)
    cached.forget("b")
    assert await cached.get("b", source.fetch) == 3
    assert await cached.get("c", source.fetch) == 4
    assert await cached.get("a", source.fetch) == 5
