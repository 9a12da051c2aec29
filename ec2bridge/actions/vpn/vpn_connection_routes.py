"""The static routes of VPN connections: the ranges of CloudStack's customer gateway."""

import ipaddress

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Request, action
from ec2bridge.ec2.values import cidr_block
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.places.networks import vpc_rows
from ec2bridge.resources.vpn import destinations
from ec2bridge.resources.vpn import objects as vpn

_CHANGED = (
    "listVpnCustomerGateways",
    "listVpnGateways",
    "listVpnConnections",
    "updateVpnCustomerGateway",
    "createVpnConnection",
    "deleteVpnConnection",
)


@action("CreateVpnConnectionRoute", honours=("VpnConnectionId", "DestinationCidrBlock"), native=_CHANGED)
async def create_vpn_connection_route(ctx: Context, request: Request) -> None:
    """Add a range behind the customer's gateway; the first one has CloudStack make its connection."""
    ident, to = request.get("VpnConnectionId"), _destination(request)
    if await destinations.is_being_changed(ctx, ident, to, there=True):
        await destinations.finish(ctx, ident, to, there=True)
        return
    connection = await vpn.connection(ctx, ident)
    if to in connection.routes:
        return
    gateway = await vpn.near_end(ctx, connection)
    vpc = next((row["cidr"] for row in await vpc_rows(ctx) if row["id"] == gateway.vpc), None)
    # CloudStack looks at this when it connects, and no longer when a range is added.
    if vpc and ipaddress.IPv4Network(vpc, strict=False).overlaps(ipaddress.IPv4Network(to)):
        raise Ec2Error("InvalidParameterValue", f"The route {to} overlaps with the VPC's range {vpc}.")
    await destinations.change(ctx, ident, connection, gateway, to, there=True)


@action("DeleteVpnConnectionRoute", honours=("VpnConnectionId", "DestinationCidrBlock"), native=_CHANGED)
async def delete_vpn_connection_route(ctx: Context, request: Request) -> None:
    """Take a range away; with the last one goes CloudStack's connection."""
    ident, to = request.get("VpnConnectionId"), _destination(request)
    if await destinations.is_being_changed(ctx, ident, to, there=False):
        await destinations.finish(ctx, ident, to, there=False)
        return
    connection = await vpn.connection(ctx, ident)
    if to not in connection.routes:
        raise Ec2Error("InvalidRoute.NotFound", f"The specified route {to} does not exist")
    if connection.routes == [to] and not connection.own:
        sentence = (
            f"{connection.id} was made in CloudStack, which has no connection without a range: delete it."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    gateway = await vpn.near_end(ctx, connection)
    await destinations.change(ctx, ident, connection, gateway, to, there=False)


def _destination(request: Request) -> str:
    text = request.get("DestinationCidrBlock") or ""
    if not text:
        raise Ec2Error("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    return str(cidr_block(ipaddress.IPv4Network, text, "destinationCidrBlock"))
