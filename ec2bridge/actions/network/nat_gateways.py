"""NAT gateways: public ones, one a VPC, since a CloudStack VPC has one source NAT address."""

from typing import Any

from ec2bridge.ec2 import journal, locks, quotas, releases
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import elastic_ips, nat_gateways, nat_items
from ec2bridge.resources.addresses.nat_gateways import AVAILABLE, KIND, PENDING, Gateway
from ec2bridge.resources.places.networks import resolve_subnet
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


@describe(
    "DescribeNatGateways",
    items="NatGateways",
    ids={"NatGatewayIds": Ids("NatGatewayId", KIND)},
    filters={
        **TAGS,
        "nat-gateway-id": "NatGatewayId",
        "state": "State",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    },
    native=("listPublicIpAddresses", "queryAsyncJobResult"),
)
async def describe_nat_gateways(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's NAT gateways, those deleted a short while ago among them."""
    found = await nat_gateways.gateways(ctx)
    networks = await nat_items.networks(ctx) if found else {}
    tags = await resource_tags.merged(ctx, KIND, [{"id": gateway.key} for gateway in found])
    shown = [nat_items.item(gateway, networks, tags[gateway.key]) for gateway in found]
    return shown + [nat_items.past(key, record) for key, record in await nat_gateways.past(ctx)]


@action(
    "CreateNatGateway",
    honours=(
        "AllocationId",
        "SubnetId",
        "ConnectivityType",
        "PrivateIpAddress",
        "TagSpecifications",
        "ClientToken",
    ),
    defaults={"AvailabilityMode": ("zonal",)},
    native=("listPublicIpAddresses", "listNetworks", "updateVPC", "createTags", "deleteTags"),
)
async def create_nat_gateway(ctx: Context, request: Request) -> dict[str, Any]:
    """Have an Elastic IP be the address under which the machines of a VPC reach the internet."""
    _check_connectivity(request)
    sent = request.get("ClientToken")
    begun = bool(sent and await journal.claim(ctx, nat_gateways.PLAN, sent))
    tags = resource_tags.specified(request, KIND)
    subnet = await resolve_subnet(ctx, _needed(request, "SubnetId"))
    await _check_subnet(ctx, subnet, request.get("PrivateIpAddress"))
    held = [row for row in await elastic_ips.at_rest(ctx) if elastic_ips.is_elastic(row)]
    row = elastic_ips.by_id(held, "allocation", _needed(request, "AllocationId"))
    if begun:
        made = await nat_gateways.make(ctx, subnet, row, tags, sent)
    else:
        async with locks.turn(ctx, "nat-gateway-being-made", subnet["vpcid"]):
            await _check_free(ctx, row, subnet)
            await quotas.check(ctx, KIND, "NatGatewayLimitExceeded", "NAT gateways")
            made = await nat_gateways.make(ctx, subnet, row, tags, sent)
    item = nat_items.item(made, {subnet["id"]: subnet}, resource_tags.as_list(tags))
    token = {"ClientToken": request["ClientToken"]} if request.get("ClientToken") else {}
    return {**token, "NatGateway": item}


def _needed(request: Request, member: str) -> str:
    if not request.get(member):
        raise Ec2Error("MissingParameter", f"The request must contain the parameter {member}")
    return str(request[member])


def _check_connectivity(request: Request) -> None:
    kind = request.get("ConnectivityType") or "public"
    if kind == "private":
        sentence = "A private NAT gateway is not supported: CloudStack's router has its NAT towards the internet alone."
        raise Ec2Error("UnsupportedOperation", sentence)
    if kind != "public":
        sentence = f"Value ({kind}) for parameter ConnectivityType is invalid. Expected: public, private."
        raise Ec2Error("InvalidParameterValue", sentence)


async def _check_subnet(ctx: Context, subnet: Row, private: str | None) -> None:
    """Refuse a subnet that has no router with an address to choose, and any address in it but the router's."""
    ident = ec2_id("subnet", subnet["id"])
    if not subnet.get("vpcid"):
        sentence = f"A NAT gateway cannot be in {ident}: each subnet of the default VPC has a NAT of its own."
        raise Ec2Error("UnsupportedOperation", sentence)
    await releases.require(ctx, releases.NAT_GATEWAY)
    if private and private != subnet.get("gateway"):
        sentence = (
            f"The parameter PrivateIpAddress with the value '{private}' is not supported: in {ident} the"
        )
        raise Ec2Error(
            "UnsupportedOperation", f"{sentence} gateway has the router's address, {subnet['gateway']}."
        )


async def _check_free(ctx: Context, row: Row, subnet: Row) -> None:
    """Refuse an address that serves something, and a VPC that has a NAT gateway."""
    there = await nat_gateways.gateways(ctx)
    taken = row.get("isstaticnat") or await elastic_ips.who_waits(ctx, [row])
    if taken or any(gateway.row["id"] == row["id"] for gateway in there):
        sentence = f"Elastic IP address [{elastic_ips.allocation_id(row)}] is already associated"
        raise Ec2Error("Resource.AlreadyAssociated", sentence)
    other = next((gateway.id for gateway in there if gateway.vpc == subnet["vpcid"]), None)
    if other:
        vpc = ec2_id("vpc", subnet["vpcid"])
        raise Ec2Error(
            "NatGatewayLimitExceeded",
            f"{vpc} has the NAT gateway {other}, and a CloudStack VPC has one source NAT address for all its subnets: "
            f"have the routes of all its tables lead to {other} (single_nat_gateway = true in Terraform's VPC module).",
        )
    await elastic_ips.check_zone(ctx, row, subnet)
    await elastic_ips.check_rules(ctx, row)


@action(
    "DeleteNatGateway",
    honours=("NatGatewayId",),
    native=("listPublicIpAddresses", "updateVPC", "deleteTags"),
)
async def delete_nat_gateway(ctx: Context, request: Request) -> dict[str, Any]:
    """Give the VPC its own address back; the Elastic IP is free once that is done."""
    gateway = nat_gateways.find(await nat_gateways.gateways(ctx), _needed(request, "NatGatewayId"))
    gateway = await nat_gateways.made(ctx, gateway)
    if gateway.state in (PENDING, AVAILABLE):
        await _check_unused(ctx, gateway)
        await nat_gateways.give_back(ctx, gateway)
    return {"NatGatewayId": gateway.id}


async def _check_unused(ctx: Context, gateway: Gateway) -> None:
    # CloudStack's VPN gateway keeps the address that it was made with, and would lose it with the Elastic IP.
    rows = await ctx.account.list("listVpnGateways", vpcid=gateway.vpc)
    if any(row.get("publicip") == gateway.row["ipaddress"] for row in rows):
        sentence = f"The VPN gateway of {ec2_id('vpc', gateway.vpc)} was attached while {gateway.id} was there, and has"
        raise Ec2Error("DependencyViolation", f"{sentence} its address: detach the VPN gateway first.")
