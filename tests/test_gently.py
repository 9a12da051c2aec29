"""Long work gives way: others have their turn in the middle of it."""

import asyncio

import pytest

from ec2bridge import gently
from ec2bridge.ec2 import describe


async def turns_meanwhile(work: asyncio.Task[object]) -> int:
    """How often somebody else had a turn until the work was done."""
    turns = 0
    while not work.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


async def test_what_a_describe_shows_is_made_ready_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gently, "TURN", 0.0)
    items = [{"VolumeId": f"vol-{number}", "_Uuid": number} for number in range(10 * gently.AT_ONCE)]
    work = asyncio.create_task(describe._shown(items))
    assert await turns_meanwhile(work) >= 9
    assert work.result() == [{"VolumeId": item["VolumeId"]} for item in items]
