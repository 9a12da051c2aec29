"""Images and snapshots when an answer is lost, or the bridge dies: the machine runs, and nothing is left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, LOST_CALL, SILENCE, behind, eventually, kill_during
from tests.launching import described, ids, launch, until

pytestmark = KILLS

REFUSAL = {"errorcode": 530, "errortext": "Something went wrong."}
STEPS = ["stopVirtualMachine", "createSnapshot", "startVirtualMachine", "createTemplate", "createTags"]


def images(ec2: Any) -> list[str]:
    return [image["ImageId"] for image in ec2.describe_images(Owners=["self"])["Images"]]


def snapshots(ec2: Any) -> list[str]:
    return [one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]]


def state(ec2: Any) -> str:
    return str(described(ec2)[0]["State"]["Name"])


def machine(ec2: Any) -> str:
    [ident] = ids(launch(ec2))
    until(ec2, "running", ident)
    return ident


@pytest.mark.parametrize("command", STEPS)
def test_a_lost_answer_is_looked_for(make_place: Callable[..., Place], command: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    ident = machine(ec2)
    way.next(command, LOST_ANSWER)
    image = ec2.create_image(InstanceId=ident, Name="golden")["ImageId"]
    assert images(ec2) == [image]
    assert len(snapshots(ec2)) == 1
    until(ec2, "running", ident)
    [row] = front.sim.cloud.tables["machines"].where()
    eventually(lambda: row["state"] == "Running")


@pytest.mark.parametrize("command", STEPS)
@pytest.mark.parametrize("mode", [LOST_CALL, REFUSAL])
def test_what_fails_is_taken_back_and_the_machine_runs(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch, command: str, mode: Any
) -> None:
    monkeypatch.setattr(journal, "LOOK_AGAIN", 0.1)
    monkeypatch.setattr(journal, "LEASE", 1.0)
    front, way = behind(make_place, recovery_interval=0.2)
    ec2 = front.client()
    ident = machine(ec2)
    way.next(command, mode)
    with pytest.raises(ClientError):
        ec2.create_image(InstanceId=ident, Name="golden")
    [row] = front.sim.cloud.tables["machines"].where()
    eventually(lambda: row["state"] == "Running" and not images(ec2) and not snapshots(ec2))


@pytest.mark.parametrize("command", STEPS)
@pytest.mark.parametrize("again", [True, False])
def test_what_a_bridge_that_died_left_is_finished_or_taken_back(
    make_place: Callable[..., Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    again: bool,
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    ident = machine(front.client())
    way.next(command, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: front.client().create_image(InstanceId=ident, Name="golden"))
    if not again:
        monkeypatch.setattr(journal, "LEASE", 1.0)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    ec2 = heir.client()
    if again:
        # Long enough for what the request reads between finding the record and going on with it.
        monkeypatch.setattr(journal, "LEASE", 3.0)
        image = ec2.create_image(InstanceId=ident, Name="golden")["ImageId"]
        assert images(ec2) == [image]
        assert len(snapshots(ec2)) == 1
    else:
        eventually(lambda: not images(ec2) and not snapshots(ec2))
    [row] = heir.sim.cloud.tables["machines"].where()
    eventually(lambda: row["state"] == "Running")


def test_of_several_snapshots_all_are_made_or_none(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    [ident] = ids(launch(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}]))
    until(ec2, "running", ident)
    way.next("createSnapshot", None, REFUSAL)
    with pytest.raises(ClientError):
        ec2.create_snapshots(InstanceSpecification={"InstanceId": ident})
    assert snapshots(ec2) == []
    way.next("createSnapshot", LOST_ANSWER, LOST_ANSWER)
    assert len(ec2.create_snapshots(InstanceSpecification={"InstanceId": ident})["Snapshots"]) == 2
    assert len(snapshots(ec2)) == 2


@pytest.mark.parametrize("command", ["deleteTemplate", "deleteSnapshot"])
def test_an_image_whose_removal_has_no_answer_is_gone(make_place: Callable[..., Place], command: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    image = ec2.create_image(InstanceId=machine(ec2), Name="golden", NoReboot=True)["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
    way.next(command, LOST_ANSWER)
    answer = ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert answer["Return"] is True
    eventually(lambda: not images(ec2) and not snapshots(ec2))


def test_a_machine_that_does_not_start_again_at_once_is_started_later(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LOOK_AGAIN", 0.1)
    monkeypatch.setattr(journal, "LEASE", 1.0)
    front, _ = behind(make_place, recovery_interval=0.2)
    ec2 = front.client()
    ident = machine(ec2)
    front.sim.faults.add("job-fails", "startVirtualMachine")
    image = ec2.create_image(InstanceId=ident, Name="golden")["ImageId"]
    until(ec2, "running", ident)
    [row] = front.sim.cloud.tables["machines"].where()
    eventually(lambda: row["state"] == "Running")
    assert images(ec2) == [image]
    eventually(lambda: not front.run(front.bridge.site.store.everywhere(journal.KIND)))


def test_a_machine_that_somebody_stopped_since_is_left_alone(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LEASE", 1.0)
    monkeypatch.setattr(journal, "LOOK_AGAIN", 600.0)
    front, _ = behind(make_place, recovery_interval=0.2)
    ec2 = front.client()
    ident = machine(ec2)
    front.sim.faults.add("job-fails", "startVirtualMachine")
    ec2.create_image(InstanceId=ident, Name="golden")
    until(ec2, "stopped", ident)
    ec2.start_instances(InstanceIds=[ident])
    until(ec2, "running", ident)
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    store = front.bridge.site.store
    [(owner, entry)] = front.run(store.everywhere(journal.KIND))
    # What was begun a second ago, and is due now.
    due = {**entry.value, "later": 0.0, "began": entry.value["began"] - 2}
    front.run(store.put(owner, journal.KIND, entry.key, due))
    eventually(lambda: not front.run(store.everywhere(journal.KIND)))
    assert state(ec2) == "stopped"


def test_a_failed_snapshot_of_an_image_leaves_nothing(make_place: Callable[..., Place]) -> None:
    front, _ = behind(make_place)
    ec2 = front.client()
    ident = machine(ec2)
    front.sim.faults.add("job-fails", "createSnapshot")
    with pytest.raises(ClientError):
        ec2.create_image(InstanceId=ident, Name="golden")
    until(ec2, "running", ident)
    assert (images(ec2), snapshots(ec2)) == ([], [])
    assert list(front.run(front.bridge.site.store.everywhere(journal.KIND))) == []
