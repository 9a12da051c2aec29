"""NAT gateways: the Elastic IP under which the machines of a VPC reach the internet."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import quotas
from ec2bridge.resources.addresses import elastic_ips, nat_gateways
from ec2bridge.resources.tags import resource_tags
from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import started, tags
from tests.native import Native

pytestmark = pytest.mark.since("4.19")

UUID = "0ca6ad2c-5b4c-4fa7-9a5c-6c6f0ea5ac4f"


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Scene:
    """A VPC with a subnet, and an Elastic IP."""

    ec2: Any
    vpc: str
    subnet: str
    address: dict[str, str]

    def gateway(self, **request: Any) -> dict[str, Any]:
        """A new NAT gateway, as it is answered."""
        ends = {"SubnetId": self.subnet, "AllocationId": self.address["AllocationId"]}
        return dict(self.ec2.create_nat_gateway(**{**ends, **request})["NatGateway"])

    def shown(self, ident: str) -> dict[str, Any]:
        """The gateway as it is described."""
        [item] = self.ec2.describe_nat_gateways(NatGatewayIds=[ident])["NatGateways"]
        return dict(item)

    def elastic(self) -> list[dict[str, Any]]:
        """The Elastic IPs."""
        return list(self.ec2.describe_addresses()["Addresses"])

    def standing(self, **request: Any) -> str:
        """The id of a NAT gateway that is there."""
        ident = self.gateway(**request)["NatGatewayId"]
        eventually(lambda: self.shown(ident)["State"] == "available")
        return str(ident)

    def end(self, ident: str) -> None:
        """Delete a gateway, and wait for it."""
        self.ec2.delete_nat_gateway(NatGatewayId=ident)
        eventually(lambda: self.shown(ident)["State"] == "deleted")


@pytest.fixture
def scene(ec2: Any) -> Scene:
    return begun(ec2)


def begun(ec2: Any) -> Scene:
    """A scene as it is made."""
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    return Scene(ec2, vpc, subnet, ec2.allocate_address(Domain="vpc"))


def source_nat(place: Place) -> list[str]:
    """The source NAT addresses of the account's VPCs."""
    rows = Native(place).list("listPublicIpAddresses", issourcenat=True)
    return [row["ipaddress"] for row in rows if row.get("vpcid")]


def test_the_life_of_a_nat_gateway(place: Place, scene: Scene) -> None:
    public = scene.address["PublicIp"]
    made = scene.gateway(TagSpecifications=[tags("natgateway", Name="out")], ClientToken="once")
    ident = made["NatGatewayId"]
    assert (made["State"], made["SubnetId"], made["VpcId"]) == ("pending", scene.subnet, scene.vpc)
    # Terraform's younger providers (6.40, say) read the address and subnet only where the mode is told.
    assert (made["ConnectivityType"], made["AvailabilityMode"]) == ("public", "zonal")
    assert scene.gateway(TagSpecifications=[tags("natgateway", Name="out")], ClientToken="once") == made
    eventually(lambda: scene.shown(ident)["State"] == "available")
    assert source_nat(place) == [public]

    item = scene.shown(ident)
    [address] = item["NatGatewayAddresses"]
    assert (address["AllocationId"], address["PublicIp"]) == (scene.address["AllocationId"], public)
    assert (address["PrivateIp"], address["IsPrimary"], address["Status"]) == ("10.42.1.1", True, "succeeded")
    # The VPC's former address is nobody's Elastic IP.
    [elastic] = scene.elastic()
    assert elastic["AllocationId"] == scene.address["AllocationId"]
    assert elastic["AssociationId"] == address["AssociationId"]
    assert elastic["NetworkInterfaceId"] == address["NetworkInterfaceId"]
    assert "InstanceId" not in elastic
    [interface] = scene.ec2.describe_network_interfaces(NetworkInterfaceIds=[address["NetworkInterfaceId"]])[
        "NetworkInterfaces"
    ]
    assert (interface["InterfaceType"], interface["SubnetId"]) == ("nat_gateway", scene.subnet)
    assert interface["Association"]["PublicIp"] == public
    zones = {
        zone["ZoneName"]: zone["ZoneId"]
        for zone in scene.ec2.describe_availability_zones()["AvailabilityZones"]
    }
    assert interface["AvailabilityZoneId"] == zones[interface["AvailabilityZone"]]

    scene.ec2.create_tags(Resources=[ident], Tags=[{"Key": "env", "Value": "x"}])
    for name, value in (
        ("nat-gateway-id", ident),
        ("state", "available"),
        ("subnet-id", scene.subnet),
        ("vpc-id", scene.vpc),
        ("tag:env", "x"),
        ("tag-key", "Name"),
    ):
        for values, count in (([value], 1), (["nothing"], 0)):
            found = scene.ec2.describe_nat_gateways(Filters=[{"Name": name, "Values": values}])
            assert len(found["NatGateways"]) == count, name

    assert scene.ec2.delete_nat_gateway(NatGatewayId=ident)["NatGatewayId"] == ident
    eventually(lambda: scene.shown(ident)["State"] == "deleted")
    assert scene.shown(ident)["DeleteTime"]
    [elastic] = scene.elastic()
    assert "AssociationId" not in elastic
    assert public not in source_nat(place)
    assert refusal(lambda: scene.ec2.delete_nat_gateway(NatGatewayId=ident)) == "NatGatewayNotFound"
    scene.ec2.release_address(AllocationId=scene.address["AllocationId"])
    scene.ec2.delete_subnet(SubnetId=scene.subnet)
    scene.ec2.delete_vpc(VpcId=scene.vpc)
    assert [row for row in Native(place).list("listPublicIpAddresses") if row.get("vpcid")] == []


def test_what_a_nat_gateway_holds_stays(scene: Scene) -> None:
    ec2, allocation = scene.ec2, scene.address["AllocationId"]
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ends = {"InternetGatewayId": internet, "VpcId": scene.vpc}
    ec2.attach_internet_gateway(**ends)
    ident = scene.standing()
    association = scene.elastic()[0]["AssociationId"]
    machine = started(ec2, SubnetId=scene.subnet)[0]["InstanceId"]

    for request, code in (
        (lambda: ec2.release_address(AllocationId=allocation), "InvalidIPAddress.InUse"),
        (lambda: ec2.disassociate_address(AssociationId=association), "OperationNotPermitted"),
        (
            lambda: ec2.associate_address(AllocationId=allocation, InstanceId=machine),
            "Resource.AlreadyAssociated",
        ),
        (lambda: ec2.detach_internet_gateway(**ends), "DependencyViolation"),
        (lambda: ec2.delete_subnet(SubnetId=scene.subnet), "DependencyViolation"),
        (lambda: ec2.delete_vpc(VpcId=scene.vpc), "DependencyViolation"),
        (scene.gateway, "Resource.AlreadyAssociated"),
    ):
        assert refusal(request) == code
    scene.end(ident)
    ec2.associate_address(AllocationId=allocation, InstanceId=machine)
    assert refusal(scene.gateway) == "Resource.AlreadyAssociated"


def test_one_nat_gateway_a_vpc(place: Place, scene: Scene) -> None:
    scene.standing()
    other = scene.ec2.allocate_address(Domain="vpc")["AllocationId"]
    assert refusal(lambda: scene.gateway(AllocationId=other)) == "NatGatewayLimitExceeded"
    vpc = scene.ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
    subnet = scene.ec2.create_subnet(VpcId=vpc, CidrBlock="10.43.1.0/24")["Subnet"]["SubnetId"]
    second = scene.standing(AllocationId=other, SubnetId=subnet)
    assert len(scene.ec2.describe_nat_gateways()["NatGateways"]) == 2
    assert len(source_nat(place)) == 2
    scene.end(second)
    third = scene.standing(AllocationId=other, SubnetId=subnet)
    assert third != second


def test_the_refusal_of_a_second_one_says_what_to_write_instead(scene: Scene) -> None:
    ident = scene.standing()
    other = scene.ec2.allocate_address(Domain="vpc")["AllocationId"]
    with pytest.raises(ClientError, match=f"lead to {ident} .single_nat_gateway = true"):
        scene.gateway(AllocationId=other)


def test_of_two_asked_for_at_once_one_is_made(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    scene = begun(place.client())
    url, _ = place.another_bridge()
    asked = [scene, scene, replace(scene, ec2=place.client(endpoint_url=url))]
    addresses = [scene.ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in asked]

    def ask(one: Scene, address: str) -> str:
        try:
            return str(one.gateway(AllocationId=address)["NatGatewayId"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor() as pool:
        told = list(pool.map(ask, asked, addresses))

    [ident] = [answer for answer in told if answer.startswith("nat-")]
    assert sorted(told) == [*["NatGatewayLimitExceeded"] * 2, ident]
    eventually(lambda: scene.shown(ident)["State"] != "pending")
    assert scene.shown(ident)["State"] == "available"
    assert len(scene.ec2.describe_nat_gateways()["NatGateways"]) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"AllocationId": ""}, "MissingParameter"),
        ({"SubnetId": ""}, "MissingParameter"),
        ({"AllocationId": "eipalloc-00000000000000000"}, "InvalidAllocationID.NotFound"),
        ({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound"),
        ({"ConnectivityType": "private"}, "UnsupportedOperation"),
        ({"ConnectivityType": "secret"}, "InvalidParameterValue"),
        ({"PrivateIpAddress": "10.42.1.7"}, "UnsupportedOperation"),
        ({"SecondaryPrivateIpAddressCount": 2}, "UnsupportedOperation"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_a_nat_gateway_that_cannot_be(scene: Scene, changed: dict[str, Any], code: str) -> None:
    assert refusal(lambda: scene.gateway(**changed)) == code
    assert scene.ec2.describe_nat_gateways()["NatGateways"] == []
    assert "AssociationId" not in scene.elastic()[0]


def test_subnets_of_the_default_vpc_have_their_own(scene: Scene) -> None:
    zone = scene.ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    shown = scene.ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    found = [subnet["SubnetId"] for subnet in shown if subnet["AvailabilityZone"] == zone]
    subnet = (
        found[0] if found else scene.ec2.create_default_subnet(AvailabilityZone=zone)["Subnet"]["SubnetId"]
    )
    assert refusal(lambda: scene.gateway(SubnetId=subnet)) == "UnsupportedOperation"


def test_an_account_has_so_many(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MOST", 0)
    assert refusal(scene.gateway) == "NatGatewayLimitExceeded"


def test_routes_to_a_nat_gateway(scene: Scene) -> None:
    ec2 = scene.ec2
    table = ec2.create_route_table(VpcId=scene.vpc)["RouteTable"]["RouteTableId"]
    everywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}

    def read() -> dict[str, Any]:
        [item] = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        [route] = item["Routes"][1:]
        return {name: route[name] for name in ("NatGatewayId", "State")}

    for ident in ("nat-00000000000000000", scene.vpc):
        assert refusal(lambda ident=ident: ec2.create_route(**everywhere, NatGatewayId=ident)).startswith(
            "InvalidNatGatewayID"
        )
    made = scene.gateway()["NatGatewayId"]
    ec2.create_route(**everywhere, NatGatewayId=made)
    assert read() == {"NatGatewayId": made, "State": "active"}
    by_gateway = [{"Name": "route.nat-gateway-id", "Values": [made]}]
    assert len(ec2.describe_route_tables(Filters=by_gateway)["RouteTables"]) == 1
    ec2.replace_route(**everywhere, NatGatewayId=made)
    other = ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
    elsewhere = ec2.create_route_table(VpcId=other)["RouteTable"]["RouteTableId"]
    wrong = {**everywhere, "RouteTableId": elsewhere, "NatGatewayId": made}
    assert refusal(lambda: ec2.create_route(**wrong)) == "InvalidParameterValue"

    eventually(lambda: scene.shown(made)["State"] == "available")
    scene.end(made)
    assert read() == {"NatGatewayId": made, "State": "blackhole"}
    refused = refusal(lambda: ec2.replace_route(**everywhere, NatGatewayId=made))
    assert refused == "InvalidNatGatewayID.NotFound"
    ec2.delete_route(**everywhere)


def test_states_follow_cloudstacks_job(place: Place, scene: Scene) -> None:
    with place.holding("updateVPC"):
        ident = scene.gateway()["NatGatewayId"]
        assert scene.shown(ident)["State"] == "pending"
        assert scene.elastic()[0]["AssociationId"]
    eventually(lambda: scene.shown(ident)["State"] == "available")
    with place.holding("updateVPC"):
        scene.ec2.delete_nat_gateway(NatGatewayId=ident)
        scene.ec2.delete_nat_gateway(NatGatewayId=ident)
        assert scene.shown(ident)["State"] == "deleting"
        allocation = scene.address["AllocationId"]
        assert refusal(lambda: scene.ec2.release_address(AllocationId=allocation)) == "InvalidIPAddress.InUse"
    eventually(lambda: scene.shown(ident)["State"] == "deleted")


def test_a_gateway_that_is_being_made_can_be_deleted(place: Place, scene: Scene) -> None:
    ident = scene.gateway()["NatGatewayId"]
    scene.end(ident)
    assert scene.address["PublicIp"] not in source_nat(place)


def test_a_gateway_whose_deletion_died_with_its_bridge_takes_no_further_address(
    place: Place, scene: Scene
) -> None:
    gateway, native = scene.standing(), Native(place)
    rows = native.list("listPublicIpAddresses")
    [own] = [row for row in rows if not row["issourcenat"]]
    native.do("updateVPC", id=own["vpcid"], sourcenatipaddress=own["ipaddress"])
    scene.ec2.delete_nat_gateway(NatGatewayId=gateway)
    eventually(lambda: scene.shown(gateway)["State"] == "deleted")
    found = {row["id"]: row["issourcenat"] for row in native.list("listPublicIpAddresses")}
    assert found == {row["id"]: row["id"] == own["id"] for row in rows}


def test_a_job_that_fails_leaves_the_address_free(place: Place, scene: Scene) -> None:
    async def restart() -> None:
        place.sim.cloud.jobs.fail_unfinished()

    with place.holding("updateVPC"):
        ident = scene.gateway()["NatGatewayId"]
        place.run(restart())
        item = scene.shown(ident)
        assert (item["State"], item["FailureCode"]) == ("failed", "InternalError")
        assert "restart" in item["FailureMessage"]
    eventually(lambda: "AssociationId" not in scene.elastic()[0])
    assert scene.shown(ident)["State"] == "failed"
    assert scene.address["PublicIp"] not in source_nat(place)
    scene.standing()


def test_a_lost_store_loses_no_gateway(place: Place, scene: Scene) -> None:
    ident = scene.standing()
    store, owner = place.bridge.site.store, place.store_owner()
    for entry in place.run(store.list(owner, nat_gateways.KIND)):
        place.run(store.delete(owner, nat_gateways.KIND, entry.key))
    item = scene.shown(ident)
    assert (item["State"], item["SubnetId"], item["VpcId"]) == ("available", scene.subnet, scene.vpc)
    scene.ec2.create_tags(Resources=[ident], Tags=[{"Key": "env", "Value": "x"}])
    scene.end(ident)


@pytest.mark.parametrize("value", ["x", "x y z", f"{UUID} {UUID} soon", f"{UUID} {UUID} 1e999"])
def test_a_mark_that_says_nothing_is_no_gateway(place: Place, scene: Scene, value: str) -> None:
    row = next(row for row in Native(place).list("listPublicIpAddresses") if not row["issourcenat"])
    mark = {"tags[0].key": resource_tags.RESERVED + elastic_ips.NAT_MARK, "tags[0].value": value}
    Native(place).do("createTags", resourceids=row["id"], resourcetype="PublicIpAddress", **mark)
    assert scene.ec2.describe_nat_gateways()["NatGateways"] == []


def test_what_died_on_the_way_ends(place: Place, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ident = scene.standing()
    # As if the process had ended before CloudStack was asked.
    own = next(
        row for row in Native(place).list("listPublicIpAddresses") if "own-source-nat" in str(row["tags"])
    )
    Native(place).do("updateVPC", id=own["vpcid"], sourcenatipaddress=own["ipaddress"])
    assert scene.shown(ident)["State"] == "pending"
    monkeypatch.setattr(nat_gateways, "LEASE", 0.0)
    assert scene.shown(ident)["State"] in ("deleted", "failed")
    assert "AssociationId" not in scene.elastic()[0]


def test_what_cloudstack_took_away_is_deleted(place: Place, scene: Scene) -> None:
    ident = scene.standing()
    native = Native(place)
    [row] = native.list("listPublicIpAddresses", ipaddress=scene.address["PublicIp"])
    own = next(row for row in native.list("listPublicIpAddresses") if "own-source-nat" in str(row["tags"]))
    native.do("updateVPC", id=own["vpcid"], sourcenatipaddress=own["ipaddress"])
    native.do("disassociateIpAddress", id=row["id"])
    assert scene.shown(ident)["State"] == "deleted"
    assert scene.elastic() == []


def test_a_vpn_gateway_keeps_the_address_that_it_has(scene: Scene) -> None:
    gateway = scene.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ends = {"VpnGatewayId": gateway, "VpcId": scene.vpc}
    scene.ec2.attach_vpn_gateway(**ends)
    ident = scene.standing()
    scene.end(ident)
    scene.ec2.detach_vpn_gateway(**ends)

    ident = scene.standing()
    scene.ec2.attach_vpn_gateway(**ends)
    assert refusal(lambda: scene.ec2.delete_nat_gateway(NatGatewayId=ident)) == "DependencyViolation"
    scene.ec2.detach_vpn_gateway(**ends)
    scene.end(ident)


def test_an_address_that_serves_other_rules_cannot_be_it(place: Place, scene: Scene) -> None:
    native = Native(place)
    machine = started(scene.ec2, SubnetId=scene.subnet)[0]
    [tier] = [row for row in native.list("listNetworks") if row.get("vpcid")]
    [row] = native.list("listPublicIpAddresses", ipaddress=scene.address["PublicIp"])
    native.do("disassociateIpAddress", id=row["id"])
    row = native.do("associateIpAddress", vpcid=tier["vpcid"])
    [host] = native.list("listVirtualMachines")
    rule = {"protocol": "tcp", "publicport": 80, "privateport": 80, "openfirewall": False}
    native.do(
        "createPortForwardingRule",
        ipaddressid=row["id"],
        virtualmachineid=host["id"],
        networkid=tier["id"],
        **rule,
    )
    assert machine["InstanceId"]
    allocation = next(a["AllocationId"] for a in scene.elastic() if a["PublicIp"] == row["ipaddress"])
    assert refusal(lambda: scene.gateway(AllocationId=allocation)) == "Resource.AlreadyAssociated"


def test_the_answer_names_the_association_that_is_described(scene: Scene) -> None:
    made = scene.gateway()
    [told], [shown] = made["NatGatewayAddresses"], scene.shown(made["NatGatewayId"])["NatGatewayAddresses"]
    assert told["AssociationId"] == shown["AssociationId"]
