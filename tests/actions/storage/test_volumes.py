"""Volumes from creation to deletion, and each misuse."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge import server
from ec2bridge.cloudstack import account
from ec2bridge.resources.volumes.items import exists, state
from tests.conftest import REGION, Place
from tests.native import Native

ZONE = f"{REGION}c"  # sim-sg


@pytest.fixture
def machine(place: Place) -> str:
    """The id of a machine that runs in the security-group zone."""
    return "i-" + str(Native(place).machine("host")["id"]).replace("-", "")[:17]


def create(ec2: Any, **changed: Any) -> dict[str, Any]:
    made: dict[str, Any] = ec2.create_volume(**{"AvailabilityZone": ZONE, "Size": 5, **changed})
    return made


def show(ec2: Any, volume: str) -> dict[str, Any]:
    [item] = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return dict(item)


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        work()
    return str(refused.value.response["Error"]["Code"])


def test_a_machines_root_disk_is_a_volume_that_goes_with_it(ec2: Any, machine: str) -> None:
    [volume] = ec2.describe_volumes()["Volumes"]

    assert volume["State"] == "in-use"
    assert volume["Size"] == 2
    assert volume["AvailabilityZone"] == ZONE
    assert volume["Encrypted"] is False
    [attachment] = volume["Attachments"]
    assert attachment["InstanceId"] == machine
    assert attachment["Device"] == "/dev/sda1"
    assert attachment["State"] == "attached"
    assert attachment["DeleteOnTermination"] is True


def test_a_new_volume_is_available_with_its_tags(ec2: Any) -> None:
    tags = [{"Key": "Name", "Value": "data"}]

    made = create(ec2, VolumeType="gp2", TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])
    volume = show(ec2, made["VolumeId"])

    assert made["Size"] == volume["Size"] == 5
    assert volume["State"] == "available"
    assert volume["VolumeType"] == "gp2"
    assert volume["Tags"] == made["Tags"] == tags
    assert volume["Attachments"] == []
    assert volume["SnapshotId"] == ""
    assert abs((datetime.now(UTC) - volume["CreateTime"]).total_seconds()) < 60


@pytest.mark.parametrize(
    ("kind", "size", "speed"),
    [
        ("gp2", 5, (100, None)),
        ("gp2", 100, (300, None)),
        ("gp3", 5, (3000, 125)),
        ("standard", 5, (None, None)),
    ],
)
def test_a_type_is_told_with_the_speed_that_aws_says_of_it(
    ec2: Any, kind: str, size: int, speed: tuple[int | None, int | None]
) -> None:
    # Terraform would set at every run what it asks for and does not find.
    volume = show(ec2, create(ec2, VolumeType=kind, Size=size)["VolumeId"])
    assert (volume.get("Iops"), volume.get("Throughput")) == speed


def test_a_type_without_an_offering_of_its_own_is_kept_where_it_promises_nothing_more(ec2: Any) -> None:
    assert show(ec2, create(ec2, VolumeType="gp3")["VolumeId"])["VolumeType"] == "gp3"
    assert refusal(lambda: create(ec2, VolumeType="io2")) == "InvalidParameterValue"
    assert refusal(lambda: create(ec2, VolumeType="floppy")) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"AvailabilityZone": "mars-1a"}, "InvalidZone.NotFound"),
        ({"Size": 0}, "MissingParameter"),
        ({"Encrypted": True}, "UnsupportedOperation"),
        ({"SnapshotId": "snap-00000000000000000"}, "InvalidSnapshot.NotFound"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_a_volume_that_cannot_be_made_is_not(ec2: Any, changed: dict[str, Any], code: str) -> None:
    assert refusal(lambda: create(ec2, **changed)) == code
    assert ec2.describe_volumes()["Volumes"] == []


def test_a_token_makes_one_volume(ec2: Any) -> None:
    first = create(ec2, ClientToken="once")
    again = create(ec2, ClientToken="once")

    assert first["VolumeId"] == again["VolumeId"]
    assert len(ec2.describe_volumes()["Volumes"]) == 1


@pytest.mark.parametrize("device", ["/dev/sdf", "/dev/xvdf", "/dev/sdd", "/dev/sdz", "/dev/xvdaa", "xvdg"])
def test_a_volume_keeps_its_device_name(make_place: Callable[..., Place], device: str) -> None:
    place = make_place()
    ec2 = place.client()
    host = "i-" + str(Native(place).machine("host")["id"]).replace("-", "")[:17]
    volume = create(ec2)["VolumeId"]

    attached = ec2.attach_volume(VolumeId=volume, InstanceId=host, Device=device)
    assert attached["State"] == "attaching"

    assert (attached["Device"], attached["InstanceId"], attached["VolumeId"]) == (device, host, volume)
    shown = show(ec2, volume)
    assert shown["State"] == "in-use"
    assert shown["Attachments"][0]["Device"] == device
    assert shown["Attachments"][0]["DeleteOnTermination"] is False
    assert shown["Tags"] == []  # what the bridge remembers is no tag of the user's


def test_a_machine_takes_as_many_volumes_as_its_hypervisor(ec2: Any, machine: str) -> None:
    letters = "bcefgh"
    volumes = [create(ec2)["VolumeId"] for _ in letters]
    for letter, volume in zip(letters, volumes, strict=True):
        ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device=f"/dev/sd{letter}")

    one_more = {"VolumeId": create(ec2)["VolumeId"], "InstanceId": machine, "Device": "/dev/sdi"}

    assert refusal(lambda: ec2.attach_volume(**one_more)) == "AttachmentLimitExceeded"


def test_another_bridge_knows_the_device_name_too(place: Place, ec2: Any, machine: str) -> None:
    volume = create(ec2)["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/xvdf")
    listening = server.listening(place.bridge.site.settings)  # with an empty store of its own

    url, _ = place.run(place.stack.enter_async_context(listening))

    assert show(place.client(endpoint_url=url), volume)["Attachments"][0]["Device"] == "/dev/xvdf"


def test_a_volume_goes_from_machine_to_nowhere(ec2: Any, machine: str) -> None:
    volume = create(ec2)["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/xvdf")

    detached = ec2.detach_volume(VolumeId=volume)

    assert (detached["InstanceId"], detached["Device"]) == (machine, "/dev/xvdf")
    assert show(ec2, volume)["State"] == "available"
    ec2.delete_volume(VolumeId=volume)
    assert refusal(lambda: show(ec2, volume)) == "InvalidVolume.NotFound"


def test_misuse_has_its_own_codes(place: Place, ec2: Any, machine: str) -> None:
    volume, other = create(ec2)["VolumeId"], create(ec2)["VolumeId"]
    away = create(ec2, AvailabilityZone="sim-adv")["VolumeId"]

    def attach(which: str, device: str = "/dev/sdf", host: str = machine) -> Any:
        return ec2.attach_volume(VolumeId=which, InstanceId=host, Device=device)

    attach(volume)

    assert refusal(lambda: attach(volume)) == "VolumeInUse"
    assert refusal(lambda: attach(other)) == "InvalidParameterValue"  # the device is taken
    assert refusal(lambda: attach(other, "disk2")) == "InvalidParameterValue"
    assert refusal(lambda: attach(away, "/dev/sdg")) == "InvalidVolume.ZoneMismatch"
    assert refusal(lambda: attach(other, "/dev/sdg", "i-00000000000000000")) == "InvalidInstanceID.NotFound"
    assert refusal(lambda: ec2.delete_volume(VolumeId=volume)) == "VolumeInUse"
    assert refusal(lambda: ec2.detach_volume(VolumeId=other)) == "IncorrectState"
    assert (
        refusal(lambda: ec2.detach_volume(VolumeId=volume, Device="/dev/sdz")) == "InvalidAttachment.NotFound"
    )
    assert refusal(lambda: ec2.delete_volume(VolumeId="vol-00000000000000000")) == "InvalidVolume.NotFound"
    assert refusal(lambda: place.client("bob").delete_volume(VolumeId=volume)) == "InvalidVolume.NotFound"


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("attachment.device", "/dev/sdf", ["data"]),
        ("attachment.status", "attached", ["data", "root"]),
        ("attachment.delete-on-termination", "true", ["root"]),
        ("availability-zone", "sim-sg", ["data", "root", "spare"]),
        ("availability-zone", f"{REGION}a", []),
        ("size", "5", ["data", "spare"]),
        ("status", "available", ["spare"]),
        ("volume-type", "gp2", ["data", "spare"]),
        ("encrypted", "false", ["data", "root", "spare"]),
        ("fast-restored", "false", []),
        ("tag:Name", "da*", ["data"]),
        ("tag-key", "Name", ["data", "spare"]),
        ("create-time", "20*", ["data", "root", "spare"]),
    ],
)
def test_volumes_are_filtered(ec2: Any, machine: str, name: str, value: str, hits: list[str]) -> None:
    for title in ("data", "spare"):
        tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": title}]}]
        volume = create(ec2, TagSpecifications=tags)["VolumeId"]
        if title == "data":
            ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")

    found = ec2.describe_volumes(Filters=[{"Name": name, "Values": [value]}])["Volumes"]

    titles = [{tag["Key"]: tag["Value"] for tag in item["Tags"]}.get("Name", "root") for item in found]
    assert sorted(titles) == hits


def test_native_calls_do_not_grow_with_volumes(place: Place, ec2: Any) -> None:
    volumes = [create(ec2)["VolumeId"] for _ in range(3)]
    ec2.describe_volumes()

    assert place.commands(lambda: ec2.describe_volumes()) == ["listVolumes"]
    assert place.commands(lambda: ec2.describe_volumes(VolumeIds=volumes)) == ["listVolumes"]


# --- states that the embedded CloudStack passes too quickly ------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "word"),
    [
        ("Allocated", "available"),
        ("Ready", "available"),
        ("Snapshotting", "available"),
        ("Creating", "creating"),
        ("UploadInProgress", "creating"),
        ("Expunging", "deleting"),
        ("UploadError", "error"),
    ],
)
def test_states(native: str, word: str) -> None:
    assert state({"state": native}) == word
    if word == "available":
        assert state({"state": native, "virtualmachineid": "x"}) == "in-use"


def test_a_root_disk_is_gone_with_its_machine() -> None:
    assert not exists({"state": "Ready", "type": "ROOT", "vmstate": "Destroyed"})
    assert exists({"state": "Ready", "type": "DATADISK", "vmstate": "Destroyed"})
    assert not exists({"state": "Destroy", "type": "DATADISK"})


# --- health and attributes -----------------------------------------------------------------------------------------


def test_a_usable_volume_is_well(ec2: Any) -> None:
    volume = create(ec2)["VolumeId"]

    [health] = ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"]

    assert health["VolumeStatus"] == {"Status": "ok", "Details": [{"Name": "io-enabled", "Status": "passed"}]}
    assert health["AvailabilityZone"] == ZONE
    assert health["Events"] == health["Actions"] == []
    filters = [{"Name": "volume-status.status", "Values": ["impaired"]}]
    assert ec2.describe_volume_status(Filters=filters)["VolumeStatuses"] == []


def test_attributes(ec2: Any) -> None:
    volume = create(ec2)["VolumeId"]

    found = ec2.describe_volume_attribute(VolumeId=volume, Attribute="autoEnableIO")

    assert found["AutoEnableIO"] == {"Value": False}
    assert ec2.describe_volume_attribute(VolumeId=volume, Attribute="productCodes")["ProductCodes"] == []
    assert (
        refusal(lambda: ec2.describe_volume_attribute(VolumeId=volume, Attribute="x"))
        == "InvalidParameterValue"
    )


def test_pages_of_many_volumes_cost_their_share(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "MANY", 20)
    place = make_place()
    place.bridge.site.cloud.pages.size = 10
    place.sim.populate("alice", 50)
    ec2 = place.client()
    whole = {volume["VolumeId"]: volume for volume in ec2.describe_volumes()["Volumes"]}
    pages = ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 20})
    walk, told = iter(pages), []
    for asked in (["listVolumes"] * 2, ["listVolumes"] * 3, ["listVolumes"] * 2):
        assert place.commands(lambda: told.extend(next(walk)["Volumes"])) == asked
    assert next(walk, None) is None
    assert {volume["VolumeId"]: volume for volume in told} == whole
    assert len(told) == 50
