"""What a client says is done, told where it is true, or refused by name: nothing is dropped in silence."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.launching import ADVANCED, GROUPED, described, launch, started


def image_of(ec2: Any) -> str:
    return str(ec2.describe_images()["Images"][0]["ImageId"])


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(
            lambda ec2, zones: ec2.create_volume(Size=1, **zones),
            id="CreateVolume",
        ),
        pytest.param(lambda ec2, zones: ec2.create_default_subnet(**zones), id="CreateDefaultSubnet"),
        pytest.param(
            lambda ec2, zones: ec2.create_subnet(
                VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"], CidrBlock="10.1.1.0/24", **zones
            ),
            id="CreateSubnet",
        ),
        pytest.param(lambda ec2, zones: launch(ec2, Placement=zones), id="RunInstances"),
        pytest.param(
            lambda ec2, zones: ec2.copy_image(
                SourceRegion=REGION,
                SourceImageId=image_of(ec2),
                Name=ec2.describe_images()["Images"][0]["Name"],
                **{f"Destination{name}": value for name, value in zones.items()},
            ),
            id="CopyImage",
        ),
    ],
)
def test_two_zones_are_refused(ec2: Any, call: Callable[[Any, dict[str, str]], Any]) -> None:
    ids = {
        zone["ZoneName"]: zone["ZoneId"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]
    }
    with pytest.raises(ClientError, match=f"{ids[GROUPED]}.*differ") as error:
        call(ec2, {"AvailabilityZone": ADVANCED, "AvailabilityZoneId": ids[GROUPED]})
    assert error.value.response["Error"]["Code"] == "InvalidParameterCombination"


def test_a_zone_named_twice_is_one(ec2: Any) -> None:
    ids = {
        zone["ZoneName"]: zone["ZoneId"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]
    }
    made = ec2.create_volume(Size=1, AvailabilityZone=GROUPED, AvailabilityZoneId=ids[GROUPED])
    assert made["AvailabilityZone"] == GROUPED


def test_a_copy_keeps_its_description(ec2: Any) -> None:
    [image, *_] = ec2.describe_images()["Images"]
    copy = {"SourceRegion": REGION, "SourceImageId": image["ImageId"], "Name": image["Name"]}
    assert ec2.copy_image(**copy, Description=image.get("Description", ""))["ImageId"] == image["ImageId"]
    with pytest.raises(ClientError, match="Description with the value 'new'"):
        ec2.copy_image(**copy, Description="new")


def test_a_copy_of_a_snapshot_keeps_its_description_and_region(ec2: Any) -> None:
    machine = started(ec2)[0]
    root = machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    made = ec2.create_snapshot(VolumeId=root, Description="whole")["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made], WaiterConfig={"Delay": 0.05})
    with pytest.raises(ClientError, match="keeps its description, 'whole'"):
        ec2.copy_snapshot(SourceRegion=REGION, SourceSnapshotId=made, Description="another")


@pytest.mark.parametrize("kind", ["io1", "io2", "st1", "sc1"])
def test_a_root_that_no_offering_promises_is_refused(ec2: Any, kind: str) -> None:
    root = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": kind, "VolumeSize": 20}}]
    with pytest.raises(ClientError, match=f"VolumeType with the value '{kind}'"):
        launch(ec2, BlockDeviceMappings=root)
    machine = started(ec2)[0]
    with pytest.raises(ClientError, match=f"VolumeType with the value '{kind}'"):
        ec2.create_image(
            InstanceId=machine["InstanceId"],
            Name="picture",
            BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": kind}}],
        )


def test_an_image_tells_the_type_of_root_that_it_was_made_with(ec2: Any) -> None:
    machine = started(ec2)[0]
    image = ec2.create_image(
        InstanceId=machine["InstanceId"],
        Name="picture",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "gp3"}}],
    )["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 0.05})
    [shown] = ec2.describe_images(ImageIds=[image])["Images"]
    assert shown["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] == "gp3"


def test_a_peering_in_a_rule_is_refused(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    pair = {"GroupId": group, "VpcPeeringConnectionId": "pcx-00000000000000001"}
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [pair]}
    for call in (ec2.authorize_security_group_ingress, ec2.revoke_security_group_ingress):
        with pytest.raises(ClientError, match="VpcPeeringConnectionId"):
            call(GroupId=group, IpPermissions=[rule])


def test_an_attribute_of_another_volume_is_refused(ec2: Any) -> None:
    machine = started(ec2)[0]
    for volume, taken in (
        (machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"], True),
        ("vol-00000000", False),
    ):
        ebs = {"VolumeId": volume, "DeleteOnTermination": False}
        change = {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": ebs}]}
        if taken:
            ec2.modify_instance_attribute(InstanceId=machine["InstanceId"], **change)
        else:
            with pytest.raises(ClientError, match="is not the one at /dev/sda1"):
                ec2.modify_instance_attribute(InstanceId=machine["InstanceId"], **change)
    with pytest.raises(ClientError, match=r"BlockDeviceMappings\.NoDevice"):
        ec2.modify_instance_attribute(
            InstanceId=machine["InstanceId"],
            BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "NoDevice": "yes"}],
        )


@pytest.mark.since("4.21")
def test_a_spot_request_is_checked_like_a_launch(place: Place, ec2: Any) -> None:
    place.sim.cloud.settings["instance.lease.enabled"] = True
    disk = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "KmsKeyId": "mine"}}
    with pytest.raises(ClientError, match=r"BlockDeviceMappings\.Ebs\.KmsKeyId"):
        ec2.request_spot_instances(
            LaunchSpecification={
                "ImageId": image_of(ec2),
                "InstanceType": "t2.micro",
                "BlockDeviceMappings": [disk],
            }
        )
    assert described(ec2) == []


def test_a_fleet_is_checked_like_a_launch(place: Place, ec2: Any) -> None:
    ec2.create_launch_template(
        LaunchTemplateName="plain",
        LaunchTemplateData={"ImageId": image_of(ec2), "InstanceType": "t2.micro"},
    )
    ec2.create_placement_group(GroupName="apart", Strategy="spread")

    def fleet(**override: Any) -> dict[str, Any]:
        template = {"LaunchTemplateName": "plain", "Version": "$Latest"}
        answer: dict[str, Any] = ec2.create_fleet(
            Type="instant",
            LaunchTemplateConfigs=[{"LaunchTemplateSpecification": template, "Overrides": [override]}],
            TargetCapacitySpecification={"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"},
        )
        return answer

    with pytest.raises(ClientError, match=r"Placement\.HostId"):
        fleet(Placement={"HostId": "h-0123456789abcdef0"})
    disk = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "KmsKeyId": "mine"}}
    assert (
        "BlockDeviceMappings.Ebs.KmsKeyId" in fleet(BlockDeviceMappings=[disk])["Errors"][0]["ErrorMessage"]
    )
    assert described(ec2) == []
    placed = {"AvailabilityZone": ADVANCED, "GroupName": "apart", "Tenancy": "default"}
    [made] = fleet(Placement=placed)["Instances"]
    assert made["LaunchTemplateAndOverrides"]["Overrides"]["Placement"] == {"GroupName": "apart"}
    [group] = ec2.describe_placement_groups(GroupNames=["apart"])["PlacementGroups"]
    named = {"AvailabilityZoneId": f"{REGION}-az1", "GroupId": group["GroupId"]}
    assert described(ec2)[0]["Placement"] == {**placed, **named}


@pytest.mark.parametrize("of_root", [True, False], ids=["root", "data"])
def test_a_launchs_volume_of_a_snapshot_is_as_createvolumes(place: Place, ec2: Any, of_root: bool) -> None:
    machine = started(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}])[0]
    disks = {disk["DeviceName"]: disk["Ebs"]["VolumeId"] for disk in machine["BlockDeviceMappings"]}
    source = disks["/dev/sda1" if of_root else "/dev/sdf"]
    snapshot = ec2.create_snapshot(VolumeId=source)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 0.05})
    size = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["VolumeSize"]

    def disk(**ebs: Any) -> list[dict[str, Any]]:
        return [{"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshot, **ebs}}]

    if size > 1:
        with pytest.raises(ClientError, match=f"expect size >= {size}GB") as error:
            launch(ec2, BlockDeviceMappings=disk(VolumeSize=size - 1))
        assert error.value.response["Error"]["Code"] == "InvalidBlockDeviceMapping"
    if not of_root:
        with pytest.raises(ClientError, match="VolumeType with the value 'io1'"):
            launch(ec2, BlockDeviceMappings=disk(VolumeType="io1"))
    zone = machine["Placement"]["AvailabilityZone"]
    larger = started(
        ec2, BlockDeviceMappings=disk(VolumeSize=size + 7), Placement={"AvailabilityZone": zone}
    )[0]
    [made] = [entry["Ebs"] for entry in larger["BlockDeviceMappings"] if entry["DeviceName"] == "/dev/sdg"]
    alone = ec2.create_volume(SnapshotId=snapshot, Size=size + 7, AvailabilityZone=zone)["VolumeId"]
    found = ec2.describe_volumes(VolumeIds=[made["VolumeId"], alone])["Volumes"]
    assert {volume["Size"] for volume in found} == {size + 7}
    assert {volume["SnapshotId"] for volume in found} == {snapshot}
    if of_root:
        elsewhere = next(
            z["ZoneName"]
            for z in ec2.describe_availability_zones()["AvailabilityZones"]
            if z["ZoneName"] != zone
        )
        with pytest.raises(ClientError, match=f"not in {elsewhere}"):
            launch(ec2, BlockDeviceMappings=disk(), Placement={"AvailabilityZone": elsewhere})


@pytest.mark.parametrize("size", [-5, 100_000])
def test_a_launchs_volume_out_of_range_is_refused_at_once(ec2: Any, size: int) -> None:
    with pytest.raises(ClientError, match=f"Volume of {size}GiB is out of range") as error:
        launch(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": size}}])
    assert error.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert described(ec2) == []
    for way in ({}, {"DryRun": True}):
        with pytest.raises(ClientError, match=f"Volume of {size}GiB is out of range"):
            ec2.create_volume(AvailabilityZone=ADVANCED, Size=size, **way)


@pytest.mark.parametrize("member", ["AvailabilityZone", "AvailabilityZoneId"])
def test_a_volume_in_no_zone_has_awss_code(ec2: Any, member: str) -> None:
    with pytest.raises(ClientError, match="The zone 'nowhere' does not exist") as error:
        ec2.create_volume(Size=1, **{member: "nowhere"})
    assert error.value.response["Error"]["Code"] == "InvalidZone.NotFound"
