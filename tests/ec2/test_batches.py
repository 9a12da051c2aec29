"""The same for many objects, a few at a time."""

import asyncio

import pytest

from ec2bridge.ec2.batches import AT_ONCE, for_each


async def test_so_many_are_under_way_together_and_no_more() -> None:
    under_way, most = 0, 0
    together = asyncio.Barrier(AT_ONCE)

    async def work(_: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await together.wait()  # for ever, were they one after another
        under_way -= 1

    await for_each(range(2 * AT_ONCE), work)
    assert most == AT_ONCE


async def test_what_fails_keeps_nothing_else_from_being_done() -> None:
    done = []

    async def work(number: int) -> None:
        if number in (1, AT_ONCE):
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="1") as error:
        await for_each(range(AT_ONCE + 2), work)
    [note] = error.value.__notes__
    assert note.startswith(f"This is for 1, {AT_ONCE}; the request was carried out for 0, 2")
    assert done == [number for number in range(AT_ONCE + 2) if number not in (1, AT_ONCE)]
