"""Whether a VPN gateway propagates its routes to a route table."""

from ec2bridge.actions import _route_tables, _vpn, _vpn_routes
from ec2bridge.actions._context import Context
from ec2bridge.actions._registry import Request, action
from ec2bridge.actions._route_tables import PROPAGATION


@action(
    "EnableVgwRoutePropagation",
    honours=("RouteTableId", "GatewayId"),
    native=("listVPCs", "listVpnGateways"),
)
async def enable_vgw_route_propagation(ctx: Context, request: Request) -> None:
    """Show the routes of a VPC's VPN gateway in a table; CloudStack's router has them in any case."""
    table = await _route_tables.table(ctx, request.get("RouteTableId") or "")
    gateway = await _vpn_routes.attached(ctx, request.get("GatewayId"), table)
    await ctx.store.put(ctx.owner_id, PROPAGATION, table.key, {"gateway": gateway.key})


@action(
    "DisableVgwRoutePropagation",
    honours=("RouteTableId", "GatewayId"),
    native=("listVPCs", "listVpnGateways"),
)
async def disable_vgw_route_propagation(ctx: Context, request: Request) -> None:
    """Show the routes no longer; what is not propagated counts as done."""
    table = await _route_tables.table(ctx, request.get("RouteTableId") or "")
    gateway = _vpn.named(await _vpn.gateways(ctx), _vpn.GATEWAY, request.get("GatewayId"))
    if await ctx.store.get(ctx.owner_id, PROPAGATION, table.key) == {"gateway": gateway.key}:
        await ctx.store.delete(ctx.owner_id, PROPAGATION, table.key)
