"""Images from their making to their end, and each misuse."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge import server
from tests.conftest import REGION, Place
from tests.launching import ADVANCED, tags, until
from tests.native import Native

URL = "https://images.example/disk.qcow2"


@pytest.fixture
def machine(place: Place) -> str:
    """The id of a machine that runs in the security-group zone."""
    return "i-" + str(Native(place).machine("host")["id"]).replace("-", "")[:17]


def show(ec2: Any, image: str) -> dict[str, Any]:
    [item] = ec2.describe_images(ImageIds=[image])["Images"]
    return dict(item)


def settled(ec2: Any, image: str) -> dict[str, Any]:
    """The image once it is pending no more."""
    deadline = time.monotonic() + 60
    while (item := show(ec2, image))["State"] == "pending":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return item


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        work()
    return str(refused.value.response["Error"]["Code"])


def test_a_running_machine_rests_while_it_is_copied(place: Place, ec2: Any, machine: str) -> None:
    before = len(place.native)
    image = ec2.create_image(
        InstanceId=machine,
        Name="golden",
        Description="with all updates",
        TagSpecifications=[tags("image", Name="i"), tags("snapshot", Name="s")],
    )["ImageId"]
    item = settled(ec2, image)

    done = [call.command for call in place.native[before:]]
    assert (
        done.index("stopVirtualMachine")
        < done.index("createSnapshot")
        < done.index("startVirtualMachine")
        < len(done)
    )
    until(ec2, "running", machine)
    assert item["State"] == "available"
    assert (item["Name"], item["Description"]) == ("golden", "with all updates")
    assert item["Public"] is False
    assert item["SourceInstanceId"] == machine
    assert item["Tags"] == [{"Key": "Name", "Value": "i"}]
    [device] = item["BlockDeviceMappings"]
    assert device["DeviceName"] == item["RootDeviceName"]
    assert device["Ebs"]["VolumeSize"] == 2
    [snapshot] = ec2.describe_snapshots()["Snapshots"]
    assert snapshot["SnapshotId"] == device["Ebs"]["SnapshotId"]
    assert snapshot["Tags"] == [{"Key": "Name", "Value": "s"}]


def test_with_no_reboot_the_machine_runs_on(place: Place, ec2: Any, machine: str) -> None:
    done = place.commands(lambda: ec2.create_image(InstanceId=machine, Name="live", NoReboot=True))

    assert "createTemplate" in done
    assert "stopVirtualMachine" not in done
    [image] = ec2.describe_images(Owners=["self"])["Images"]
    described = [{"Name": "description", "Values": [f"*{image['ImageId']}*"]}]
    [snapshot] = ec2.describe_snapshots(Filters=described)["Snapshots"]
    assert snapshot["Description"] == f"Created by CreateImage({machine}) for {image['ImageId']}"


def test_a_stopped_machine_is_copied_at_once(place: Place, ec2: Any, machine: str) -> None:
    ec2.stop_instances(InstanceIds=[machine])
    until(ec2, "stopped", machine)

    made: list[str] = []
    done = place.commands(lambda: made.append(ec2.create_image(InstanceId=machine, Name="still")["ImageId"]))

    assert {"createSnapshot", "startVirtualMachine"}.isdisjoint(done)
    item = settled(ec2, made[0])
    assert (item["State"], item["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"]) == ("available", 2)
    assert "Description" not in item
    until(ec2, "stopped", machine)


def test_a_machine_is_launched_from_the_image(ec2: Any, machine: str) -> None:
    image = ec2.create_image(InstanceId=machine, Name="golden", NoReboot=True)["ImageId"]
    settled(ec2, image)

    zone = {"AvailabilityZone": f"{REGION}c"}
    [launched] = ec2.run_instances(
        ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1, Placement=zone
    )["Instances"]

    assert launched["ImageId"] == image
    # An image may go while machines of it run.
    until(ec2, "running", launched["InstanceId"])
    ec2.deregister_image(ImageId=image)
    # Asking for it by its id answers an empty set for a while, as AWS documents it; Ansible waits for that.
    assert ec2.describe_images(ImageIds=[image])["Images"] == []


def test_an_image_is_pending_before_it_is_available(place: Place, ec2: Any, machine: str) -> None:
    with place.holding("createTemplate"):
        image = ec2.create_image(InstanceId=machine, Name="slow", NoReboot=True)["ImageId"]

        assert show(ec2, image)["State"] == "pending"
        assert image in {i["ImageId"] for i in ec2.describe_images()["Images"]}
        assert refusal(
            lambda: ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1)
        ) == ("InvalidAMIID.Unavailable")
    assert settled(ec2, image)["State"] == "available"


def test_a_machine_starts_again_when_no_snapshot_can_be_taken(place: Place, ec2: Any, machine: str) -> None:
    place.sim.cloud.default_limits["snapshot"] = 0

    assert refusal(lambda: ec2.create_image(InstanceId=machine, Name="never")) == "SnapshotLimitExceeded"
    until(ec2, "running", machine)
    [row] = Native(place).list("listVirtualMachines")
    deadline = time.monotonic() + 60
    while row["state"] != "Running":
        assert time.monotonic() < deadline
        [row] = Native(place).list("listVirtualMachines")
    assert ec2.describe_images(Owners=["self"])["Images"] == []


def test_a_request_sent_again_joins_the_first(place: Place, ec2: Any, machine: str) -> None:
    def create() -> str:
        return str(place.client().create_image(InstanceId=machine, Name="once", NoReboot=True)["ImageId"])

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(create), pool.submit(create)

    assert first.result() == second.result()
    assert refusal(create) == "InvalidAMIName.Duplicate"
    assert len(ec2.describe_images(Owners=["self"])["Images"]) == 1


def test_an_image_that_could_not_be_made_is_failed_with_the_reason(
    place: Place, ec2: Any, machine: str
) -> None:
    place.sim.cloud.settings["template.creation.fails"] = "No remote endpoint to send command"
    image = ec2.create_image(InstanceId=machine, Name="never", NoReboot=True)["ImageId"]

    item = settled(ec2, image)

    assert item["State"] == "failed"
    assert "No remote endpoint" in item["StateReason"]["Message"]
    failed = [{"Name": "state", "Values": ["failed"]}]
    assert [i["ImageId"] for i in ec2.describe_images(Filters=failed)["Images"]] == [image]
    ec2.deregister_image(ImageId=image)
    assert ec2.describe_images(ImageIds=[image])["Images"] == []


def test_the_tags_of_an_image_that_could_not_be_made_end_with_it(
    place: Place, ec2: Any, machine: str
) -> None:
    place.sim.cloud.settings["template.creation.fails"] = "No remote endpoint to send command"
    tagged = [tags("image", team="red", Empty="")]
    with place.holding("createTemplate"):
        image = ec2.create_image(InstanceId=machine, Name="never", NoReboot=True, TagSpecifications=tagged)
    ident = image["ImageId"]
    assert settled(ec2, ident)["State"] == "failed"
    of_images = {"Filters": [{"Name": "resource-type", "Values": ["image"]}]}
    assert {tag["Key"] for tag in ec2.describe_tags(**of_images)["Tags"]} == {"team", "Empty"}

    ec2.deregister_image(ImageId=ident)

    assert [tag["value"] for tag in Native(place).list("listTags", key="team")] == ["red"]
    assert ec2.describe_tags(**of_images)["Tags"] == []
    assert ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [ident]}])["Tags"] == []
    assert list(place.run(place.bridge.site.store.everywhere("tags"))) == []


def test_an_image_of_a_snapshot(ec2: Any, machine: str) -> None:
    root = ec2.describe_volumes()["Volumes"][0]["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=root)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot, "VolumeType": "standard"}}

    def register(name: str = "from-snapshot", **changed: Any) -> str:
        request = {"RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [disk], **changed}
        return str(ec2.register_image(Name=name, **request)["ImageId"])

    image = register(
        Architecture="x86_64",
        VirtualizationType="hvm",
        EnaSupport=True,
        SriovNetSupport="simple",
        Description="restored",
        TagSpecifications=[tags("image", team="red")],
    )
    item = settled(ec2, image)

    assert (item["State"], item["Description"]) == ("available", "restored")
    assert (item["EnaSupport"], item["SriovNetSupport"]) == (True, "simple")
    assert item["BlockDeviceMappings"][0]["Ebs"] == {
        "SnapshotId": snapshot,
        "VolumeSize": 2,
        "VolumeType": "standard",
        "DeleteOnTermination": True,
        "Encrypted": False,
    }
    assert item["Tags"] == [{"Key": "team", "Value": "red"}]
    by_snapshot = [{"Name": "block-device-mapping.snapshot-id", "Values": [snapshot]}]
    assert [i["ImageId"] for i in ec2.describe_images(Filters=by_snapshot)["Images"]] == [image]
    assert refusal(lambda: ec2.delete_snapshot(SnapshotId=snapshot)) == "InvalidSnapshot.InUse"
    assert refusal(register) == "InvalidAMIName.Duplicate"
    unknown = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "snap-00000000000000000"}}
    assert refusal(lambda: register("x-1", BlockDeviceMappings=[unknown])) == "InvalidSnapshot.NotFound"
    data = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 8}}
    assert refusal(lambda: register("x-2", BlockDeviceMappings=[disk, data])) == "UnsupportedOperation"
    assert refusal(lambda: register("x-3", BlockDeviceMappings=[])) == "MissingParameter"
    assert refusal(lambda: register("x-4", Architecture="x86_64_mac")) == "UnsupportedOperation"

    answer = ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)

    assert answer["DeleteSnapshotResults"] == [{"SnapshotId": snapshot, "ReturnCode": "success"}]
    assert ec2.describe_snapshots()["Snapshots"] == []


@pytest.mark.since("4.20")
def test_an_image_of_a_disk_at_a_url(place: Place, ec2: Any) -> None:
    image = ec2.register_image(
        Name="fetched",
        ImageLocation=URL,
        Architecture="arm64",
        TagSpecifications=[tags("image", from_="web")],
    )["ImageId"]

    item = settled(ec2, image)

    assert (item["State"], item["Architecture"]) == ("available", "arm64")
    assert item["Tags"] == [{"Key": "from_", "Value": "web"}]
    rows = Native(place).list("listTemplates", templatefilter="self")
    assert {row["format"] for row in rows} == {"QCOW2"}
    assert len(rows) == 3  # an image is the region's

    def register(url: str) -> Any:
        return ec2.register_image(Name="another", ImageLocation=url)

    assert refusal(lambda: register("my-bucket/image.manifest.xml")) == "InvalidParameterValue"
    assert refusal(lambda: register("https://images.example/disk.iso9660")) == "InvalidParameterValue"
    assert refusal(lambda: register("https://[images.example/disk.qcow2")) == "InvalidParameterValue"
    register("http://images.example/disk.vmdk.gz")


def test_names_are_ones_own_and_well_formed(ec2: Any, machine: str) -> None:
    def create(name: str) -> Any:
        return ec2.create_image(InstanceId=machine, Name=name, NoReboot=True)

    for name in ("a" * 129, "what?"):
        assert refusal(lambda name=name: create(name)) == "InvalidAMIName.Malformed"
    create("mine")
    assert refusal(lambda: create("mine")) == "InvalidAMIName.Duplicate"


def test_misuse_has_its_own_codes(place: Place, ec2: Any, machine: str) -> None:
    def create(**changed: Any) -> Any:
        return ec2.create_image(**{"InstanceId": machine, "Name": "golden", "NoReboot": True, **changed})

    data = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 8}}
    assert refusal(lambda: create(InstanceId="i-00000000000000000")) == "InvalidInstanceID.NotFound"
    assert refusal(lambda: create(BlockDeviceMappings=[data])) == "UnsupportedOperation"
    for asked in ({"DeleteOnTermination": False}, {"Encrypted": True}, {"Iops": 900}, {"VolumeSize": 90}):
        root = {"DeviceName": "/dev/sda1", "Ebs": asked}
        assert refusal(lambda root=root: create(BlockDeviceMappings=[root])) == "UnsupportedOperation"
    assert refusal(lambda: create(TagSpecifications=[tags("volume", a="b")])) == "InvalidParameterValue"
    assert refusal(lambda: create(DryRun=True)) == "DryRunOperation"
    assert refusal(lambda: ec2.deregister_image(ImageId="ami-00000000000000000")) == "InvalidAMIID.NotFound"
    left_out = {"DeviceName": "/dev/sdf", "NoDevice": ""}
    root = {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True, "VolumeType": "gp2"}}
    create(BlockDeviceMappings=[left_out, root, {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}])
    [image] = ec2.describe_images(Owners=["self"])["Images"]
    bob = place.client("bob")
    assert refusal(lambda: bob.deregister_image(ImageId=image["ImageId"])) == "InvalidAMIID.NotFound"
    featured = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    assert refusal(lambda: ec2.deregister_image(ImageId=featured)) == "AuthFailure"


def test_quotas_are_limits(place: Place, ec2: Any, machine: str) -> None:
    place.sim.cloud.default_limits["template"] = 0

    assert refusal(lambda: ec2.create_image(InstanceId=machine, Name="golden", NoReboot=True)) == (
        "ResourceLimitExceeded"
    )
    assert refusal(lambda: ec2.register_image(Name="golden", ImageLocation=URL)) == "ResourceLimitExceeded"


def test_a_copy_is_the_same_image_in_more_zones(place: Place, ec2: Any, machine: str) -> None:
    image = ec2.create_image(InstanceId=machine, Name="golden", NoReboot=True)["ImageId"]
    settled(ec2, image)

    def copy(**changed: Any) -> Any:
        request = {"SourceImageId": image, "SourceRegion": REGION, "Name": "golden", **changed}
        return ec2.copy_image(**request)["ImageId"]

    assert copy(TagSpecifications=[tags("image", copied="1")], ClientToken="t") == image
    deadline = time.monotonic() + 60
    while len(Native(place).list("listTemplates", templatefilter="self")) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert show(ec2, image)["Tags"] == [{"Key": "copied", "Value": "1"}]
    assert "copyTemplate" not in place.commands(lambda: copy())  # it is everywhere already
    assert refusal(lambda: copy(SourceRegion="eu-west-1")) == "UnsupportedOperation"
    assert refusal(lambda: copy(Encrypted=True)) == "UnsupportedOperation"
    assert refusal(lambda: copy(SourceImageId="ami-00000000000000000")) == "InvalidAMIID.NotFound"


def test_a_copy_under_another_name_is_another_image_of_the_same_snapshot(
    place: Place, ec2: Any, machine: str
) -> None:
    ec2.create_image(
        InstanceId=machine, Name="golden", NoReboot=True, TagSpecifications=[tags("image", app="shop")]
    )
    [image] = ec2.describe_images(Owners=["self"])["Images"]
    first = settled(ec2, image["ImageId"])
    [details] = [row["details"] for row in Native(place).list("listTemplates", templatefilter="self")]

    request = {"SourceImageId": first["ImageId"], "SourceRegion": REGION, "Name": "silver"}
    copied = ec2.copy_image(**request, Description="for staging", CopyImageTags=True)["ImageId"]
    second = settled(ec2, copied)

    assert copied != first["ImageId"]
    assert (second["Name"], second["Description"], second["State"]) == ("silver", "for staging", "available")
    assert second["Tags"] == [{"Key": "app", "Value": "shop"}]
    assert second["BlockDeviceMappings"] == first["BlockDeviceMappings"]
    rows = Native(place).list("listTemplates", templatefilter="self")
    assert [row["details"] for row in rows] == [details] * 2
    assert refusal(lambda: ec2.copy_image(**request)) == "InvalidAMIName.Duplicate"
    # The first may go, and the second is still there; the snapshot only when both are gone.
    snapshot = first["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    ec2.deregister_image(ImageId=first["ImageId"])
    assert refusal(lambda: ec2.delete_snapshot(SnapshotId=snapshot)) == "InvalidSnapshot.InUse"
    plain = ec2.copy_image(SourceImageId=copied, SourceRegion=REGION, Name="bronze", TagSpecifications=[])[
        "ImageId"
    ]
    assert settled(ec2, plain).get("Tags", []) == []


def test_a_copy_under_another_name_needs_a_snapshot(place: Place, ec2: Any, machine: str) -> None:
    url = ec2.register_image(Name="fetched", ImageLocation=URL)["ImageId"]
    named = {"SourceRegion": REGION, "Name": "silver"}
    with pytest.raises(ClientError, match="use CreateImage") as refused:
        ec2.copy_image(SourceImageId=url, **named)
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"

    image = ec2.create_image(InstanceId=machine, Name="golden", NoReboot=True)["ImageId"]
    settled(ec2, image)
    elsewhere = {"DestinationAvailabilityZone": ADVANCED}
    assert (
        refusal(lambda: ec2.copy_image(SourceImageId=image, **named, **elsewhere)) == "InvalidParameterValue"
    )
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    bob = place.client("bob")
    assert refusal(lambda: bob.copy_image(SourceImageId=image, **named)) == "UnsupportedOperation"
    assert len(ec2.describe_images(Owners=["self"])["Images"]) == 2


# --- attributes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def image(ec2: Any) -> str:
    """An image of alice's."""
    return str(ec2.register_image(Name="mine", ImageLocation=URL, Description="as it was")["ImageId"])


def attribute(ec2: Any, image: str, name: str) -> dict[str, Any]:
    answer = ec2.describe_image_attribute(ImageId=image, Attribute=name)
    return {key: value for key, value in answer.items() if key not in ("ResponseMetadata", "ImageId")}


def test_the_description_is_changed(ec2: Any, image: str) -> None:
    assert attribute(ec2, image, "description") == {"Description": {"Value": "as it was"}}

    ec2.modify_image_attribute(ImageId=image, Description={"Value": "as it is"})
    assert show(ec2, image)["Description"] == "as it is"
    ec2.modify_image_attribute(ImageId=image, Attribute="description", Value="another")
    assert attribute(ec2, image, "description") == {"Description": {"Value": "another"}}


def test_a_launch_permission_for_oneself_is_told(place: Place, ec2: Any, image: str) -> None:
    own = place.client(service="sts").get_caller_identity()["Account"]

    def permissions() -> Any:
        return attribute(ec2, image, "launchPermission")["LaunchPermissions"]

    def executable() -> set[str]:
        return {found["ImageId"] for found in ec2.describe_images(ExecutableUsers=["self"])["Images"]}

    assert (permissions(), image in executable()) == ([], False)
    for undo in (
        lambda: ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Remove": [{"UserId": own}]}),
        lambda: ec2.reset_image_attribute(ImageId=image, Attribute="launchPermission"),
    ):
        ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": own}]})
        assert (permissions(), image in executable()) == ([{"UserId": own}], True)
        assert show(ec2, image).get("Tags", []) == []
        undo()
        assert (permissions(), image in executable()) == ([], False)


def test_an_image_is_shared_by_account_digits(place: Place, ec2: Any, image: str) -> None:
    bob = place.client("bob")
    digits = place.client("bob", service="sts").get_caller_identity()["Account"]

    def permissions() -> Any:
        return attribute(ec2, image, "launchPermission")["LaunchPermissions"]

    assert permissions() == []
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": digits}]})
    assert permissions() == [{"UserId": digits}]
    assert show(bob, image)["Name"] == "mine"
    assert refusal(
        lambda: bob.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": digits}]})
    ) == ("AuthFailure")
    assert refusal(lambda: attribute(bob, image, "description")) == "AuthFailure"
    assert refusal(lambda: bob.reset_image_attribute(ImageId=image, Attribute="launchPermission")) == (
        "AuthFailure"
    )
    assert refusal(lambda: bob.deregister_image(ImageId=image)) == "AuthFailure"
    ec2.modify_image_attribute(
        ImageId=image, Attribute="launchPermission", OperationType="remove", UserIds=[digits]
    )
    assert permissions() == []
    assert refusal(lambda: show(bob, image)) == "InvalidAMIID.NotFound"


def test_an_image_is_given_to_all(place: Place, ec2: Any, image: str) -> None:
    everyone = [{"Group": "all"}]

    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": everyone})
    assert attribute(ec2, image, "launchPermission") == {"LaunchPermissions": everyone}
    assert show(place.client("bob"), image)["Public"] is True
    ec2.modify_image_attribute(
        ImageId=image, Attribute="launchPermission", OperationType="remove", UserGroups=["all"]
    )
    assert show(ec2, image)["Public"] is False
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": everyone})
    ec2.reset_image_attribute(ImageId=image, Attribute="launchPermission")
    assert attribute(ec2, image, "launchPermission") == {"LaunchPermissions": []}


def test_accounts_that_were_seen_are_known_to_the_next_bridge(
    make_place: Callable[..., Place], tmp_path: Any
) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    digits = place.client("bob", service="sts").get_caller_identity()["Account"]
    url, _ = place.run(place.stack.enter_async_context(server.listening(place.bridge.site.settings)))
    other = place.client(endpoint_url=url)
    image = other.register_image(Name="mine", ImageLocation=URL)["ImageId"]

    other.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": digits}]})

    assert attribute(other, image, "launchPermission") == {"LaunchPermissions": [{"UserId": digits}]}


def test_attributes_that_cannot_be(ec2: Any, image: str) -> None:
    def modify(**changed: Any) -> Any:
        return ec2.modify_image_attribute(ImageId=image, **changed)

    stranger = {"Add": [{"UserId": "123456789012"}]}
    assert refusal(lambda: modify(LaunchPermission=stranger)) == "InvalidAMIAttributeItemValue"
    for some in (
        {"LaunchPermission": {"Add": [{"Group": "some"}]}},
        {"Attribute": "launchPermission", "OperationType": "add", "UserGroups": ["some"]},
    ):
        with pytest.raises(ClientError, match='"some" for userGroup') as error:
            modify(**some)
        assert error.value.response["Error"]["Code"] == "InvalidAMIAttributeItemValue"
    assert refusal(modify) == "InvalidParameterCombination"
    assert refusal(lambda: modify(Description={"Value": "x"}, LaunchPermission=stranger)) == (
        "InvalidParameterCombination"
    )
    assert refusal(lambda: modify(Attribute="launchPermission", UserIds=["123456789012"])) == (
        "InvalidParameterValue"
    )
    organization = {"Add": [{"OrganizationArn": "arn:aws:organizations::1:organization/o-1"}]}
    assert refusal(lambda: modify(LaunchPermission=organization)) == "UnsupportedOperation"
    assert refusal(lambda: modify(ImdsSupport={"Value": "v2.0"})) == "UnsupportedOperation"
    assert (
        refusal(lambda: ec2.describe_image_attribute(ImageId=image, Attribute="colour")) == "InvalidRequest"
    )
    assert refusal(lambda: ec2.reset_image_attribute(ImageId=image, Attribute="description")) == (
        "InvalidRequest"
    )
    assert refusal(lambda: modify(Attribute="blockDeviceMapping")) == "InvalidParameter"
    assert refusal(lambda: modify(Attribute="description")) == "MissingParameter"
    assert attribute(ec2, image, "kernel") == {}
    assert attribute(ec2, image, "productCodes") == {"ProductCodes": []}
    assert refusal(lambda: attribute(ec2, image, "blockDeviceMapping")) == "AuthFailure"


def test_a_deprecated_image_is_its_owners(place: Place, ec2: Any, image: str) -> None:
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    bob = place.client("bob")
    soon = datetime.now(UTC) + timedelta(days=30)

    def seen(client: Any, **request: Any) -> bool:
        return image in {item["ImageId"] for item in client.describe_images(**request)["Images"]}

    ec2.enable_image_deprecation(ImageId=image, DeprecateAt=soon)
    assert show(ec2, image)["DeprecationTime"].startswith(
        (soon + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M")
    )
    assert seen(bob)
    table = place.sim.cloud.tables["tags"]
    [mark] = [row for row in table if row["key"] == "ec2bridge:deprecated-at"]
    table.update(mark, value="2026-01-01T00:00:00.000Z")
    assert seen(ec2)
    assert not seen(bob)
    assert seen(bob, IncludeDeprecated=True)
    assert seen(bob, ImageIds=[image])
    ec2.disable_image_deprecation(ImageId=image)
    assert seen(bob)
    past = datetime.now(UTC) - timedelta(days=1)
    assert refusal(lambda: ec2.enable_image_deprecation(ImageId=image, DeprecateAt=past)) == (
        "InvalidParameterValue"
    )


def test_a_protected_image_stays(ec2: Any, image: str) -> None:
    def protection() -> str:
        value: str = attribute(ec2, image, "deregistrationProtection")["DeregistrationProtection"]["Value"]
        assert show(ec2, image)["DeregistrationProtection"] == value
        return value

    assert protection() == "disabled"
    ec2.enable_image_deregistration_protection(ImageId=image, WithCooldown=True)
    assert protection() == "enabled-with-cooldown"
    assert refusal(lambda: ec2.deregister_image(ImageId=image)) == "OperationNotPermitted"
    ec2.disable_image_deregistration_protection(ImageId=image)
    assert protection().startswith("disabled after 20")
    assert refusal(lambda: ec2.deregister_image(ImageId=image)) == "OperationNotPermitted"
    ec2.enable_image_deregistration_protection(ImageId=image)
    assert protection() == "enabled-without-cooldown"
    ec2.disable_image_deregistration_protection(ImageId=image)
    ec2.deregister_image(ImageId=image)


def test_isos_are_an_extension(place: Place, ec2: Any) -> None:
    facts = place.sim.cloud.tables["templates"].first(templatetype="BUILTIN")
    assert facts is not None
    iso = {key: facts[key] for key in ("ostypename", "domainid", "domain", "created")}
    place.sim.cloud.tables["isos"].add({**iso, "name": "installer", "isready": True, "ispublic": True})

    def kinds(*values: str) -> set[str]:
        filters = [{"Name": "image-type", "Values": list(values)}]
        return {item["ImageType"] for item in ec2.describe_images(Filters=filters)["Images"]}

    assert kinds("iso") == {"iso"}
    assert kinds("machine") == {"machine"}
    assert kinds("machine", "iso") == {"machine", "iso"}
    assert kinds("kernel") == set()


def test_native_calls_do_not_grow_with_images(place: Place, ec2: Any, image: str) -> None:
    table = place.sim.cloud.tables["templates"]
    row = next(row for row in table if row["name"] == "mine")
    for number in range(1000):
        copy = {key: value for key, value in row.items() if key not in ("id", "_number")}
        table.add({**copy, "name": f"image-{number}", "_zones": row["_zones"][:1]})
    ec2.describe_regions()

    done = place.commands(lambda: ec2.describe_images(Owners=["self"]))

    assert done == ["listTemplates"] * 3  # 500 a page
    assert len(ec2.describe_images(Owners=["self"])["Images"]) == 1001
    # Who else may launch an image has to be asked for each of one's own; whether oneself may, has not.
    assert "listTemplatePermissions" not in place.commands(
        lambda: ec2.describe_images(ExecutableUsers=["self"])
    )


def launched_from(ec2: Any, image: str, **members: Any) -> dict[str, Any]:
    """The instance that a launch of an image answers, once it runs."""
    answer = ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1, **members)
    ident = answer["Instances"][0]["InstanceId"]
    until(ec2, "running", ident)
    [entry] = ec2.describe_instances(InstanceIds=[ident])["Reservations"]
    return {**entry["Instances"][0], "ReservationId": entry["ReservationId"]}


def test_an_image_hands_nothing_on_that_was_its_machines_alone(place: Place, ec2: Any) -> None:
    """CloudStack gives a template its machine's details, and a machine its template's."""
    native = Native(place)
    for name in ("old", "new"):
        ec2.create_key_pair(KeyName=name)
    public = native.template()
    first = launched_from(ec2, "ami-" + public.replace("-", "")[:17], KeyName="old", ClientToken="first")
    image = ec2.create_image(InstanceId=first["InstanceId"], Name="golden")["ImageId"]
    assert settled(ec2, image)["State"] == "available"

    assert "KeyName" not in launched_from(ec2, image)
    assert launched_from(ec2, image, KeyName="new")["KeyName"] == "new"
    [template] = native.list("listTemplates", templatefilter="self")
    outside = native.do(
        "deployVirtualMachine",
        name="outside",
        zoneid=template["zoneid"],
        templateid=template["id"],
        serviceofferingid=native.offering("listServiceOfferings", "t2.micro"),
    )
    shown = {
        instance["InstanceId"]: {**instance, "ReservationId": entry["ReservationId"]}
        for entry in ec2.describe_instances()["Reservations"]
        for instance in entry["Instances"]
    }["i-" + outside["id"].replace("-", "")[:17]]
    assert "KeyName" not in shown
    assert shown["ReservationId"] != first["ReservationId"]
    assert shown.get("ClientToken", "") == ""


def test_an_image_made_outside_ec2_lends_its_key_pair_to_no_launch(place: Place, ec2: Any) -> None:
    native = Native(place)
    ec2.create_key_pair(KeyName="old")
    machine = native.machine("host", keypair="old")
    native.do("stopVirtualMachine", id=machine["id"])
    [root] = native.list("listVolumes", virtualmachineid=machine["id"])
    os_type = native.list("listOsTypes")[0]["id"]
    template = native.do("createTemplate", name="t", displaytext="t", volumeid=root["id"], ostypeid=os_type)
    assert template["details"]["SSH.KeyPairNames"] == "old"
    image = "ami-" + template["id"].replace("-", "")[:17]
    assert "KeyName" not in launched_from(ec2, image)
    assert launched_from(ec2, image, KeyName="old")["KeyName"] == "old"


def test_an_image_that_is_taken_back_is_not_shown_any_more(place: Place, ec2: Any, machine: str) -> None:
    place.sim.faults.add("refused", "createTags", 2, errorcode=430)

    def make() -> None:
        refusal(lambda: ec2.create_image(InstanceId=machine, Name="golden"))

    assert "deleteTemplate" in place.commands(make)
    assert ec2.describe_images(Owners=["self"])["Images"] == []
