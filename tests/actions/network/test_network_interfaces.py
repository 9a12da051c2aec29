"""The interfaces of machines: what Terraform looks for before it deletes a security group."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.native import Native


@pytest.fixture
def machine(place: Place) -> dict[str, Any]:
    """A machine in the security-group zone."""
    return Native(place).machine("web")


def test_a_machines_interface_is_in_use(ec2: Any, machine: dict[str, Any]) -> None:
    [nic] = machine["nic"]

    [item] = ec2.describe_network_interfaces()["NetworkInterfaces"]

    assert item["NetworkInterfaceId"] == "eni-" + nic["id"].replace("-", "")[:17]
    assert item["Status"] == "in-use"
    assert item["PrivateIpAddress"] == nic["ipaddress"]
    named = {"PrivateDnsName": "web", "PrivateIpAddress": nic["ipaddress"]}
    assert item["PrivateIpAddresses"] == [{"Primary": True, **named}]
    assert item["MacAddress"] == nic["macaddress"]
    assert item["AvailabilityZone"] == f"{REGION}c"
    assert item["InterfaceType"] == "interface"
    assert item["RequesterManaged"] is False
    assert item["TagSet"] == []
    assert item["Attachment"]["InstanceId"] == "i-" + machine["id"].replace("-", "")[:17]
    assert item["Attachment"]["DeviceIndex"] == 0
    [subnet] = ec2.describe_subnets(SubnetIds=[item["SubnetId"]])["Subnets"]
    assert subnet["VpcId"] == item["VpcId"]


def test_it_is_found_by_its_security_group(ec2: Any, machine: dict[str, Any]) -> None:
    [item] = ec2.describe_network_interfaces()["NetworkInterfaces"]
    [group] = item["Groups"]

    def by_group(ident: str) -> list[Any]:
        filters = [{"Name": "group-id", "Values": [ident]}]
        return list(ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"])

    assert group["GroupName"] == "default"
    assert by_group(group["GroupId"]) == [item]
    assert by_group("sg-00000000000000000") == []


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("attachment.status", "attached", 1),
        ("attachment.device-index", "0", 1),
        ("addresses.primary", "true", 1),
        ("private-ip-address", "10.147.*", 1),
        ("availability-zone", "sim-sg", 1),
        ("availability-zone", "sim-adv", 0),
        ("status", "available", 0),
        ("requester-managed", "false", 1),
        ("association.public-ip", "*", 0),
        ("group-name", "default", 1),
        ("group-name", "web", 0),
        ("requester-id", "*", 0),
        ("tag:Name", "*", 0),
    ],
)
@pytest.mark.usefixtures("machine")
def test_interfaces_are_filtered(ec2: Any, name: str, value: str, hits: int) -> None:
    filters = [{"Name": name, "Values": [value]}]

    assert len(ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]) == hits


@pytest.mark.usefixtures("machine")
def test_an_interfaces_tags_are_its_tag_set(ec2: Any) -> None:
    [item] = ec2.describe_network_interfaces()["NetworkInterfaces"]
    ec2.create_tags(Resources=[item["NetworkInterfaceId"]], Tags=[{"Key": "Name", "Value": "front"}])

    filters = [{"Name": "tag:Name", "Values": ["front"]}]
    [tagged] = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]

    assert tagged["TagSet"] == [{"Key": "Name", "Value": "front"}]


def test_an_interface_that_does_not_exist(ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        ec2.describe_network_interfaces(NetworkInterfaceIds=["eni-00000000000000000"])

    assert refused.value.response["Error"]["Code"] == "InvalidNetworkInterfaceID.NotFound"


def test_native_calls_do_not_grow_with_machines(place: Place, ec2: Any) -> None:
    for name in ("one", "two", "three"):
        Native(place).machine(name)
    ec2.describe_network_interfaces()

    assert place.commands(lambda: ec2.describe_network_interfaces()) == ["listVirtualMachines"]
