"""VPN gateways: records that become CloudStack's VPN gateway of a VPC while they are attached to it."""

import time
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import quotas, tombstones
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request, action
from ec2bridge.ec2.values import known
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import resolve_vpc
from ec2bridge.resources.places.zones import resolve_zone
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import source_nat
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn import removal
from ec2bridge.resources.vpn.objects import AMAZON_ASN, GATEWAY, Thing

_NATIVE = ("listVpnGateways", "listVpnCustomerGateways", "listVpnConnections", "listVPCs")


@describe(
    "DescribeVpnGateways",
    items="VpnGateways",
    ids={"VpnGatewayIds": Ids("VpnGatewayId", GATEWAY)},
    filters={
        **TAGS,
        "amazon-side-asn": "AmazonSideAsn",
        "attachment.state": "VpcAttachments.State",
        "attachment.vpc-id": "VpcAttachments.VpcId",
        "availability-zone": "AvailabilityZone",
        "state": "State",
        "type": "Type",
        "vpn-gateway-id": "VpnGatewayId",
    },
    native=("listVpnGateways",),
)
async def describe_vpn_gateways(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's VPN gateways, those deleted a short while ago among them."""
    found = await vpn.gateways(ctx)
    tags = await resource_tags.merged(ctx, GATEWAY, [{"id": thing.key} for thing in found])
    return [_item(thing, tags[thing.key]) for thing in found]


def _item(thing: Thing, tags: list[dict[str, str]]) -> Item:
    return known(
        VpnGatewayId=thing.id,
        State=thing.state,
        Type=vpn.TYPE,
        AvailabilityZone=thing.record.get("zone"),
        AmazonSideAsn=thing.record.get("asn", AMAZON_ASN),
        VpcAttachments=_attachments(thing),
        Tags=tags,
    )


def _attachments(thing: Thing) -> list[Item]:
    if thing.vpc:
        return [{"State": "attached", "VpcId": ec2_id("vpc", thing.vpc)}]
    left = thing.record.get("left")
    if left and left["at"] + tombstones.SHOWN > time.time():
        return [{"State": "detached", "VpcId": ec2_id("vpc", left["vpc"])}]
    return []


@action(
    "CreateVpnGateway",
    honours=("Type", "AvailabilityZone", "AmazonSideAsn", "TagSpecifications"),
    native=("listZones",),
)
async def create_vpn_gateway(ctx: Context, request: Request) -> dict[str, Any]:
    """Make a gateway that is attached to no VPC."""
    vpn.check_type(request)
    tags = resource_tags.specified(request, GATEWAY)
    asn = request.get("AmazonSideAsn") or AMAZON_ASN
    if not (64512 <= asn <= 65534 or 4200000000 <= asn <= 4294967294):
        sentence = f"Value ({asn}) for parameter amazonSideAsn is invalid. It must be a private ASN."
        raise Ec2Error("InvalidParameterValue", sentence)
    asked = request.get("AvailabilityZone")
    zone = (await resolve_zone(ctx, asked)).name if asked else None
    await quotas.check(ctx, GATEWAY, "VpnGatewayLimitExceeded", "VPN gateways")
    made = await vpn.new(ctx, GATEWAY, known(vpc="", asn=asn, zone=zone))
    await resource_tags.attach(ctx, GATEWAY, made.key, tags)
    return {"VpnGateway": _item(made, resource_tags.as_list(tags))}


@action(
    "AttachVpnGateway",
    honours=("VpnGatewayId", "VpcId"),
    native=(*_NATIVE, "createVpnGateway", "createVpnConnection"),
)
async def attach_vpn_gateway(ctx: Context, request: Request) -> dict[str, Any]:
    """Give a VPC the gateway, and the gateway's connections with it."""
    known_ones = await vpn.gateways(ctx)
    gateway = vpn.named(known_ones, GATEWAY, request.get("VpnGatewayId"))
    vpc = await resolve_vpc(ctx, request.get("VpcId") or "")
    vpc_id = ec2_id("vpc", vpc["id"])
    if gateway.vpc == vpc["id"]:
        return {"VpcAttachment": {"State": "attached", "VpcId": vpc_id}}
    if gateway.vpc:
        sentence = f"The virtual private gateway {gateway.id} is attached to {ec2_id('vpc', gateway.vpc)}."
        raise Ec2Error("VpnGatewayAttachmentLimitExceeded", sentence)
    other = next((thing.id for thing in known_ones if thing.vpc == vpc["id"]), None)
    if other:
        raise Ec2Error("InvalidVpcState", f"The vpc '{vpc_id}' has the virtual private gateway {other}.")
    if vpc.get("default"):
        sentence = f"A virtual private gateway cannot be attached to {vpc_id}: CloudStack has no such VPC."
        raise Ec2Error("UnsupportedOperation", sentence)
    async with deletion.within(ctx, ("vpc", vpc["id"])):
        await source_nat.ensure(ctx, {"vpcid": vpc["id"]})
    # First the record: CloudStack's gateway would be another one, should this end in between.
    entry = await ctx.store.entry(ctx.owner_id, GATEWAY, gateway.key)
    attached = {**gateway.record, "vpc": vpc["id"]}
    done = entry is not None and entry.value == gateway.record
    if not (done and await ctx.store.replace(ctx.owner_id, GATEWAY, gateway.key, attached, entry.version)):
        # Another request was faster: it was deleted, or attached elsewhere.
        again: dict[str, Any] = await attach_vpn_gateway(ctx, request)
        return again
    try:
        await deletion.check(ctx, "vpc", vpc["id"])
        await _put_up(ctx, gateway, vpc["id"])
    except (CloudStackError, Ec2Error):
        await ctx.store.put(ctx.owner_id, GATEWAY, gateway.key, gateway.record)
        raise
    return {"VpcAttachment": {"State": "attaching", "VpcId": vpc_id}}


async def _put_up(ctx: Context, gateway: Thing, vpc: str) -> None:
    """Have CloudStack have the gateway and its connections, or neither."""
    gateway.row = await ctx.account.job("createVpnGateway", vpcid=vpc)
    try:
        for connection in await vpn.connections_of(ctx, gateway):
            await vpn.settle(ctx, gateway, connection)
    except (CloudStackError, Ec2Error):
        await removal.take_down(ctx, gateway)
        raise


@action(
    "DetachVpnGateway",
    honours=("VpnGatewayId", "VpcId"),
    native=(*_NATIVE, "deleteVpnGateway", "deleteVpnConnection"),
)
async def detach_vpn_gateway(ctx: Context, request: Request) -> None:
    """Take the gateway from its VPC; its connections are there again when it is attached to one."""
    gateway = vpn.named(await vpn.gateways(ctx), GATEWAY, request.get("VpnGatewayId"))
    vpc = await resolve_vpc(ctx, request.get("VpcId") or "")
    if await removal.is_being_detached(ctx, gateway, vpc["id"]):
        await removal.detach(ctx, gateway, vpc["id"])
        return
    if gateway.vpc != vpc["id"]:
        sentence = (
            f"The attachment with vpn gateway ID '{gateway.id}' and vpc ID '{ec2_id('vpc', vpc['id'])}'"
        )
        raise Ec2Error("InvalidVpnGatewayAttachment.NotFound", f"{sentence} does not exist")
    foreign = next((c.id for c in await vpn.connections_of(ctx, gateway) if not c.own), None)
    if foreign:
        sentence = f"The virtual private gateway has the connection {foreign}, which was made in CloudStack."
        raise Ec2Error("IncorrectState", sentence)
    await removal.detach(ctx, gateway, vpc["id"])


@action("DeleteVpnGateway", honours=("VpnGatewayId",), native=_NATIVE)
async def delete_vpn_gateway(ctx: Context, request: Request) -> None:
    """Forget a gateway that is attached to no VPC and has no connections."""
    # Read first: what is attached or connected meanwhile gives it another version.
    entries = {entry.key: entry for entry in await ctx.store.list(ctx.owner_id, GATEWAY)}
    gateway = vpn.named(await vpn.gateways(ctx), GATEWAY, request.get("VpnGatewayId"))
    if gateway.vpc or gateway.record.get("vpc") or await vpn.connections_of(ctx, gateway):
        raise Ec2Error("IncorrectState", f"The virtual private gateway {gateway.id} is in use.")
    entry = entries.get(gateway.key)
    if entry is None or not await tombstones.take_place(ctx, GATEWAY, entry):
        # Another request was faster: it was deleted, or attached.
        await delete_vpn_gateway(ctx, request)
        return
    await resource_tags.forget(ctx, GATEWAY, gateway.key)
