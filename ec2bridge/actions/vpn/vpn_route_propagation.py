"""Whether a VPN gateway propagates its routes to a route table."""

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Request, action
from ec2bridge.resources.vpcs import route_tables
from ec2bridge.resources.vpcs.route_tables import PROPAGATION
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn import routes as vpn_routes
from ec2bridge.store import Change


@action(
    "EnableVgwRoutePropagation",
    honours=("RouteTableId", "GatewayId"),
    native=("listVPCs", "listVpnGateways"),
)
async def enable_vgw_route_propagation(ctx: Context, request: Request) -> None:
    """Show the routes of a VPC's VPN gateway in a table; CloudStack's router has them in any case."""
    table = await route_tables.table(ctx, request.get("RouteTableId") or "")
    gateway = await vpn_routes.attached(ctx, request.get("GatewayId"), table)
    await route_tables.rest_on(ctx, table, Change(PROPAGATION, table.key, {"gateway": gateway.key}))


@action(
    "DisableVgwRoutePropagation",
    honours=("RouteTableId", "GatewayId"),
    native=("listVPCs", "listVpnGateways"),
)
async def disable_vgw_route_propagation(ctx: Context, request: Request) -> None:
    """Show the routes no longer; what is not propagated counts as done."""
    table = await route_tables.table(ctx, request.get("RouteTableId") or "")
    gateway = vpn.named(await vpn.gateways(ctx), vpn.GATEWAY, request.get("GatewayId"))
    if await ctx.store.get(ctx.owner_id, PROPAGATION, table.key) == {"gateway": gateway.key}:
        await ctx.store.delete(ctx.owner_id, PROPAGATION, table.key)
