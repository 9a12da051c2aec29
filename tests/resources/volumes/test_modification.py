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
    monkeypatch.setattr(journal, "LEASE", 0.1)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    ec2 = heir.client()
    eventually(lambda: state(ec2) == "completed")
    assert shown(ec2, volume)[0] == "io1"
