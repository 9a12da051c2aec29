"""Fleets after their launch: described by their id, and deleted with their machines."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.resources.launches import fleets
from tests.conftest import Place
from tests.launching import ADVANCED, described, ids, tags, until

UNKNOWN = "fleet-00000000-0000-0000-0000-000000000000"


def refusal(call: Any, **params: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as refused:
        call(**params)
    return str(refused.value.response["Error"]["Code"])


@pytest.fixture
def configs(ec2: Any) -> list[dict[str, Any]]:
    """A template with one override."""
    data = {"ImageId": ec2.describe_images()["Images"][0]["ImageId"], "InstanceType": "t2.micro"}
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
    template = {"LaunchTemplateName": "web", "Version": "1"}
    return [{"LaunchTemplateSpecification": template, "Overrides": [{"AvailabilityZone": ADVANCED}]}]


def fleet(ec2: Any, configs: list[dict[str, Any]], total: int = 2, **changed: Any) -> dict[str, Any]:
    target = {"TotalTargetCapacity": total, "DefaultTargetCapacityType": "on-demand"}
    made: dict[str, Any] = ec2.create_fleet(
        Type="instant", LaunchTemplateConfigs=configs, TargetCapacitySpecification=target, **changed
    )
    return made


def show(ec2: Any, ident: str) -> dict[str, Any]:
    [found] = ec2.describe_fleets(FleetIds=[ident])["Fleets"]
    return dict(found)


def test_a_fleet_is_described_by_its_id(ec2: Any, configs: list[dict[str, Any]]) -> None:
    made = fleet(
        ec2,
        configs,
        ClientToken="once",
        TagSpecifications=[tags("fleet", app="shop"), tags("instance", tier="web")],
        OnDemandOptions={"AllocationStrategy": "prioritized"},
        ExcessCapacityTerminationPolicy="no-termination",
    )
    shown = show(ec2, made["FleetId"])
    assert shown.pop("CreateTime").tzinfo is not None
    assert shown == {
        "FleetId": made["FleetId"],
        "FleetState": "active",
        "ActivityStatus": "fulfilled",
        "Type": "instant",
        "ClientToken": "once",
        "ExcessCapacityTerminationPolicy": "no-termination",
        "ReplaceUnhealthyInstances": False,
        "TerminateInstancesWithExpiration": False,
        "FulfilledCapacity": 2.0,
        "FulfilledOnDemandCapacity": 2.0,
        "OnDemandOptions": {"AllocationStrategy": "prioritized"},
        "LaunchTemplateConfigs": configs,
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": 2,
            "OnDemandTargetCapacity": 2,
            "SpotTargetCapacity": 0,
            "DefaultTargetCapacityType": "on-demand",
        },
        "Tags": [{"Key": "app", "Value": "shop"}],
        "Instances": made["Instances"],
        "Errors": [],
    }
    assert ec2.describe_fleets()["Fleets"] == []
    for name, values, count in (
        ("fleet-state", ["active"], 1),
        ("activity-status", ["pending-fulfillment"], 0),
        ("excess-capacity-termination-policy", ["false"], 1),
        ("replace-unhealthy-instances", ["true"], 0),
        ("type", ["instant"], 1),
    ):
        found = ec2.describe_fleets(FleetIds=[made["FleetId"]], Filters=[{"Name": name, "Values": values}])
        assert len(found["Fleets"]) == count, name


def test_a_fleet_is_deleted_with_its_machines(ec2: Any, configs: list[dict[str, Any]]) -> None:
    made = fleet(ec2, configs)
    [launched] = made["Instances"]
    other = fleet(ec2, configs, 1)
    named = {"FleetIds": [made["FleetId"]]}
    assert refusal(ec2.delete_fleets, **named, TerminateInstances=False) == "UnsupportedOperation"

    answer = ec2.delete_fleets(FleetIds=[made["FleetId"], UNKNOWN], TerminateInstances=True)

    states = {"CurrentFleetState": "deleted_terminating", "PreviousFleetState": "active"}
    assert answer["SuccessfulFleetDeletions"] == [{"FleetId": made["FleetId"], **states}]
    [failed] = answer["UnsuccessfulFleetDeletions"]
    assert (failed["FleetId"], failed["Error"]["Code"]) == (UNKNOWN, "fleetIdDoesNotExist")
    until(ec2, "terminated", *launched["InstanceIds"])
    assert show(ec2, made["FleetId"])["FleetState"] == "deleted"
    waiting = [{"Name": "fleet-state", "Values": ["deleted"]}]
    assert len(ec2.describe_fleets(**named, Filters=waiting)["Fleets"]) == 1
    [rest] = other["Instances"]
    [machine] = described(ec2, InstanceIds=rest["InstanceIds"])
    assert machine["State"]["Name"] in ("pending", "running")
    assert show(ec2, other["FleetId"])["FleetState"] == "active"


@pytest.mark.since("4.20")
def test_a_fleet_with_a_protected_machine_stays(
    place: Place, ec2: Any, configs: list[dict[str, Any]]
) -> None:
    made = fleet(ec2, configs, 1)
    [ident] = made["Instances"][0]["InstanceIds"]
    until(ec2, "running", ident)
    ec2.modify_instance_attribute(InstanceId=ident, DisableApiTermination={"Value": True})
    answer = ec2.delete_fleets(FleetIds=[made["FleetId"]], TerminateInstances=True)
    [kept] = answer["UnsuccessfulFleetDeletions"]
    assert kept["Error"]["Code"] == "unexpectedError"
    assert "disableApiTermination" in kept["Error"]["Message"]
    assert show(ec2, made["FleetId"])["FleetState"] == "active"


def test_what_a_fleet_could_not_launch_is_told_later_too(ec2: Any, configs: list[dict[str, Any]]) -> None:
    configs[0]["Overrides"] = [{"InstanceType": "z9.huge"}]
    made = fleet(ec2, configs)
    shown = show(ec2, made["FleetId"])
    assert (shown["ActivityStatus"], shown["FulfilledCapacity"]) == ("error", 0.0)
    assert (shown["Errors"], shown["Instances"]) == (made["Errors"], [])


def test_what_is_asked_of_fleets_wrongly(place: Place, ec2: Any, configs: list[dict[str, Any]]) -> None:
    made = fleet(ec2, configs, 1)
    assert refusal(ec2.describe_fleets, FleetIds=[UNKNOWN]) == "InvalidFleetId.NotFound"
    assert refusal(ec2.describe_fleet_instances, FleetId=UNKNOWN) == "InvalidFleetId.NotFound"
    assert refusal(ec2.describe_fleet_instances, FleetId=made["FleetId"]) == "Unsupported"
    assert refusal(ec2.delete_fleets, FleetIds=[], TerminateInstances=True) == "MissingParameter"
    template = configs[0]["LaunchTemplateSpecification"]
    for weight in (0, -1):
        weighed = [
            {"LaunchTemplateSpecification": template, "Overrides": [{"WeightedCapacity": float(weight)}]}
        ]
        assert refusal(lambda w=weighed: fleet(ec2, w)) == "InvalidParameterValue"
    many = [UNKNOWN.replace("0000-0000", f"{number:04}-0000", 1) for number in range(26)]
    assert refusal(ec2.delete_fleets, FleetIds=many, TerminateInstances=True) == "InvalidParameterValue"
    bob = place.client("bob")
    assert refusal(bob.describe_fleets, FleetIds=[made["FleetId"]]) == "InvalidFleetId.NotFound"
    assert (
        bob.delete_fleets(FleetIds=[made["FleetId"]], TerminateInstances=True)["SuccessfulFleetDeletions"]
        == []
    )
    assert ids(described(ec2)) == made["Instances"][0]["InstanceIds"]


def test_fleets_are_let_go_when_their_machines_are_gone(
    place: Place, ec2: Any, configs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "MANY", 1)
    monkeypatch.setattr(fleets, "KEEP", 0.0)
    first, second = fleet(ec2, configs, 1), fleet(ec2, configs, 1)
    [gone] = first["Instances"][0]["InstanceIds"]
    ec2.terminate_instances(InstanceIds=[gone])
    until(ec2, "terminated", gone)
    assert show(ec2, first["FleetId"])["FleetState"] == "active"
    fleet(ec2, configs, 1)
    assert refusal(ec2.describe_fleets, FleetIds=[first["FleetId"]]) == "InvalidFleetId.NotFound"
    assert show(ec2, second["FleetId"])["FleetState"] == "active"
