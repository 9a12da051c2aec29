"""The races: what is made in a thing, and the thing's deletion."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.faults.lab import Lab
from tests.faults.scenarios import Request
from tests.faults.things import (
    address,
    dhcp_options,
    gateway,
    table,
    tier,
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
