"""Placement groups, and machines in them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.launching import code_of, described, launch, started, tags, until


def refused(code: str, call: Callable[..., Any], **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert code_of(error) == code


def test_create_launch_into_move_and_delete(ec2: Any) -> None:
    made = ec2.create_placement_group(
        GroupName="apart", Strategy="spread", TagSpecifications=[tags("placement-group", app="shop")]
    )["PlacementGroup"]
    ec2.create_placement_group(GroupName="close", Strategy="cluster")
    assert made["Strategy"] == "spread"
    assert ec2.describe_placement_groups(GroupIds=[made["GroupId"]])["PlacementGroups"] == [made]
    for name, value in {
        "group-name": "apart",
        "group-arn": made["GroupArn"],
        "strategy": "spread",
        "spread-level": "host",
        "tag:app": "shop",
    }.items():
        found = ec2.describe_placement_groups(Filters=[{"Name": name, "Values": [value]}])["PlacementGroups"]
        assert [group["GroupName"] for group in found] == ["apart"], name
    machine = started(ec2, Placement={"GroupName": "apart"})[0]["InstanceId"]
    placement = described(ec2)[0]["Placement"]
    assert (placement["GroupName"], placement["GroupId"]) == ("apart", made["GroupId"])
    refused("InvalidPlacementGroup.InUse", ec2.delete_placement_group, GroupName="apart")
    refused("IncorrectInstanceState", ec2.modify_instance_placement, InstanceId=machine, GroupName="close")
    ec2.stop_instances(InstanceIds=[machine])
    until(ec2, "stopped", machine)
    ec2.modify_instance_placement(InstanceId=machine, GroupName="close")
    assert described(ec2)[0]["Placement"]["GroupName"] == "close"
    ec2.modify_instance_placement(InstanceId=machine, GroupName="")
    assert described(ec2)[0]["Placement"]["GroupName"] == ""
    for name in ("apart", "close"):
        ec2.delete_placement_group(GroupName=name)
    assert ec2.describe_placement_groups()["PlacementGroups"] == []


def test_a_launch_names_a_group_by_its_id(ec2: Any) -> None:
    ident = ec2.create_placement_group(GroupName="apart", Strategy="spread")["PlacementGroup"]["GroupId"]
    placement = started(ec2, Placement={"GroupId": ident})[0]["Placement"]
    assert (placement["GroupName"], placement["GroupId"]) == ("apart", ident)
    both = {"GroupName": "apart", "GroupId": ident}
    refused("InvalidParameterCombination", launch, ec2=ec2, Placement=both)
    none = {"GroupId": "pg-00000000000000000"}
    refused("InvalidPlacementGroup.Unknown", launch, ec2=ec2, Placement=none)


def test_misuse(ec2: Any) -> None:
    ec2.create_placement_group(GroupName="one", Strategy="spread")
    refused("InvalidPlacementGroup.Duplicate", ec2.create_placement_group, GroupName="one", Strategy="spread")
    refused("UnsupportedOperation", ec2.create_placement_group, GroupName="two", Strategy="partition")
    # It would be told as "host", and Terraform would make the group anew each time.
    refused(
        "UnsupportedOperation",
        ec2.create_placement_group,
        GroupName="two",
        Strategy="spread",
        SpreadLevel="rack",
    )
    refused("InvalidParameterValue", ec2.create_placement_group, GroupName="two", Strategy="random")
    refused("InvalidPlacementGroup.Unknown", ec2.delete_placement_group, GroupName="two")
    refused("InvalidPlacementGroup.Unknown", ec2.describe_placement_groups, GroupNames=["two"])
