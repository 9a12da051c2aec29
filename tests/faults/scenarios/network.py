"""VPCs, subnets, gateways, routes, ACLs."""

from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import (
    ADVANCED,
    DOMAIN,
    acl,
    address,
    dhcp_options,
    gateway,
    interface,
    machine,
    permission,
    prefix_list,
    ranges,
    subnet,
    table,
    tags,
    tier,
    vpc,
)

VPCS, SUBNETS, TABLES, ACLS = "DescribeVpcs", "DescribeSubnets", "DescribeRouteTables", "DescribeNetworkAcls"
GATEWAYS, OPTIONS = "DescribeInternetGateways", "DescribeDhcpOptions"
EMPTY = [{"Key": "Name", "Value": "gone"}, {"Key": "Empty", "Value": ""}]
OTHER = "192.0.2.0/24"


@scenario("CreateVpc", describe=VPCS)
async def create(lab: Lab) -> Request:
    return {"CidrBlock": "10.60.0.0/16", **tags("vpc")}


@scenario("DeleteVpc", describe=VPCS)
async def delete(lab: Lab) -> Request:
    of = await vpc(lab)
    await lab.do("CreateTags", Resources=[of], Tags=[{"Key": "Name", "Value": "gone"}])
    await lab.do("CreateSecurityGroup", GroupName="kept", Description="kept")
    return {"VpcId": of}


@scenario("DeleteVpc", "with all that is kept of it", describe=VPCS)
async def delete_kept(lab: Lab) -> Request:
    of = await vpc(lab)
    tables = (await lab.do("DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": [of]}]))[
        "RouteTables"
    ]
    await lab.do("CreateTags", Resources=[of, tables[0]["RouteTableId"]], Tags=EMPTY)
    main = tables[0]["Associations"][0]["RouteTableAssociationId"]
    await lab.do("ReplaceRouteTableAssociation", AssociationId=main, RouteTableId=await table(lab, of))
    await lab.do("AssociateDhcpOptions", VpcId=of, DhcpOptionsId=await dhcp_options(lab))
    groups = await lab.do("DescribeSecurityGroups", Filters=[{"Name": "vpc-id", "Values": [of]}])
    default = groups["SecurityGroups"][0]["GroupId"]
    await lab.do("AuthorizeSecurityGroupIngress", GroupId=default, IpPermissions=[permission()])
    return {"VpcId": of}


@scenario("CreateDefaultVpc", describe=VPCS, refused="DefaultVpcAlreadyExists")
async def default_vpc(lab: Lab) -> Request:
    return {}


@scenario("ModifyVpcAttribute", describe=VPCS)
async def attribute(lab: Lab) -> Request:
    return {"VpcId": await vpc(lab), "EnableDnsSupport": {"Value": True}}


@scenario("AssociateVpcCidrBlock", describe=VPCS, refused="UnsupportedOperation")
async def cidr(lab: Lab) -> Request:
    return {"VpcId": await vpc(lab), "CidrBlock": "10.50.0.0/16"}


@scenario("CreateVpc", "with a set of DHCP options", describe=VPCS)
async def create_with_options(lab: Lab) -> Request:
    tagged = {"dhcp-options-id": await dhcp_options(lab)}
    return {"CidrBlock": "10.60.0.0/16", **tags("vpc", **tagged)}


@scenario("AssociateDhcpOptions", describe=VPCS)
async def associate_options(lab: Lab) -> Request:
    of, _ = await tier(lab)
    await subnet(lab, of, "10.50.2.0/24")
    return {"VpcId": of, "DhcpOptionsId": await dhcp_options(lab)}


@scenario("AssociateDhcpOptions", "the default", describe=VPCS)
async def associate_default(lab: Lab) -> Request:
    of, _ = await tier(lab)
    await lab.do("AssociateDhcpOptions", VpcId=of, DhcpOptionsId=await dhcp_options(lab))
    return {"VpcId": of, "DhcpOptionsId": "default"}


@scenario("CreateDhcpOptions", describe=OPTIONS)
async def create_options(lab: Lab) -> Request:
    return {"DhcpConfigurations": DOMAIN, **tags("dhcp-options")}


@scenario("DeleteDhcpOptions", describe=OPTIONS)
async def delete_options(lab: Lab) -> Request:
    return {"DhcpOptionsId": await dhcp_options(lab)}


@scenario("CreateSubnet", describe=SUBNETS)
async def create_subnet(lab: Lab) -> Request:
    zone = {"AvailabilityZone": ADVANCED}
    return {"VpcId": await vpc(lab), "CidrBlock": "10.50.2.0/24", **zone, **tags("subnet")}


@scenario("DeleteSubnet", describe=SUBNETS)
async def delete_subnet(lab: Lab) -> Request:
    _, made = await tier(lab)
    await lab.do("CreateTags", Resources=[made], Tags=[{"Key": "Name", "Value": "gone"}])
    return {"SubnetId": made}


@scenario("DeleteSubnet", "with all that is kept of it", describe=SUBNETS)
async def delete_kept_subnet(lab: Lab) -> Request:
    of, made = await tier(lab)
    await lab.do("CreateTags", Resources=[made], Tags=EMPTY)
    await lab.do("AssociateRouteTable", SubnetId=made, RouteTableId=await table(lab, of))
    await lab.do("TerminateInstances", InstanceIds=[await machine(lab, SubnetId=made)])
    await lab.quiet()
    return {"SubnetId": made}


@scenario("CreateDefaultSubnet", describe=SUBNETS)
async def default_subnet(lab: Lab) -> Request:
    found = await lab.do("DescribeSubnets", Filters=[{"Name": "availability-zone", "Values": [ADVANCED]}])
    for made in found["Subnets"]:
        await lab.do("DeleteSubnet", SubnetId=made["SubnetId"])
    return {"AvailabilityZone": ADVANCED}


@scenario("ModifySubnetAttribute", describe=SUBNETS)
async def subnet_attribute(lab: Lab) -> Request:
    return {"SubnetId": (await tier(lab))[1], "MapPublicIpOnLaunch": {"Value": True}}


@scenario("CreateInternetGateway", describe=GATEWAYS)
async def create_gateway(lab: Lab) -> Request:
    return tags("internet-gateway")


@scenario("AttachInternetGateway", describe=GATEWAYS)
async def attach_gateway(lab: Lab) -> Request:
    return {"InternetGatewayId": await gateway(lab), "VpcId": await vpc(lab)}


@scenario("DetachInternetGateway", describe=GATEWAYS)
async def detach_gateway(lab: Lab) -> Request:
    of = await vpc(lab)
    return {"InternetGatewayId": await gateway(lab, of), "VpcId": of}


@scenario("DeleteInternetGateway", describe=GATEWAYS)
async def delete_gateway(lab: Lab) -> Request:
    return {"InternetGatewayId": await gateway(lab)}


@scenario("CreateRouteTable", describe=TABLES)
async def create_table(lab: Lab) -> Request:
    return {"VpcId": await vpc(lab), **tags("route-table")}


@scenario("DeleteRouteTable", describe=TABLES)
async def delete_table(lab: Lab) -> Request:
    return {"RouteTableId": await table(lab, await vpc(lab))}


@scenario("AssociateRouteTable", describe=TABLES)
async def associate(lab: Lab) -> Request:
    of, made = await tier(lab)
    return {"RouteTableId": await table(lab, of), "SubnetId": made}


@scenario("DisassociateRouteTable", describe=TABLES)
async def disassociate(lab: Lab) -> Request:
    answer = await lab.do("AssociateRouteTable", **await associate(lab))
    return {"AssociationId": answer["AssociationId"]}


@scenario("ReplaceRouteTableAssociation", describe=TABLES)
async def replace_association(lab: Lab) -> Request:
    of, made = await tier(lab)
    first, second = await table(lab, of), await table(lab, of)
    answer = await lab.do("AssociateRouteTable", RouteTableId=first, SubnetId=made)
    return {"AssociationId": answer["AssociationId"], "RouteTableId": second}


@scenario("CreateRoute", describe=TABLES)
async def create_route(lab: Lab) -> Request:
    of = await vpc(lab)
    entry = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": await gateway(lab, of)}
    return {"RouteTableId": await table(lab, of), **entry}


@scenario("CreateRoute", "to a machine for a prefix list", describe=TABLES)
async def create_route_to_list(lab: Lab) -> Request:
    of, made = await tier(lab)
    ident = await machine(lab, SubnetId=made)
    filters = [{"Name": "vpc-id", "Values": [of]}]
    (main,) = (await lab.do("DescribeRouteTables", Filters=filters))["RouteTables"]
    named = {"DestinationPrefixListId": await prefix_list(lab), "InstanceId": ident}
    return {"RouteTableId": main["RouteTableId"], **named}


@scenario("DeleteRoute", "to a machine for a prefix list", describe=TABLES)
async def delete_route_to_list(lab: Lab) -> Request:
    request = await create_route_to_list(lab)
    await lab.do("CreateRoute", **request)
    return {name: request[name] for name in ("RouteTableId", "DestinationPrefixListId")}


@scenario("ModifyManagedPrefixList", "in a route", describe=TABLES)
async def modify_list_of_route(lab: Lab) -> Request:
    request = await create_route_to_list(lab)
    await lab.do("CreateRoute", **request)
    change = {"AddEntries": [{"Cidr": "198.51.100.0/24"}], "RemoveEntries": [{"Cidr": OTHER}]}
    return {"PrefixListId": request["DestinationPrefixListId"], "CurrentVersion": 1, **change}


@scenario("ReplaceRoute", describe=TABLES)
async def replace_route(lab: Lab) -> Request:
    request = await create_route(lab)
    await lab.do("CreateRoute", **request)
    return request


@scenario("DeleteRoute", describe=TABLES)
async def delete_route(lab: Lab) -> Request:
    request = await create_route(lab)
    await lab.do("CreateRoute", **request)
    return {"RouteTableId": request["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}


@scenario("CreateNetworkAcl", describe=ACLS)
async def create_acl(lab: Lab) -> Request:
    return {"VpcId": await vpc(lab), **tags("network-acl")}


@scenario("DeleteNetworkAcl", describe=ACLS)
async def delete_acl(lab: Lab) -> Request:
    made = await acl(lab, await vpc(lab))
    await lab.do("CreateNetworkAclEntry", **entry(made))
    return {"NetworkAclId": made}


def entry(of: str, cidr: str = OTHER) -> Request:
    return {
        "NetworkAclId": of,
        "RuleNumber": 100,
        "Protocol": "6",
        "RuleAction": "allow",
        "Egress": False,
        "CidrBlock": cidr,
        "PortRange": {"From": 22, "To": 22},
    }


@scenario("CreateNetworkAclEntry", describe=ACLS)
async def create_entry(lab: Lab) -> Request:
    return entry(await acl(lab, await vpc(lab)))


@scenario("CreateNetworkAclEntry", "on the default list", describe=ACLS)
async def create_default_entry(lab: Lab) -> Request:
    of, _ = await tier(lab)
    found = await lab.do("DescribeNetworkAcls", Filters=[{"Name": "vpc-id", "Values": [of]}])
    return {**entry(found["NetworkAcls"][0]["NetworkAclId"]), "RuleNumber": 90}


@scenario("ReplaceNetworkAclEntry", describe=ACLS)
async def replace_entry(lab: Lab) -> Request:
    made = await acl(lab, await vpc(lab))
    await lab.do("CreateNetworkAclEntry", **entry(made))
    return entry(made, "198.51.100.0/24")


@scenario("ReplaceNetworkAclEntry", "by one of another protocol", describe=ACLS)
async def replace_protocol(lab: Lab) -> Request:
    made = await acl(lab, await vpc(lab))
    await lab.do("CreateNetworkAclEntry", **entry(made))
    ping = {"Protocol": "1", "IcmpTypeCode": {"Type": 8, "Code": 0}, "CidrBlock": "10.0.0.0/8"}
    return {"NetworkAclId": made, "RuleNumber": 100, "Egress": False, "RuleAction": "allow", **ping}


@scenario("DeleteNetworkAclEntry", describe=ACLS)
async def delete_entry(lab: Lab) -> Request:
    made = await acl(lab, await vpc(lab))
    await lab.do("CreateNetworkAclEntry", **entry(made))
    return {"NetworkAclId": made, "RuleNumber": 100, "Egress": False}


@scenario("ReplaceNetworkAclAssociation", describe=ACLS)
async def replace_acl(lab: Lab) -> Request:
    of, made = await tier(lab)
    found = await lab.do("DescribeNetworkAcls", Filters=[{"Name": "association.subnet-id", "Values": [made]}])
    [held] = [one for one in found["NetworkAcls"][0]["Associations"] if one["SubnetId"] == made]
    return {"AssociationId": held["NetworkAclAssociationId"], "NetworkAclId": await acl(lab, of)}


@scenario("CreateNatGateway", describe="DescribeNatGateways")
async def create_nat(lab: Lab) -> Request:
    _, made = await tier(lab)
    return {"SubnetId": made, "AllocationId": await address(lab), **tags("natgateway")}


@scenario(
    "CreateNatGateway", "with an address of another network", describe="DescribeNatGateways", anywhere=True
)
async def create_nat_elsewhere(lab: Lab) -> Request:
    made = await address(lab)
    _, of = await tier(lab)
    await machine(lab, SubnetId=of)
    return {"SubnetId": of, "AllocationId": made}


@scenario("DeleteNatGateway", describe="DescribeNatGateways")
async def delete_nat(lab: Lab) -> Request:
    answer = await lab.do("CreateNatGateway", **await create_nat(lab))
    await lab.quiet()
    return {"NatGatewayId": answer["NatGateway"]["NatGatewayId"]}


@scenario("CreateNetworkInterface", describe="DescribeNetworkInterfaces")
async def create_interface(lab: Lab) -> Request:
    return {"SubnetId": (await tier(lab))[1], "Description": "second", **tags("network-interface")}


@scenario("DeleteNetworkInterface", describe="DescribeNetworkInterfaces")
async def delete_interface(lab: Lab) -> Request:
    return {"NetworkInterfaceId": await interface(lab, (await tier(lab))[1])}


async def spare(lab: Lab) -> tuple[str, str]:
    """A machine in one tier, and an interface in another."""
    of, first = await tier(lab)
    second = await subnet(lab, of, "10.50.3.0/24")
    return await machine(lab, SubnetId=first), await interface(lab, second)


@scenario("AttachNetworkInterface", describe="DescribeNetworkInterfaces")
async def attach_interface(lab: Lab) -> Request:
    ident, made = await spare(lab)
    return {"InstanceId": ident, "NetworkInterfaceId": made, "DeviceIndex": 1}


@scenario("DetachNetworkInterface", describe="DescribeNetworkInterfaces")
async def detach_interface(lab: Lab) -> Request:
    ident, made = await spare(lab)
    answer = await lab.do("AttachNetworkInterface", InstanceId=ident, NetworkInterfaceId=made, DeviceIndex=1)
    await lab.quiet()
    return {"AttachmentId": answer["AttachmentId"]}


async def spare_with_address(lab: Lab) -> tuple[str, str]:
    """As `spare`, and the interface has an Elastic IP."""
    ident, made = await spare(lab)
    allocation = (await lab.do("AllocateAddress", Domain="vpc"))["AllocationId"]
    await lab.do("AssociateAddress", AllocationId=allocation, NetworkInterfaceId=made)
    return ident, made


@scenario("AttachNetworkInterface", "with an Elastic IP", describe="DescribeNetworkInterfaces")
async def attach_with_address(lab: Lab) -> Request:
    ident, made = await spare_with_address(lab)
    return {"InstanceId": ident, "NetworkInterfaceId": made, "DeviceIndex": 1}


@scenario("DetachNetworkInterface", "with an Elastic IP", describe="DescribeNetworkInterfaces")
async def detach_with_address(lab: Lab) -> Request:
    ident, made = await spare_with_address(lab)
    answer = await lab.do("AttachNetworkInterface", InstanceId=ident, NetworkInterfaceId=made, DeviceIndex=1)
    await lab.quiet()
    return {"AttachmentId": answer["AttachmentId"]}


async def own(lab: Lab) -> str:
    """The first interface of a machine in a tier."""
    _, made = await tier(lab)
    ident = await machine(lab, SubnetId=made)
    found = await lab.do(
        "DescribeNetworkInterfaces", Filters=[{"Name": "attachment.instance-id", "Values": [ident]}]
    )
    return str(found["NetworkInterfaces"][0]["NetworkInterfaceId"])


@scenario("AssignPrivateIpAddresses", describe="DescribeNetworkInterfaces")
async def assign(lab: Lab) -> Request:
    return {"NetworkInterfaceId": await own(lab), "SecondaryPrivateIpAddressCount": 2}


@scenario("UnassignPrivateIpAddresses", describe="DescribeNetworkInterfaces")
async def unassign(lab: Lab) -> Request:
    request = await assign(lab)
    await lab.do("AssignPrivateIpAddresses", **request)
    ident = request["NetworkInterfaceId"]
    found = (await lab.do("DescribeNetworkInterfaces", NetworkInterfaceIds=[ident]))["NetworkInterfaces"][0]
    more = [one["PrivateIpAddress"] for one in found["PrivateIpAddresses"] if not one["Primary"]]
    return {"NetworkInterfaceId": ident, "PrivateIpAddresses": more}


@scenario("ModifyNetworkInterfaceAttribute", describe="DescribeNetworkInterfaces")
async def modify_interface(lab: Lab) -> Request:
    return {
        "NetworkInterfaceId": await interface(lab, (await tier(lab))[1]),
        "Description": {"Value": "third"},
    }


@scenario("ModifyNetworkInterfaceAttribute", "groups", describe="DescribeNetworkInterfaces")
async def modify_groups(lab: Lab) -> Request:
    ident = await own(lab)
    found = (await lab.do("DescribeNetworkInterfaces", NetworkInterfaceIds=[ident]))["NetworkInterfaces"][0]
    of = {"GroupName": "web", "Description": "web", "VpcId": found["VpcId"]}
    return {"NetworkInterfaceId": ident, "Groups": [(await lab.do("CreateSecurityGroup", **of))["GroupId"]]}


@scenario("ResetNetworkInterfaceAttribute", describe="DescribeNetworkInterfaces")
async def reset_interface(lab: Lab) -> Request:
    return {"NetworkInterfaceId": await own(lab), "SourceDestCheck": "true"}


LISTS = "DescribeManagedPrefixLists"


@scenario("CreateManagedPrefixList", describe=LISTS)
async def create_list(lab: Lab) -> Request:
    return ranges()


@scenario("ModifyManagedPrefixList", describe=LISTS)
async def modify_list(lab: Lab) -> Request:
    more = [{"Cidr": "198.51.100.0/24"}]
    return {"PrefixListId": await prefix_list(lab), "CurrentVersion": 1, "AddEntries": more}


@scenario("RestoreManagedPrefixListVersion", describe=LISTS)
async def restore_list(lab: Lab) -> Request:
    request = await modify_list(lab)
    await lab.do("ModifyManagedPrefixList", **request)
    return {"PrefixListId": request["PrefixListId"], "PreviousVersion": 1, "CurrentVersion": 2}


@scenario("DeleteManagedPrefixList", describe=LISTS)
async def delete_list(lab: Lab) -> Request:
    return {"PrefixListId": await prefix_list(lab)}
