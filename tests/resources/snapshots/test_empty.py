"""Snapshots of volumes that were never attached: CloudStack has none, as there is nothing to copy."""

from typing import Any

import pytest

from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import ADVANCED, GROUPED, placed, started, tags, until
from tests.native import Native


def create(ec2: Any, zone: str = GROUPED, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = ec2.create_volume(AvailabilityZone=zone, **more)
    return made


@pytest.fixture
def volume(ec2: Any) -> str:
    return str(create(ec2, Size=5)["VolumeId"])


def show(ec2: Any, snapshot: str) -> dict[str, Any]:
    [item] = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    return dict(item)


def test_it_is_taken_described_and_deleted(place: Place, ec2: Any, volume: str) -> None:
    made = ec2.create_snapshot(
        VolumeId=volume, Description="of nothing", TagSpecifications=[tags("snapshot", a="1", empty="")]
    )
    assert (made["State"], made["VolumeId"], made["VolumeSize"]) == ("pending", volume, 5)
    ident = made["SnapshotId"]

    item = show(ec2, ident)
    assert (item["State"], item["Progress"]) == ("completed", "100%")
    assert (item["VolumeId"], item["VolumeSize"], item["Description"]) == (volume, 5, "of nothing")
    assert item["OwnerId"] == made["OwnerId"]
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "b", "Value": "2"}])
    ec2.delete_tags(Resources=[ident], Tags=[{"Key": "empty"}])
    assert [tag["Key"] for tag in show(ec2, ident)["Tags"]] == ["a", "b"]
    tagged = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [ident]}])["Tags"]
    assert {tag["ResourceType"] for tag in tagged} == {"snapshot"}
    assert Native(place).list("listSnapshots") == []
    by_tag = [{"Name": "tag:b", "Values": ["2"]}]
    assert [found["SnapshotId"] for found in ec2.describe_snapshots(Filters=by_tag)["Snapshots"]] == [ident]

    ec2.delete_volume(VolumeId=volume)
    assert show(ec2, ident)["VolumeId"] == volume
    ec2.delete_snapshot(SnapshotId=ident)
    assert refusal(lambda: show(ec2, ident)) == "InvalidSnapshot.NotFound"
    assert refusal(lambda: ec2.delete_snapshot(SnapshotId=ident)) == "InvalidSnapshot.NotFound"
    assert ec2.describe_tags()["Tags"] == []


def test_a_volume_of_it_is_empty_in_any_zone(ec2: Any, volume: str) -> None:
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    for zone, more, size in ((GROUPED, {}, 5), (ADVANCED, {"Size": 8}, 8)):
        made = create(ec2, zone, SnapshotId=snapshot, **more)
        [shown] = ec2.describe_volumes(VolumeIds=[made["VolumeId"]])["Volumes"]
        assert (shown["State"], shown["Size"], shown["SnapshotId"]) == ("available", size, snapshot)
    assert refusal(lambda: create(ec2, SnapshotId=snapshot, Size=4)) == "InvalidParameterValue"


def test_a_machine_is_launched_with_a_volume_of_it(ec2: Any, volume: str) -> None:
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    disks = [{"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": snapshot}}]
    [machine] = started(ec2, BlockDeviceMappings=disks, **placed(GROUPED))
    [attached] = [entry for entry in machine["BlockDeviceMappings"] if entry["DeviceName"] == "/dev/sdf"]
    [shown] = ec2.describe_volumes(VolumeIds=[attached["Ebs"]["VolumeId"]])["Volumes"]
    assert (shown["Size"], shown["SnapshotId"]) == (5, snapshot)


def test_once_attached_the_volume_has_real_ones(place: Place, ec2: Any, volume: str) -> None:
    [machine] = started(ec2, **placed(GROUPED))
    first = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=machine["InstanceId"], Device="/dev/sdf")
    second = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    of_volume = [{"Name": "volume-id", "Values": [volume]}]
    found = ec2.describe_snapshots(Filters=of_volume)["Snapshots"]
    assert {item["SnapshotId"] for item in found} == {first, second}
    assert len(ec2.describe_snapshots(SnapshotIds=[first, second])["Snapshots"]) == 2
    [native] = Native(place).list("listSnapshots")
    assert second == "snap-" + native["id"].replace("-", "")[:17]
    until(ec2, "running", machine["InstanceId"])


def test_what_else_can_be_done_with_it(place: Place, ec2: Any, volume: str) -> None:
    snapshot = ec2.create_snapshot(VolumeId=volume, Description="first")["SnapshotId"]
    copied = ec2.copy_snapshot(SourceSnapshotId=snapshot, SourceRegion="cloudstack", Description="second")
    assert copied["SnapshotId"] != snapshot
    assert show(ec2, copied["SnapshotId"])["Description"] == "second"
    permissions = ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert permissions["CreateVolumePermissions"] == []
    disks = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}]
    image = {"Name": "nothing", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": disks}
    assert refusal(lambda: ec2.register_image(**image)) == "InvalidParameterValue"
    assert refusal(lambda: ec2.create_snapshot(VolumeId=volume, DryRun=True)) == "DryRunOperation"
    assert len(ec2.describe_snapshots()["Snapshots"]) == 2
    assert place.client("bob").describe_snapshots()["Snapshots"] == []
