"""What CloudStack refuses for a moment, and AWS takes: the bridge waits until the moment is over."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Place
from tests.launching import ADVANCED, ids, placed, started, until


def row_of(place: Place, table: str, ident: str) -> Any:
    digits = ident.partition("-")[2]
    [row] = [row for row in place.sim.cloud.tables[table] if row["id"].replace("-", "").startswith(digits)]
    return row


def waits(place: Place, work: Callable[[], Any], end: Callable[[], Any]) -> Any:
    """The answer of what is not done before something else has ended."""
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(work)
        place.run(asyncio.sleep(0.6))
        assert not taken.done()
        place.loop.call_soon_threadsafe(end)
        return taken.result(30)


def attach(ec2: Any, volume: str, machine: str) -> Any:
    return ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")


CHANGES = {
    "attach": attach,
    "modify": lambda ec2, volume, machine: ec2.modify_volume(VolumeId=volume, Size=9),
    "delete": lambda ec2, volume, machine: ec2.delete_volume(VolumeId=volume),
    "snapshot": lambda ec2, volume, machine: ec2.create_snapshot(VolumeId=volume),
}


@pytest.mark.parametrize("state", ["Snapshotting", "Migrating"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_volume_waits(place: Place, ec2: Any, change: str, state: str) -> None:
    machine = ids(started(ec2, **placed(ADVANCED)))[0]
    volume = ec2.create_volume(AvailabilityZone=ADVANCED, Size=5)["VolumeId"]
    attach(ec2, volume, machine)
    ec2.detach_volume(VolumeId=volume)
    row, volumes = row_of(place, "volumes", volume), place.sim.cloud.tables["volumes"]
    volumes.update(row, state=state)
    waits(place, lambda: CHANGES[change](ec2, volume, machine), lambda: volumes.update(row, state="Ready"))


def test_a_volume_that_is_gone_meanwhile_is_missing(place: Place, ec2: Any) -> None:
    volume = ec2.create_volume(AvailabilityZone=ADVANCED, Size=5)["VolumeId"]
    row, volumes = row_of(place, "volumes", volume), place.sim.cloud.tables["volumes"]
    volumes.update(row, state="Snapshotting")
    with pytest.raises(ec2.exceptions.ClientError, match=r"InvalidVolume\.NotFound"):
        waits(place, lambda: ec2.create_snapshot(VolumeId=volume), lambda: volumes.remove(row))


def test_an_image_waits_for_a_snapshot_of_the_root(place: Place, ec2: Any) -> None:
    machine = started(ec2)[0]
    row = row_of(place, "volumes", machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])
    volumes = place.sim.cloud.tables["volumes"]
    volumes.update(row, state="Snapshotting")
    made = waits(
        place,
        lambda: ec2.create_image(InstanceId=machine["InstanceId"], Name="picture"),
        lambda: volumes.update(row, state="Ready"),
    )
    assert made["ImageId"].startswith("ami-")


def test_a_volume_is_deleted_once_its_snapshot_is_taken(place: Place, ec2: Any) -> None:
    machine = started(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}])[0]
    disks = {disk["DeviceName"]: disk["Ebs"]["VolumeId"] for disk in machine["BlockDeviceMappings"]}
    snapshot = ec2.create_snapshot(VolumeId=disks["/dev/sdf"])["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 0.05})
    row, snapshots = row_of(place, "snapshots", snapshot), place.sim.cloud.tables["snapshots"]
    ec2.stop_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "stopped", machine["InstanceId"])
    ec2.detach_volume(VolumeId=disks["/dev/sdf"])
    snapshots.update(row, state="BackingUp")
    waits(
        place,
        lambda: ec2.delete_volume(VolumeId=disks["/dev/sdf"]),
        lambda: snapshots.update(row, state="BackedUp"),
    )
    assert disks["/dev/sdf"] not in {volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]}


def test_a_snapshot_is_deleted_once_it_is_taken(place: Place, ec2: Any) -> None:
    machine = started(ec2)[0]
    root = machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=root)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 0.05})
    row, snapshots = row_of(place, "snapshots", snapshot), place.sim.cloud.tables["snapshots"]
    snapshots.update(row, state="BackingUp")
    waits(
        place,
        lambda: ec2.delete_snapshot(SnapshotId=snapshot),
        lambda: snapshots.update(row, state="BackedUp"),
    )
    assert ec2.describe_snapshots()["Snapshots"] == []
