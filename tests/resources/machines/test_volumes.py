"""The volumes of machines, listed for several polls: what changes is seen at once, what is not asked for is saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.resources.machines import volumes as machine_volumes
from tests.conftest import Place
from tests.launching import described, started


@pytest.fixture(autouse=True)
def kept_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have only what happens end a listing's life, whatever this machine's speed."""
    monkeypatch.setattr(machine_volumes, "KEEP", 3600)


def devices(ec2: Any) -> list[str]:
    """Return the device names of the one instance."""
    [instance] = described(ec2)
    return [mapping["DeviceName"] for mapping in instance["BlockDeviceMappings"]]


def volume_in(ec2: Any, instance: dict[str, Any]) -> str:
    made = ec2.create_volume(AvailabilityZone=instance["Placement"]["AvailabilityZone"], Size=10)
    return str(made["VolumeId"])


def test_a_poll_in_which_nothing_changed_is_one_native_call(place: Place, ec2: Any) -> None:
    started(ec2)
    described(ec2)
    for _ in range(10):
        assert place.commands(lambda: described(ec2)) == ["listVirtualMachines"]


def test_a_change_of_volumes_is_seen_by_the_next_poll(place: Place, ec2: Any) -> None:
    [instance] = started(ec2)
    assert devices(ec2) == ["/dev/sda1"]
    volume = volume_in(ec2, instance)
    devices(ec2)
    ec2.attach_volume(VolumeId=volume, InstanceId=instance["InstanceId"], Device="/dev/sdf")
    assert devices(ec2) == ["/dev/sda1", "/dev/sdf"]
    mapping = {"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], BlockDeviceMappings=[mapping])
    [now] = described(ec2)
    assert [m["Ebs"]["DeleteOnTermination"] for m in now["BlockDeviceMappings"]] == [True, True]
    ec2.detach_volume(VolumeId=volume)
    assert devices(ec2) == ["/dev/sda1"]


def test_a_change_through_another_bridge_is_seen_at_once(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    here = place.client()
    url, _ = place.another_bridge()
    there = place.client(endpoint_url=url)
    [instance] = started(here)
    volume = volume_in(here, instance)
    assert devices(there) == devices(here) == ["/dev/sda1"]
    for ec2, other in ((here, there), (there, here)):
        ec2.attach_volume(VolumeId=volume, InstanceId=instance["InstanceId"], Device="/dev/sdf")
        assert devices(other) == ["/dev/sda1", "/dev/sdf"]
        ec2.detach_volume(VolumeId=volume)
        assert devices(other) == ["/dev/sda1"]


def test_machines_that_changed_have_their_volumes_listed_anew(place: Place, ec2: Any) -> None:
    started(ec2)
    described(ec2)
    place.sim.populate("alice", 1)
    assert sorted(place.commands(lambda: described(ec2))) == ["listVirtualMachines", "listVolumes"]
    assert place.commands(lambda: described(ec2)) == ["listVirtualMachines"]


def test_one_machine_of_many_that_changed_is_asked_for_its_own(place: Place, ec2: Any) -> None:
    place.sim.populate("alice", 20)
    described(ec2)
    [changed] = place.sim.populate("alice", 1)
    calls = [call for call in calls_of(place, lambda: described(ec2)) if call.command == "listVolumes"]
    assert [call.params.get("virtualmachineid") for call in calls] == [changed["id"]]
    assert {mapping["DeviceName"] for one in described(ec2) for mapping in one["BlockDeviceMappings"]} == {
        "/dev/sda1"
    }


def calls_of(place: Place, work: Callable[[], Any]) -> list[NativeCall]:
    """Return the native calls that the work became."""
    before = len(place.native)
    work()
    return place.native[before:]
