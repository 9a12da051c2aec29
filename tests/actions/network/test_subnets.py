"""Networks as subnets, in zones of every type."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.native import Native


def subnets(ec2: Any, **asked: str) -> list[dict[str, Any]]:
    filters = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in asked.items()]
    found: list[dict[str, Any]] = ec2.describe_subnets(Filters=filters)["Subnets"]
    return found


def test_a_zones_shared_network_is_its_default_subnet(ec2: Any) -> None:
    vpc = ec2.describe_account_attributes(AttributeNames=["default-vpc"])
    default = vpc["AccountAttributes"][0]["AttributeValues"][0]["AttributeValue"]

    for letter in "bc":
        [subnet] = subnets(ec2, availability_zone=f"{REGION}{letter}", vpc_id=default)
        assert subnet["DefaultForAz"] is True
        assert subnet["State"] == "available"
        assert subnet["SubnetArn"].endswith(f"{subnet['OwnerId']}:subnet/{subnet['SubnetId']}")


def test_the_oldest_network_of_a_zone_is_its_default(place: Place, ec2: Any) -> None:
    native = Native(place)
    first, second = native.isolated("first"), native.isolated("second")
    for network, day in ((first, 1), (second, 2)):
        place.sim.cloud.tables["networks"].get(network["id"])["created"] = f"2026-01-0{day}T00:00:00+0000"

    both = subnets(ec2, availability_zone=f"{REGION}a")

    assert {subnet["CidrBlock"] for subnet in both} == {
        "10.1.1.0/24"
    }  # they overlap, as everywhere in CloudStack
    [default] = [subnet for subnet in both if subnet["DefaultForAz"]]
    assert default["SubnetId"] == "subnet-" + first["id"].replace("-", "")[:17]


def test_the_settings_choose_the_default(make_place: Callable[..., Place]) -> None:
    place = make_place({"default_networks": {"sim-adv": "second"}})
    native = Native(place)
    native.isolated("first")
    second = native.isolated("second")

    [default] = subnets(place.client(), availability_zone=f"{REGION}a", default_for_az="true")

    assert default["SubnetId"] == "subnet-" + second["id"].replace("-", "")[:17]


def test_a_tier_belongs_to_its_vpc_and_is_nobodys_default(place: Place, ec2: Any) -> None:
    native = Native(place)
    zone = native.zone("sim-adv")
    vpc = native.do(
        "createVPC",
        name="office",
        displaytext="office",
        cidr="10.20.0.0/16",
        zoneid=zone,
        vpcofferingid=native.offering("listVPCOfferings", "Default VPC offering"),
    )
    native.do(
        "createNetwork",
        name="tier",
        displaytext="tier",
        zoneid=zone,
        vpcid=vpc["id"],
        gateway="10.20.1.1",
        netmask="255.255.255.0",
        networkofferingid=native.offering(
            "listNetworkOfferings", "DefaultIsolatedNetworkOfferingForVpcNetworks"
        ),
    )
    [real] = ec2.describe_vpcs(VpcIds=[vpc["id"]])["Vpcs"]

    [tier] = subnets(ec2, vpc_id=real["VpcId"])

    assert tier["CidrBlock"] == "10.20.1.0/24"
    assert tier["DefaultForAz"] is False
    assert tier["AvailableIpAddressCount"] == 253


def test_machines_take_addresses(place: Place, ec2: Any) -> None:
    [before] = subnets(ec2, availability_zone=f"{REGION}c")
    Native(place).machine("web")

    [after] = subnets(ec2, availability_zone=f"{REGION}c")

    assert before["AvailableIpAddressCount"] - after["AvailableIpAddressCount"] == 1


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("availability-zone", "sim-sg", 1),
        ("availabilityZone", f"{REGION}c", 1),
        ("defaultForAz", "false", 0),
        ("cidr", "172.18.15.0/24", 1),
        ("cidr-block", "10.147.32.0/22", 1),
        ("cidrBlock", "10.99.*", 0),
        ("map-public-ip-on-launch", "false", 2),
        ("ipv6-native", "true", 0),
        ("outpost-arn", "*", 0),
        ("private-dns-name-options-on-launch.hostname-type", "ip-name", 2),
        ("state", "available", 2),
        ("tag-key", "Name", 0),
    ],
)
def test_subnets_are_filtered(ec2: Any, name: str, value: str, hits: int) -> None:
    found = ec2.describe_subnets(Filters=[{"Name": name, "Values": [value]}])["Subnets"]

    assert len(found) == hits


def test_a_subnet_that_does_not_exist(ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        ec2.describe_subnets(SubnetIds=["subnet-00000000000000000"])

    assert refused.value.response["Error"]["Code"] == "InvalidSubnetID.NotFound"


def test_another_accounts_networks_are_not_there(place: Place) -> None:
    Native(place, "bob").isolated("bobs")

    assert len(subnets(place.client("alice"))) == 2
    assert len(subnets(place.client("bob"))) == 3


def test_two_native_calls_list_all(place: Place, ec2: Any) -> None:
    ec2.describe_availability_zones()

    assert sorted(place.commands(lambda: ec2.describe_subnets())) == ["listNetworks", "listVirtualMachines"]
