"""Launches and terminations of which an answer is lost, at every call that changes something."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal, unknown
from ec2bridge.resources.machines import records
from tests.conftest import Place
from tests.faulty import LOST_ANSWER, LOST_CALL, behind, eventually
from tests.launching import ADVANCED, code_of, described, tags
from tests.native import Native

NO_ROOM = {"errorcode": 533, "cserrorcode": 4350, "errortext": "There is no room for it"}
RETRYING = Config(retries={"total_max_attempts": 3, "mode": "standard"})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have recovery begin within a moment."""
    monkeypatch.setattr(unknown, "PAUSES", (0.0, 0.05, 0.1))
    monkeypatch.setattr(journal, "PAUSES", (0.0, 0.05, 0.1))
    monkeypatch.setattr(journal, "LOOK_AGAIN", 0.1)
    monkeypatch.setattr(records, "FIRST_PAUSE", 0.05)


def inventory(place: Place) -> dict[str, int]:
    """Return how many of each an account has."""
    native = Native(place)
    return {
        "machines": len(native.list("listVirtualMachines")),
        "volumes": len(native.list("listVolumes")),
        "addresses": len([row for row in native.list("listPublicIpAddresses") if not row.get("issourcenat")]),
    }


def request(ec2: Any, **more: Any) -> dict[str, Any]:
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    return {
        "ImageId": ec2.describe_images()["Images"][0]["ImageId"],
        "InstanceType": "t2.micro",
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": "once",
        "Placement": {"AvailabilityZone": ADVANCED},
        "NetworkInterfaces": [interface],
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 10, "DeleteOnTermination": True}}
        ],
        "TagSpecifications": [tags("instance", app="shop"), tags("volume", app="shop")],
        **more,
    }


def settled(ec2: Any, place: Place, wanted: str = "running") -> dict[str, Any]:
    """Return the one instance once it is in a state and all work is done."""
    deadline = time.monotonic() + 60
    while True:
        [instance] = described(ec2)
        if instance["State"]["Name"] == wanted and not place.bridge.site.caches.get("machine-tasks"):
            return instance
        assert time.monotonic() < deadline, instance["State"]
        time.sleep(0.1)


LAUNCH = [
    ("associateIpAddress", 1),
    ("associateIpAddress", 2),
    ("deployVirtualMachine", 1),
    ("createTags", 1),
    ("createTags", 2),
    ("createTags", 3),
    ("enableStaticNat", 1),
    ("createVolume", 1),
    ("attachVolume", 1),
]


@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL])
@pytest.mark.parametrize(("command", "number"), LAUNCH)
def test_a_launch_is_whole_and_once(
    make_place: Callable[..., Place], command: str, number: int, mode: str
) -> None:
    place, way = behind(make_place)
    ec2 = place.client(config=RETRYING)
    described(ec2)
    way.next(command, *[None] * (number - 1), mode)
    launched = ec2.run_instances(**request(ec2))["Instances"][0]["InstanceId"]
    instance = settled(ec2, place)
    assert not way.plan[command], "the fault was played"
    assert instance["InstanceId"] == launched
    assert instance["PublicIpAddress"]
    assert {"Key": "app", "Value": "shop"} in instance["Tags"]
    assert [m["DeviceName"] for m in instance["BlockDeviceMappings"]] == ["/dev/sda1", "/dev/sdf"]
    assert inventory(place) == {"machines": 1, "volumes": 2, "addresses": 1}
    assert ec2.describe_addresses()["Addresses"] == []
    gone_without_a_trace(place, ec2, launched)


def gone_without_a_trace(place: Place, ec2: Any, ident: str) -> None:
    ec2.terminate_instances(InstanceIds=[ident])
    settled(ec2, place, "terminated")
    assert inventory(place) == {"machines": 0, "volumes": 0, "addresses": 0}


@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL])
@pytest.mark.parametrize(
    "command", ["destroyVirtualMachine", "expungeVirtualMachine", "disassociateIpAddress"]
)
def test_a_termination_releases_everything(make_place: Callable[..., Place], command: str, mode: str) -> None:
    place, way = behind(make_place)
    ec2 = place.client(config=RETRYING)
    launched = ec2.run_instances(**request(ec2))["Instances"][0]["InstanceId"]
    settled(ec2, place)
    way.next(command, mode)
    ec2.terminate_instances(InstanceIds=[launched])
    settled(ec2, place, "terminated")
    assert not way.plan[command]
    assert inventory(place) == {"machines": 0, "volumes": 0, "addresses": 0}


def test_a_launch_that_is_taken_back_leaves_no_address(make_place: Callable[..., Place]) -> None:
    """CloudStack has addresses for both machines, and room for one."""
    place, way = behind(make_place)
    ec2 = place.client()
    before = inventory(place)
    way.next("deployVirtualMachine", None, NO_ROOM)
    with pytest.raises(ClientError) as error:
        ec2.run_instances(**{**request(ec2), "MinCount": 2, "MaxCount": 2})
    assert code_of(error) == "InsufficientInstanceCapacity"
    eventually(lambda: inventory(place) == before)
    assert described(ec2) == []
