"""Snapshots from creation to deletion, and each misuse."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.resources.snapshots.lookup import description, state
from tests.conftest import REGION, Place
from tests.launching import tags
from tests.native import Native

ZONE = f"{REGION}c"  # sim-sg


@pytest.fixture
def machine(place: Place) -> str:
    """The id of a machine that runs in the security-group zone."""
    return "i-" + str(Native(place).machine("host")["id"]).replace("-", "")[:17]


@pytest.fixture
def root(ec2: Any, machine: str) -> str:
    """The id of that machine's root volume."""
    return str(ec2.describe_volumes()["Volumes"][0]["VolumeId"])


def take(ec2: Any, volume: str, **changed: Any) -> str:
    """A snapshot that is completed."""
    snapshot = ec2.create_snapshot(VolumeId=volume, **changed)["SnapshotId"]
    settled(ec2, snapshot)
    return str(snapshot)


def settled(ec2: Any, *snapshots: str) -> None:
    deadline = time.monotonic() + 60
    while {item["State"] for item in ec2.describe_snapshots(SnapshotIds=[*snapshots])["Snapshots"]} != {
        "completed"
    }:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def show(ec2: Any, snapshot: str) -> dict[str, Any]:
    [item] = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    return dict(item)


def found(ec2: Any, **request: Any) -> set[str]:
    return {item["SnapshotId"] for item in ec2.describe_snapshots(**request)["Snapshots"]}


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        work()
    return str(refused.value.response["Error"]["Code"])


def test_a_snapshot_that_has_only_just_begun_lies_in_no_zone_yet(place: Place, ec2: Any, root: str) -> None:
    with place.holding("createSnapshot"):
        begun = ec2.create_snapshot(VolumeId=root)
        assert begun["State"] == "pending"
        assert "AvailabilityZone" not in show(ec2, begun["SnapshotId"])


def test_a_snapshot_is_pending_and_then_completed(place: Place, ec2: Any, root: str) -> None:
    made = ec2.create_snapshot(
        VolumeId=root, Description="before the upgrade", TagSpecifications=[tags("snapshot", Name="first")]
    )
    settled(ec2, made["SnapshotId"])
    item = show(ec2, made["SnapshotId"])

    assert made["State"] in ("pending", "completed")  # as fast as CloudStack is
    assert (item["State"], item["Progress"]) == ("completed", "100%")
    assert item["VolumeId"] == made["VolumeId"] == root
    assert item["VolumeSize"] == made["VolumeSize"] == 2
    assert item["Description"] == made["Description"] == "before the upgrade"
    assert item["Tags"] == made["Tags"] == [{"Key": "Name", "Value": "first"}]
    assert item["Encrypted"] is False
    assert item["StorageTier"] == "standard"
    account = place.client(service="sts").get_caller_identity()["Account"]
    assert item["OwnerId"] == made["OwnerId"] == account
    assert abs((datetime.now(UTC) - item["StartTime"]).total_seconds()) < 60


def test_a_snapshot_waits_for_what_cloudstack_does_to_the_volume(place: Place, ec2: Any, root: str) -> None:
    volumes = place.sim.cloud.tables["volumes"]
    [row] = [volume for volume in volumes if root.removeprefix("vol-") == volume["id"].replace("-", "")[:17]]
    volumes.update(row, state="Resizing")
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(take, ec2, root)
        place.run(asyncio.sleep(0.5))
        assert not taken.done()
        volumes.update(row, state="Ready")
        assert taken.result().startswith("snap-")


def test_a_snapshot_without_a_description_has_an_empty_one(place: Place, ec2: Any, root: str) -> None:
    # Terraform replaces a snapshot whose description differs from the one it was given.
    plain = ec2.create_snapshot(VolumeId=root)
    strange = ec2.create_snapshot(VolumeId=root, Description="before \U0001f680")["SnapshotId"]
    assert show(ec2, strange)["Description"] == "before \U0001f680"
    uuid = Native(place).list("listVolumes")[0]["id"]
    native = Native(place).do("createSnapshot", volumeid=uuid, name="nightly")

    assert plain["Description"] == show(ec2, plain["SnapshotId"])["Description"] == ""
    assert show(ec2, native["snapshot"]["id"] if "snapshot" in native else native["id"])["Description"] == (
        "nightly"
    )


def test_all_volumes_of_a_machine_are_taken_together(ec2: Any, machine: str, root: str) -> None:
    data = ec2.create_volume(
        AvailabilityZone=ZONE, Size=5, TagSpecifications=[tags("volume", use="db", team="red")]
    )["VolumeId"]
    ec2.attach_volume(VolumeId=data, InstanceId=machine, Device="/dev/sdf")

    both = ec2.create_snapshots(
        InstanceSpecification={"InstanceId": machine},
        Description="together",
        CopyTagsFromSource="volume",
        TagSpecifications=[tags("snapshot", team="blue")],
    )["Snapshots"]
    without_boot = ec2.create_snapshots(
        InstanceSpecification={"InstanceId": machine, "ExcludeBootVolume": True}
    )["Snapshots"]
    without_data = ec2.create_snapshots(
        InstanceSpecification={"InstanceId": machine, "ExcludeDataVolumeIds": [data]}
    )["Snapshots"]

    by_volume = {item["VolumeId"]: item for item in both}
    assert by_volume.keys() == {root, data}
    assert {pair["Key"]: pair["Value"] for pair in by_volume[data]["Tags"]} == {"use": "db", "team": "blue"}
    assert by_volume[root]["Tags"] == [{"Key": "team", "Value": "blue"}]
    assert [item["VolumeId"] for item in without_boot] == [data]
    assert [item["VolumeId"] for item in without_data] == [root]
    settled(ec2, *(item["SnapshotId"] for item in both))
    assert {item["Description"] for item in ec2.describe_snapshots()["Snapshots"]} == {"together", ""}


def test_a_machine_of_which_nothing_is_left_has_no_snapshots(ec2: Any, machine: str, root: str) -> None:
    def create(**changed: Any) -> Any:
        return ec2.create_snapshots(InstanceSpecification={"InstanceId": machine, **changed})

    assert refusal(lambda: create(ExcludeBootVolume=True)) == "InvalidParameterValue"
    assert refusal(lambda: create(ExcludeDataVolumeIds=[root])) == "InvalidParameterValue"
    assert refusal(lambda: create(InstanceId="i-00000000000000000")) == "InvalidInstanceID.NotFound"
    assert found(ec2) == set()


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("description", "be*", {"a"}),
        ("encrypted", "false", {"a", "b"}),
        ("owner-alias", "amazon", set()),
        ("progress", "100%", {"a", "b"}),
        ("start-time", "20*", {"a", "b"}),
        ("status", "completed", {"a", "b"}),
        ("status", "error", set()),
        ("storage-tier", "standard", {"a", "b"}),
        ("transfer-type", "standard", set()),
        ("volume-size", "2", {"a", "b"}),
        ("volume-size", "3", set()),
        ("tag:Name", "a", {"a"}),
        ("tag-key", "team", {"b"}),
        ("tag-value", "red", {"b"}),
    ],
)
def test_snapshots_are_filtered(ec2: Any, root: str, name: str, value: str, hits: set[str]) -> None:
    ids = {
        take(ec2, root, Description="before", TagSpecifications=[tags("snapshot", Name="a")]): "a",
        take(ec2, root, TagSpecifications=[tags("snapshot", team="red")]): "b",
    }

    assert {ids[snapshot] for snapshot in found(ec2, Filters=[{"Name": name, "Values": [value]}])} == hits


def test_filters_on_ids_and_owners(place: Place, ec2: Any, root: str) -> None:
    snapshot = take(ec2, root)
    account = place.client(service="sts").get_caller_identity()["Account"]
    bob = place.client("bob", service="sts").get_caller_identity()["Account"]

    def by(name: str, value: str) -> set[str]:
        return found(ec2, Filters=[{"Name": name, "Values": [value]}])

    assert by("snapshot-id", snapshot) == by("volume-id", root) == by("owner-id", account) == {snapshot}
    assert by("volume-id", "vol-1") == by("owner-id", bob) == set()
    assert found(ec2, OwnerIds=["self"]) == found(ec2, OwnerIds=[account, bob]) == {snapshot}
    assert found(ec2, RestorableByUserIds=["self"]) == {snapshot}
    # None is public, and none of another account's is to be had.
    assert found(ec2, OwnerIds=["amazon"]) == found(ec2, OwnerIds=[bob]) == set()
    assert found(ec2, RestorableByUserIds=["all"]) == found(ec2, RestorableByUserIds=[bob]) == set()
    assert refusal(lambda: found(ec2, OwnerIds=["canonical"])) == "InvalidUserID.Malformed"
    assert refusal(lambda: show(place.client("bob"), snapshot)) == "InvalidSnapshot.NotFound"


def test_a_volume_is_made_of_a_snapshot(ec2: Any, root: str) -> None:
    snapshot = take(ec2, root)

    made = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot, Size=5)

    assert made["SnapshotId"] == snapshot
    assert made["Size"] == 5
    assert refusal(lambda: ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot, Size=1)) == (
        "InvalidParameterValue"
    )
    filters = [{"Name": "snapshot-id", "Values": [snapshot]}]
    assert [item["VolumeId"] for item in ec2.describe_volumes(Filters=filters)["Volumes"]] == [
        made["VolumeId"]
    ]


@pytest.mark.since("4.19")
def test_a_copy_has_the_same_id_in_another_zone(ec2: Any, root: str) -> None:
    snapshot = take(ec2, root)
    elsewhere = f"{REGION}a"

    def copy(**changed: Any) -> Any:
        return ec2.copy_snapshot(SourceRegion=REGION, SourceSnapshotId=snapshot, **changed)

    assert refusal(lambda: ec2.create_volume(AvailabilityZone=elsewhere, SnapshotId=snapshot)) == (
        "InvalidParameterValue"
    )
    copied = copy(DestinationAvailabilityZone=elsewhere, TagSpecifications=[tags("snapshot", copy="1")])

    assert copied == {**copied, "SnapshotId": snapshot, "Tags": [{"Key": "copy", "Value": "1"}]}
    deadline = time.monotonic() + 60
    while True:
        try:
            volume = ec2.create_volume(AvailabilityZone=elsewhere, SnapshotId=snapshot)
            break
        except ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert volume["AvailabilityZone"] == elsewhere
    assert found(ec2) == {snapshot}
    assert refusal(copy) == "UnsupportedOperation"
    assert refusal(lambda: copy(DestinationAvailabilityZone=ZONE)) == "InvalidParameterValue"
    assert refusal(lambda: copy(DestinationAvailabilityZone="mars-1a")) == "InvalidParameterValue"
    assert refusal(lambda: copy(DestinationAvailabilityZone=elsewhere, Encrypted=True)) == (
        "UnsupportedOperation"
    )
    assert (
        refusal(lambda: ec2.copy_snapshot(SourceRegion="eu-west-1", SourceSnapshotId=snapshot))
        == "UnsupportedOperation"
    )


def test_an_older_cloudstack_copies_no_snapshots(make_place: Callable[..., Place]) -> None:
    place = make_place(version="4.18.2.0")
    ec2 = place.client()
    Native(place).machine("host")
    snapshot = take(ec2, ec2.describe_volumes()["Volumes"][0]["VolumeId"])
    request = {"SourceRegion": REGION, "SourceSnapshotId": snapshot}

    assert (
        refusal(lambda: ec2.copy_snapshot(**request, DestinationAvailabilityZone=f"{REGION}a"))
        == "UnsupportedOperation"
    )


def test_a_snapshot_cannot_be_shared(ec2: Any, root: str) -> None:
    snapshot = take(ec2, root)

    def modify(**changed: Any) -> Any:
        return ec2.modify_snapshot_attribute(
            SnapshotId=snapshot, Attribute="createVolumePermission", **changed
        )

    def attribute(name: str) -> Any:
        return ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute=name)

    assert attribute("createVolumePermission")["CreateVolumePermissions"] == []
    assert attribute("productCodes")["ProductCodes"] == []
    assert refusal(lambda: modify(OperationType="add", UserIds=["123456789012"])) == "UnsupportedOperation"
    assert refusal(lambda: modify(CreateVolumePermission={"Add": [{"Group": "all"}]})) == (
        "UnsupportedOperation"
    )
    # What nobody has can be taken from them.
    modify(OperationType="remove", UserIds=["123456789012"])
    modify(CreateVolumePermission={"Remove": [{"Group": "all"}]})
    ec2.reset_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert refusal(lambda: attribute("colour")) == "InvalidParameterValue"
    missing = "snap-00000000000000000"
    assert (
        refusal(
            lambda: ec2.describe_snapshot_attribute(SnapshotId=missing, Attribute="createVolumePermission")
        )
        == "InvalidSnapshot.NotFound"
    )


def test_snapshots_have_one_tier(ec2: Any, root: str) -> None:
    snapshot = take(ec2, root)

    [item] = ec2.describe_snapshot_tier_status()["SnapshotTierStatuses"]

    assert (item["SnapshotId"], item["VolumeId"], item["StorageTier"]) == (snapshot, root, "standard")


def test_all_tags_of_snapshots_cost_one_more_call(place: Place, ec2: Any, root: str) -> None:
    wanted = {"Name": "nightly", "role": "backup", "team": "web"}
    for _ in range(2):
        take(ec2, root, TagSpecifications=[tags("snapshot", **wanted)])

    shown = ec2.describe_snapshots()["Snapshots"]

    # CloudStack's own listing has one of them.
    assert [{tag["Key"]: tag["Value"] for tag in item["Tags"]} for item in shown] == [wanted, wanted]
    assert place.commands(lambda: ec2.describe_snapshots()) == ["listSnapshots", "listTags"]


def test_a_deleted_snapshot_leaves_no_tags_behind(place: Place, ec2: Any, root: str) -> None:
    ident = take(ec2, root, TagSpecifications=[tags("snapshot", Name="nightly")])

    ec2.delete_snapshot(SnapshotId=ident)

    # CloudStack itself would list them for a day.
    assert Native(place).list("listTags", resourcetype="Snapshot") == []
    assert ec2.describe_tags()["Tags"] == []


def test_a_deleted_snapshot_is_gone(ec2: Any, root: str) -> None:
    snapshot = take(ec2, root, TagSpecifications=[tags("snapshot", empty="")])

    ec2.delete_snapshot(SnapshotId=snapshot)

    assert refusal(lambda: show(ec2, snapshot)) == "InvalidSnapshot.NotFound"
    assert refusal(lambda: ec2.delete_snapshot(SnapshotId=snapshot)) == "InvalidSnapshot.NotFound"
    assert found(ec2) == set()


def test_misuse_has_its_own_codes(place: Place, ec2: Any, root: str) -> None:
    snapshot = take(ec2, root)

    assert refusal(lambda: ec2.create_snapshot(VolumeId="vol-00000000000000000")) == "InvalidVolume.NotFound"
    assert refusal(lambda: ec2.create_snapshot(VolumeId="disk")) == "InvalidParameterValue"
    assert refusal(lambda: ec2.create_snapshot(VolumeId=root, OutpostArn="arn:x")) == "UnsupportedOperation"
    assert refusal(lambda: ec2.create_snapshot(VolumeId=root, DryRun=True)) == "DryRunOperation"
    wrong = [tags("volume", a="b")]
    assert refusal(lambda: ec2.create_snapshot(VolumeId=root, TagSpecifications=wrong)) == (
        "InvalidParameterValue"
    )
    bob = place.client("bob")
    assert refusal(lambda: bob.delete_snapshot(SnapshotId=snapshot)) == "InvalidSnapshot.NotFound"
    assert found(ec2) == {snapshot}


def test_a_quota_is_a_limit(place: Place, ec2: Any, root: str) -> None:
    account = place.sim.cloud.tables["accounts"].first(name="alice")
    place.sim.cloud.default_limits["snapshot"] = 1
    assert account is not None
    take(ec2, root)

    assert refusal(lambda: ec2.create_snapshot(VolumeId=root)) == "SnapshotLimitExceeded"


@pytest.mark.since("4.19")
def test_native_calls_do_not_grow_with_snapshots(place: Place, ec2: Any, root: str) -> None:
    first = take(ec2, root)
    table = place.sim.cloud.tables["snapshots"]
    [row] = table
    for number in range(1000):
        copy = {key: value for key, value in row.items() if key not in ("id", "_number")}
        table.add({**copy, "name": f"s{number}"})
    ec2.describe_snapshots(SnapshotIds=[first])

    # CloudStack gives 500 a page, and each snapshot twice: on the zone's primary storage and on its secondary one.
    assert place.commands(lambda: ec2.describe_snapshots()) == ["listSnapshots"] * 5
    assert place.commands(lambda: ec2.describe_snapshots(SnapshotIds=[first])) == ["listSnapshots"]
    assert len(found(ec2)) == 1001
    page = ec2.describe_snapshots(MaxResults=5)
    assert len(page["Snapshots"]) == 5
    assert page["NextToken"]
    # Kubernetes' EBS driver means no limit by it, and AWS understands.
    assert len(found(ec2, MaxResults=0)) == 1001
    assert refusal(lambda: ec2.describe_snapshots(MaxResults=4)) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("native", "word"),
    [
        ("Allocated", "pending"),
        ("Creating", "pending"),
        ("CreatedOnPrimary", "pending"),
        ("BackingUp", "pending"),
        ("BackedUp", "completed"),
        ("Error", "error"),
    ],
)
def test_states(native: str, word: str) -> None:
    assert state({"state": native}) == word


def test_a_description_is_what_was_given_or_the_name_of_what_was_made_elsewhere() -> None:
    marked = [{"key": "ec2bridge:description", "value": "mine"}]

    assert description({"name": "ec2 x", "tags": marked}) == "mine"
    assert description({"name": "ec2 x"}) == ""
    assert description({"name": "nightly"}) == "nightly"
