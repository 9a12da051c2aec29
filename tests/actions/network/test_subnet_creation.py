"""Subnets from their creation to their end."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import ADVANCED, BASIC, GROUPED, launch, placed, started, tags, until
from tests.native import Native


@pytest.fixture
def vpc(ec2: Any) -> str:
    """The id of a new VPC."""
    return str(ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"])


def test_a_tier_is_made_and_deleted(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(
        VpcId=vpc,
        CidrBlock="10.42.1.0/24",
        AvailabilityZone=ADVANCED,
        TagSpecifications=[tags("subnet", Name="web")],
    )["Subnet"]

    assert (subnet["VpcId"], subnet["CidrBlock"]) == (vpc, "10.42.1.0/24")
    assert subnet["AvailabilityZone"] == ADVANCED
    assert subnet["DefaultForAz"] is False
    assert subnet["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"] == [subnet]

    ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    missing = refusal(lambda: ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]]))
    assert missing == "InvalidSubnetID.NotFound"


def test_everything_passes_between_tiers_as_on_aws(place: Place, ec2: Any, vpc: str) -> None:
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")
    native = Native(place)

    [network] = [row for row in native.list("listNetworks") if row.get("vpcid")]

    assert network["aclname"] == "default_allow"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"CidrBlock": "10.43.1.0/24"}, "InvalidSubnet.Range"),
        ({"CidrBlock": "10.42.1.0/30"}, "InvalidSubnet.Range"),
        ({"CidrBlock": "10.42.64.0/20"}, "InvalidSubnet.Range"),
        ({"CidrBlock": "10.42.0.128/25"}, "InvalidSubnet.Conflict"),
        ({"AvailabilityZone": GROUPED}, "InvalidParameterValue"),
        ({"AvailabilityZone": "mars"}, "InvalidParameterValue"),
        ({"VpcId": "vpc-00000000000000000"}, "InvalidVpcID.NotFound"),
        ({"Ipv6CidrBlock": "fd00::/64"}, "UnsupportedOperation"),
    ],
)
def test_a_wrong_subnet_is_refused(ec2: Any, vpc: str, changed: dict[str, str], code: str) -> None:
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.0.0/24")
    request = {"VpcId": vpc, "CidrBlock": "10.42.9.0/24", **changed}

    assert refusal(lambda: ec2.create_subnet(**request)) == code


def test_the_refusal_of_another_zone_says_what_to_write_instead(make_place: Callable[..., Place]) -> None:
    place = make_place()
    zones = place.sim.cloud.tables["zones"]
    [advanced] = [row for row in zones if row["name"] == "sim-adv"]
    zones.add({**advanced, "id": "0d8d1c4a-2f5c-4a3f-8a53-0e2b8a8d1b11", "name": "sim-too"})
    ec2 = place.client()
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    named = {zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    [other] = named - {ADVANCED, BASIC, GROUPED}
    lies = f"only be created in {ADVANCED}, since a CloudStack VPC lies in one zone.*azs = ..{ADVANCED}"

    for zone, sentence in (
        (GROUPED, f"{lies}.*module.[.]$"),
        (other, f"{lies}.* or make another VPC.*with the value {other}[.]$"),
    ):
        with pytest.raises(ClientError, match=sentence):
            ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24", AvailabilityZone=zone)


def test_a_subnet_of_the_default_vpc_is_an_isolated_network(place: Place, ec2: Any) -> None:
    [default] = ec2.describe_vpcs()["Vpcs"]
    vpc = default["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]

    assert (subnet["VpcId"], subnet["AvailabilityZone"]) == (vpc, ADVANCED)
    assert len(Native(place).list("listEgressFirewallRules")) == 1
    for zone in (BASIC, GROUPED):
        request = {"VpcId": vpc, "CidrBlock": "10.7.2.0/24", "AvailabilityZone": zone}
        assert refusal(lambda r=request: ec2.create_subnet(**r)) == "UnsupportedOperation"
    ec2.delete_subnet(SubnetId=subnet["SubnetId"])


def test_the_default_subnet_of_a_zone(ec2: Any) -> None:
    subnet = ec2.create_default_subnet(AvailabilityZone=ADVANCED)["Subnet"]

    assert subnet["DefaultForAz"] is True
    again = refusal(lambda: ec2.create_default_subnet(AvailabilityZone=ADVANCED))
    assert again == "DefaultSubnetAlreadyExistsInAvailabilityZone"


def test_a_machine_holds_its_subnet_until_it_is_terminated(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    [machine] = started(ec2, SubnetId=subnet)
    assert machine["PrivateIpAddress"].startswith("10.42.1.")
    assert (machine["VpcId"], machine["SubnetId"]) == (vpc, subnet)
    assert refusal(lambda: ec2.delete_subnet(SubnetId=subnet)) == "DependencyViolation"

    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])

    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_a_subnet_that_cloudstack_still_holds_is_hidden(make_place: Callable[..., Place]) -> None:
    place = make_place({"expunge": False})
    ec2, native = place.client(), Native(place)
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    [machine] = started(ec2, SubnetId=subnet)
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])

    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)

    assert refusal(lambda: ec2.describe_subnets(SubnetIds=[subnet])) == "InvalidSubnetID.NotFound"
    assert refusal(lambda: ec2.describe_vpcs(VpcIds=[vpc])) == "InvalidVpcID.NotFound"
    assert refusal(lambda: launch(ec2, SubnetId=subnet)) == "InvalidSubnetID.NotFound"
    assert len(native.list("listVPCs")) == 1

    service = place.bridge.site.service
    assert service is not None
    [destroyed] = [row for row in place.sim.cloud.tables["machines"] if row["state"] == "Destroyed"]
    place.run(service.job("expungeVirtualMachine", id=destroyed["id"]))
    make_due(place)
    deadline = time.monotonic() + 60
    while native.list("listVPCs"):
        ec2.describe_vpcs()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def make_due(place: Place) -> None:
    """Let the next listing try again what is left to delete."""
    store, owner = place.bridge.site.store, place.store_owner()

    async def age() -> None:
        for entry in await store.list(owner, "leaving"):
            await store.put(owner, "leaving", entry.key, {**entry.value, "at": 0})

    place.run(age())


def test_a_subnet_may_map_public_addresses(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    [item] = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    assert item["MapPublicIpOnLaunch"] is True
    assert item["Tags"] == []

    [machine] = started(ec2, SubnetId=subnet)
    assert machine["PublicIpAddress"]
    nic = {"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": False}
    [private] = started(ec2, NetworkInterfaces=[nic])
    assert "PublicIpAddress" not in private

    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    [item] = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    assert item["MapPublicIpOnLaunch"] is False


def test_a_default_subnet_gives_no_public_address_until_it_is_told_to(ec2: Any) -> None:
    def default() -> dict[str, Any]:
        filters = {"default-for-az": "true", "availability-zone": ADVANCED}
        asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        [found] = ec2.describe_subnets(Filters=asked)["Subnets"]
        return dict(found)

    assert default()["MapPublicIpOnLaunch"] is False
    [private] = started(ec2, **placed(ADVANCED))
    assert (private["SubnetId"], private.get("PublicIpAddress")) == (default()["SubnetId"], None)
    ec2.modify_subnet_attribute(SubnetId=private["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    assert default()["MapPublicIpOnLaunch"] is True
    [public] = started(ec2, **placed(ADVANCED))
    assert public["SubnetId"] == private["SubnetId"]
    assert public["PublicIpAddress"]


def test_a_shared_network_maps_no_public_addresses(ec2: Any) -> None:
    asked = [{"Name": "availability-zone", "Values": [GROUPED]}]
    [shared] = ec2.describe_subnets(Filters=asked)["Subnets"]
    ident = shared["SubnetId"]

    ec2.modify_subnet_attribute(SubnetId=ident, MapPublicIpOnLaunch={"Value": False})
    wish = {"SubnetId": ident, "MapPublicIpOnLaunch": {"Value": True}}
    assert refusal(lambda: ec2.modify_subnet_attribute(**wish)) == "UnsupportedOperation"


def test_a_zones_name_and_id_must_mean_the_same(ec2: Any, vpc: str) -> None:
    zones = {
        zone["ZoneName"]: zone["ZoneId"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]
    }
    place = {"VpcId": vpc, "CidrBlock": "10.42.7.0/24", "AvailabilityZone": ADVANCED}
    code = refusal(lambda: ec2.create_subnet(**place, AvailabilityZoneId=zones[GROUPED]))
    assert code == "InvalidParameterCombination"
    made = ec2.create_subnet(**place, AvailabilityZoneId=zones[ADVANCED])["Subnet"]
    assert made["AvailabilityZoneId"] == zones[ADVANCED]
