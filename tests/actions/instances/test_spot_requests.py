"""Spot instances: machines with a lease where CloudStack has leases, refused where it has none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.actions.instances import spot_requests
from ec2bridge.ec2 import quotas
from tests.conftest import Place
from tests.launching import code_of, described, launch, started, tags, until
from tests.native import Native

pytestmark = pytest.mark.since("4.21")


def refused(code: str, call: Callable[..., Any], **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert code_of(error) == code


def spec(ec2: Any) -> dict[str, Any]:
    return {"ImageId": ec2.describe_images()["Images"][0]["ImageId"], "InstanceType": "t2.micro"}


@pytest.fixture
def leasing(place: Place) -> Place:
    place.sim.cloud.settings["instance.lease.enabled"] = True
    return place


def test_without_leases_there_is_no_spot(ec2: Any) -> None:
    refused("UnsupportedOperation", ec2.request_spot_instances, LaunchSpecification=spec(ec2))
    with pytest.raises(ClientError) as error:
        launch(ec2, InstanceMarketOptions={"MarketType": "spot"})
    assert "leases" in str(error.value)
    assert described(ec2) == []
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    assert ec2.describe_spot_price_history()["SpotPriceHistory"] == []


def test_no_price_was_ever_paid(leasing: Place) -> None:
    """As Karpenter asks for the latest prices, and as people ask for one type's."""
    ec2 = leasing.client()
    linux = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"]
    latest = {"ProductDescriptions": linux, "StartTime": datetime.now(UTC), "MaxResults": 2000}
    one = {"InstanceTypes": ["m5.large"], "Filters": [{"Name": "availability-zone", "Values": ["*"]}]}
    for asked in (latest, one):
        pages = list(ec2.get_paginator("describe_spot_price_history").paginate(**asked))
        assert [page["SpotPriceHistory"] for page in pages] == [[]]


@pytest.mark.parametrize("price", ["0", "-1", "cheap", "NaN"])
def test_a_price_is_a_number(leasing: Place, price: str) -> None:
    ec2 = leasing.client()
    refused(
        "InvalidParameterValue", ec2.request_spot_instances, SpotPrice=price, LaunchSpecification=spec(ec2)
    )
    assert described(ec2) == []


def test_a_launch_with_a_market(leasing: Place) -> None:
    ec2 = leasing.client()
    until_ = datetime.now(UTC) + timedelta(hours=30)
    options = {"MaxPrice": "0.5", "SpotInstanceType": "one-time", "ValidUntil": until_}
    launch(ec2, InstanceMarketOptions={"MarketType": "spot", "SpotOptions": options})
    row = Native(leasing).list("listVirtualMachines")[0]
    assert (row["leaseduration"], row["leaseexpiryaction"]) == (2, "DESTROY")
    spot = [{"Name": "instance-lifecycle", "Values": ["spot"]}]
    assert [machine["InstanceLifecycle"] for machine in described(ec2, Filters=spot)] == ["spot"]


def test_the_life_of_a_request(leasing: Place) -> None:
    ec2 = leasing.client()
    made = ec2.request_spot_instances(
        InstanceCount=2,
        SpotPrice="0.50",
        Type="one-time",
        LaunchSpecification=spec(ec2),
        TagSpecifications=[tags("spot-instances-request", app="shop")],
    )["SpotInstanceRequests"]
    assert [(request["State"], request["SpotPrice"]) for request in made] == [("active", "0.500000")] * 2
    first, second = made
    until(ec2, "running", first["InstanceId"], second["InstanceId"])
    for name, value in {
        "instance-id": first["InstanceId"],
        "spot-instance-request-id": first["SpotInstanceRequestId"],
    }.items():
        found = ec2.describe_spot_instance_requests(Filters=[{"Name": name, "Values": [value]}])
        assert found["SpotInstanceRequests"] == [first], name
    ids = [first["SpotInstanceRequestId"]]
    assert ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=ids)["CancelledSpotInstanceRequests"] == [
        {"SpotInstanceRequestId": ids[0], "State": "cancelled"}
    ]
    ec2.terminate_instances(InstanceIds=[second["InstanceId"]])
    until(ec2, "terminated", second["InstanceId"])
    states = {
        r["InstanceId"]: r["State"] for r in ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    }
    assert states == {first["InstanceId"]: "cancelled", second["InstanceId"]: "closed"}


def test_requests_are_let_go_a_day_after_their_machines(
    leasing: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2 = leasing.client()
    monkeypatch.setattr(quotas, "MOST", 1)
    [request] = ec2.request_spot_instances(LaunchSpecification=spec(ec2))["SpotInstanceRequests"]
    refused("MaxSpotInstanceCountExceeded", ec2.request_spot_instances, LaunchSpecification=spec(ec2))
    ec2.terminate_instances(InstanceIds=[request["InstanceId"]])
    until(ec2, "terminated", request["InstanceId"])
    [shown] = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert shown["State"] == "closed"
    monkeypatch.setattr(spot_requests, "SHOWN", 0.0)
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    ec2.request_spot_instances(LaunchSpecification=spec(ec2))


def test_misuse(leasing: Place) -> None:
    ec2 = leasing.client()
    unknown = "sir-0123456789abcdef0"
    refused(
        "InvalidSpotInstanceRequestID.NotFound",
        ec2.cancel_spot_instance_requests,
        SpotInstanceRequestIds=[unknown],
    )
    refused(
        "UnsupportedOperation",
        ec2.request_spot_instances,
        LaunchSpecification=spec(ec2),
        InstanceInterruptionBehavior="hibernate",
    )
    refused(
        "UnsupportedOperation", ec2.request_spot_instances, LaunchSpecification=spec(ec2), Type="persistent"
    )
    refused(
        "InvalidAMIID.NotFound",
        ec2.request_spot_instances,
        LaunchSpecification={"ImageId": "ami-0123456789abcdef0"},
    )
    assert described(ec2) == []


def test_a_fleet_of_machines_with_leases(leasing: Place) -> None:
    ec2 = leasing.client()
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=spec(ec2))
    answer = ec2.create_fleet(
        Type="instant",
        LaunchTemplateConfigs=[
            {"LaunchTemplateSpecification": {"LaunchTemplateName": "web", "Version": "1"}, "Overrides": [{}]}
        ],
        TargetCapacitySpecification={"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"},
    )
    assert (answer["Errors"], answer["Instances"][0]["Lifecycle"]) == ([], "spot")
    assert described(ec2)[0]["InstanceLifecycle"] == "spot"


def test_a_request_that_is_sent_again_with_its_token_is_the_same(leasing: Place) -> None:
    ec2 = leasing.client()
    asked = {"ClientToken": "once", "LaunchSpecification": spec(ec2)}
    first = ec2.request_spot_instances(**asked)["SpotInstanceRequests"]
    again = ec2.request_spot_instances(**asked)["SpotInstanceRequests"]
    assert again == first
    assert len(described(ec2)) == len(ec2.describe_spot_instance_requests()["SpotInstanceRequests"]) == 1
    refused("IdempotentParameterMismatch", ec2.request_spot_instances, **asked, InstanceCount=2)


@pytest.mark.parametrize(
    ("capacity", "code"), [(True, "system-error"), (False, "instance-terminated-no-capacity")]
)
def test_a_request_whose_machine_could_not_be_launched_tells_why(
    leasing: Place, capacity: bool, code: str
) -> None:
    ec2 = leasing.client()
    if capacity:
        leasing.sim.faults.add("job-fails", "deployVirtualMachine")
    else:
        started(ec2)
        leasing.sim.cloud.settings["zone.machines"] = 1
    [made] = ec2.request_spot_instances(LaunchSpecification=spec(ec2))["SpotInstanceRequests"]
    until(ec2, "terminated", made["InstanceId"])
    [shown] = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert (shown["State"], shown["Status"]["Code"]) == ("closed", code)
