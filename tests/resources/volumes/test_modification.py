"""Changes of volumes: one at a time, told of the volume when they are true, and taken back where half was refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import FAILED_JOB, KILLS, LOST_ANSWER, LOST_CALL, SILENCE, behind, eventually, kill_during
from tests.launching import ADVANCED, code_of
from tests.native import Native

pytestmark = KILLS


def offer(place: Place, name: str) -> str:
    """Give the embedded CloudStack a customised disk offering of a type, and return its uuid."""
    table = place.sim.cloud.tables["diskofferings"]
    row = next(row for row in table.where() if row.get("iscustomized"))
    copy = {key: value for key, value in row.items() if key != "id"}
    return str(table.add({**copy, "name": name, "displaytext": name})["id"])


def made(ec2: Any) -> str:
    return str(ec2.create_volume(AvailabilityZone=ADVANCED, Size=5)["VolumeId"])


def shown(ec2: Any, volume: str) -> tuple[str, int]:
    [row] = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return row["VolumeType"], row["Size"]


def state(ec2: Any) -> str:
    [item] = ec2.describe_volumes_modifications()["VolumesModifications"]
    return str(item["ModificationState"])


def test_a_type_is_not_told_before_it_is_true(make_place: Callable[..., Place]) -> None:
    front, _ = behind(make_place)
    ec2 = front.client()
    offer(front, "io1")
    volume = made(ec2)
    before = shown(ec2, volume)
    with front.holding("changeOfferingForVolume"):
        ec2.modify_volume(VolumeId=volume, VolumeType="io1", Size=9)
        assert shown(ec2, volume) == before
        with pytest.raises(ClientError) as caught:
            ec2.modify_volume(VolumeId=volume, Size=7)
        assert code_of(caught) == "IncorrectModificationState"
        with pytest.raises(ClientError) as caught:
            ec2.modify_volume(VolumeId=volume, VolumeType="io1", Size=9)
        assert code_of(caught) == "IncorrectModificationState"
    eventually(lambda: state(ec2) == "completed")
    assert shown(ec2, volume) == ("io1", 9)


def test_half_a_change_is_taken_back(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    offer(front, "io1")
    volume = made(ec2)
    before, [row] = shown(ec2, volume), Native(front).list("listVolumes")
    way.next("queryAsyncJobResult", FAILED_JOB)
    ec2.modify_volume(VolumeId=volume, VolumeType="io1")
    eventually(lambda: state(ec2) == "failed")
    eventually(lambda: shown(ec2, volume) == before)
    eventually(lambda: Native(front).list("listVolumes")[0]["diskofferingid"] == row["diskofferingid"])


@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL])
def test_a_change_without_an_answer_is_looked_for(make_place: Callable[..., Place], mode: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    volume = made(ec2)
    way.next("resizeVolume", mode)
    if mode == LOST_CALL:
        with pytest.raises(ClientError) as caught:
            ec2.modify_volume(VolumeId=volume, Size=6)
        assert code_of(caught) == "Unavailable"
        assert shown(ec2, volume)[1] == 5
    ec2.modify_volume(VolumeId=volume, Size=6)
    eventually(lambda: state(ec2) == "completed")
    assert shown(ec2, volume)[1] == 6


def test_a_change_whose_bridge_died_is_seen_to_its_end(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    offer(front, "io1")
    volume = made(front.client())
    way.next("changeOfferingForVolume", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: front.client().modify_volume(VolumeId=volume, VolumeType="io1"))
    monkeypatch.setattr(journal, "LEASE", 1.0)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    ec2 = heir.client()
    eventually(lambda: state(ec2) == "completed")
    assert shown(ec2, volume)[0] == "io1"


def test_a_change_that_nobody_was_told_of_is_joined_by_the_same_request(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    volume = made(front.client())
    way.next("resizeVolume", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: front.client().modify_volume(VolumeId=volume, Size=9))
    # Its bearer is not taken for dead yet.
    heir, _ = behind(make_place, cloud, store=store)
    ec2 = heir.client()
    change = ec2.modify_volume(VolumeId=volume, Size=9)["VolumeModification"]
    assert (change["ModificationState"], change["TargetSize"]) == ("modifying", 9)
    with pytest.raises(ClientError) as caught:
        ec2.modify_volume(VolumeId=volume, Size=7)
    assert code_of(caught) == "IncorrectModificationState"


def test_a_change_that_was_joined_and_is_refused_then_is_shown_as_failed(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    volume = made(front.client())
    way.next("resizeVolume", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: front.client().modify_volume(VolumeId=volume, Size=9))
    # The effect of what was never answered is lost, and CloudStack will not have it again.
    volumes = cloud.sim.cloud.tables["volumes"]
    [row] = list(volumes)
    eventually(lambda: row["size"] == 9 << 30)
    volumes.update(row, size=5 << 30)
    monkeypatch.setattr(journal, "LEASE", 1.0)
    for number in range(1, 10):
        cloud.sim.faults.add("refused", "resizeVolume", number)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    ec2 = heir.client()
    eventually(lambda: state(ec2) == "failed")
    [item] = ec2.describe_volumes_modifications()["VolumesModifications"]
    assert "permission" in item["StatusMessage"]
    assert shown(ec2, volume)[1] == 5


def test_a_type_whose_tag_is_refused_is_shown_later(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LEASE", 1.0)
    monkeypatch.setattr(journal, "LOOK_AGAIN", 0.1)
    front, way = behind(make_place, recovery_interval=0.2)
    ec2 = front.client()
    volume = str(ec2.create_volume(AvailabilityZone=ADVANCED, Size=5, VolumeType="gp2")["VolumeId"])
    way.next("deleteTags", {"errorcode": 530, "errortext": "Not now."})
    ec2.modify_volume(VolumeId=volume, Size=9, VolumeType="gp3")
    eventually(lambda: shown(ec2, volume) == ("gp3", 9))
    assert state(ec2) == "completed"


def test_a_type_alone_that_is_refused_is_no_modification(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    volume = str(ec2.create_volume(AvailabilityZone=ADVANCED, Size=9, VolumeType="gp3")["VolumeId"])
    way.next("deleteTags", {"errorcode": 530, "errortext": "Not now."})
    with pytest.raises(ClientError):
        ec2.modify_volume(VolumeId=volume, VolumeType="standard")
    assert (shown(ec2, volume)[0], ec2.describe_volumes_modifications()["VolumesModifications"]) == (
        "gp3",
        [],
    )
