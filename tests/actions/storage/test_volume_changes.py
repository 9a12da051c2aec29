"""Changes of volumes, what they are made of, and what goes with their machine."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge import server
from tests.conftest import REGION, Place
from tests.launching import tags, until
from tests.native import Native

ZONE = f"{REGION}c"  # sim-sg


@pytest.fixture
def machine(place: Place) -> str:
    """The id of a machine that runs in the security-group zone."""
    return "i-" + str(Native(place).machine("host")["id"]).replace("-", "")[:17]


def create(ec2: Any, **changed: Any) -> str:
    return str(ec2.create_volume(**{"AvailabilityZone": ZONE, "Size": 5, **changed})["VolumeId"])


def show(ec2: Any, volume: str) -> dict[str, Any]:
    [item] = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return dict(item)


def change(ec2: Any, volume: str, **changed: Any) -> dict[str, Any]:
    """The modification of a volume once it has ended."""
    begun = ec2.modify_volume(VolumeId=volume, **changed)["VolumeModification"]
    assert begun["ModificationState"] in ("modifying", "completed")
    return settled(ec2, volume)


def settled(ec2: Any, volume: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        [item] = ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"]
        if item["ModificationState"] != "modifying":
            return dict(item)
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        work()
    return str(refused.value.response["Error"]["Code"])


def offer(place: Place, name: str, **fields: Any) -> None:
    """Add a disk offering to the cloud."""
    table = place.sim.cloud.tables["diskofferings"]
    model = table.first(name="gp2")
    assert model is not None
    kept = {key: value for key, value in model.items() if key not in ("id", "_number")}
    table.add({**kept, "name": name, "displaytext": name, **fields})


# --- size, type and speed ------------------------------------------------------------------------------------------


def test_a_volume_grows(ec2: Any, machine: str) -> None:
    volume = create(ec2)
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")

    item = change(ec2, volume, Size=8)

    assert item["ModificationState"] == "completed"
    assert (item["OriginalSize"], item["TargetSize"], item["Progress"]) == (5, 8, 100)
    assert item["OriginalVolumeType"] == item["TargetVolumeType"] == "gp2"
    assert item["StartTime"] <= item["EndTime"]
    assert show(ec2, volume)["Size"] == 8
    root = next(v["VolumeId"] for v in ec2.describe_volumes()["Volumes"] if v["VolumeId"] != volume)
    assert change(ec2, root, Size=6)["ModificationState"] == "completed"
    assert show(ec2, root)["Size"] == 6


def test_a_volume_changes_its_type(place: Place, ec2: Any) -> None:
    offer(place, "io1", iscustomizediops=True)
    volume = create(ec2)

    # Terraform's provider sends the speeds as 0 when it was told none.
    assert change(ec2, volume, VolumeType="gp2", Throughput=0, Iops=0)["ModificationState"] == "completed"
    plain = change(ec2, volume, VolumeType="gp3", Throughput=125, Iops=3000)
    assert (plain["ModificationState"], plain["TargetVolumeType"]) == ("completed", "gp3")
    assert show(ec2, volume)["VolumeType"] == "gp3"
    done: dict[str, Any] = {}
    commands = place.commands(lambda: done.update(change(ec2, volume, VolumeType="io1", Size=9, Iops=4000)))

    assert "changeOfferingForVolume" in commands
    assert (done["OriginalVolumeType"], done["TargetVolumeType"]) == ("gp3", "io1")
    assert (done["TargetSize"], done["TargetIops"]) == (9, 4000)
    item = show(ec2, volume)
    assert (item["VolumeType"], item["Size"]) == ("io1", 9)


def test_a_change_that_fails_says_why(place: Place, ec2: Any) -> None:
    volume = create(ec2)
    # Another limit than the one that CloudStack tells.
    place.sim.cloud.settings["custom.diskoffering.size.max"] = 20

    item = change(ec2, volume, Size=50)

    assert item["ModificationState"] == "failed"
    assert "out of allowed range" in item["StatusMessage"]
    assert show(ec2, volume)["Size"] == 5
    assert change(ec2, volume, Size=6)["ModificationState"] == "completed"


def test_changes_that_cannot_be(place: Place, ec2: Any) -> None:
    volume = create(ec2)

    def modify(**changed: Any) -> Any:
        return ec2.modify_volume(**{"VolumeId": volume, **changed})

    assert refusal(lambda: modify(Size=4)) == "InvalidParameterValue"
    with pytest.raises(ClientError, match="Volume of 5000GiB is out of range"):
        modify(Size=5000)
    assert refusal(modify) == "MissingParameter"
    assert refusal(lambda: modify(VolumeType="floppy")) == "InvalidParameterValue"
    assert refusal(lambda: modify(VolumeType="io2")) == "InvalidParameterValue"
    assert refusal(lambda: modify(Iops=9000)) == "UnsupportedOperation"
    assert refusal(lambda: modify(Size=6, Throughput=500)) == "UnsupportedOperation"
    assert refusal(lambda: modify(Size=6, MultiAttachEnabled=True)) == "UnsupportedOperation"
    assert refusal(lambda: modify(Size=6, DryRun=True)) == "DryRunOperation"
    assert refusal(lambda: modify(VolumeId="vol-00000000000000000", Size=6)) == "InvalidVolume.NotFound"
    with place.holding("resizeVolume"):
        modify(Size=6)
        assert refusal(lambda: modify(Size=7)) == "IncorrectModificationState"
    assert settled(ec2, volume)["ModificationState"] == "completed"


def test_modifications_are_listed_and_filtered(place: Place, ec2: Any) -> None:
    grown, typed, left = create(ec2), create(ec2), create(ec2)
    change(ec2, grown, Size=9)
    change(ec2, typed, VolumeType="gp3")

    def found(name: str, value: str) -> set[str]:
        filters = [{"Name": name, "Values": [value]}]
        items = ec2.describe_volumes_modifications(Filters=filters)["VolumesModifications"]
        return {item["VolumeId"] for item in items}

    assert found("modification-state", "completed") == {grown, typed}
    assert found("modification-state", "failed") == set()
    assert found("volume-id", grown) == found("target-size", "9") == {grown}
    assert found("original-size", "5") == found("original-volume-type", "gp2") == {grown, typed}
    assert found("target-volume-type", "gp3") == {typed}
    assert found("start-time", "20*") == {grown, typed}
    assert found("originalMultiAttachEnabled", "false") == found("targetMultiAttachEnabled", "false")
    assert found("target-iops", "100") == found("original-iops", "100") == set()
    modifications = ec2.describe_volumes_modifications
    assert refusal(lambda: modifications(VolumeIds=[left])) == "InvalidVolumeModification.NotFound"
    assert refusal(lambda: modifications(VolumeIds=["disk"])) == "InvalidParameterValue"
    # What has ended is not asked for again.
    assert place.commands(modifications) == []


# --- what a volume is made on --------------------------------------------------------------------------------------


def test_an_encrypted_volume_needs_an_offering_that_encrypts(place: Place, ec2: Any) -> None:
    assert refusal(lambda: create(ec2, Encrypted=True)) == "UnsupportedOperation"
    offer(place, "sealed", encrypt=True)
    other = place.client("bob")  # whose offerings have not been listed yet

    volume = create(other, Encrypted=True)

    [row] = Native(place, "bob").list("listVolumes")
    assert row["diskofferingname"] == "sealed"
    assert show(other, volume)["Size"] == 5
    assert refusal(lambda: create(other, Encrypted=True, KmsKeyId="alias/mine")) == "UnsupportedOperation"


def test_operations_a_second_are_asked_for_where_the_offering_lets_them_be(place: Place, ec2: Any) -> None:
    offer(place, "io1", iscustomizediops=True)

    def asked(**changed: Any) -> dict[str, str]:
        before = len(place.native)
        create(ec2, **changed)
        [call] = [call for call in place.native[before:] if call.command == "createVolume"]
        return dict(call.params)

    assert asked(VolumeType="io1", Iops=500)["maxiops"] == "500"
    assert "maxiops" not in asked(VolumeType="gp3", Iops=3000, Throughput=125)
    assert refusal(lambda: create(ec2, VolumeType="gp3", Iops=9000)) == "UnsupportedOperation"
    assert refusal(lambda: create(ec2, VolumeType="gp3", Throughput=700)) == "UnsupportedOperation"


def test_a_zone_has_several_names(place: Place, ec2: Any) -> None:
    uuid = Native(place).zone("sim-sg")

    for name in (ZONE, "sim-sg", uuid):
        assert show(ec2, create(ec2, AvailabilityZone=name))["AvailabilityZone"] == ZONE
    [volume] = {show(ec2, create(ec2))["AvailabilityZoneId"]}
    assert show(ec2, create(ec2, AvailabilityZoneId=volume))["AvailabilityZone"] == ZONE
    assert volume == f"{REGION}-az3"
    made = len(ec2.describe_volumes()["Volumes"])
    for name in (volume, uuid, ZONE):
        wanted = [{"Name": "availability-zone-id", "Values": [name]}]
        assert len(ec2.describe_volumes(Filters=wanted)["Volumes"]) == made


def test_a_quota_is_a_limit(place: Place, ec2: Any) -> None:
    place.sim.cloud.default_limits["volume"] = 1
    create(ec2)

    assert refusal(lambda: create(ec2)) == "VolumeLimitExceeded"


def test_a_copy_of_a_data_volume_keeps_its_offering(ec2: Any, machine: str) -> None:
    volume = create(ec2)
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})

    assert show(ec2, create(ec2, SnapshotId=snapshot, VolumeType="gp2"))["VolumeType"] == "gp2"
    assert refusal(lambda: create(ec2, SnapshotId=snapshot, VolumeType="io1")) == "UnsupportedOperation"
    assert refusal(lambda: create(ec2, SnapshotId=snapshot, Encrypted=True)) == "UnsupportedOperation"


# --- attachments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["/dev/sdf", "/dev/sdp", "/dev/xvdba"])
def test_a_device_name_outlives_the_bridge_and_its_store(
    make_place: Callable[..., Place], device: str
) -> None:
    place = make_place()
    ec2 = place.client()
    host = "i-" + str(Native(place).machine("host")["id"]).replace("-", "")[:17]
    volume = create(ec2)
    ec2.attach_volume(VolumeId=volume, InstanceId=host, Device=device)
    listening = server.listening(place.bridge.site.settings)  # with an empty store of its own

    url, _ = place.run(place.stack.enter_async_context(listening))

    assert show(place.client(endpoint_url=url), volume)["Attachments"][0]["Device"] == device


def test_the_root_of_a_stopped_machine_is_exchanged(ec2: Any, machine: str) -> None:
    root = ec2.describe_volumes()["Volumes"][0]["VolumeId"]
    assert refusal(lambda: ec2.detach_volume(VolumeId=root)) == "IncorrectState"
    ec2.stop_instances(InstanceIds=[machine])
    until(ec2, "stopped", machine)

    ec2.detach_volume(VolumeId=root, Force=True)
    assert show(ec2, root)["State"] == "available"
    ec2.attach_volume(VolumeId=root, InstanceId=machine, Device="/dev/sda1")

    [attachment] = show(ec2, root)["Attachments"]
    assert (attachment["Device"], attachment["DeleteOnTermination"]) == ("/dev/sda1", True)


def test_what_goes_with_a_machine_is_changed_through_it(ec2: Any, machine: str) -> None:
    kept, gone = create(ec2), create(ec2)
    for volume, device in ((kept, "/dev/sdf"), (gone, "/dev/sdg")):
        ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device=device)
    mapping = {"DeviceName": "/dev/sdg", "Ebs": {"DeleteOnTermination": True}}

    ec2.modify_instance_attribute(InstanceId=machine, BlockDeviceMappings=[mapping])

    assert show(ec2, gone)["Attachments"][0]["DeleteOnTermination"] is True
    assert show(ec2, kept)["Attachments"][0]["DeleteOnTermination"] is False
    ec2.terminate_instances(InstanceIds=[machine])
    until(ec2, "terminated", machine)
    assert [item["VolumeId"] for item in ec2.describe_volumes()["Volumes"]] == [kept]


def test_it_belongs_to_the_attachment(ec2: Any, machine: str) -> None:
    volume = create(ec2)
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/xvdf")
    mapping = {"DeviceName": "/dev/xvdf", "Ebs": {"DeleteOnTermination": True}}
    ec2.modify_instance_attribute(InstanceId=machine, BlockDeviceMappings=[mapping])

    ec2.detach_volume(VolumeId=volume)
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdg")

    [attachment] = show(ec2, volume)["Attachments"]
    assert (attachment["Device"], attachment["DeleteOnTermination"]) == ("/dev/sdg", False)


def test_a_machine_that_is_gone_takes_no_volume(ec2: Any, machine: str) -> None:
    volume = create(ec2)
    ec2.terminate_instances(InstanceIds=[machine])
    until(ec2, "terminated", machine)

    assert (
        refusal(lambda: ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf"))
        == "IncorrectState"
    )


# --- attributes, listings ------------------------------------------------------------------------------------------


def test_input_and_output_always_go_on(ec2: Any) -> None:
    volume = create(ec2, TagSpecifications=[tags("volume", Name="data")])

    def automatic() -> bool:
        answer = ec2.describe_volume_attribute(VolumeId=volume, Attribute="autoEnableIO")
        return bool(answer["AutoEnableIO"]["Value"])

    assert automatic() is False
    ec2.modify_volume_attribute(VolumeId=volume, AutoEnableIO={"Value": True})
    assert automatic() is True
    ec2.modify_volume_attribute(VolumeId=volume, AutoEnableIO={"Value": False})
    assert automatic() is False
    ec2.enable_volume_io(VolumeId=volume)
    assert show(ec2, volume)["Tags"] == [{"Key": "Name", "Value": "data"}]
    assert refusal(lambda: ec2.enable_volume_io(VolumeId="vol-00000000000000000")) == "InvalidVolume.NotFound"
    assert refusal(lambda: ec2.modify_volume_attribute(VolumeId=volume)) == "InvalidParameterCombination"


def test_native_calls_do_not_grow_with_a_thousand_volumes(place: Place, ec2: Any) -> None:
    first = create(ec2)
    table = place.sim.cloud.tables["volumes"]
    [row] = table
    for number in range(1000):
        copy = {key: value for key, value in row.items() if key not in ("id", "_number")}
        table.add({**copy, "name": f"v{number}"})
    ec2.describe_volumes(VolumeIds=[first])

    assert place.commands(lambda: ec2.describe_volumes()) == ["listVolumes"] * 3  # 500 a page
    assert place.commands(lambda: ec2.describe_volumes(MaxResults=5)) == ["listVolumes"]
    assert len(ec2.describe_volumes()["Volumes"]) == 1001
