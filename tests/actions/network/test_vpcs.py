"""The default VPC and CloudStack's own."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.native import Native


@pytest.fixture
def vpc(place: Place) -> dict[str, Any]:
    """A VPC that was made in CloudStack."""
    native = Native(place)
    offering = native.offering("listVPCOfferings", "Default VPC offering")
    zone = native.zone("sim-adv")
    return native.do(
        "createVPC",
        name="office",
        displaytext="office",
        cidr="10.20.0.0/16",
        vpcofferingid=offering,
        zoneid=zone,
    )


def test_every_account_has_a_default_vpc(place: Place, ec2: Any) -> None:
    [vpc] = ec2.describe_vpcs()["Vpcs"]

    assert vpc["IsDefault"] is True
    assert vpc["State"] == "available"
    assert vpc["CidrBlock"] == "10.0.0.0/8"
    assert vpc["CidrBlockAssociationSet"][0]["CidrBlockState"] == {"State": "associated"}
    assert vpc["VpcId"] != place.client("bob").describe_vpcs()["Vpcs"][0]["VpcId"]


def test_cloudstacks_vpcs_stand_beside_it(ec2: Any, vpc: dict[str, Any]) -> None:
    ident = "vpc-" + vpc["id"].replace("-", "")[:17]

    [item] = ec2.describe_vpcs(VpcIds=[ident])["Vpcs"]

    assert item["IsDefault"] is False
    assert item["CidrBlock"] == "10.20.0.0/16"
    assert item["OwnerId"] == ec2.describe_vpcs()["Vpcs"][0]["OwnerId"]
    assert len(ec2.describe_vpcs()["Vpcs"]) == 2
    # The uuid is as good as the id.
    assert ec2.describe_vpcs(VpcIds=[vpc["id"]])["Vpcs"] == [item]


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("is-default", "true", ["10.0.0.0/8"]),
        ("isDefault", "false", ["10.20.0.0/16"]),
        ("cidr", "10.20.0.0/16", ["10.20.0.0/16"]),
        ("cidr-block", "10.20.0.0/16", ["10.20.0.0/16"]),
        ("cidr-block-association.cidr-block", "10.*", ["10.0.0.0/8", "10.20.0.0/16"]),
        ("cidr-block-association.state", "associated", ["10.0.0.0/8", "10.20.0.0/16"]),
        ("state", "pending", []),
        ("ipv6-cidr-block-association.state", "associated", []),
        ("tag:Name", "office", []),
    ],
)
@pytest.mark.usefixtures("vpc")
def test_vpcs_are_filtered(ec2: Any, name: str, value: str, hits: list[str]) -> None:
    found = ec2.describe_vpcs(Filters=[{"Name": name, "Values": [value]}])["Vpcs"]

    assert sorted(item["CidrBlock"] for item in found) == hits


@pytest.mark.parametrize(
    ("ident", "code"),
    [("vpc-00000000000000000", "InvalidVpcID.NotFound"), ("my-vpc", "InvalidVpcID.NotFound")],
)
def test_a_vpc_that_does_not_exist(ec2: Any, ident: str, code: str) -> None:
    for ask in (
        lambda: ec2.describe_vpcs(VpcIds=[ident]),
        lambda: ec2.describe_vpc_attribute(VpcId=ident, Attribute="enableDnsSupport"),
    ):
        with pytest.raises(ClientError) as refused:
            ask()
        assert refused.value.response["Error"]["Code"] == code


def test_attributes_say_what_cloudstacks_router_does(ec2: Any, vpc: dict[str, Any]) -> None:
    for item in ec2.describe_vpcs()["Vpcs"]:
        support = ec2.describe_vpc_attribute(VpcId=item["VpcId"], Attribute="enableDnsSupport")
        names = ec2.describe_vpc_attribute(VpcId=item["VpcId"], Attribute="enableDnsHostnames")

        assert support["VpcId"] == item["VpcId"]
        assert support["EnableDnsSupport"] == {"Value": True}
        # On in AWS's default VPCs, off in others until it is set.
        assert names["EnableDnsHostnames"] == {"Value": item["IsDefault"]}


def test_an_unknown_attribute_is_refused(ec2: Any, vpc: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        ec2.describe_vpc_attribute(VpcId=vpc["id"], Attribute="enableMagic")

    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_one_native_call_lists_all(place: Place, ec2: Any) -> None:
    ec2.describe_regions()

    assert place.commands(lambda: ec2.describe_vpcs()) == ["listVPCs"]


def test_terraforms_default_vpc_can_be_applied(ec2: Any) -> None:
    """`resource "aws_default_vpc" {}` sets what AWS's default VPC has."""
    [default] = [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"]]
    ec2.modify_vpc_attribute(VpcId=default, EnableDnsHostnames={"Value": True})
    ec2.modify_vpc_attribute(VpcId=default, EnableDnsSupport={"Value": True})
    with pytest.raises(ClientError) as error:
        ec2.modify_vpc_attribute(VpcId=default, EnableDnsHostnames={"Value": False})
    assert error.value.response["Error"]["Code"] == "UnsupportedOperation"
