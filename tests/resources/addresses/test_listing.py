"""Public addresses in a second life: what an earlier holder left on them is neither believed nor shown."""

from typing import Any

import pytest

from ec2bridge.ids import ec2_id
from ec2bridge.resources.tags import tagging
from tests.conftest import Place
from tests.launching import started, tags, until
from tests.native import Native

SURROGATE = "\N{GRINNING FACE}"
"""Beyond the basic plane: CloudStack cannot hold it, so it lies in the store."""


def vpc_with_gateway(ec2: Any) -> tuple[str, str]:
    """Return a VPC of the client's, and the number of the Elastic IP that its NAT gateway has."""
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(
        Domain="vpc", TagSpecifications=[tags("elastic-ip", owner="alice", smile=SURROGATE)]
    )
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address["AllocationId"])["NatGateway"]
    ec2.get_waiter("nat_gateway_available").wait(
        NatGatewayIds=[gateway["NatGatewayId"]], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    return vpc, address["PublicIp"]


def end_natively(native: Native) -> None:
    """Delete an account's VPC in CloudStack's own interface, with all that is in it."""
    [vpc] = native.list("listVPCs")
    for network in native.list("listNetworks", vpcid=vpc["id"]):
        native.do("deleteNetwork", id=network["id"])
    native.do("deleteVPC", id=vpc["id"])


def shown(ec2: Any) -> list[dict[str, Any]]:
    return list(ec2.describe_addresses()["Addresses"])


@pytest.mark.since("4.19")
@pytest.mark.parametrize("heir", ["bob", "alice"])
@pytest.mark.parametrize("through", ["ec2", "cloudstack"])
def test_an_address_that_went_with_its_vpc_begins_anew(place: Place, heir: str, through: str) -> None:
    alice, native = place.client(), Native(place)
    _, number = vpc_with_gateway(alice)
    end_natively(native)
    ec2, own = place.client(heir), Native(place, heir)
    network = own.isolated(f"of-{heir}")
    if through == "ec2":
        made = ec2.allocate_address(Domain="vpc", Address=number)
        assert made["PublicIp"] == number
    else:
        own.do("associateIpAddress", networkid=network["id"])  # the network's own way out
        own.do("associateIpAddress", networkid=network["id"], ipaddress=number)
    [address] = [one for one in shown(ec2) if one["PublicIp"] == number]
    assert "AssociationId" not in address
    if heir == "bob" or through == "ec2":
        assert address.get("Tags", []) == []
    gateways = ec2.describe_nat_gateways()["NatGateways"]
    assert [one["NatGatewayId"] for one in gateways if one["State"] not in ("deleted", "failed")] == []
    ec2.create_tags(Resources=[address["AllocationId"]], Tags=[{"Key": "owner", "Value": heir}])
    [again] = [one for one in shown(ec2) if one["PublicIp"] == number]
    assert {"Key": "owner", "Value": heir} in again["Tags"]
    ec2.release_address(AllocationId=address["AllocationId"])
    assert number not in [one["PublicIp"] for one in shown(ec2)]


@pytest.mark.since("4.19")
def test_it_can_be_a_nat_gateways_again(place: Place) -> None:
    alice = place.client()
    _, number = vpc_with_gateway(alice)
    end_natively(Native(place))
    bob = place.client("bob")
    vpc = bob.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    subnet = bob.create_subnet(VpcId=vpc, CidrBlock="10.30.1.0/24")["Subnet"]["SubnetId"]
    address = bob.allocate_address(Domain="vpc", Address=number)["AllocationId"]
    gateway = bob.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    bob.get_waiter("nat_gateway_available").wait(
        NatGatewayIds=[gateway], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    assert [one["NatGatewayId"] for one in bob.describe_nat_gateways()["NatGateways"]] == [gateway]


def test_tags_in_the_store_end_with_the_life_of_the_address(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    network = native.isolated("home")
    made = ec2.allocate_address(TagSpecifications=[tags("elastic-ip", smile=SURROGATE)])
    [row] = native.list("listPublicIpAddresses", ipaddress=made["PublicIp"])
    native.do("disassociateIpAddress", id=row["id"])
    again = ec2.allocate_address(Address=made["PublicIp"])
    assert again["AllocationId"] == made["AllocationId"]
    assert [one.get("Tags", []) for one in shown(ec2)] == [[]]
    assert network["id"] == native.list("listPublicIpAddresses", id=row["id"])[0]["associatednetworkid"]


def test_a_launchs_address_goes_with_its_machine_whatever_another_launch_left_on_it(place: Place) -> None:
    alice, native = place.client(), Native(place)
    vpc = alice.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = alice.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    public = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    [first] = started(alice, NetworkInterfaces=[{**public, "SubnetId": subnet}])
    [row] = native.list("listVirtualMachines")
    native.do("destroyVirtualMachine", id=row["id"])
    Native(place, "admin").do("expungeVirtualMachine", id=row["id"])
    end_natively(native)
    bob, own = place.client("bob"), Native(place, "bob")
    network = own.isolated("of-bob")
    [machine] = started(bob, NetworkInterfaces=[{**public, "SubnetId": ec2_id("subnet", network["id"])}])
    assert machine["PublicIpAddress"] == first["PublicIpAddress"]
    bob.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(bob, "terminated", machine["InstanceId"])
    assert [row["issourcenat"] for row in own.list("listPublicIpAddresses")] == [True]
    kept = place.run(place.bridge.site.store.list(place.store_owner("bob"), tagging.STORE_KIND))
    assert [entry.key for entry in kept if entry.key.startswith("allocation/")] == []


@pytest.mark.since("4.19")
def test_who_writes_the_bridges_marks_in_another_account_changes_nothing_here(place: Place) -> None:
    alice, native = place.client(), Native(place)
    _, number = vpc_with_gateway(alice)
    [row] = native.list("listPublicIpAddresses", ipaddress=number)
    marks = {tag["key"]: tag["value"] for tag in row["tags"]}
    end_natively(native)
    bob = Native(place, "bob")
    network = bob.isolated("of-bob")
    bob.do("associateIpAddress", networkid=network["id"])
    bob.do("associateIpAddress", networkid=network["id"], ipaddress=number)
    for key in marks:
        assert key not in {tag["key"] for tag in bob.list("listTags", resourcetype="PublicIpAddress")}
    ec2 = place.client("bob")
    assert [one["PublicIp"] for one in shown(ec2)] == [number]
    assert ec2.describe_nat_gateways()["NatGateways"] == []


@pytest.mark.since("4.19")
def test_a_vpc_whose_own_way_out_has_anothers_mark_gets_it_back_from_its_nat_gateway(place: Place) -> None:
    vpc_with_gateway(place.client("bob"))
    end_natively(Native(place, "bob"))
    ec2 = place.client()
    vpc, number = vpc_with_gateway(ec2)
    [gateway] = ec2.describe_nat_gateways()["NatGateways"]
    ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    ec2.get_waiter("nat_gateway_deleted").wait(
        NatGatewayIds=[gateway["NatGatewayId"]], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    [address] = shown(ec2)
    assert address["PublicIp"] == number
    ec2.release_address(AllocationId=address["AllocationId"])
    assert len(Native(place).list("listPublicIpAddresses")) == 1, (
        "no address besides the VPC's own was acquired"
    )
    [subnet] = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc)
