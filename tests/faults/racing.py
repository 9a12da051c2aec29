"""The races: what is made in a thing, and the thing's deletion."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.faults.lab import Lab
from tests.faults.scenarios import Request
from tests.faults.things import (
    ADVANCED,
    GROUPED,
    acl,
    address,
    dhcp_options,
    gateway,
    group,
    interface,
    launch,
    machine,
    own_image,
    permission,
    prefix_list,
    snapshot,
    stopped,
    subnet,
    table,
    tags,
    template,
    tier,
    volume,
    vpc,
)

Deed = tuple[str, Request]
SetUp = Callable[[Lab], Awaitable[tuple[Deed, Deed]]]

RACES: dict[str, SetUp] = {}
TAGGED = [{"Key": "Name", "Value": "late"}]


def race(name: str) -> Callable[[SetUp], SetUp]:
    """Tell the story of two requests; the decorated coroutine function prepares the place and returns them."""

    def register(set_up: SetUp) -> SetUp:
        if name in RACES:
            raise ValueError(f"two races called {name}")
        RACES[name] = set_up
        return set_up

    return register


def _of_subnet(name: str, **more: Any) -> None:
    @race(f"{name} and DeleteSubnet")
    async def set_up(lab: Lab) -> tuple[Deed, Deed]:
        _, of = await tier(lab)
        return (name, {"SubnetId": of, **more}), ("DeleteSubnet", {"SubnetId": of})


_of_subnet("CreateNetworkInterface")
_of_subnet("ModifySubnetAttribute", MapPublicIpOnLaunch={"Value": True})


@race("CreateNatGateway and DeleteSubnet")
async def nat(lab: Lab) -> tuple[Deed, Deed]:
    _, of = await tier(lab)
    request = {"SubnetId": of, "AllocationId": await address(lab)}
    return ("CreateNatGateway", request), ("DeleteSubnet", {"SubnetId": of})


@race("AssociateRouteTable and DeleteSubnet")
async def table_of_subnet(lab: Lab) -> tuple[Deed, Deed]:
    of, within = await tier(lab)
    request = {"SubnetId": within, "RouteTableId": await table(lab, of)}
    return ("AssociateRouteTable", request), ("DeleteSubnet", {"SubnetId": within})


@race("CreateTags and DeleteSubnet")
async def tags_of_subnet(lab: Lab) -> tuple[Deed, Deed]:
    _, within = await tier(lab)
    tags = [*TAGGED, {"Key": "Empty", "Value": ""}]
    return ("CreateTags", {"Resources": [within], "Tags": tags}), ("DeleteSubnet", {"SubnetId": within})


def _of_vpc(name: str, **more: Any) -> None:
    @race(f"{name} and DeleteVpc")
    async def set_up(lab: Lab) -> tuple[Deed, Deed]:
        of = await vpc(lab)
        return (name, {"VpcId": of, **more}), ("DeleteVpc", {"VpcId": of})


_of_vpc("CreateSubnet", CidrBlock="10.50.1.0/24")
_of_vpc("CreateRouteTable")
_of_vpc("CreateNetworkAcl")
_of_vpc("CreateSecurityGroup", GroupName="web", Description="web")
_of_vpc("ModifyVpcAttribute", EnableDnsHostnames={"Value": True})


@race("AttachInternetGateway and DeleteVpc")
async def attached_gateway(lab: Lab) -> tuple[Deed, Deed]:
    of = await vpc(lab)
    request = {"InternetGatewayId": await gateway(lab), "VpcId": of}
    return ("AttachInternetGateway", request), ("DeleteVpc", {"VpcId": of})


@race("AttachVpnGateway and DeleteVpc")
async def attached_vpn_gateway(lab: Lab) -> tuple[Deed, Deed]:
    of = await vpc(lab)
    made = await lab.do("CreateVpnGateway", Type="ipsec.1")
    request = {"VpnGatewayId": made["VpnGateway"]["VpnGatewayId"], "VpcId": of}
    return ("AttachVpnGateway", request), ("DeleteVpc", {"VpcId": of})


@race("AssociateDhcpOptions and DeleteVpc")
async def options_of_vpc(lab: Lab) -> tuple[Deed, Deed]:
    of = await vpc(lab)
    request = {"DhcpOptionsId": await dhcp_options(lab), "VpcId": of}
    return ("AssociateDhcpOptions", request), ("DeleteVpc", {"VpcId": of})


@race("AllocateAddress and DeleteVpc")
async def address_of_vpc(lab: Lab) -> tuple[Deed, Deed]:
    of = await vpc(lab)
    return ("AllocateAddress", {"Domain": "vpc"}), ("DeleteVpc", {"VpcId": of})


@race("CreateTags and DeleteVpc")
async def tags_of_vpc(lab: Lab) -> tuple[Deed, Deed]:
    of = await vpc(lab)
    tags = [*TAGGED, {"Key": "Empty", "Value": ""}]
    return ("CreateTags", {"Resources": [of], "Tags": tags}), ("DeleteVpc", {"VpcId": of})


def _of_table(name: str) -> None:
    @race(f"{name} and DeleteRouteTable")
    async def set_up(lab: Lab) -> tuple[Deed, Deed]:
        of, within = await tier(lab)
        made = await table(lab, of)
        requests: dict[str, Request] = {
            "AssociateRouteTable": {"SubnetId": within},
            "CreateRoute": {"DestinationCidrBlock": "0.0.0.0/0"},
            "EnableVgwRoutePropagation": {},
        }
        request = requests[name]
        if name == "CreateRoute":
            request["GatewayId"] = await gateway(lab, of)
        if name == "EnableVgwRoutePropagation":
            request["GatewayId"] = await vpn_gateway(lab, of)
        return (name, {"RouteTableId": made, **request}), ("DeleteRouteTable", {"RouteTableId": made})


async def vpn_gateway(lab: Lab, of: str | None = None) -> str:
    made = str((await lab.do("CreateVpnGateway", Type="ipsec.1"))["VpnGateway"]["VpnGatewayId"])
    if of:
        await lab.do("AttachVpnGateway", VpnGatewayId=made, VpcId=of)
    return made


for of_table in ("AssociateRouteTable", "CreateRoute", "EnableVgwRoutePropagation"):
    _of_table(of_table)


@race("AttachInternetGateway and DeleteInternetGateway")
async def gateway_attached(lab: Lab) -> tuple[Deed, Deed]:
    request = {"InternetGatewayId": await gateway(lab)}
    return ("AttachInternetGateway", {**request, "VpcId": await vpc(lab)}), ("DeleteInternetGateway", request)


@race("AttachInternetGateway and AttachInternetGateway")
async def gateway_attached_twice(lab: Lab) -> tuple[Deed, Deed]:
    request = {"InternetGatewayId": await gateway(lab)}
    one, other = await vpc(lab), await vpc(lab, "10.51.0.0/16")
    return (
        ("AttachInternetGateway", {**request, "VpcId": one}),
        ("AttachInternetGateway", {**request, "VpcId": other}),
    )


@race("AttachVpnGateway and DeleteVpnGateway")
async def vpn_gateway_attached(lab: Lab) -> tuple[Deed, Deed]:
    request = {"VpnGatewayId": await vpn_gateway(lab)}
    return ("AttachVpnGateway", {**request, "VpcId": await vpc(lab)}), ("DeleteVpnGateway", request)


def _of_connection(deletion: str, member: str) -> None:
    @race(f"CreateVpnConnection and {deletion}")
    async def set_up(lab: Lab) -> tuple[Deed, Deed]:
        made = await lab.do("CreateCustomerGateway", Type="ipsec.1", IpAddress="198.51.100.7", BgpAsn=65000)
        request = {
            "Type": "ipsec.1",
            "CustomerGatewayId": made["CustomerGateway"]["CustomerGatewayId"],
            "VpnGatewayId": await vpn_gateway(lab),
            "Options": {"StaticRoutesOnly": True},
        }
        return ("CreateVpnConnection", request), (deletion, {member: request[member]})


_of_connection("DeleteVpnGateway", "VpnGatewayId")
_of_connection("DeleteCustomerGateway", "CustomerGatewayId")


@race("AssociateDhcpOptions and DeleteDhcpOptions")
async def options_deleted(lab: Lab) -> tuple[Deed, Deed]:
    request = {"DhcpOptionsId": await dhcp_options(lab)}
    return ("AssociateDhcpOptions", {**request, "VpcId": await vpc(lab)}), ("DeleteDhcpOptions", request)


@race("AttachNetworkInterface and DeleteNetworkInterface")
async def interface_attached(lab: Lab) -> tuple[Deed, Deed]:
    of, within = await tier(lab)
    request = {"NetworkInterfaceId": await interface(lab, within)}
    ident = await machine(lab, SubnetId=await subnet(lab, of, "10.50.2.0/24"))
    attach = {**request, "InstanceId": ident, "DeviceIndex": 1}
    return ("AttachNetworkInterface", attach), ("DeleteNetworkInterface", request)


@race("ModifyNetworkInterfaceAttribute and DeleteNetworkInterface")
async def interface_modified(lab: Lab) -> tuple[Deed, Deed]:
    request = {"NetworkInterfaceId": await interface(lab, (await tier(lab))[1])}
    modify = {**request, "Description": {"Value": "late"}}
    return ("ModifyNetworkInterfaceAttribute", modify), ("DeleteNetworkInterface", request)


@race("AssociateAddress and DeleteNetworkInterface")
async def interface_associated(lab: Lab) -> tuple[Deed, Deed]:
    request = {"NetworkInterfaceId": await interface(lab, (await tier(lab))[1])}
    associate = {**request, "AllocationId": await address(lab)}
    return ("AssociateAddress", associate), ("DeleteNetworkInterface", request)


SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}


@race("AuthorizeSecurityGroupIngress and DeleteManagedPrefixList")
async def list_named(lab: Lab) -> tuple[Deed, Deed]:
    made = await prefix_list(lab)
    rule = {**SSH, "PrefixListIds": [{"PrefixListId": made}]}
    request = {"GroupId": await group(lab), "IpPermissions": [rule]}
    return ("AuthorizeSecurityGroupIngress", request), ("DeleteManagedPrefixList", {"PrefixListId": made})


@race("CreateRoute and DeleteManagedPrefixList")
async def list_routed(lab: Lab) -> tuple[Deed, Deed]:
    of, made = await vpc(lab), {"PrefixListId": await prefix_list(lab)}
    route = {"RouteTableId": await table(lab, of), "DestinationPrefixListId": made["PrefixListId"]}
    return ("CreateRoute", {**route, "GatewayId": await gateway(lab, of)}), ("DeleteManagedPrefixList", made)


@race("CreateLaunchTemplateVersion and DeleteLaunchTemplate")
async def version_made(lab: Lab) -> tuple[Deed, Deed]:
    request = {"LaunchTemplateId": await template(lab)}
    data = {"LaunchTemplateData": {"InstanceType": "t2.small"}}
    return ("CreateLaunchTemplateVersion", {**request, **data}), ("DeleteLaunchTemplate", request)


@race("CreateNetworkInterface and DeleteSecurityGroup")
async def group_of_interface(lab: Lab) -> tuple[Deed, Deed]:
    of, within = await tier(lab)
    made = await group(lab, of)
    return (
        ("CreateNetworkInterface", {"SubnetId": within, "Groups": [made]}),
        ("DeleteSecurityGroup", {"GroupId": made}),
    )


@race("ModifyNetworkInterfaceAttribute and DeleteSecurityGroup")
async def group_of_free_interface(lab: Lab) -> tuple[Deed, Deed]:
    of, within = await tier(lab)
    made = await group(lab, of)
    request = {"NetworkInterfaceId": await interface(lab, within), "Groups": [made]}
    return ("ModifyNetworkInterfaceAttribute", request), ("DeleteSecurityGroup", {"GroupId": made})


@race("CreateTags and DeleteSecurityGroup")
async def tags_of_group(lab: Lab) -> tuple[Deed, Deed]:
    made = await group(lab)
    tags = [*TAGGED, {"Key": "Empty", "Value": ""}]
    return ("CreateTags", {"Resources": [made], "Tags": tags}), ("DeleteSecurityGroup", {"GroupId": made})


@race("RunInstances and DeleteSecurityGroup")
async def group_of_machine(lab: Lab) -> tuple[Deed, Deed]:
    of, within = await tier(lab)
    made = await group(lab, of)
    return (
        ("RunInstances", await launch(lab, SubnetId=within, SecurityGroupIds=[made])),
        ("DeleteSecurityGroup", {"GroupId": made}),
    )


@race("RunInstances and DeleteSubnet")
async def machine_of_subnet(lab: Lab) -> tuple[Deed, Deed]:
    _, within = await tier(lab)
    return ("RunInstances", await launch(lab, SubnetId=within)), ("DeleteSubnet", {"SubnetId": within})


@race("RunInstances and DeletePlacementGroup")
async def machine_of_placement(lab: Lab) -> tuple[Deed, Deed]:
    await lab.do("CreatePlacementGroup", GroupName="apart", Strategy="spread")
    # Its network has an address of its own from the first machine on.
    await machine(lab)
    place = {"Placement": {"AvailabilityZone": ADVANCED, "GroupName": "apart"}}
    return ("RunInstances", await launch(lab, **place)), ("DeletePlacementGroup", {"GroupName": "apart"})


@race("CreateNetworkAclEntry and DeleteNetworkAcl")
async def entry_made(lab: Lab) -> tuple[Deed, Deed]:
    request = {"NetworkAclId": await acl(lab, await vpc(lab))}
    entry = {"RuleNumber": 10, "Protocol": "6", "RuleAction": "allow", "Egress": False}
    more = {"CidrBlock": "0.0.0.0/0", "PortRange": {"From": 22, "To": 22}}
    return ("CreateNetworkAclEntry", {**request, **entry, **more}), ("DeleteNetworkAcl", request)


@race("ReplaceNetworkAclAssociation and DeleteNetworkAcl")
async def acl_associated(lab: Lab) -> tuple[Deed, Deed]:
    of, within = await tier(lab)
    request = {"NetworkAclId": await acl(lab, of)}
    found = await lab.do(
        "DescribeNetworkAcls", Filters=[{"Name": "association.subnet-id", "Values": [within]}]
    )
    ident = found["NetworkAcls"][0]["Associations"][0]["NetworkAclAssociationId"]
    return ("ReplaceNetworkAclAssociation", {**request, "AssociationId": ident}), (
        "DeleteNetworkAcl",
        request,
    )


# --- machines and what they are made of ---------------------------------------------------------------------------


@race("RunInstances in a zone with groups and DeleteSecurityGroup")
async def native_group_of_machine(lab: Lab) -> tuple[Deed, Deed]:
    made = await group(lab)
    place = {"Placement": {"AvailabilityZone": GROUPED}, "SecurityGroupIds": [made]}
    return ("RunInstances", await launch(lab, **place)), ("DeleteSecurityGroup", {"GroupId": made})


@race("ModifyInstanceAttribute and DeleteSecurityGroup")
async def group_of_older_machine(lab: Lab) -> tuple[Deed, Deed]:
    of, within = await tier(lab)
    made = await group(lab, of)
    request = {"InstanceId": await machine(lab, SubnetId=within), "Groups": [made]}
    return ("ModifyInstanceAttribute", request), ("DeleteSecurityGroup", {"GroupId": made})


@race("AuthorizeSecurityGroupIngress and DeleteSecurityGroup")
async def rule_of_group(lab: Lab) -> tuple[Deed, Deed]:
    made = {"GroupId": await group(lab)}
    rules = [permission(22), {**SSH, "PrefixListIds": [{"PrefixListId": await prefix_list(lab)}]}]
    request = {**made, "IpPermissions": rules, **tags("security-group-rule", Name="late", Empty="")}
    return ("AuthorizeSecurityGroupIngress", request), ("DeleteSecurityGroup", made)


@race("ModifyInstancePlacement and DeletePlacementGroup")
async def machine_placed(lab: Lab) -> tuple[Deed, Deed]:
    named = {"GroupName": "apart"}
    await lab.do("CreatePlacementGroup", **named, Strategy="spread")
    return ("ModifyInstancePlacement", {"InstanceId": await stopped(lab), **named}), (
        "DeletePlacementGroup",
        named,
    )


@race("CreateTags and DeletePlacementGroup")
async def tags_of_placement(lab: Lab) -> tuple[Deed, Deed]:
    named = {"GroupName": "apart"}
    made = (await lab.do("CreatePlacementGroup", **named, Strategy="spread"))["PlacementGroup"]["GroupId"]
    return ("CreateTags", {"Resources": [made], "Tags": TAGGED}), ("DeletePlacementGroup", named)


@race("CreateVolume and DeleteSnapshot")
async def volume_of_snapshot(lab: Lab) -> tuple[Deed, Deed]:
    made = {"SnapshotId": await snapshot(lab)}
    return ("CreateVolume", {"AvailabilityZone": ADVANCED, **made}), ("DeleteSnapshot", made)


@race("RunInstances and DeregisterImage")
async def machine_of_image(lab: Lab) -> tuple[Deed, Deed]:
    made = {"ImageId": await own_image(lab)}
    return ("RunInstances", {**await launch(lab), **made}), ("DeregisterImage", made)


@race("AttachVolume and DeleteVolume")
async def volume_attached(lab: Lab) -> tuple[Deed, Deed]:
    made = {"VolumeId": await volume(lab)}
    request = {**made, "InstanceId": await machine(lab), "Device": "/dev/sdg"}
    return ("AttachVolume", request), ("DeleteVolume", made)


@race("AssociateAddress and ReleaseAddress")
async def address_associated(lab: Lab) -> tuple[Deed, Deed]:
    made = {"AllocationId": await address(lab)}
    return ("AssociateAddress", {**made, "InstanceId": await machine(lab)}), ("ReleaseAddress", made)
