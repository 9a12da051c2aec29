"""Internet gateways, route tables and routes, as those who set up a VPC use them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import started, tags
from tests.native import Native


@pytest.fixture
def vpc(ec2: Any) -> str:
    """The id of a new VPC."""
    return str(ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def gateway(ec2: Any, vpc: str) -> str:
    """The id of a gateway that is attached to the VPC."""
    made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
    return str(made)


def main_table(ec2: Any, vpc: str) -> dict[str, Any]:
    asked = {"association.main": "true", "vpc-id": vpc}
    filters = [{"Name": name, "Values": [value]} for name, value in asked.items()]
    [table] = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    return dict(table)


def read(ec2: Any, table: str) -> dict[str, Any]:
    return dict(ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0])


def routes(ec2: Any, table: str) -> dict[str, tuple[str | None, str]]:
    return {
        route["DestinationCidrBlock"]: (route.get("GatewayId"), route["State"])
        for route in read(ec2, table)["Routes"]
    }


def test_the_default_vpc_has_its_gateway_and_its_route(ec2: Any) -> None:
    [default] = ec2.describe_vpcs()["Vpcs"]
    [gateway] = ec2.describe_internet_gateways()["InternetGateways"]
    ident = gateway["InternetGatewayId"]

    assert gateway["Attachments"] == [{"State": "available", "VpcId": default["VpcId"]}]
    table = main_table(ec2, default["VpcId"])
    assert [(r["DestinationCidrBlock"], r["GatewayId"]) for r in table["Routes"]] == [
        ("10.0.0.0/8", "local"),
        ("0.0.0.0/0", ident),
    ]
    away = {"InternetGatewayId": ident, "VpcId": default["VpcId"]}
    assert refusal(lambda: ec2.detach_internet_gateway(**away)) == "OperationNotPermitted"


def test_a_gateway_is_attached_to_one_vpc(ec2: Any, vpc: str) -> None:
    made = ec2.create_internet_gateway(TagSpecifications=[tags("internet-gateway", Name="way-out")])
    gateway = made["InternetGateway"]["InternetGatewayId"]
    both = {"InternetGatewayId": gateway, "VpcId": vpc}
    assert refusal(lambda: ec2.detach_internet_gateway(**both)) == "Gateway.NotAttached"

    ec2.attach_internet_gateway(**both)

    [item] = ec2.describe_internet_gateways(
        Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}, {"Name": "tag:Name", "Values": ["way-out"]}]
    )["InternetGateways"]
    assert item["InternetGatewayId"] == gateway
    assert refusal(lambda: ec2.attach_internet_gateway(**both)) == "Resource.AlreadyAssociated"
    assert refusal(lambda: ec2.delete_internet_gateway(InternetGatewayId=gateway)) == "DependencyViolation"

    ec2.detach_internet_gateway(**both)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    gone = refusal(lambda: ec2.describe_internet_gateways(InternetGatewayIds=[gateway]))
    assert gone == "InvalidInternetGatewayID.NotFound"


def test_tags_of_what_is_in_the_store(ec2: Any, vpc: str, gateway: str) -> None:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    main = main_table(ec2, vpc)["RouteTableId"]
    wanted = [{"Key": "team", "Value": "net"}]

    ec2.create_tags(Resources=[gateway, table, main], Tags=wanted)

    assert (
        ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"][0]["Tags"] == wanted
    )
    assert read(ec2, table)["Tags"] == wanted
    assert read(ec2, main)["Tags"] == wanted
    found = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["team"]}])["Tags"]
    assert {tag["ResourceId"] for tag in found} == {gateway, table, main}
    assert {tag["ResourceType"] for tag in found} == {"internet-gateway", "route-table"}


def test_a_table_with_a_default_route(ec2: Any, vpc: str, gateway: str) -> None:
    made = ec2.create_route_table(VpcId=vpc, TagSpecifications=[tags("route-table", Name="public")])
    table = made["RouteTable"]["RouteTableId"]
    assert routes(ec2, table) == {"10.42.0.0/16": ("local", "active")}
    default = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}

    assert ec2.create_route(**default, GatewayId=gateway)["Return"] is True

    assert routes(ec2, table)["0.0.0.0/0"] == (gateway, "active")
    assert refusal(lambda: ec2.create_route(**default, GatewayId=gateway)) == "RouteAlreadyExists"
    ec2.replace_route(**default, GatewayId=gateway)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert routes(ec2, table)["0.0.0.0/0"] == (gateway, "blackhole")
    ec2.delete_route(**default)
    assert list(routes(ec2, table)) == ["10.42.0.0/16"]
    assert refusal(lambda: ec2.delete_route(**default)) == "InvalidRoute.NotFound"
    missing = refusal(lambda: ec2.replace_route(**default, GatewayId=gateway))
    assert missing == "InvalidParameterValue"
    ec2.delete_route_table(RouteTableId=table)
    assert refusal(lambda: read(ec2, table)) == "InvalidRouteTableID.NotFound"


def test_routes_that_cannot_be(ec2: Any, vpc: str, gateway: str) -> None:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    other = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    everywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    for request, code in (
        ({**everywhere, "GatewayId": other}, "InvalidParameterValue"),
        ({**everywhere, "GatewayId": "igw-00000000000000000"}, "InvalidGatewayID.NotFound"),
        ({**everywhere, "GatewayId": "vgw-00000000000000000"}, "InvalidGatewayID.NotFound"),
        ({**everywhere, "NatGatewayId": "nat-00000000000000000"}, "InvalidNatGatewayID.NotFound"),
        ({**everywhere, "InstanceId": "i-00000000000000000"}, "UnsupportedOperation"),
        (everywhere, "MissingParameter"),
        (
            {**everywhere, "DestinationCidrBlock": "10.42.3.0/24", "GatewayId": gateway},
            "InvalidParameterValue",
        ),
        (
            {"RouteTableId": table, "DestinationIpv6CidrBlock": "::/0", "GatewayId": gateway},
            "UnsupportedOperation",
        ),
    ):
        assert refusal(lambda r=request: ec2.create_route(**r)) == code


def test_subnets_have_the_main_table_or_one_of_their_own(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    first, second = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))

    ident = ec2.associate_route_table(RouteTableId=first, SubnetId=subnet)["AssociationId"]

    assert read(ec2, first)["Associations"] == [
        {
            "RouteTableAssociationId": ident,
            "RouteTableId": first,
            "SubnetId": subnet,
            "Main": False,
            "AssociationState": {"State": "associated"},
        }
    ]
    assert ec2.associate_route_table(RouteTableId=first, SubnetId=subnet)["AssociationId"] == ident
    another = {"RouteTableId": second, "SubnetId": subnet}
    assert refusal(lambda: ec2.associate_route_table(**another)) == "Resource.AlreadyAssociated"
    assert refusal(lambda: ec2.delete_route_table(RouteTableId=first)) == "DependencyViolation"

    moved = ec2.replace_route_table_association(AssociationId=ident, RouteTableId=second)["NewAssociationId"]
    assert moved != ident
    assert (
        refusal(lambda: ec2.disassociate_route_table(AssociationId=ident)) == "InvalidAssociationID.NotFound"
    )
    ec2.disassociate_route_table(AssociationId=moved)
    assert read(ec2, second)["Associations"] == []


def test_another_table_becomes_the_main_one(ec2: Any, vpc: str) -> None:
    first = main_table(ec2, vpc)
    [association] = first["Associations"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    change = {"AssociationId": association["RouteTableAssociationId"], "RouteTableId": table}

    ec2.replace_route_table_association(**change)

    assert main_table(ec2, vpc)["RouteTableId"] == table
    assert read(ec2, first["RouteTableId"])["Associations"] == []
    [now] = main_table(ec2, vpc)["Associations"]
    refused = refusal(lambda: ec2.disassociate_route_table(AssociationId=now["RouteTableAssociationId"]))
    assert refused == "InvalidParameterValue"
    ec2.delete_vpc(VpcId=vpc)


def test_the_vpcs_own_range_leads_nowhere_else(ec2: Any, vpc: str, gateway: str) -> None:
    local = {
        "RouteTableId": ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"],
        "DestinationCidrBlock": "10.42.0.0/16",
    }
    # Terraform knows by this answer that it was told to make the local route.
    assert refusal(lambda: ec2.create_route(**local, GatewayId="local")) == "InvalidGatewayID.NotFound"
    machine, interface = (
        {"InstanceId": "i-00000000000000000"},
        {"NetworkInterfaceId": "eni-00000000000000000"},
    )
    for call in (ec2.create_route, ec2.replace_route):
        assert refusal(lambda c=call: c(**local, GatewayId=gateway)) == "InvalidParameterValue"
        for target in (machine, interface):
            assert refusal(lambda c=call, t=target: c(**local, **t)) == "UnsupportedOperation"
    with pytest.raises(ClientError, match="cannot remove local route"):
        ec2.delete_route(**local)


@pytest.mark.since("4.21")
def test_a_route_to_a_machine_is_a_static_route_of_the_vpc(place: Place, ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    [machine] = started(ec2, SubnetId=subnet)
    table = main_table(ec2, vpc)["RouteTableId"]
    to = {"RouteTableId": table, "DestinationCidrBlock": "172.31.0.0/16"}

    ec2.create_route(**to, InstanceId=machine["InstanceId"])

    [route] = Native(place).list("listStaticRoutes")
    assert (route["cidr"], route["nexthop"]) == ("172.31.0.0/16", machine["PrivateIpAddress"])
    shown = read(ec2, table)["Routes"][1]
    assert shown["InstanceId"] == machine["InstanceId"]
    assert shown["NetworkInterfaceId"] == machine["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.delete_route(**to)
    assert Native(place).list("listStaticRoutes") == []


def listed(ec2: Any, *cidrs: str, name: str = "us", most: int = 5, family: str = "IPv4") -> str:
    entries = [{"Cidr": cidr} for cidr in cidrs]
    request = {"PrefixListName": name, "AddressFamily": family, "MaxEntries": most, "Entries": entries}
    return str(ec2.create_managed_prefix_list(**request)["PrefixList"]["PrefixListId"])


def test_a_route_to_a_prefix_list(ec2: Any, vpc: str, gateway: str) -> None:
    us, v6 = listed(ec2, "192.0.2.0/24"), listed(ec2, family="IPv6")
    table = str(ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"])
    to = {"RouteTableId": table, "DestinationPrefixListId": us}
    assert refusal(lambda: ec2.delete_route(**to)) == "InvalidRoute.NotFound"
    ec2.create_route(**to, GatewayId=gateway)
    [_, shown] = read(ec2, table)["Routes"]
    assert shown == {
        "DestinationPrefixListId": us,
        "GatewayId": gateway,
        "Origin": "CreateRoute",
        "State": "active",
    }
    filters = [{"Name": "route.destination-prefix-list-id", "Values": [us]}]
    assert [one["RouteTableId"] for one in ec2.describe_route_tables(Filters=filters)["RouteTables"]] == [
        table
    ]
    [used] = ec2.get_managed_prefix_list_associations(PrefixListId=us)["PrefixListAssociations"]
    assert used["ResourceId"] == table
    assert refusal(lambda: ec2.create_route(**to, GatewayId=gateway)) == "RouteAlreadyExists"
    both = {**to, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    assert refusal(lambda: ec2.create_route(**both)) == "InvalidParameterCombination"
    unknown = {**to, "DestinationPrefixListId": "pl-0123456789abcdef0", "GatewayId": gateway}
    assert refusal(lambda: ec2.create_route(**unknown)) == "InvalidPrefixListID.NotFound"
    other = {**to, "DestinationPrefixListId": v6, "GatewayId": gateway}
    assert refusal(lambda: ec2.create_route(**other)) == "UnsupportedOperation"
    ec2.delete_managed_prefix_list(PrefixListId=us)
    assert ec2.describe_managed_prefix_lists(PrefixListIds=[us])["PrefixLists"][0]["State"] == "delete-failed"
    ec2.delete_route(**to)
    assert len(read(ec2, table)["Routes"]) == 1
    ec2.delete_managed_prefix_list(PrefixListId=us)


def test_a_list_counts_as_many_routes_as_it_may_have_entries(ec2: Any, vpc: str, gateway: str) -> None:
    table = main_table(ec2, vpc)["RouteTableId"]
    large, small = listed(ec2, most=499), listed(ec2, name="them", most=2)
    ec2.create_route(RouteTableId=table, DestinationPrefixListId=large, GatewayId=gateway)
    more = {"RouteTableId": table, "DestinationPrefixListId": small, "GatewayId": gateway}
    assert refusal(lambda: ec2.create_route(**more)) == "RouteLimitExceeded"
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    change = {"PrefixListId": large, "MaxEntries": 500}
    assert refusal(lambda: ec2.modify_managed_prefix_list(**change)) == "RouteLimitExceeded"


@pytest.mark.since("4.21")
def test_a_list_to_a_machine_is_a_static_route_for_each_range(place: Place, ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    first, second = started(ec2, SubnetId=subnet, MinCount=2, MaxCount=2)
    table = main_table(ec2, vpc)["RouteTableId"]
    us = listed(ec2, "172.31.0.0/16", "192.0.2.0/24", "192.0.2.128/25", "10.42.7.0/24")

    def native() -> dict[str, str]:
        return {row["cidr"]: row["nexthop"] for row in Native(place).list("listStaticRoutes")}

    def modify(version: int, add: list[str], remove: list[str]) -> None:
        ec2.modify_managed_prefix_list(
            PrefixListId=us,
            CurrentVersion=version,
            AddEntries=[{"Cidr": cidr} for cidr in add],
            RemoveEntries=[{"Cidr": cidr} for cidr in remove],
        )

    to = {"RouteTableId": table, "DestinationPrefixListId": us}
    ec2.create_route(**to, InstanceId=first["InstanceId"])
    one, two = first["PrivateIpAddress"], second["PrivateIpAddress"]
    # Neither what another entry has in it, nor what the VPC itself has.
    assert native() == {"172.31.0.0/16": one, "192.0.2.0/24": one}
    shown = read(ec2, table)["Routes"][1]
    assert (shown["DestinationPrefixListId"], shown["State"]) == (us, "active")
    modify(1, ["198.51.100.0/24"], ["172.31.0.0/16"])
    assert native() == {"192.0.2.0/24": one, "198.51.100.0/24": one}
    ec2.replace_route(**to, InstanceId=second["InstanceId"])
    assert native() == {"192.0.2.0/24": two, "198.51.100.0/24": two}
    # A route of its own comes first.
    own = {"RouteTableId": table, "DestinationCidrBlock": "192.0.2.0/24"}
    ec2.create_route(**own, InstanceId=first["InstanceId"])
    assert native() == {"192.0.2.0/24": one, "198.51.100.0/24": two}
    ec2.delete_route(**own)
    assert native() == {"192.0.2.0/24": two, "198.51.100.0/24": two}
    place.sim.faults.add("refused", "createStaticRoute", number=2)
    with pytest.raises(ClientError):
        modify(2, ["203.0.113.0/24", "172.31.0.0/16"], ["192.0.2.0/24"])
    assert native() == {"192.0.2.0/24": two, "198.51.100.0/24": two}
    ec2.delete_route(**to)
    assert native() == {}
