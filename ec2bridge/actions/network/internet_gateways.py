"""Internet gateways: objects that clients make, attach and look for.

The router of a CloudStack VPC always leads to the internet, whether a gateway is attached or not; so a gateway is a
record in the store, and attaching it changes nothing in the network.
"""

import uuid
from functools import partial
from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import nat_gateways
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import resolve_vpc
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import route_tables
from ec2bridge.resources.vpcs.route_tables import GATEWAY, Gateway


@describe(
    "DescribeInternetGateways",
    items="InternetGateways",
    ids={"InternetGatewayIds": Ids("InternetGatewayId", GATEWAY)},
    filters={
        **TAGS,
        "attachment.state": "Attachments.State",
        "attachment.vpc-id": "Attachments.VpcId",
        "internet-gateway-id": "InternetGatewayId",
        "owner-id": "OwnerId",
    },
    native=("listVPCs",),
)
async def describe_internet_gateways(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's gateways, that of the default VPC first."""
    found = await route_tables.gateways(ctx)
    tags = await resource_tags.merged(ctx, GATEWAY, [{"id": gateway.key} for gateway in found])
    return [_item(ctx, gateway, tags[gateway.key]) for gateway in found]


def _item(ctx: Context, gateway: Gateway, tags: list[dict[str, str]]) -> Item:
    attached = [{"State": "available", "VpcId": ec2_id("vpc", gateway.vpc)}] if gateway.vpc else []
    return {
        "InternetGatewayId": gateway.id,
        "OwnerId": ctx.owner_id,
        "Attachments": attached,
        "Tags": tags,
    }


@action("CreateInternetGateway", honours=("TagSpecifications",))
async def create_internet_gateway(ctx: Context, request: Request) -> dict[str, Any]:
    """Make a gateway that is attached to no VPC."""
    tags = resource_tags.specified(request, GATEWAY)
    await quotas.check(ctx, GATEWAY, "InternetGatewayLimitExceeded", "internet gateways")
    gateway = Gateway(str(uuid.uuid4()), None)
    await ctx.store.put(ctx.owner_id, GATEWAY, gateway.key, {"vpc": None})
    await resource_tags.attach(ctx, GATEWAY, gateway.key, tags)
    ctx.directory.remember(GATEWAY, [{"id": gateway.key}])
    return {"InternetGateway": _item(ctx, gateway, resource_tags.as_list(tags))}


@action("AttachInternetGateway", honours=("InternetGatewayId", "VpcId"), native=("listVPCs",))
async def attach_internet_gateway(ctx: Context, request: Request) -> None:
    """Attach a gateway to a VPC that has none."""
    gateway = await route_tables.gateway(ctx, request.get("InternetGatewayId") or "")
    vpc = await resolve_vpc(ctx, request.get("VpcId") or "")
    vpc_id = ec2_id("vpc", vpc["id"])
    if gateway.vpc == vpc["id"]:
        sentence = f"resource {gateway.id} is already attached to network {vpc_id}"
        raise Ec2Error("Resource.AlreadyAssociated", sentence)
    if gateway.vpc or any(other.vpc == vpc["id"] for other in await route_tables.gateways(ctx)):
        sentence = f"Network {vpc_id} already has an internet gateway attached"
        if gateway.vpc:
            sentence = f"resource {gateway.id} is already attached to network {ec2_id('vpc', gateway.vpc)}"
            raise Ec2Error("Resource.AlreadyAssociated", sentence)
        raise Ec2Error("InvalidParameterValue", sentence)
    if not await _changed(ctx, gateway, vpc["id"]):
        # Another request was faster: it was deleted, or attached elsewhere.
        await attach_internet_gateway(ctx, request)
        return
    undo = partial(ctx.store.put, ctx.owner_id, GATEWAY, gateway.key, {"vpc": None})
    await deletion.check(ctx, "vpc", vpc["id"], undo)


@action(
    "DetachInternetGateway",
    honours=("InternetGatewayId", "VpcId"),
    native=("listVPCs", "listPublicIpAddresses"),
)
async def detach_internet_gateway(ctx: Context, request: Request) -> None:
    """Detach a gateway from its VPC, unless machines or a NAT gateway there have public addresses."""
    gateway = await route_tables.gateway(ctx, request.get("InternetGatewayId") or "")
    vpc = await resolve_vpc(ctx, request.get("VpcId") or "")
    vpc_id = ec2_id("vpc", vpc["id"])
    if gateway.vpc != vpc["id"]:
        sentence = f"resource {gateway.id} is not attached to network {vpc_id}"
        raise Ec2Error("Gateway.NotAttached", sentence)
    _check_own(ctx, gateway)
    rows = await ctx.account.list("listPublicIpAddresses", vpcid=vpc["id"], isstaticnat=True)
    nat = any(found.vpc == vpc["id"] for found in await nat_gateways.known(ctx))
    if nat or any(row.get("virtualmachineid") for row in rows):
        sentence = f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before"
        raise Ec2Error("DependencyViolation", f"{sentence} detaching the gateway.")
    await ctx.store.put(ctx.owner_id, GATEWAY, gateway.key, {"vpc": None})


@action("DeleteInternetGateway", honours=("InternetGatewayId",), native=("listVPCs",))
async def delete_internet_gateway(ctx: Context, request: Request) -> None:
    """Delete a gateway that is attached to no VPC."""
    gateway = await route_tables.gateway(ctx, request.get("InternetGatewayId") or "")
    if gateway.vpc:
        sentence = f"The internetGateway '{gateway.id}' has dependencies and cannot be deleted."
        raise Ec2Error("DependencyViolation", sentence)
    if not await ctx.store.delete(ctx.owner_id, GATEWAY, gateway.key, gateway.version):
        await delete_internet_gateway(ctx, request)
        return
    await resource_tags.forget(ctx, GATEWAY, gateway.key)


async def _changed(ctx: Context, gateway: Gateway, vpc: str) -> bool:
    """Attach a gateway that is as it was read; False where it is not."""
    attached = {"vpc": vpc}
    return bool(await ctx.store.replace(ctx.owner_id, GATEWAY, gateway.key, attached, gateway.version))


def _check_own(ctx: Context, gateway: Gateway) -> None:
    if gateway.key == ctx.owner_id:
        sentence = f"The internet gateway {gateway.id} belongs to the default VPC for good."
        raise Ec2Error("OperationNotPermitted", sentence)
