"""Launch templates: versions, launches and fleets from them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.launching import ADVANCED, GROUPED, code_of, described, ids, started, tags, until


def refused(code: str, call: Callable[..., Any], **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert code_of(error) == code


def image(ec2: Any) -> str:
    return str(ec2.describe_images()["Images"][0]["ImageId"])


def template(ec2: Any, name: str = "web", **data: Any) -> dict[str, Any]:
    made: dict[str, Any] = ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={"ImageId": image(ec2), "InstanceType": "t2.micro", **data},
    )["LaunchTemplate"]
    return made


def versions(ec2: Any, **request: Any) -> list[int]:
    answer = ec2.describe_launch_template_versions(**request)
    return [version["VersionNumber"] for version in answer["LaunchTemplateVersions"]]


def test_the_life_of_a_template(ec2: Any) -> None:
    made = ec2.create_launch_template(
        LaunchTemplateName="web",
        VersionDescription="first",
        LaunchTemplateData={"InstanceType": "t2.micro", "EbsOptimized": False},
        TagSpecifications=[tags("launch-template", app="shop")],
    )["LaunchTemplate"]
    named = {"LaunchTemplateId": made["LaunchTemplateId"]}
    assert (made["DefaultVersionNumber"], made["LatestVersionNumber"]) == (1, 1)
    assert ec2.describe_launch_templates(LaunchTemplateNames=["web"])["LaunchTemplates"] == [made]
    for name, value in {"launch-template-name": "w*", "tag:app": "shop", "tag-key": "app"}.items():
        found = ec2.describe_launch_templates(Filters=[{"Name": name, "Values": [value]}])
        assert found["LaunchTemplates"] == [made], name
    second = ec2.create_launch_template_version(
        **named, SourceVersion="1", LaunchTemplateData={"InstanceType": "t2.small"}
    )["LaunchTemplateVersion"]
    assert second["LaunchTemplateData"] == {"InstanceType": "t2.small", "EbsOptimized": False}
    third = ec2.create_launch_template_version(**named, LaunchTemplateData={"KeyName": "k"})
    assert third["LaunchTemplateVersion"]["LaunchTemplateData"] == {"KeyName": "k"}
    assert versions(ec2, **named) == [3, 2, 1]
    assert versions(ec2, **named, Versions=["$Latest", "$Default", "2"]) == [3, 2, 1]
    assert versions(ec2, **named, MinVersion="2", MaxVersion="2") == [2]
    assert versions(ec2, Versions=["$Latest"]) == [3]
    small = [{"Name": "instance-type", "Values": ["t2.small"]}]
    assert versions(ec2, **named, Filters=small) == [2]
    ec2.modify_launch_template(**named, DefaultVersion="2")
    assert versions(ec2, Versions=["$Default"]) == [2]
    answer = ec2.delete_launch_template_versions(**named, Versions=["1", "2", "9"])
    gone = answer["SuccessfullyDeletedLaunchTemplateVersions"]
    assert [version["VersionNumber"] for version in gone] == [1]
    kept = answer["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert {v["VersionNumber"]: v["ResponseError"]["Code"] for v in kept} == {
        2: "unexpectedError",
        9: "launchTemplateVersionDoesNotExist",
    }
    ec2.create_tags(Resources=[made["LaunchTemplateId"]], Tags=[{"Key": "more", "Value": "1"}])
    shown = ec2.describe_launch_templates()["LaunchTemplates"][0]
    assert {tag["Key"] for tag in shown["Tags"]} == {"app", "more"}
    ec2.delete_launch_template(LaunchTemplateName="web")
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    refused("InvalidLaunchTemplateId.NotFound", ec2.delete_launch_template, **named)
    template(ec2, "web")


def test_misuse(ec2: Any) -> None:
    template(ec2)
    data = {"InstanceType": "t2.micro"}
    code = "InvalidLaunchTemplateName"
    create = ec2.create_launch_template
    refused(f"{code}.AlreadyExistsException", create, LaunchTemplateName="web", LaunchTemplateData=data)
    refused(f"{code}.MalformedException", create, LaunchTemplateName="a b c", LaunchTemplateData=data)
    refused(f"{code}.NotFoundException", ec2.delete_launch_template, LaunchTemplateName="nobody")
    refused("InvalidLaunchTemplateId.Malformed", ec2.delete_launch_template, LaunchTemplateId="web")
    refused(
        "InvalidLaunchTemplateId.VersionNotFound",
        ec2.describe_launch_template_versions,
        LaunchTemplateName="web",
        Versions=["7"],
    )
    refused("MissingParameter", ec2.describe_launch_template_versions)
    refused("InvalidParameterValue", ec2.describe_launch_template_versions, Versions=["1"])
    refused("MissingParameter", ec2.delete_launch_template)
    both = {"LaunchTemplateName": "web", "LaunchTemplateId": "lt-01234567"}
    refused("InvalidParameterCombination", ec2.modify_launch_template, DefaultVersion="1", **both)
    refused(
        "InvalidLaunchTemplateId.VersionNotFound",
        ec2.modify_launch_template,
        LaunchTemplateName="web",
        DefaultVersion="7",
    )


def test_a_launch_from_a_template_with_overrides(ec2: Any) -> None:
    made = template(
        ec2,
        TagSpecifications=[tags("instance", app="shop", tier="web")],
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}}
        ],
        Placement={"AvailabilityZone": GROUPED},
    )
    named = {"LaunchTemplateName": "web", "Version": "$Latest"}
    first = started(ec2, LaunchTemplate=named, TagSpecifications=[tags("instance", tier="db")])[0]
    assert {tag["Key"]: tag["Value"] for tag in first["Tags"]} == {
        "app": "shop",
        "tier": "db",
        "aws:ec2launchtemplate:id": made["LaunchTemplateId"],
        "aws:ec2launchtemplate:version": "1",
    }
    assert {mapping["DeviceName"] for mapping in first["BlockDeviceMappings"]} == {"/dev/sda1", "/dev/sdf"}
    assert first["Placement"]["AvailabilityZone"] == GROUPED
    answer = ec2.run_instances(LaunchTemplate=named, MinCount=1, MaxCount=1, InstanceType="t2.small")
    assert answer["Instances"][0]["InstanceType"] == "t2.small"
    again = ec2.get_launch_template_data(InstanceId=first["InstanceId"])["LaunchTemplateData"]
    assert (again["ImageId"], again["InstanceType"]) == (first["ImageId"], "t2.micro")
    ec2.create_launch_template(LaunchTemplateName="again", LaunchTemplateData=again)


def test_a_template_that_cannot_be_launched(ec2: Any) -> None:
    template(ec2, HibernationOptions={"Configured": True})
    launch = {"MinCount": 1, "MaxCount": 1}
    refused("UnsupportedOperation", ec2.run_instances, LaunchTemplate={"LaunchTemplateName": "web"}, **launch)
    refused(
        "InvalidLaunchTemplateName.NotFoundException",
        ec2.run_instances,
        LaunchTemplate={"LaunchTemplateName": "nobody"},
        **launch,
    )


def fleet(ec2: Any, overrides: list[dict[str, Any]], total: int = 2, **changed: Any) -> dict[str, Any]:
    configs = [
        {
            "LaunchTemplateSpecification": {"LaunchTemplateName": "web", "Version": "$Default"},
            "Overrides": overrides,
        }
    ]
    request = {
        "Type": "instant",
        "LaunchTemplateConfigs": configs,
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": total,
            "DefaultTargetCapacityType": "on-demand",
        },
        **changed,
    }
    answer: dict[str, Any] = ec2.create_fleet(**request)
    return answer


def test_an_instant_fleet_takes_the_first_pool_that_can(place: Place) -> None:
    ec2 = place.client()
    template(ec2)
    pools = [
        {"InstanceType": "z9.huge"},
        {"InstanceType": "t2.small", "AvailabilityZone": ADVANCED, "WeightedCapacity": 1.0},
    ]
    answer = fleet(ec2, pools, TagSpecifications=[tags("instance", app="shop"), tags("fleet", a="b")])
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["InvalidParameterValue"]
    assert [len(entry["InstanceIds"]) for entry in answer["Instances"]] == [2]
    machines = described(ec2)
    assert sorted(ids(machines)) == sorted(answer["Instances"][0]["InstanceIds"])
    marks = {tag["Key"]: tag["Value"] for tag in machines[0]["Tags"]}
    assert (marks["aws:ec2:fleet-id"], marks["app"]) == (answer["FleetId"], "shop")


def test_a_fleets_subnet_is_that_of_the_templates_first_interface(place: Place) -> None:
    ec2 = place.client()
    vpc = ec2.create_vpc(CidrBlock="10.61.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.61.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="runner", Description="runner", VpcId=vpc)["GroupId"]
    nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": False, "Groups": [group]}
    template(ec2, NetworkInterfaces=[nic], Monitoring={"Enabled": True})
    answer = fleet(ec2, [{"InstanceType": "t2.small", "SubnetId": subnet}], 1)
    assert answer["Errors"] == []
    [machine] = described(ec2)
    assert machine["SubnetId"] == subnet
    assert [entry["GroupId"] for entry in machine["SecurityGroups"]] == [group]
    until(ec2, "running", machine["InstanceId"])
    assert described(ec2)[0]["Monitoring"] == {"State": "enabled"}


def test_a_fleet_takes_the_smallest_type_that_has_what_is_required(place: Place) -> None:
    ec2 = place.client()
    template(ec2)
    wanted = {"VCpuCount": {"Min": 2}, "MemoryMiB": {"Min": 4000, "Max": 9000}}
    target = {
        "TotalTargetCapacity": 4,
        "DefaultTargetCapacityType": "on-demand",
        "TargetCapacityUnitType": "vcpu",
    }
    pools = [{"InstanceRequirements": wanted, "AvailabilityZone": ADVANCED}]
    answer = fleet(ec2, pools, TargetCapacitySpecification=target)
    assert answer["Errors"] == []
    [made] = answer["Instances"]
    overrides = made["LaunchTemplateAndOverrides"]["Overrides"]
    assert (overrides["InstanceType"], overrides["InstanceRequirements"]) == (made["InstanceType"], wanted)
    [first, second] = [ec2.describe_instance_types(InstanceTypes=[m["InstanceType"]]) for m in described(ec2)]
    [kind] = first["InstanceTypes"]
    assert (kind["VCpuInfo"]["DefaultVCpus"], kind["MemoryInfo"]["SizeInMiB"]) == (2, 4096)
    assert second["InstanceTypes"] == [kind]


def test_a_templates_requirements_are_for_fleets(place: Place) -> None:
    ec2 = place.client()
    wanted = {"VCpuCount": {"Min": 1, "Max": 1}, "MemoryMiB": {"Min": 1}, "BurstablePerformance": "included"}
    both = {"InstanceType": "t2.micro", "InstanceRequirements": wanted}
    create = ec2.create_launch_template
    refused("InvalidParameterCombination", create, LaunchTemplateName="web", LaunchTemplateData=both)
    template(ec2)
    version = ec2.create_launch_template_version(
        LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"InstanceRequirements": wanted}
    )["LaunchTemplateVersion"]
    assert version["LaunchTemplateData"] == {"ImageId": image(ec2), "InstanceRequirements": wanted}
    ec2.modify_launch_template(LaunchTemplateName="web", DefaultVersion="2")
    named = {"LaunchTemplate": {"LaunchTemplateName": "web"}}
    refused("UnsupportedOperation", ec2.run_instances, **named, MinCount=1, MaxCount=1)

    answer = fleet(ec2, [{}], 2)
    assert answer["Errors"] == []
    assert sorted(ids(described(ec2))) == sorted(answer["Instances"][0]["InstanceIds"])
    # A type by its name outranks the template's requirements.
    [made] = fleet(ec2, [{"InstanceType": "m5.large"}], 1)["Instances"]
    assert made["InstanceType"] == "m5.large"


def test_a_fleet_without_a_type_that_would_do(ec2: Any) -> None:
    template(ec2)
    wanted = {"VCpuCount": {"Min": 100_000}, "MemoryMiB": {"Min": 0}}
    answer = fleet(ec2, [{"InstanceRequirements": wanted}])
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["InvalidParameterValue"]
    both = [{"InstanceType": "m5.large", "InstanceRequirements": wanted}]
    refused("InvalidParameterCombination", fleet, ec2=ec2, overrides=both)
    unknown = [{"InstanceRequirements": {**wanted, "CpuManufacturers": ["intel"]}}]
    refused("UnsupportedOperation", fleet, ec2=ec2, overrides=unknown)
    target = {
        "TotalTargetCapacity": 1,
        "DefaultTargetCapacityType": "on-demand",
        "TargetCapacityUnitType": "vcpu",
    }
    answer = fleet(ec2, [{"InstanceType": "m5.large"}], TargetCapacitySpecification=target)
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["InvalidParameterCombination"]
    assert described(ec2) == []


def test_fleets_that_cannot_be(ec2: Any) -> None:
    template(ec2)
    for changed in (
        {"Type": "maintain"},
        {"TargetCapacitySpecification": {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"}},
    ):
        with pytest.raises(ClientError) as error:
            fleet(ec2, [{}], **changed)
        assert code_of(error) == "UnsupportedOperation"
    with pytest.raises(ClientError) as error:
        fleet(ec2, [{}], DryRun=True)
    assert code_of(error) == "DryRunOperation"
    assert described(ec2) == []


def test_user_data_that_is_no_base64_is_refused_at_once(ec2: Any) -> None:
    data = {"UserData": "not base64 encoded"}
    refused(
        "InvalidUserData.Malformed",
        ec2.create_launch_template,
        LaunchTemplateName="garbage",
        LaunchTemplateData=data,
    )
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    template(ec2)
    refused(
        "InvalidUserData.Malformed",
        ec2.create_launch_template_version,
        LaunchTemplateName="web",
        LaunchTemplateData=data,
    )


def test_a_tag_without_a_value_is_refused_at_once(ec2: Any) -> None:
    data = {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "app"}]}]}
    refused(
        "InvalidParameterValue",
        ec2.create_launch_template,
        LaunchTemplateName="garbage",
        LaunchTemplateData=data,
    )
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []


def test_a_template_may_ask_for_monitoring(ec2: Any) -> None:
    template(ec2, Monitoring={"Enabled": True})
    launched = ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "web"}, MinCount=1, MaxCount=1)
    ident = launched["Instances"][0]["InstanceId"]
    [instance] = ec2.describe_instances(InstanceIds=[ident])["Reservations"][0]["Instances"]
    assert instance["Monitoring"] == {"State": "enabled"}
    data = ec2.get_launch_template_data(InstanceId=ident)["LaunchTemplateData"]
    assert data["Monitoring"] == {"Enabled": True}
