"""Leases: one bearer at a time writes, and whoever slept, or was not answered, finds out how things stand."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from ec2bridge.ec2 import leases
from ec2bridge.ec2.leases import LostError
from ec2bridge.store import Change, Store, StoreUnavailable

OWNER = "000000000001"


class Unreliable(Store):
    """A store of which an answer can be lost: after the write, or before it."""

    lose = ""

    async def together(self, account: str, *changes: Change) -> bool:
        lose, self.lose = self.lose, ""
        if lose == "before":
            raise StoreUnavailable("away")
        done = await super().together(account, *changes)
        if lose == "after":
            raise StoreUnavailable("away")
        return done


@pytest.fixture
async def store() -> AsyncIterator[Unreliable]:
    kept = Unreliable()
    await kept.start()
    yield kept
    await kept.close()


@pytest.fixture
def ctx(store: Unreliable) -> Any:
    return SimpleNamespace(store=store, owner_id=OWNER)


async def begun(ctx: Any) -> leases.Lease:
    lease = await leases.begin(ctx, "k", "a", {"n": 0})
    assert lease is not None
    return lease


async def test_who_slept_through_several_lives_of_a_key_does_not_meet_its_own_version(
    ctx: Any, store: Unreliable
) -> None:
    asleep = await begun(ctx)
    for _ in range(3):
        assert await store.delete(OWNER, "k", "a")
        heir = await begun(ctx)
        with pytest.raises(LostError):
            await leases.Lease(ctx, "k", "a", dict(asleep.value), asleep.version).write(n=99)
    with pytest.raises(LostError):
        await asleep.end()
    await heir.write(n=1)
    assert (await store.get(OWNER, "k", "a"))["n"] == 1


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_a_write_that_was_not_answered_is_not_taken_for_somebody_elses(
    ctx: Any, store: Unreliable, lose: str
) -> None:
    lease = await begun(ctx)
    store.lose = lose
    with pytest.raises(StoreUnavailable):
        await lease.write(n=1)
    await lease.write(m=2)
    found = await store.get(OWNER, "k", "a")
    assert (found["n"], found["m"]) == (0, 2)


async def test_an_heir_is_told_from_a_write_that_was_not_answered(ctx: Any, store: Unreliable) -> None:
    lease = await begun(ctx)
    store.lose = "after"
    with pytest.raises(StoreUnavailable):
        await lease.write(n=1)
    heir, change = leases.seized(ctx, "k", "a", {"n": 2})
    assert await store.together(OWNER, change)
    with pytest.raises(LostError):
        await lease.write(n=3)
    await heir.write()
    assert (await store.get(OWNER, "k", "a"))["n"] == 2


async def test_what_is_written_along_is_written_only_by_who_bears_the_record(
    ctx: Any, store: Unreliable
) -> None:
    lease = await begun(ctx)
    await lease.write(Change("other", "b", 1))
    assert await store.get(OWNER, "other", "b") == 1
    _, change = leases.seized(ctx, "k", "a", {})
    assert await store.together(OWNER, change)
    with pytest.raises(LostError):
        await lease.end(Change("other", "b", 2))
    assert await store.get(OWNER, "other", "b") == 1


async def test_a_beat_that_is_broken_off_is_written_and_loses_nothing(ctx: Any, store: Unreliable) -> None:
    for _ in range(20):
        lease = await begun(ctx)
        beat = asyncio.create_task(lease.beat(0.0))
        await asyncio.sleep(0.001)
        beat.cancel()
        await lease.write(n=1)
        await lease.end()
    assert await store.entry(OWNER, "k", "a") is None
