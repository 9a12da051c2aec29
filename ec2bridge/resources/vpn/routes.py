"""What route tables show of VPN gateways.

CloudStack's router leads to a VPC's connections from all of its tiers, whatever a table says. So that a gateway
propagates its routes to a table, or that a table has a route to it, is a record.
"""

from collections.abc import Iterable
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.vpcs.route_tables import PROPAGATION, Table
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn.objects import GATEWAY, Thing

Item = dict[str, Any]


async def attached(ctx: Context, ident: str | None, table: Table) -> Thing:
    """Return the VPN gateway of an id, which must be that of the table's VPC."""
    gateway: Thing = vpn.named(await vpn.gateways(ctx), GATEWAY, ident)
    if gateway.vpc != table.vpc["id"]:
        vpc = ec2_id("vpc", table.vpc["id"])
        sentence = f"The gateway {gateway.id} is not attached to {vpc}, the VPC of {table.id}."
        raise Ec2Error("Gateway.NotAttached", sentence)
    return gateway


async def shown(ctx: Context, tables: Iterable[Table]) -> tuple[set[str], dict[str, tuple[str, list[Item]]]]:
    """Return the keys of attached VPN gateways, and table → gateway and routes that it propagates to the table.

    CloudStack is only asked if a table has to do with a VPN gateway.
    """
    tables = list(tables)
    marks = {entry.key: entry.value["gateway"] for entry in await ctx.store.list(ctx.owner_id, PROPAGATION)}
    if not marks and not any("vgw" in route for table in tables for route in table.routes.values()):
        return set(), {}
    gateways = {gateway.key: gateway for gateway in await vpn.gateways(ctx) if gateway.vpc}
    ranges: dict[str, list[str]] = {}
    for connection in await vpn.connections(ctx) if marks else ():
        ranges.setdefault(connection.gateway, []).extend(connection.routes)
    found = {}
    for table in tables:
        gateway = gateways.get(marks.get(table.key, ""))
        if gateway and gateway.vpc == table.vpc["id"]:
            own = [to for to in ranges.get(gateway.id, ()) if to not in table.routes]
            found[table.key] = (gateway.id, [_route(to, gateway.id) for to in own])
    return set(gateways), found


def _route(to: str, gateway: str) -> Item:
    return {
        "DestinationCidrBlock": to,
        "GatewayId": gateway,
        "Origin": "EnableVgwRoutePropagation",
        "State": "active",
    }
