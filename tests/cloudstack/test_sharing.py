"""Reads that come together share an answer, and nobody gets one that began before they asked."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ec2bridge.cloudstack.sharing import WIDTH, Shared

FAILED = "the server was down"


class Server:
    """A server whose answer is what it knew when it was asked: the oldest that an answer may be."""

    def __init__(self, chance: random.Random, *, fails: float = 0.0) -> None:
        self.chance = chance
        self.fails = fails
        self.writes = 0
        self.calls = 0
        self.under_way = 0
        self.most = 0

    async def read(self) -> int:
        known = self.writes
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await pause(self.chance)
            if self.chance.random() < self.fails:
                raise ConnectionError(FAILED)
            return known
        finally:
            self.under_way -= 1


async def pause(chance: random.Random) -> None:
    for _ in range(chance.randrange(6)):
        await asyncio.sleep(0)


async def play(seed: int, readers: int, fails: float, hang_up: float) -> Server:
    chance = random.Random(seed)
    server, shared = Server(chance, fails=fails), Shared()

    async def write() -> None:
        for _ in range(20):
            await pause(chance)
            server.writes += 1

    async def read() -> None:
        await pause(chance)
        before = server.writes
        try:
            answer = await shared.ask("machines", server.read)
        except ConnectionError:
            return
        assert answer >= before, "a listing that began before the request arrived"

    async def impatient() -> None:
        task = asyncio.create_task(read())
        await pause(chance)
        if chance.random() < hang_up:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async with asyncio.timeout(5):
        await asyncio.gather(write(), *(impatient() for _ in range(readers)))
        with suppress(ConnectionError):
            await shared.ask("machines", server.read)
    return server


@given(
    seed=st.integers(0, 2**32),
    readers=st.integers(1, 40),
    fails=st.sampled_from([0.0, 0.3]),
    hang_up=st.sampled_from([0.0, 0.5]),
)
@settings(max_examples=200, deadline=None)
def test_whoever_reads_sees_what_was_written_before(
    seed: int, readers: int, fails: float, hang_up: float
) -> None:
    server = asyncio.run(play(seed, readers, fails, hang_up))
    assert server.most <= WIDTH


async def held(answers: list[asyncio.Future[str]]) -> Callable[[], Awaitable[str]]:
    async def fetch() -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        answers.append(answer)
        return await answer

    return fetch


async def test_a_hundred_polls_are_three_calls() -> None:
    answers: list[asyncio.Future[str]] = []
    shared, fetch = Shared(), await held(answers)
    polls = [asyncio.create_task(shared.ask("machines", fetch)) for _ in range(100)]
    await asyncio.sleep(0)
    assert len(answers) == 2
    answers[0].set_result("first")
    await asyncio.sleep(0.01)
    assert len(answers) == 3
    answers[1].set_result("second")
    answers[2].set_result("third")
    assert await asyncio.gather(*polls) == ["first", "second", *["third"] * 98]
    assert shared._kinds == {}


async def test_another_question_is_not_kept_waiting() -> None:
    answers: list[asyncio.Future[str]] = []
    shared, fetch = Shared(), await held(answers)
    polls = [asyncio.create_task(shared.ask(("alice", place), fetch)) for place in range(10)]
    await asyncio.sleep(0)
    assert len(answers) == 10
    for answer in answers:
        answer.set_result("done")
    await asyncio.gather(*polls)


async def test_who_asked_first_may_hang_up() -> None:
    answers: list[asyncio.Future[str]] = []
    shared, fetch = Shared(1), await held(answers)
    first, second, third = (asyncio.create_task(shared.ask("machines", fetch)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.sleep(0.01)
    answers[1].set_result("answer")
    assert await third == "answer"


async def test_a_failure_reaches_all_who_waited_and_nobody_after_them() -> None:
    shared = Shared(1)

    async def fail() -> str:
        await asyncio.sleep(0)
        raise ConnectionError(FAILED)

    async def answer() -> str:
        return "answer"

    outcomes = await asyncio.gather(*(shared.ask("machines", fail) for _ in range(3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == [FAILED] * 3
    assert await shared.ask("machines", answer) == "answer"
    with pytest.raises(ConnectionError):
        await shared.ask("machines", fail)
