"""VPN connections with static routes: CloudStack's customer gateway, and its connection while there is one to make.

CloudStack speaks no BGP to the far end, and routes to it from all of a VPC's tiers.
"""

from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpn import creation, removal
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn import tunnels as vpn_tunnels
from ec2bridge.resources.vpn.items import ANYWHERE, item, past
from ec2bridge.resources.vpn.objects import CONNECTION, CUSTOMER, GATEWAY, Thing

_LISTED = ("listVpnCustomerGateways", "listVpnGateways", "listVpnConnections")
_CHANGED = (*_LISTED, "updateVpnCustomerGateway", "createVpnConnection", "deleteVpnConnection")
_TUNNELS = "Options.TunnelOptions"


@describe(
    "DescribeVpnConnections",
    items="VpnConnections",
    ids={"VpnConnectionIds": Ids("VpnConnectionId", CONNECTION)},
    filters={
        **TAGS,
        "bgp-asn": "_Asn",
        "customer-gateway-configuration": "CustomerGatewayConfiguration",
        "customer-gateway-id": "CustomerGatewayId",
        "option.static-routes-only": "Options.StaticRoutesOnly",
        "route.destination-cidr-block": "Routes.DestinationCidrBlock",
        "state": "State",
        "transit-gateway-id": None,
        "type": "Type",
        "vpn-connection-id": "VpnConnectionId",
        "vpn-gateway-id": "VpnGatewayId",
    },
    native=_LISTED,
)
async def describe_vpn_connections(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's connections, those deleted a short while ago among them."""
    found, gateways = await vpn.connections(ctx), await vpn.gateways(ctx)
    customers = {thing.id: thing.record.get("asn") for thing in await vpn.customers(ctx)}
    by_id = {gateway.id: gateway for gateway in gateways}
    tags = await resource_tags.merged(ctx, CONNECTION, [{"id": connection.key} for connection in found])
    shown = [item(c, by_id.get(c.gateway), tags[c.key]) for c in found]
    shown += [past(key, record) for key, record in await vpn.past(ctx)]
    return [{**entry, "_Asn": customers.get(entry["CustomerGatewayId"])} for entry in shown]


@action(
    "CreateVpnConnection",
    honours=(
        "Type",
        "CustomerGatewayId",
        "VpnGatewayId",
        "TransitGatewayId",
        "TagSpecifications",
        *(f"{_TUNNELS}.{name}" for name in vpn_tunnels.HONOURED),
    ),
    defaults={
        "Options.StaticRoutesOnly": (True,),
        "Options.EnableAcceleration": (False,),
        "Options.TunnelInsideIpVersion": ("ipv4",),
        "Options.OutsideIpAddressType": ("PublicIpv4",),
        "Options.LocalIpv4NetworkCidr": (ANYWHERE,),
        "Options.RemoteIpv4NetworkCidr": (ANYWHERE,),
        "Options.TunnelBandwidth": ("standard",),
        "PreSharedKeyStorage": ("Standard",),
        **{f"{_TUNNELS}.{name}": values for name, values in vpn_tunnels.DEFAULTS.items()},
    },
    native=(*_LISTED, "createVpnCustomerGateway"),
)
async def create_vpn_connection(ctx: Context, request: Request) -> dict[str, Any]:
    """Make the customer's end of a connection, with key and policy; the same request gives the same connection."""
    vpn.check_type(request)
    tags = resource_tags.specified(request, CONNECTION)
    customer, gateway = await _ends_of(ctx, request)
    asked = vpn_tunnels.one((request.get("Options") or {}).get("TunnelOptions"))
    _check_static(request)
    if not await creation.is_being_made(ctx, customer, gateway):
        for connection in await vpn.connections(ctx):
            if (connection.customer, connection.gateway) == (customer.id, gateway.id):
                held = await resource_tags.merged(ctx, CONNECTION, [{"id": connection.key}])
                return {"VpnConnection": item(connection, gateway, held[connection.key])}
        await vpn.tidy(ctx)
        await quotas.check(ctx, CONNECTION, "VpnConnectionLimitExceeded", "VPN connections")
    params = {**vpn_tunnels.native(asked), "ipsecpsk": vpn_tunnels.key(asked)}
    record = {"tunnel": {name: value for name, value in asked.items() if name != "PreSharedKey"}}
    made = await creation.make(ctx, customer, gateway, params, record, tags)
    return {"VpnConnection": {**item(made, gateway, resource_tags.as_list(tags)), "State": "pending"}}


def _check_static(request: Request) -> None:
    """Refuse AWS's default, BGP: told as static, a connection would be replaced by Terraform at each run."""
    if not (request.get("Options") or {}).get("StaticRoutesOnly"):
        sentence = (
            "A connection with dynamic routes (BGP) is not supported: CloudStack's gateways have static routes."
            " Set Options.StaticRoutesOnly=true (Terraform: static_routes_only = true)."
        )
        raise Ec2Error("UnsupportedOperation", sentence)


async def _ends_of(ctx: Context, request: Request) -> tuple[Thing, Thing]:
    transit = request.get("TransitGatewayId")
    if transit and request.get("VpnGatewayId"):
        sentence = "The request must not contain both parameter vpnGatewayId and transitGatewayId"
        raise Ec2Error("InvalidParameterValue", sentence)
    customer = vpn.named(await vpn.customers(ctx), CUSTOMER, request.get("CustomerGatewayId"))
    if transit:
        sentence = f"The transitGateway ID '{transit}' does not exist"
        raise Ec2Error("InvalidTransitGatewayID.NotFound", sentence)
    if not request.get("VpnGatewayId"):
        # AWS makes it all the same, for ModifyVpnConnection to give it one.
        sentence = (
            "A connection without a gateway is not supported: CloudStack's begin at one. Name a VpnGatewayId."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    return customer, vpn.named(await vpn.gateways(ctx), GATEWAY, request.get("VpnGatewayId"))


@action(
    "DeleteVpnConnection",
    honours=("VpnConnectionId",),
    native=(*_LISTED, "deleteVpnConnection", "deleteVpnCustomerGateway"),
)
async def delete_vpn_connection(ctx: Context, request: Request) -> None:
    """Take down a connection, and CloudStack's customer gateway if it is its alone."""
    ident = request.get("VpnConnectionId") or ""
    if await removal.is_being_deleted(ctx, ident):
        await removal.delete(ctx, ident)
    else:
        await removal.delete(ctx, ident, await vpn.connection(ctx, ident))


@action(
    "ModifyVpnTunnelOptions",
    honours=(
        "VpnConnectionId",
        "VpnTunnelOutsideIpAddress",
        *(f"TunnelOptions.{name}" for name in vpn_tunnels.HONOURED),
    ),
    defaults={
        "PreSharedKeyStorage": ("Standard",),
        "SkipTunnelReplacement": (False,),
        **{f"TunnelOptions.{name}": values for name, values in vpn_tunnels.DEFAULTS.items()},
    },
    native=_CHANGED,
)
async def modify_vpn_tunnel_options(ctx: Context, request: Request) -> dict[str, Any]:
    """Change key and policy of a connection's tunnel; the connection is made anew."""
    connection = await vpn.connection(ctx, request.get("VpnConnectionId"))
    gateway = await vpn.near_end(ctx, connection)
    address, named = gateway.row.get("publicip"), request.get("VpnTunnelOutsideIpAddress")
    if not named or named != address:
        sentence = f"Value ({named}) for parameter vpnTunnelOutsideIpAddress is invalid. {connection.id} has {address}."
        raise Ec2Error("InvalidParameterValue", sentence)
    changed = {name: value for name, value in (request.get("TunnelOptions") or {}).items() if value}
    if not changed:
        raise Ec2Error("MissingParameter", "The request must contain the parameter tunnelOptions")
    asked = {**connection.record.get("tunnel", {}), **changed}
    key = {"ipsecpsk": vpn_tunnels.key(changed)} if "PreSharedKey" in changed else {}
    connection.row = {**connection.row, **vpn_tunnels.native(asked), **key}
    if "StartupAction" in changed and connection.link:
        await ctx.account.job("deleteVpnConnection", id=connection.link["id"])
        connection.link = None
    await vpn.update(ctx, connection.row)
    connection.record = {"tunnel": {name: value for name, value in asked.items() if name != "PreSharedKey"}}
    await ctx.store.put(ctx.owner_id, CONNECTION, connection.key, connection.record)
    await vpn.settle(ctx, gateway, connection)
    tags = await resource_tags.merged(ctx, CONNECTION, [{"id": connection.key}])
    return {"VpnConnection": item(connection, gateway, tags[connection.key])}
