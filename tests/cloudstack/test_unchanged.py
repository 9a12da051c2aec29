"""Answers that are what they were: asked for each time, read once."""

from typing import Any

import pytest

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.directory import Directories
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.cloudstack.unchanged import Unchanged
from tests.cloudstack.recorded import SECRET, Played
from tests.cloudstack.test_client import REFUSED, alice, cloudstack, paged, played, rows

__all__ = ["alice", "cloudstack", "played"]


async def test_rows_that_are_as_they_were_are_the_same_objects(played: Played, alice: Account) -> None:
    played.answers["listVolumes"] = paged(rows(501))
    first = await alice.watch("listVolumes")
    again = await alice.watch("listVolumes")
    assert first == again == rows(501)
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert len(played.asked) == 4


async def test_a_page_that_has_changed_is_read(played: Played, alice: Account) -> None:
    played.answers["listVolumes"] = paged(rows(501))
    first = await alice.watch("listVolumes")
    played.answers["listVolumes"] = paged([*rows(500), {"id": "another"}])
    second = await alice.watch("listVolumes")
    assert second[-1] == {"id": "another"}
    assert second[0] is first[0]


async def test_nobody_gets_what_another_asked_for(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    played.answers["listVolumes"] = paged(rows(1))
    [seen] = await alice.watch("listVolumes")
    bob = Account(cloudstack, Credentials("bob", "bob-key", SECRET))
    for other in (await bob.watch("listVolumes"), await alice.watch("listVolumes", id="uuid-0")):
        assert other == [seen]
        assert other[0] is not seen
    [listed] = await alice.list("listVolumes")
    assert listed is not seen


async def test_a_refusal_is_no_answer(played: Played, alice: Account) -> None:
    played.answers["listVolumes"] = [(431, {"errorresponse": REFUSED}), paged(rows(1))]
    for _ in range(2):
        if played.asked:
            assert await alice.watch("listVolumes") == rows(1)
        else:
            with pytest.raises(CloudStackError):
                await alice.watch("listVolumes")


async def test_ids_are_found_whoever_forgot_them(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    uuid = "8f2ad7a9-0000-4000-8000-000000000001"
    played.answers["listVolumes"] = paged([{"id": uuid}])
    directories = Directories(cloudstack)
    await alice.watch("listVolumes")
    directories.of(alice).forget("volume", [uuid])
    await alice.watch("listVolumes")
    assert await directories.of(alice).resolve("volume", "vol-8f2ad7a9000040008") == uuid


def test_only_so_much_is_kept() -> None:
    kept, read = Unchanged(10), []

    def look(question: str, body: bytes) -> bool:
        def reading(body: bytes) -> Any:
            read.append(body)
            return object()

        return kept.read(question, body, reading)[1]

    assert [look("a", b"1234"), look("b", b"1234"), look("a", b"1234"), look("c", b"1234")] == [
        False,
        False,
        True,
        False,
    ]
    assert kept.size == 8
    assert (look("b", b"1234"), look("c", b"1234"), look("c", b"12345")) == (False, True, False)
    assert not look("large", b"12345678901")
    assert kept.size == 0
