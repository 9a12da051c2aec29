"""The default subnet of an advanced zone, for clients that choose a subnet before they launch."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.native import Native

ADVANCED = f"{REGION}a"


def default_vpc(ec2: Any) -> str:
    found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return str(found[0]["VpcId"])


def found(ec2: Any, **asked: str) -> list[str]:
    """The ids of the advanced zone's subnets among those that the filters find."""
    filters = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in asked.items()]
    subnets = ec2.describe_subnets(Filters=filters)["Subnets"]
    return [subnet["SubnetId"] for subnet in subnets if subnet["AvailabilityZone"] == ADVANCED]


def test_who_looks_for_the_default_subnet_finds_one(place: Place, ec2: Any) -> None:
    [subnet] = found(
        ec2, vpc_id=default_vpc(ec2), state="available", default_for_az="true"
    )  # as Ansible asks

    assert found(ec2, vpc_id=default_vpc(ec2), availability_zone=ADVANCED) == [
        subnet
    ]  # as docker-machine asks
    [launched] = ec2.run_instances(
        ImageId=ec2.describe_images()["Images"][0]["ImageId"],
        InstanceType="t2.micro",
        MinCount=1,
        MaxCount=1,
        Placement={"AvailabilityZone": ADVANCED},
    )["Instances"]
    assert launched["SubnetId"] == subnet
    assert len(Native(place).list("listEgressFirewallRules")) == 1


@pytest.mark.parametrize(
    "asked",
    [{}, {"vpc_id": "vpc-00000000000000000"}, {"default_for_az": "false"}, {"tag_key": "Name"}],
    ids=lambda asked: "-".join(asked) or "everything",
)
def test_who_looks_for_something_else_makes_nothing(place: Place, ec2: Any, asked: dict[str, str]) -> None:
    assert found(ec2, **asked) == []
    assert found(ec2, availability_zone=ADVANCED, cidr_block="10.9.0.0/16") == []

    assert Native(place).list("listNetworks", zoneid=Native(place).zone("sim-adv")) == []


def test_a_deleted_one_stays_away_until_it_is_asked_for(ec2: Any) -> None:
    [subnet] = found(ec2, availability_zone=ADVANCED)
    ec2.delete_subnet(SubnetId=subnet)

    assert found(ec2, default_for_az="true") == []
    again = ec2.create_default_subnet(AvailabilityZone=ADVANCED)["Subnet"]["SubnetId"]
    assert found(ec2, default_for_az="true") == [again]


def test_who_has_a_vpc_in_the_zone_gets_none(ec2: Any) -> None:
    ec2.create_vpc(CidrBlock="10.42.0.0/16")

    assert found(ec2, default_for_az="true") == []


def test_the_listing_stands_where_none_can_be_made(place: Place, ec2: Any) -> None:
    place.sim.cloud.default_limits["network"] = 0

    assert found(ec2, default_for_az="true") == []
    tried = place.commands(lambda: found(ec2, default_for_az="true"))
    assert "createNetwork" not in tried  # it is not tried again with every look


def test_a_dry_run_makes_none(place: Place, ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        ec2.describe_subnets(DryRun=True, Filters=[{"Name": "default-for-az", "Values": ["true"]}])

    assert refused.value.response["Error"]["Code"] == "DryRunOperation"
    assert Native(place).list("listNetworks", zoneid=Native(place).zone("sim-adv")) == []
