"""ClientToken: sent again, a request has its effect once; sent with other parameters, it is refused."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ec2bridge.ec2 import client_tokens
from ec2bridge.errors import Ec2Error
from ec2bridge.store import Store
from ec2bridge.wire.model import Operation, operation

LAUNCHED = datetime(2026, 11, 23, 18, 0, 0, 123000, tzinfo=UTC)


@pytest.fixture
async def ctx() -> AsyncIterator[Any]:
    store = Store()
    await store.start()
    yield SimpleNamespace(store=store, owner_id="000000000001")
    await store.close()


def run_instances() -> Operation:
    found = operation("RunInstances")
    assert found is not None
    return found


class Launches:
    """A handler that counts how often it is run."""

    def __init__(self, *, fail_first: bool = False) -> None:
        self.count = 0
        self.fail_first = fail_first

    async def __call__(self, ctx: Any, request: Any) -> dict[str, Any]:
        self.count += 1
        await asyncio.sleep(0.02)
        if self.fail_first and self.count == 1:
            raise Ec2Error("InsufficientInstanceCapacity", "There is no room.")
        return {
            "ReservationId": f"r-{self.count}",
            "Instances": [{"LaunchTime": LAUNCHED, "EbsOptimized": False}],
        }


REQUEST = {"ImageId": "ami-1", "MinCount": 1, "ClientToken": "one"}


async def test_tags_may_come_in_another_order(ctx: Any) -> None:
    launches, op = Launches(), run_instances()
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    for order in (tags, tags[::-1]):
        request = {**REQUEST, "TagSpecifications": [{"ResourceType": "instance", "Tags": order}]}
        answer = await client_tokens.once(launches, op, ctx, request)
        assert (answer["ReservationId"], launches.count) == ("r-1", 1)
    swapped = [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "1"}]
    request = {**REQUEST, "TagSpecifications": [{"ResourceType": "instance", "Tags": swapped}]}
    with pytest.raises(Ec2Error) as caught:
        await client_tokens.once(launches, op, ctx, request)
    assert caught.value.code == "IdempotentParameterMismatch"


async def test_one_token_launches_once_even_at_once(ctx: Any) -> None:
    launches = Launches()
    answers = await asyncio.gather(
        *(client_tokens.once(launches, run_instances(), ctx, dict(REQUEST)) for _ in range(5))
    )
    assert launches.count == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[-1]["Instances"][0]["LaunchTime"] == LAUNCHED


async def test_without_a_token_each_request_launches(ctx: Any) -> None:
    launches = Launches()
    request = {"ImageId": "ami-1", "MinCount": 1}
    await client_tokens.once(launches, run_instances(), ctx, request)
    await client_tokens.once(launches, run_instances(), ctx, request)
    assert launches.count == 2


async def test_a_token_with_other_parameters_is_refused(ctx: Any) -> None:
    launches = Launches()
    await client_tokens.once(launches, run_instances(), ctx, REQUEST)
    with pytest.raises(Ec2Error) as caught:
        await client_tokens.once(launches, run_instances(), ctx, {**REQUEST, "MinCount": 2})
    assert (caught.value.code, launches.count) == ("IdempotentParameterMismatch", 1)


async def test_a_token_is_the_accounts_own(ctx: Any) -> None:
    launches = Launches()
    await client_tokens.once(launches, run_instances(), ctx, REQUEST)
    other = SimpleNamespace(store=ctx.store, owner_id="000000000002")
    await client_tokens.once(launches, run_instances(), other, REQUEST)
    assert launches.count == 2


async def test_after_a_failure_the_token_may_be_used_again(ctx: Any) -> None:
    launches = Launches(fail_first=True)
    with pytest.raises(Ec2Error, match="no room"):
        await client_tokens.once(launches, run_instances(), ctx, REQUEST)
    assert (await client_tokens.once(launches, run_instances(), ctx, REQUEST))["ReservationId"] == "r-2"


async def test_a_record_whose_process_died_is_taken_over(ctx: Any) -> None:
    launches = Launches()
    op = run_instances()
    dead = {"digest": client_tokens._digest(op, REQUEST), "beat": time.time() - client_tokens.LEASE - 1}
    await ctx.store.put(ctx.owner_id, "token:RunInstances", "one", dead)
    assert (await client_tokens.once(launches, op, ctx, REQUEST))["ReservationId"] == "r-1"


async def test_of_three_who_wait_for_a_dead_bearer_one_takes_over(
    ctx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tokens, "LEASE", 0.2)
    monkeypatch.setattr(client_tokens, "POLL", 0.01)
    launches, op = Launches(), run_instances()
    dying = {"digest": client_tokens._digest(op, REQUEST), "beat": time.time()}
    await ctx.store.put(ctx.owner_id, "token:RunInstances", "one", dying)
    answers = await asyncio.gather(*(client_tokens.once(launches, op, ctx, dict(REQUEST)) for _ in range(3)))
    assert launches.count == 1
    assert {answer["ReservationId"] for answer in answers} == {"r-1"}


class Slow(Launches):
    """A handler whose first run is taken for dead: it goes on when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def __call__(self, ctx: Any, request: Any) -> dict[str, Any]:
        self.count += 1
        number = self.count
        if number == 1:
            await self.go_on.wait()
        return {"ReservationId": f"r-{number}"}


async def test_a_bearer_that_comes_back_from_the_dead_gives_its_heirs_answer(
    ctx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tokens, "BEAT", 3600)
    monkeypatch.setattr(client_tokens, "LEASE", -1)
    launches, op = Slow(), run_instances()
    first = asyncio.create_task(client_tokens.once(launches, op, ctx, dict(REQUEST)))
    await asyncio.sleep(0.05)
    second = await client_tokens.once(launches, op, ctx, dict(REQUEST))
    launches.go_on.set()
    assert await first == second == {"ReservationId": "r-2"}
    assert await client_tokens.once(launches, op, ctx, dict(REQUEST)) == second


async def test_a_late_heartbeat_does_not_overwrite_the_answer(
    ctx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tokens, "BEAT", 0.0)
    launches, op = Launches(), run_instances()
    for number in range(30):
        request = {**REQUEST, "ClientToken": f"token-{number}"}
        answer = await client_tokens.once(launches, op, ctx, request)
        await asyncio.sleep(0.005)
        assert await client_tokens.once(launches, op, ctx, request) == answer
    assert launches.count == 30
