"""Ids lead back to uuids: from what was seen, from one listing, or not at all."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.directory import CREATED_BY, LISTINGS, Directories, Directory, Known
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.kept_ids import MANY, KeptIds
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, long_digits
from ec2bridge.store import Store
from tests.cloudstack.recorded import SECRET, Played

UUID = "0357db1e-e8dc-48b8-a730-af6b774d9c06"
ID = "i-0357db1ee8dc48b8a"


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    played = Played()
    async with TestServer(played.app()) as server:
        played.url = str(server.make_url("/client/api"))
        yield played


@pytest.fixture
async def cloudstack(played: Played) -> AsyncIterator[CloudStack]:
    cloudstack = CloudStack(played.url)
    await cloudstack.start()
    yield cloudstack
    await cloudstack.close()


@pytest.fixture
def alice(cloudstack: CloudStack) -> Account:
    return Account(cloudstack, Credentials("alice", "alice-key", SECRET))


@pytest.fixture
def directory(cloudstack: CloudStack, alice: Account) -> Directory:
    return Directories(cloudstack).of(alice)


def listing(member: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"listresponse": {"count": len(rows), member: list(rows)} if rows else {}}


async def test_an_id_that_was_listed_is_known(played: Played, alice: Account, directory: Directory) -> None:
    played.answers["listVirtualMachines"] = listing("virtualmachine", {"id": UUID, "nic": [{"id": UUID}]})
    await alice.list("listVirtualMachines")
    assert await directory.resolve("instance", ID) == UUID
    assert await directory.resolve("network-interface", f"eni-{ID[2:]}") == UUID
    assert len(played.asked) == 1


async def test_an_id_that_was_never_seen_costs_one_small_listing(
    played: Played, directory: Directory
) -> None:
    played.answers["listVirtualMachines"] = listing("virtualmachine", {"id": UUID})
    found = await asyncio.gather(*(directory.resolve("instance", ID) for _ in range(5)))
    assert set(found) == {UUID}
    assert [(params["command"], params["details"]) for params in played.asked] == [
        ("listVirtualMachines", "min")
    ]


async def test_a_made_up_id_is_not_looked_for_again_and_again(
    played: Played, directory: Directory, cloudstack: CloudStack, alice: Account
) -> None:
    played.answers["listVolumes"] = listing("volume")
    for _ in range(3):
        with pytest.raises(Ec2Error) as caught:
            await directory.resolve("volume", "vol-12345678901234567")
        assert caught.value.code == "InvalidVolume.NotFound"
        assert caught.value.message == "The volume 'vol-12345678901234567' does not exist."
    assert len(played.asked) == 1
    forgetful = Directories(cloudstack, miss_ttl=0.0).of(alice)
    for _ in range(2):
        with pytest.raises(Ec2Error):
            await forgetful.resolve("volume", "vol-12345678901234567")
    assert len(played.asked) == 3


async def test_what_is_created_is_known_at_once(played: Played, alice: Account, directory: Directory) -> None:
    played.answers["deployVirtualMachine"] = {"deployvirtualmachineresponse": {"id": UUID, "jobid": "j"}}
    played.answers["createSecurityGroup"] = {"createsecuritygroupresponse": {"securitygroup": {"id": UUID}}}
    played.answers["createVPC"] = {"createvpcresponse": {"id": UUID, "jobid": "j"}}
    for command in ("deployVirtualMachine", "createSecurityGroup", "createVPC"):
        await alice.submit(command)
    for kind in ("instance", "security-group", "vpc", "internet-gateway", "route-table"):
        assert await directory.resolve(kind, ec2_id(KINDS[kind].prefix, UUID)) == UUID
    assert len(played.asked) == 3


async def test_an_image_that_is_still_being_made_is_found(played: Played, directory: Directory) -> None:
    def templates(params: dict[str, str]) -> Any:
        return listing(
            "template", *([{"id": UUID, "zoneid": "z"}] if params["templatefilter"] == "self" else [])
        )

    played.answers["listTemplates"] = templates
    assert await directory.resolve("image", f"ami-{ID[2:]}") == UUID
    assert [params["templatefilter"] for params in played.asked] == ["executable", "self"]


async def test_a_rule_is_found_within_its_group(played: Played, directory: Directory) -> None:
    group = {"id": "g", "ingressrule": [], "egressrule": [{"ruleid": UUID}]}
    played.answers["listSecurityGroups"] = listing("securitygroup", group)
    assert await directory.resolve("security-group-rule", f"sgr-{ID[2:]}") == UUID


async def test_uuids_and_old_ids_are_taken(directory: Directory) -> None:
    directory.remember("instance", [{"id": UUID}, {"id": "7"}])
    assert await directory.resolve("instance", UUID.upper()) == UUID
    assert await directory.resolve("instance", ec2_id("i", "7")) == "7"
    assert await directory.resolve_all("instance", [ID, UUID]) == [UUID, UUID]


@pytest.mark.parametrize("value", ["i-0357db1e", ID.replace("db", "DB")])
async def test_an_id_that_no_description_finds_is_no_ones(
    played: Played, directory: Directory, value: str
) -> None:
    directory.remember("instance", [{"id": UUID}])
    played.answers["listVirtualMachines"] = listing("virtualmachine", {"id": UUID})
    with pytest.raises(Ec2Error, match=value) as error:
        await directory.resolve("instance", value)
    assert error.value.code == "InvalidInstanceID.NotFound"


async def test_what_is_forgotten_is_looked_for_again(played: Played, directory: Directory) -> None:
    played.answers["listVirtualMachines"] = listing("virtualmachine")
    directory.remember("instance", [{"id": UUID}])
    directory.forget("instance", [UUID])
    with pytest.raises(Ec2Error, match="NotFound"):
        await directory.resolve("instance", ID)
    directory.remember("instance", [{"id": UUID}])
    assert await directory.resolve("instance", ID) == UUID


async def test_what_is_no_id_is_malformed_without_asking(played: Played, directory: Directory) -> None:
    with pytest.raises(Ec2Error) as caught:
        await directory.resolve("instance", "web-1")
    assert (caught.value.code, caught.value.message) == ("InvalidInstanceID.Malformed", 'Invalid id: "web-1"')
    with pytest.raises(Ec2Error, match=r"InvalidGroupId\.Malformed"):
        await directory.resolve("security-group", ID)
    assert played.asked == []


async def test_callers_do_not_see_each_others_ids(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    played.answers["listVirtualMachines"] = listing("virtualmachine")
    shared = Directories(cloudstack)
    shared.of(alice).remember("instance", [{"id": UUID}])
    bob = Account(cloudstack, Credentials("bob", "bob-key", SECRET))
    project = Account(cloudstack, Credentials("alice:p", "alice-key", SECRET, project_id="p"))
    played.answers["listApis"] = {"listapisresponse": {"api": []}}
    assert await shared.of(alice).resolve("instance", ID) == UUID
    for other in (bob, project):
        with pytest.raises(Ec2Error, match=r"InvalidInstanceID\.NotFound"):
            await shared.of(other).resolve("instance", ID)


def test_two_that_begin_alike_are_told_apart_in_the_same_way_everywhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, twin = UUID[:-4] + "eeee", UUID[:-4] + "ffff"
    for order in ((first, twin), (twin, first)):
        known = Known("instance")
        with caplog.at_level(logging.WARNING):
            known.remember(order)
        assert "share their first digits" in caplog.text
        assert known.find(ID[2:]) == first
        assert known.find(long_digits("instance", twin)) == twin
        assert ec2_id("i", first) == ID
        assert ec2_id("i", twin) == f"i-{long_digits('instance', twin)}"


def test_memory_is_bounded() -> None:
    known = Known("volume", most=10)
    known.remember(f"{number:08x}-0000-4000-8000-000000000000" for number in range(100))
    assert len(known.by_digits) == len(known.seen) == 10


def test_the_tables_name_kinds_that_exist() -> None:
    assert set(LISTINGS) <= set(KINDS)
    assert set(CREATED_BY.values()) <= set(LISTINGS)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = Store()
    await store.start()
    yield store
    await store.close()


async def test_a_new_process_finds_the_ids_of_a_large_account_in_the_store(
    played: Played, cloudstack: CloudStack, alice: Account, store: Store
) -> None:
    uuids = [str(uuid.uuid4()) for _ in range(MANY + 1)]
    played.answers["listVirtualMachines"] = listing("virtualmachine", *({"id": one} for one in uuids))
    first = Directories(cloudstack, kept=KeptIds(store))
    assert await first.of(alice).resolve("instance", ec2_id("i", uuids[0])) == uuids[0]
    await first.close()
    listed = len(played.asked)

    heir = Directories(cloudstack, kept=KeptIds(store)).of(alice)
    found = await asyncio.gather(*(heir.resolve("instance", ec2_id("i", one)) for one in uuids))
    assert found == uuids
    assert len(played.asked) == listed
    # And another user's eyes.
    another = Directories(cloudstack, kept=KeptIds(store))
    bob = Account(cloudstack, Credentials("bob", "bob-key", SECRET))
    assert await another.of(bob).resolve("instance", ec2_id("i", uuids[0])) == uuids[0]
    assert len(played.asked) > listed


async def test_what_one_process_sees_later_another_finds(
    played: Played, cloudstack: CloudStack, alice: Account, store: Store
) -> None:
    uuids = [str(uuid.uuid4()) for _ in range(MANY + 1)]
    played.answers["listVirtualMachines"] = listing("virtualmachine", *({"id": one} for one in uuids))
    first = Directories(cloudstack, kept=KeptIds(store))
    await alice.list("listVirtualMachines")
    await first.close()

    second, third = (Directories(cloudstack, kept=KeptIds(store)) for _ in range(2))
    for directories in (second, third):
        # Neither has seen many itself.
        assert await directories.of(alice).resolve("instance", ec2_id("i", uuids[0])) == uuids[0]
    new = str(uuid.uuid4())
    played.answers["deployVirtualMachine"] = {"deployresponse": {"id": new, "jobid": "1"}}
    await alice.submit("deployVirtualMachine")
    await second.close()
    listed = len(played.asked)
    fourth = Directories(cloudstack, kept=KeptIds(store)).of(alice)
    assert await fourth.resolve("instance", ec2_id("i", new)) == new
    assert len(played.asked) == listed


async def test_of_few_objects_nothing_is_kept(
    played: Played, cloudstack: CloudStack, alice: Account, store: Store
) -> None:
    uuids = [str(uuid.uuid4()) for _ in range(MANY)]
    played.answers["listVirtualMachines"] = listing("virtualmachine", *({"id": one} for one in uuids))
    directories = Directories(cloudstack, kept=KeptIds(store))
    await alice.list("listVirtualMachines")
    await directories.close()
    assert await store.count_kinds() == {}


async def test_an_id_is_listed_while_the_store_is_away(
    played: Played, cloudstack: CloudStack, alice: Account
) -> None:
    played.answers["listVirtualMachines"] = listing("virtualmachine", {"id": UUID})
    directories = Directories(cloudstack, kept=KeptIds(Store()))  # never opened
    assert await directories.of(alice).resolve("instance", ID) == UUID
