"""VPCs from their creation to their end."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.launching import ADVANCED, BASIC, GROUPED, code_of, tags


def refusal(work: Callable[[], Any]) -> str:
    """The EC2 code of a refused call."""
    with pytest.raises(ClientError) as refused:
        work()
    return code_of(refused)


def test_a_vpc_is_made_tagged_and_deleted(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.42.7.1/16", TagSpecifications=[tags("vpc", Name="office")])["Vpc"]

    assert vpc["CidrBlock"] == "10.42.0.0/16"
    assert vpc["Tags"] == [{"Key": "Name", "Value": "office"}]
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc["VpcId"]])
    [found] = ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"]
    assert found == {**vpc, "State": "available"}

    ec2.delete_vpc(VpcId=vpc["VpcId"])
    assert refusal(lambda: ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])) == "InvalidVpcID.NotFound"


def test_a_tag_chooses_the_zone(ec2: Any) -> None:
    chosen = [tags("vpc", **{"availability-zone": ADVANCED})]
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16", TagSpecifications=chosen)["Vpc"]
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.42.1.0/24")["Subnet"]
    assert subnet["AvailabilityZone"] == ADVANCED

    for name, code in ((BASIC, "Unsupported"), ("mars", "InvalidParameterValue")):
        wrong = [tags("vpc", **{"availability-zone": name})]
        assert refusal(lambda t=wrong: ec2.create_vpc(CidrBlock="10.43.0.0/16", TagSpecifications=t)) == code
    in_none = [tags("vpc", **{"availability-zone": GROUPED})]
    with pytest.raises(ClientError, match=f"no VPCs in the Availability Zone {GROUPED}; .* {ADVANCED}[.]"):
        ec2.create_vpc(CidrBlock="10.43.0.0/16", TagSpecifications=in_none)


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.42.0.0/29", "InvalidVpc.Range"),
        ("10.0.0.0/15", "InvalidVpc.Range"),
        ("10.42.0.0", "InvalidParameterValue"),
        ("office", "InvalidParameterValue"),
        ("54.1.0.0/16", "InvalidVpc.Range"),
    ],
)
def test_a_wrong_range_is_refused(ec2: Any, cidr: str, code: str) -> None:
    assert refusal(lambda: ec2.create_vpc(CidrBlock=cidr)) == code


def test_what_cloudstack_cannot_do_is_refused(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    for work in (
        lambda: ec2.create_vpc(CidrBlock="10.43.0.0/16", InstanceTenancy="dedicated"),
        lambda: ec2.create_vpc(CidrBlock="10.43.0.0/16", AmazonProvidedIpv6CidrBlock=True),
        lambda: ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.43.0.0/16"),
    ):
        assert refusal(work) == "UnsupportedOperation"
    assert refusal(ec2.create_default_vpc) == "DefaultVpcAlreadyExists"


def test_the_default_vpc_stays(ec2: Any) -> None:
    [default] = ec2.describe_vpcs()["Vpcs"]
    assert refusal(lambda: ec2.delete_vpc(VpcId=default["VpcId"])) == "OperationNotPermitted"


def test_attributes_are_remembered(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    for names in (True, False):
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": names})
        read = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")
        assert read["EnableDnsHostnames"] == {"Value": names}
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == []


@pytest.mark.parametrize(
    ("member", "is_so"), [("EnableDnsSupport", True), ("EnableNetworkAddressUsageMetrics", False)]
)
def test_what_cloudstack_does_anyway_cannot_be_changed(ec2: Any, member: str, is_so: bool) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, **{member: {"Value": is_so}})
    with pytest.raises(ClientError, match=f"{member} with the value '{str(not is_so).lower()}'"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{member: {"Value": not is_so}})
    attribute = member[0].lower() + member[1:]
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)[member] == {"Value": is_so}


def test_what_is_in_a_vpc_holds_it(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    held = lambda: refusal(lambda: ec2.delete_vpc(VpcId=vpc)) == "DependencyViolation"  # noqa: E731

    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    assert held()
    ec2.delete_subnet(SubnetId=subnet)

    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    assert held()
    ec2.delete_security_group(GroupId=group)

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert held()
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)

    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    assert held()
    ec2.delete_route_table(RouteTableId=table)

    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    assert held()
    ec2.delete_network_acl(NetworkAclId=acl)

    ec2.delete_vpc(VpcId=vpc)


def test_a_dry_run_makes_nothing(place: Place, ec2: Any) -> None:
    made = place.commands(
        lambda: refusal(lambda: ec2.create_vpc(CidrBlock="10.42.0.0/16", DryRun=True)) == "DryRunOperation"
    )
    assert "createVPC" not in made
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1


def test_no_vpc_is_linked_to_ec2_classic(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]

    [linked] = ec2.describe_vpc_classic_link(VpcIds=[vpc])["Vpcs"]
    [named] = ec2.describe_vpc_classic_link_dns_support(VpcIds=[vpc])["Vpcs"]

    assert linked["ClassicLinkEnabled"] is False
    assert named == {"VpcId": vpc, "ClassicLinkDnsSupported": False}


def test_a_tag_in_the_store_of_a_default_group_goes_with_its_vpc(place: Place) -> None:
    ec2 = place.client()
    vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    [group] = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    ec2.create_tags(Resources=[group["GroupId"]], Tags=[{"Key": "Name", "Value": ""}])
    ec2.delete_vpc(VpcId=vpc)
    assert place.run(place.bridge.site.store.list(place.store_owner(), "tags")) == []
