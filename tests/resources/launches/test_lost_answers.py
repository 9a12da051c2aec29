"""Launches and terminations when an answer of CloudStack's is lost, or it has no room: nothing twice, nothing left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from ec2bridge.resources.launches import deploy
from ec2bridge.resources.machines import records
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, LOST_CALL, SILENCE, behind, eventually, kill_during
from tests.launching import ADVANCED, code_of, described, ids, launch, placed, started, until
from tests.native import Native

pytestmark = KILLS

NO_ROOM = {"errorcode": 533, "cserrorcode": 4350, "errortext": "Insufficient capacity"}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LOOK_AGAIN", 0.1)
    monkeypatch.setattr(records, "FIRST_PAUSE", 0.05)


def with_address(ec2: Any, count: int = 1, **more: Any) -> list[str]:
    """Launch machines with public addresses."""
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    return ids(launch(ec2, count, NetworkInterfaces=[interface], **placed(ADVANCED), **more))


def public(place: Place) -> list[dict[str, Any]]:
    """The addresses that launches or clients have acquired, as CloudStack has them."""
    rows = Native(place).list("listPublicIpAddresses")
    return [row for row in rows if not row["issourcenat"]]


def machines(place: Place) -> list[dict[str, Any]]:
    rows = place.sim.cloud.tables["machines"].where()
    return [row for row in rows if row["state"] != "Expunged"]


@pytest.mark.parametrize("command", ["createTags", "enableStaticNat", "queryAsyncJobResult"])
def test_an_answered_launch_stays(make_place: Callable[..., Place], command: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next(command, LOST_ANSWER)
    [ident] = with_address(ec2)
    [machine] = until(ec2, "running", ident)
    assert machine["PublicIpAddress"] == public(front)[0]["ipaddress"]
    ec2.terminate_instances(InstanceIds=[ident])
    until(ec2, "terminated", ident)
    assert public(front) == []


@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL])
def test_a_termination_without_an_answer_goes_on(make_place: Callable[..., Place], mode: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    [ident] = with_address(ec2)
    until(ec2, "running", ident)
    way.next("destroyVirtualMachine", mode)
    answer = ec2.terminate_instances(InstanceIds=[ident])["TerminatingInstances"][0]
    assert answer["CurrentState"]["Name"] == "shutting-down"
    until(ec2, "terminated", ident)
    assert (machines(front), public(front)) == ([], [])


def test_a_launch_that_finds_no_room_gives_its_addresses_back(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next("deployVirtualMachine", None, NO_ROOM)
    with pytest.raises(ClientError) as caught:
        with_address(ec2, 2)
    assert code_of(caught) == "InsufficientInstanceCapacity"
    eventually(lambda: not machines(front) and not public(front))
    assert ec2.describe_addresses()["Addresses"] == []


def test_a_deployment_without_an_answer_is_found_with_its_address(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next("deployVirtualMachine", LOST_ANSWER)
    [ident] = with_address(ec2, ClientToken="one")
    [machine] = until(ec2, "running", ident)
    assert [row["ipaddress"] for row in public(front)] == [machine["PublicIpAddress"]]
    assert with_address(ec2, ClientToken="one") == [ident]


@pytest.mark.parametrize(
    ("command", "mode"),
    [
        ("deployVirtualMachine", LOST_CALL),
        ("associateIpAddress", LOST_CALL),
        ("associateIpAddress", LOST_ANSWER),
    ],
)
def test_what_a_refused_launch_has_no_answer_for_is_taken_back(
    make_place: Callable[..., Place], command: str, mode: str
) -> None:
    front, way = behind(make_place, recovery_interval=0.2)
    ec2 = front.client()
    ec2.allocate_address()
    [kept] = public(front)
    way.next(command, mode)
    with pytest.raises(ClientError) as caught:
        with_address(ec2, ClientToken="one")
    assert code_of(caught) == "Unavailable"
    eventually(lambda: not machines(front) and [row["id"] for row in public(front)] == [kept["id"]])


@pytest.mark.parametrize("command", ["deployVirtualMachine", "associateIpAddress", "createTags"])
def test_what_a_launch_that_died_left_goes(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    front.client().allocate_address()
    [kept] = public(front)
    way.next(command, SILENCE)
    tag = {"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: with_address(front.client(), 2, TagSpecifications=[tag]))
    monkeypatch.setattr(journal, "LEASE", 1.0)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    eventually(lambda: not machines(heir) and [row["id"] for row in public(heir)] == [kept["id"]])
    assert described(heir.client()) == []


def test_a_launch_that_is_sent_again_has_the_addresses_that_it_had(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    way.next("deployVirtualMachine", SILENCE, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: launch(front.client(), 2, ClientToken="one", **placed(ADVANCED)))
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=600)
    # Its first sweep has been by: nobody but who asks again takes the record up.
    monkeypatch.setattr(journal, "LEASE", 1.0)
    machines = started(heir.client(), 2, ClientToken="one", **placed(ADVANCED))
    rows = {row["name"]: row["nic"][0]["ipaddress"] for row in Native(heir).list("listVirtualMachines")}
    deploys = [call.params for call in heir.native if call.command == "deployVirtualMachine"]
    assert {params["name"]: params["ipaddress"] for params in deploys} == rows
    assert sorted(machine["PrivateIpAddress"] for machine in machines) == sorted(rows.values())


@pytest.mark.parametrize("command", ["createVolume", "attachVolume"])
def test_the_volumes_of_a_launch_are_made_once(make_place: Callable[..., Place], command: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next(command, LOST_ANSWER)
    disk = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}}
    [ident] = ids(launch(ec2, BlockDeviceMappings=[disk, {**disk, "DeviceName": "/dev/sdg"}]))
    [machine] = until(ec2, "running", ident)
    devices = [mapping["DeviceName"] for mapping in machine["BlockDeviceMappings"]]
    assert devices == ["/dev/sda1", "/dev/sdf", "/dev/sdg"]
    assert len(ec2.describe_volumes()["Volumes"]) == 3


NAME_TAKEN = {
    "errorcode": 431,
    "errortext": "The vm with hostName ec2-1-0 already exists in the network domain: cs.internal; network=guest",
}


def test_a_name_that_is_free_again_in_a_moment_is_waited_for(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine of a launch that was taken back has its name until it is gone, and is not listed meanwhile."""
    monkeypatch.setattr(deploy, "LEAVING", (0.01, 0.02))
    front, way = behind(make_place)
    ec2 = front.client()
    way.next("deployVirtualMachine", NAME_TAKEN, NAME_TAKEN)
    [ident] = with_address(ec2, ClientToken="t")
    until(ec2, "running", ident)
    assert len(machines(front)) == len(public(front)) == 1
    # One that does not go: the client is told to try again, and nothing is left.
    way.next("deployVirtualMachine", NAME_TAKEN, NAME_TAKEN, NAME_TAKEN)
    with pytest.raises(ClientError) as caught:
        with_address(ec2, ClientToken="u")
    assert code_of(caught) == "Unavailable"
    assert len(machines(front)) == 1
    eventually(lambda: len(public(front)) == 1)
