"""Customer gateways: the address of the far end of a VPN, as EC2 has it before there is a connection."""

import ipaddress
from typing import Any

from ec2bridge.ec2 import quotas, tombstones
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request, action
from ec2bridge.ec2.values import known
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn.objects import CUSTOMER, DEFAULT_ASN, Thing

_SHORT = 2**31 - 1
_LONGEST = 255


@describe(
    "DescribeCustomerGateways",
    items="CustomerGateways",
    ids={"CustomerGatewayIds": Ids("CustomerGatewayId", CUSTOMER)},
    filters={
        **TAGS,
        "bgp-asn": "BgpAsn",
        "customer-gateway-id": "CustomerGatewayId",
        "ip-address": "IpAddress",
        "state": "State",
        "type": "Type",
    },
    native=("listVpnCustomerGateways",),
)
async def describe_customer_gateways(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's customer gateways, those deleted a short while ago among them."""
    found = await vpn.customers(ctx)
    tags = await resource_tags.merged(ctx, CUSTOMER, [{"id": thing.key} for thing in found])
    return [_item(thing, tags[thing.key]) for thing in found]


def _item(thing: Thing, tags: list[dict[str, str]]) -> Item:
    asn = thing.record.get("asn", DEFAULT_ASN)
    return known(
        CustomerGatewayId=thing.id,
        State=thing.state,
        Type=vpn.TYPE,
        IpAddress=thing.record.get("ip") or thing.row.get("gateway"),
        BgpAsn=str(asn) if asn <= _SHORT else None,
        BgpAsnExtended=str(asn) if asn > _SHORT else None,
        DeviceName=thing.record.get("device") or thing.row.get("name"),
        Tags=tags,
    )


@action(
    "CreateCustomerGateway",
    honours=(
        "Type",
        "IpAddress",
        "PublicIp",
        "BgpAsn",
        "BgpAsnExtended",
        "DeviceName",
        "TagSpecifications",
    ),
    native=("listVpnCustomerGateways",),
)
async def create_customer_gateway(ctx: Context, request: Request) -> dict[str, Any]:
    """Take note of a far end; the same request gives the same gateway."""
    vpn.check_type(request)
    tags = resource_tags.specified(request, CUSTOMER)
    record = known(ip=_address(request), asn=_asn(request), device=_device(request))
    for thing in await vpn.customers(ctx):
        if thing.record == record:
            held = await resource_tags.merged(ctx, CUSTOMER, [{"id": thing.key}])
            return {"CustomerGateway": _item(thing, held[thing.key])}
    await quotas.check(ctx, CUSTOMER, "CustomerGatewayLimitExceeded", "customer gateways")
    made = await vpn.new(ctx, CUSTOMER, record)
    await resource_tags.attach(ctx, CUSTOMER, made.key, tags)
    return {"CustomerGateway": _item(made, resource_tags.as_list(tags))}


def _address(request: Request) -> str:
    text = request.get("IpAddress") or request.get("PublicIp")
    if request.get("PublicIp") not in (None, "", text):
        sentence = f"The parameters ipAddress ({text}) and publicIp ({request['PublicIp']}) differ."
        raise Ec2Error("InvalidParameterCombination", sentence)
    if not text:
        raise Ec2Error("MissingParameter", "The request must contain the parameter ipAddress")
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        sentence = f"Value ({text}) for parameter ipAddress is invalid. Invalid IPv4 address."
        raise Ec2Error("InvalidParameterValue", sentence) from None


def _device(request: Request) -> str | None:
    device = request.get("DeviceName") or None
    if device and len(device) > _LONGEST:
        sentence = f"The parameter deviceName is longer than {_LONGEST} characters."
        raise Ec2Error("InvalidParameterValue", sentence)
    return device


def _asn(request: Request) -> int:
    if request.get("BgpAsn") is not None and request.get("BgpAsnExtended") is not None:
        sentence = "The parameters bgpAsn and bgpAsnExtended cannot be used together."
        raise Ec2Error("InvalidParameterCombination", sentence)
    for member, name, least, most in (
        ("BgpAsnExtended", "bgpAsnExtended", _SHORT + 1, 2**32 - 1),
        ("BgpAsn", "bgpAsn", 1, _SHORT),
    ):
        asn = request.get(member)
        if asn is None:
            continue
        if not least <= asn <= most:
            sentence = (
                f"Value ({asn}) for parameter {name} is invalid. It must be between {least} and {most}."
            )
            raise Ec2Error("InvalidParameterValue", sentence)
        return int(asn)
    return DEFAULT_ASN


@action(
    "DeleteCustomerGateway",
    honours=("CustomerGatewayId",),
    native=("listVpnCustomerGateways", "listVpnConnections", "deleteVpnCustomerGateway"),
)
async def delete_customer_gateway(ctx: Context, request: Request) -> None:
    """Forget a far end that no connection leads to."""
    # Read first: what is connected meanwhile gives it another version.
    entries = {entry.key: entry for entry in await ctx.store.list(ctx.owner_id, CUSTOMER)}
    thing = vpn.named(await vpn.customers(ctx), CUSTOMER, request.get("CustomerGatewayId"))
    if any(connection.customer == thing.id for connection in await vpn.connections(ctx)):
        raise Ec2Error("IncorrectState", "The customer gateway is in use.")
    if thing.row:
        await ctx.account.job("deleteVpnCustomerGateway", id=thing.row["id"])
        record = {"ip": thing.row.get("gateway"), "device": thing.row.get("name"), "asn": DEFAULT_ASN}
        await tombstones.keep(ctx, CUSTOMER, thing.key, record)
    elif (entry := entries.get(thing.key)) is None or not await tombstones.take_place(ctx, CUSTOMER, entry):
        # Another request was faster: it was deleted, or connected.
        await delete_customer_gateway(ctx, request)
        return
    await resource_tags.forget(ctx, CUSTOMER, thing.key)
