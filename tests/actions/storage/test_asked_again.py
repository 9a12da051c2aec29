"""Requests without a client token that are sent again: they join what the first one has begun."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, LOST_CALL, SILENCE, behind, eventually, kill_during
from tests.launching import ADVANCED, code_of, ids, placed, started, tags

pytestmark = KILLS


def volume(ec2: Any) -> str:
    made = ec2.create_volume(
        AvailabilityZone=ADVANCED, Size=5, TagSpecifications=[tags("volume", role="data", empty="")]
    )
    return str(made["VolumeId"])


def attached(ec2: Any) -> tuple[str, str]:
    machine, data = ids(started(ec2, **placed(ADVANCED)))[0], volume(ec2)
    ec2.attach_volume(VolumeId=data, InstanceId=machine, Device="/dev/sdh")
    return machine, data


def snapshot(ec2: Any) -> str:
    _, data = attached(ec2)
    made = str(ec2.create_snapshot(VolumeId=data)["SnapshotId"])
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made], WaiterConfig={"Delay": 1})
    return made


def image(ec2: Any) -> str:
    machine = ids(started(ec2, **placed(ADVANCED)))[0]
    made = str(ec2.create_image(InstanceId=machine, Name="mine")["ImageId"])
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig={"Delay": 1})
    return made


def attaching(ec2: Any) -> Callable[[], Any]:
    machine, data = ids(started(ec2, **placed(ADVANCED)))[0], volume(ec2)
    return lambda: ec2.attach_volume(VolumeId=data, InstanceId=machine, Device="/dev/xvdh")


def detaching(ec2: Any) -> Callable[[], Any]:
    machine, data = attached(ec2)
    return lambda: ec2.detach_volume(VolumeId=data, InstanceId=machine)


def deleting(ec2: Any) -> Callable[[], Any]:
    made = snapshot(ec2)
    return lambda: ec2.delete_snapshot(SnapshotId=made)


def deregistering(ec2: Any) -> Callable[[], Any]:
    made = image(ec2)
    return lambda: ec2.deregister_image(ImageId=made, DeleteAssociatedSnapshots=True)


STORIES = {
    "attachVolume": attaching,
    "detachVolume": detaching,
    "deleteSnapshot": deleting,
    "deleteTemplate": deregistering,
}


@pytest.mark.parametrize("command", STORIES)
def test_a_job_that_outlasts_the_wait_is_waited_for_by_who_asks_again(
    make_place: Callable[..., Place], command: str
) -> None:
    place = make_place({"job_timeout": 2})
    ec2 = place.client()
    ask = STORIES[command](ec2)
    with place.holding(command), pytest.raises(ClientError) as caught:
        ask()
    assert code_of(caught) == "Unavailable"
    answer: dict[str, Any] = {}
    again = place.commands(lambda: answer.update(ask()))
    assert command not in again
    if command == "attachVolume":
        assert (answer["Device"], answer["State"]) == ("/dev/xvdh", "attaching")
        [row] = ec2.describe_volumes(VolumeIds=[answer["VolumeId"]])["Volumes"]
        assert (row["State"], row["Attachments"][0]["Device"]) == ("in-use", "/dev/xvdh")
    if command == "detachVolume":
        assert (answer["Device"], answer["State"]) == ("/dev/sdh", "detaching")
    if command == "deleteTemplate":
        assert [one["ReturnCode"] for one in answer["DeleteSnapshotResults"]] == ["success"]


def test_a_volume_that_was_deleted_when_the_bridge_died_is_deleted_to_who_asks_again(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    data = volume(front.client())
    way.next("deleteVolume", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: front.client().delete_volume(VolumeId=data))
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=600)
    ec2 = heir.client()
    # Its first sweep has been by: nobody but who asks again takes the record up.
    monkeypatch.setattr(journal, "LEASE", 1.0)
    ec2.delete_volume(VolumeId=data)
    held = heir.run(heir.bridge.site.store.everywhere("tags"))
    assert (ec2.describe_volumes()["Volumes"], list(held)) == ([], [])
    with pytest.raises(ClientError) as caught:
        ec2.delete_volume(VolumeId=data)
    assert code_of(caught) == "InvalidVolume.NotFound"
    eventually(lambda: not list(heir.run(heir.bridge.site.store.everywhere(journal.KIND))))


@pytest.mark.parametrize("action", ["create_snapshot", "create_snapshots"])
def test_a_snapshot_that_nobody_was_told_of_is_the_one_of_who_asks_again(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    machine, data = attached(front.client())
    what: dict[str, Any] = {
        "create_snapshot": {"VolumeId": data},
        "create_snapshots": {"InstanceSpecification": {"InstanceId": machine}},
    }[action]

    def ask(ec2: Any, text: str) -> Any:
        spec = [tags("snapshot", role="backup")]
        return getattr(ec2, action)(**what, Description=text, TagSpecifications=spec)

    way.next("listSnapshots", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: ask(front.client(), "nightly"))
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=600)
    ec2 = heir.client()
    # Its first sweep has been by: nobody but who asks again takes the record up.
    monkeypatch.setattr(journal, "LEASE", 1.0)
    ask(ec2, "nightly")
    count = 1 if action == "create_snapshot" else 2
    found = ec2.describe_snapshots()["Snapshots"]
    assert [one["Description"] for one in found] == ["nightly"] * count
    assert all(one["Tags"] == [{"Key": "role", "Value": "backup"}] for one in found)
    ask(ec2, "nightly")
    assert len(ec2.describe_snapshots()["Snapshots"]) == 2 * count


def test_an_attachment_that_was_not_begun_is_not_made_later(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    ask = attaching(ec2)
    way.next("attachVolume", LOST_CALL)
    with pytest.raises(ClientError) as caught:
        ask()
    assert code_of(caught) == "Unavailable"
    assert list(front.run(front.bridge.site.store.everywhere(journal.KIND))) == []
    assert ask()["State"] == "attaching"


def test_a_refused_attachment_leaves_the_name_of_another(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    machine, other = ids(started(ec2, 2, **placed(ADVANCED)))
    data = volume(ec2)
    with front.holding("attachVolume"), ThreadPoolExecutor() as pool:
        first = pool.submit(ec2.attach_volume, VolumeId=data, InstanceId=machine, Device="/dev/xvdh")
        eventually(lambda: way.seen["attachVolume"] == 1)
        second = pool.submit(ec2.attach_volume, VolumeId=data, InstanceId=other, Device="/dev/xvdh")
        eventually(lambda: way.seen["attachVolume"] == 2)
        front.loop.call_soon_threadsafe(front.sim.cloud.jobs.held["attachVolume"].set)
        assert first.result(60)["InstanceId"] == machine
        with pytest.raises(ClientError) as caught:
            second.result(60)
    assert code_of(caught) == "VolumeInUse"
    [shown] = ec2.describe_volumes(VolumeIds=[data])["Volumes"]
    assert [(one["InstanceId"], one["Device"]) for one in shown["Attachments"]] == [(machine, "/dev/xvdh")]
