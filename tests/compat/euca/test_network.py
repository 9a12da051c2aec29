"""The default VPC that every account has, and a VPC of one's own: ranges, subnets, routes, groups, addresses."""

from typing import Any

import pytest

from tests.compat.euca.conftest import Cloud, refused

pytestmark = pytest.mark.timeout(900)


def of_vpc(vpc: str, name: str = "vpc-id") -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": [vpc]}]}


def default_vpc(cloud: Cloud) -> dict[str, Any]:
    (vpc,) = cloud.ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"]
    return dict(vpc)


def test_an_account_has_a_default_vpc(cloud: Cloud) -> None:
    answer = cloud.ec2.describe_account_attributes()["AccountAttributes"]
    attributes = {
        entry["AttributeName"]: [value["AttributeValue"] for value in entry["AttributeValues"]]
        for entry in answer
    }
    vpc = default_vpc(cloud)["VpcId"]
    assert "VPC" in attributes["supported-platforms"]
    assert attributes["default-vpc"] == [vpc]
    (gateway,) = cloud.ec2.describe_internet_gateways(**of_vpc(vpc, "attachment.vpc-id"))["InternetGateways"]
    (table,) = cloud.ec2.describe_route_tables(**of_vpc(vpc))["RouteTables"]
    assert [entry["Main"] for entry in table["Associations"]] == [True]
    routes = {route["DestinationCidrBlock"]: route.get("GatewayId") for route in table["Routes"]}
    assert routes[default_vpc(cloud)["CidrBlock"]] == "local"
    assert routes["0.0.0.0/0"] == gateway["InternetGatewayId"]


def test_a_launch_lands_in_the_zones_default_subnet(cloud: Cloud) -> None:
    (machine,) = cloud.machines(cloud.running())
    (subnet,) = cloud.ec2.describe_subnets(SubnetIds=[machine["SubnetId"]])["Subnets"]
    assert (subnet["VpcId"], subnet["AvailabilityZone"]) == (default_vpc(cloud)["VpcId"], cloud.zone)
    assert subnet["DefaultForAz"]
    assert machine["VpcId"] == subnet["VpcId"]


def test_ranges_of_vpcs(cloud: Cloud) -> None:
    for block in ("10.0.0.0/8", "10.0.0.0/15", "10.0.0.0/29"):
        assert refused(cloud.ec2.create_vpc, CidrBlock=block) == "InvalidVpc.Range", block
    for block in ("10.0.0.0", "10.0.0/16", "300.0.0.0/16", "ten"):
        assert refused(cloud.ec2.create_vpc, CidrBlock=block) == "InvalidParameterValue", block


def test_what_a_vpc_begins_with(cloud: Cloud) -> None:
    vpc = cloud.vpc("10.90.0.0/16")
    (group,) = cloud.ec2.describe_security_groups(**of_vpc(vpc))["SecurityGroups"]
    assert group["GroupName"] == "default"
    (inside,) = group["IpPermissions"]
    assert inside["IpProtocol"] == "-1"
    assert [pair["GroupId"] for pair in inside["UserIdGroupPairs"]] == [group["GroupId"]]
    (outside,) = group["IpPermissionsEgress"]
    assert (outside["IpProtocol"], outside["IpRanges"]) == ("-1", [{"CidrIp": "0.0.0.0/0"}])
    (table,) = cloud.ec2.describe_route_tables(**of_vpc(vpc))["RouteTables"]
    (route,) = table["Routes"]
    assert (route["DestinationCidrBlock"], route["GatewayId"]) == ("10.90.0.0/16", "local")
    assert route["Origin"] == "CreateRouteTable"
    (acl,) = cloud.ec2.describe_network_acls(**of_vpc(vpc))["NetworkAcls"]
    assert acl["IsDefault"]
    assert refused(cloud.ec2.delete_security_group, GroupId=group["GroupId"]) == "CannotDelete"
    gone = refused(cloud.ec2.delete_route_table, RouteTableId=table["RouteTableId"])
    assert gone == "DependencyViolation"


def test_subnets(cloud: Cloud) -> None:
    vpc = cloud.vpc("10.91.0.0/16")
    subnet = cloud.subnet(vpc, "10.91.1.0/24")
    again = {"VpcId": vpc, "AvailabilityZone": cloud.vpc_zone}
    for block in ("10.91.1.0/24", "10.91.1.128/25", "10.91.0.0/22"):
        code = refused(cloud.ec2.create_subnet, CidrBlock=block, **again)
        assert code == "InvalidSubnet.Conflict", block
    for block in ("10.0.0.0/8", "10.92.0.0/24", "10.91.2.0/29"):
        code = refused(cloud.ec2.create_subnet, CidrBlock=block, **again)
        assert code == "InvalidSubnet.Range", block
    (shown,) = cloud.ec2.describe_subnets(**of_vpc(vpc))["Subnets"]
    assert (shown["SubnetId"], shown["CidrBlock"], shown["DefaultForAz"]) == (subnet, "10.91.1.0/24", False)
    assert 200 < shown["AvailableIpAddressCount"] < 256


def test_a_subnet_may_fill_its_vpc(cloud: Cloud) -> None:
    vpc = cloud.vpc("10.93.0.0/24")
    subnet = cloud.subnet(vpc, "10.93.0.0/24")
    assert cloud.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"] == vpc


def test_the_main_route_table_can_be_replaced(cloud: Cloud) -> None:
    vpc = cloud.vpc("10.94.0.0/16")
    (main,) = cloud.ec2.describe_route_tables(**of_vpc(vpc))["RouteTables"]
    other = cloud.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    cloud.undo.append(lambda: cloud.ec2.delete_route_table(RouteTableId=other))
    association = main["Associations"][0]["RouteTableAssociationId"]
    swapped = cloud.ec2.replace_route_table_association(AssociationId=association, RouteTableId=other)
    assert refused(cloud.ec2.delete_route_table, RouteTableId=other) == "DependencyViolation"
    mains = [
        table["RouteTableId"]
        for table in cloud.ec2.describe_route_tables(**of_vpc(vpc))["RouteTables"]
        if any(entry["Main"] for entry in table["Associations"])
    ]
    assert mains == [other]
    cloud.ec2.replace_route_table_association(
        AssociationId=swapped["NewAssociationId"], RouteTableId=main["RouteTableId"]
    )


def test_groups_of_a_vpc_are_its_own(cloud: Cloud) -> None:
    first, second = cloud.vpc("10.95.0.0/16"), cloud.vpc("10.95.0.0/16")
    ids = []
    for vpc in (first, second):
        made = cloud.ec2.create_security_group(GroupName=cloud.name, Description="euca", VpcId=vpc)
        ids.append(made["GroupId"])
        cloud.undo.append(lambda ident=made["GroupId"]: cloud.ec2.delete_security_group(GroupId=ident))
    shown = cloud.ec2.describe_security_groups(**of_vpc(second))["SecurityGroups"]
    assert {group["GroupId"] for group in shown if group["GroupName"] == cloud.name} == {ids[1]}
    again = {"GroupName": cloud.name, "Description": "euca", "VpcId": first}
    assert refused(cloud.ec2.create_security_group, **again) == "InvalidGroup.Duplicate"


def test_a_machine_in_a_vpc(cloud: Cloud) -> None:
    vpc = cloud.vpc("10.96.0.0/16")
    subnet = cloud.subnet(vpc, "10.96.1.0/24")
    gateway = cloud.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    cloud.undo.append(lambda: cloud.ec2.delete_internet_gateway(InternetGatewayId=gateway))
    cloud.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    cloud.undo.append(lambda: cloud.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc))
    ids = cloud.running(2, SubnetId=subnet, Placement={"AvailabilityZone": cloud.vpc_zone})
    machines = cloud.machines(ids)
    assert all(machine["PrivateIpAddress"].startswith("10.96.1.") for machine in machines)
    assert {machine["VpcId"] for machine in machines} == {vpc}
    assert refused(cloud.ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    assert refused(cloud.ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"

    address = cloud.ec2.allocate_address(Domain="vpc")
    cloud.undo.append(lambda: cloud.ec2.release_address(AllocationId=address["AllocationId"]))
    for machine in ids:
        cloud.ec2.associate_address(
            AllocationId=address["AllocationId"], InstanceId=machine, AllowReassociation=True
        )
        assert cloud.machines([machine])[0]["PublicIpAddress"] == address["PublicIp"]
    assert "PublicIpAddress" not in cloud.machines(ids[:1])[0]
    (interface,) = cloud.machines(ids[1:])[0]["NetworkInterfaces"]
    assert interface["Association"]["PublicIp"] == address["PublicIp"]
    (shown,) = cloud.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"]
    assert shown["NetworkInterfaceId"] == interface["NetworkInterfaceId"]
    cloud.ec2.disassociate_address(AssociationId=shown["AssociationId"])
    cloud.terminate(*ids)
