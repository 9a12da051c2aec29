"""A volume of a snapshot that CloudStack could not make is there to be looked at, and to be deleted."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ids import ec2_id
from tests.conftest import Place
from tests.faulty import eventually
from tests.launching import ADVANCED, code_of, ids, placed, started, tags


def snapshot(ec2: Any) -> str:
    machine = ids(started(ec2, **placed(ADVANCED)))[0]
    data = ec2.create_volume(AvailabilityZone=ADVANCED, Size=5)["VolumeId"]
    ec2.attach_volume(VolumeId=data, InstanceId=machine, Device="/dev/sdf")
    made = str(ec2.create_snapshot(VolumeId=data)["SnapshotId"])
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made], WaiterConfig={"Delay": 1})
    return made


def failed(place: Place, ec2: Any) -> tuple[str, str]:
    """A snapshot, and the volume that could not be made of it."""
    source = snapshot(ec2)
    place.sim.faults.add("job-fails", "createVolume")
    made = ec2.create_volume(
        AvailabilityZone=ADVANCED,
        SnapshotId=source,
        Size=7,
        VolumeType="gp3",
        TagSpecifications=[tags("volume", role="data")],
    )
    eventually(lambda: shown(ec2, made["VolumeId"])["State"] == "error")
    return source, made["VolumeId"]


def shown(ec2: Any, volume: str) -> dict[str, Any]:
    [found] = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return dict(found)


def test_it_is_shown_as_it_was_asked_for_and_deleted(place: Place, ec2: Any) -> None:
    source, volume = failed(place, ec2)
    item = shown(ec2, volume)
    assert item["Tags"] == [{"Key": "role", "Value": "data"}]
    told = {
        name: item[name] for name in ("SnapshotId", "Size", "VolumeType", "AvailabilityZone", "Attachments")
    }
    assert told == {
        "SnapshotId": source,
        "Size": 7,
        "VolumeType": "gp3",
        "AvailabilityZone": ADVANCED,
        "Attachments": [],
    }
    states = [{"Name": "status", "Values": ["error"]}]
    assert [one["VolumeId"] for one in ec2.describe_volumes(Filters=states)["Volumes"]] == [volume]
    with pytest.raises(ClientError) as caught:
        ec2.create_snapshot(VolumeId=volume)
    assert code_of(caught) == "IncorrectState"
    ec2.delete_volume(VolumeId=volume)
    with pytest.raises(ClientError) as caught:
        ec2.describe_volumes(VolumeIds=[volume])
    assert code_of(caught) == "InvalidVolume.NotFound"
    assert ec2.describe_volumes(Filters=states)["Volumes"] == []


def test_another_bridge_shows_and_deletes_it_too(make_place: Callable[..., Place], tmp_path: Any) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    _, volume = failed(place, place.client())
    url, _ = place.another_bridge()
    ec2 = place.client(endpoint_url=url)
    assert shown(ec2, volume)["State"] == "error"
    ec2.delete_volume(VolumeId=volume)
    assert volume not in [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]]


def test_what_cloudstack_has_destroyed_of_it_is_not_what_is_shown(
    place: Place, ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, volume = failed(place, ec2)
    # A real one keeps the row, destroyed, until its clean-up has been by.
    table = place.sim.cloud.tables["volumes"]
    [gone] = [row for row in table._removed.values() if ec2_id("vol", row["id"]) == volume]
    bare = {name: gone[name] for name in ("id", "name", "type", "created", "account", "domainid", "zoneid")}
    table.add({**bare, "size": 1, "state": "Destroy"})
    assert (shown(ec2, volume)["State"], shown(ec2, volume)["Size"]) == ("error", 7)
    monkeypatch.setattr("ec2bridge.cloudstack.account.MANY", 0)
    pages = ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 5})
    found = [one for page in pages for one in page["Volumes"] if one["VolumeId"] == volume]
    assert [(one["State"], one["Size"]) for one in found] == [("error", 7)]
    ec2.delete_volume(VolumeId=volume)
    assert volume not in [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]]


def test_marks_that_cloudstack_refuses_to_hold_are_read_from_the_store(place: Place, ec2: Any) -> None:
    source = snapshot(ec2)
    place.sim.faults.add("refused", "createTags")
    made = ec2.create_volume(AvailabilityZone=ADVANCED, SnapshotId=source, VolumeType="gp3")
    assert (made["SnapshotId"], made["VolumeType"]) == (source, "gp3")
    assert shown(ec2, made["VolumeId"])["SnapshotId"] == source
