"""Routes of a route table: made, replaced and deleted.

A CloudStack VPC routes all that is not its own to the internet, and (since 4.21) single ranges to an address inside,
for all of its tiers alike. So a route to the internet gateway is a record, and a route to a machine is a native
static route, possible in the main table of a VPC alone.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from ec2bridge.ec2 import quotas, releases
from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.addresses import nat_gateways
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.machines import lookup as machine_lookup
from ec2bridge.resources.vpcs import route_tables
from ec2bridge.resources.vpcs.route_tables import MOST_ROUTES, Table
from ec2bridge.resources.vpn import routes as vpn_routes

Row = dict[str, Any]

_TARGETS = ("GatewayId", "InstanceId", "NatGatewayId", "NetworkInterfaceId")
_HONOURED = ("RouteTableId", "DestinationCidrBlock", *_TARGETS)
_NATIVE = ("listVPCs", "createStaticRoute", "deleteStaticRoute")


@action("CreateRoute", honours=_HONOURED, native=_NATIVE)
async def create_route(ctx: Context, request: Request) -> Answer:
    """Add a route to a table."""
    table, to = await _place(ctx, request)
    if to in table.routes:
        sentence = f"The route identified by {to} already exists."
        raise Ec2Error("RouteAlreadyExists", sentence)
    if len(table.routes) >= MOST_ROUTES:
        raise quotas.exceeded("RouteLimitExceeded", MOST_ROUTES, f"routes in {table.id}")
    await _add(ctx, table, to, await _target(ctx, request, table, to))
    return {"Return": True}


@action("ReplaceRoute", honours=_HONOURED, native=_NATIVE)
async def replace_route(ctx: Context, request: Request) -> None:
    """Send a destination elsewhere."""
    table, to = await _place(ctx, request)
    if to not in table.routes and not _is_local(table, to):
        sentence = f"There is no route defined for '{to}' in the route table. Use CreateRoute instead."
        raise Ec2Error("InvalidParameterValue", sentence)
    target = await _target(ctx, request, table, to)
    await _withdraw(ctx, table.routes[to])
    await _add(ctx, table, to, target)


@action("DeleteRoute", honours=("RouteTableId", "DestinationCidrBlock"), native=_NATIVE)
async def delete_route(ctx: Context, request: Request) -> None:
    """Take a route out of a table."""
    table, to = await _place(ctx, request)
    await _withdraw(ctx, _known(table, to))
    await route_tables.change_routes(ctx, table, lambda routes: routes.pop(to, None))


async def _place(ctx: Context, request: Request) -> tuple[Table, str]:
    """Return the table and the destination of a request."""
    text = request.get("DestinationCidrBlock") or ""
    if not text:
        raise Ec2Error("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    try:
        to = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        sentence = (
            f"Value ({text}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
        )
        raise Ec2Error("InvalidParameterValue", sentence) from None
    table = await route_tables.table(ctx, request.get("RouteTableId") or "")
    return table, str(to)


def _is_local(table: Table, to: str) -> bool:
    """Whether a destination lies in the VPC's own range, which is nobody's to route elsewhere."""
    return ipaddress.IPv4Network(to).subnet_of(ipaddress.IPv4Network(table.vpc["cidr"], strict=False))


def _known(table: Table, to: str) -> Row:
    if to == table.vpc["cidr"]:
        raise Ec2Error("InvalidParameterValue", f"cannot remove local route {to} in route table {table.id}")
    if to not in table.routes:
        sentence = f"no route with destination-cidr-block {to} in route table {table.id}"
        raise Ec2Error("InvalidRoute.NotFound", sentence)
    return table.routes[to]


async def _target(ctx: Context, request: Request, table: Table, to: str) -> Row:
    """Return where a route leads, as the store keeps it; `hop` is the address of a native route."""
    named = [name for name in _TARGETS if request.get(name)]
    if len(named) != 1:
        sentence = (
            "The request must contain exactly one of gatewayId, instanceId, natGatewayId, networkInterfaceId"
        )
        raise Ec2Error("InvalidParameterCombination" if named else "MissingParameter", sentence)
    local = _is_local(table, to)
    if named[0] in ("InstanceId", "NetworkInterfaceId"):
        if local:
            sentence = (
                f"A route for {to} cannot lead to an instance: it lies in the VPC's own range, and CloudStack's router"
                " sends what is for that range to its tiers alone."
            )
            raise Ec2Error("UnsupportedOperation", sentence)
        return await _to_machine(ctx, request, table)
    # A gateway that does not exist comes first, as on AWS: "local" is the name of none.
    if named == ["GatewayId"]:
        found = await _to_gateway(ctx, request["GatewayId"], table, to)
    else:
        found = await _to_nat(ctx, request["NatGatewayId"], table)
    if local:
        sentence = f"The destination CIDR block {to} is equal to or more specific than one of this VPC's CIDR blocks."
        raise Ec2Error(
            "InvalidParameterValue", f"{sentence} This route can target only an interface or an instance."
        )
    return found


async def _to_gateway(ctx: Context, ident: str, table: Table, to: str) -> Row:
    if ident.startswith("vgw-"):
        return await _to_vpn_gateway(ctx, ident, table, to)
    gateway = next((g for g in await route_tables.gateways(ctx) if ident == g.id), None)
    if gateway is None:
        raise Ec2Error("InvalidGatewayID.NotFound", f"The gateway ID '{ident}' does not exist")
    _check_network(table, gateway.vpc, ident)
    return {"gateway": gateway.key}


async def _to_nat(ctx: Context, ident: str, table: Table) -> Row:
    gateway = next((g for g in await nat_gateways.gateways(ctx) if g.routes and ident in (g.id, g.key)), None)
    if gateway is None:
        raise Ec2Error("InvalidNatGatewayID.NotFound", f"The natGateway ID '{ident}' does not exist")
    _check_network(table, gateway.vpc, ident)
    return {"nat": gateway.key}


def _check_network(table: Table, vpc: str | None, ident: str) -> None:
    if vpc != table.vpc["id"]:
        sentence = f"route table {table.id} and network gateway {ident} belong to different networks"
        raise Ec2Error("InvalidParameterValue", sentence)


async def _to_vpn_gateway(ctx: Context, ident: str, table: Table, to: str) -> Row:
    try:
        gateway = await vpn_routes.attached(ctx, ident, table)
    except Ec2Error as error:
        if error.code == "Gateway.NotAttached":
            sentence = f"route table {table.id} and network gateway {ident} belong to different networks"
            raise Ec2Error("InvalidParameterValue", sentence) from None
        raise Ec2Error("InvalidGatewayID.NotFound", f"The gateway ID '{ident}' does not exist") from None
    if ipaddress.IPv4Network(table.vpc["cidr"], strict=False).subnet_of(ipaddress.IPv4Network(to)):
        sentence = (
            f"A route for {to} cannot lead to {ident}: a VPN gateway has the routes of its connections alone."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    return {"vgw": gateway.key}


async def _to_machine(ctx: Context, request: Request, table: Table) -> Row:
    await releases.require(ctx, releases.ROUTE)
    if not table.main or table.vpc.get("default"):
        sentence = "Routes to instances hold for a whole VPC: they can be in its main table alone."
        raise Ec2Error("UnsupportedOperation", sentence)
    wanted = request.get("NetworkInterfaceId") or request["InstanceId"]
    held = network_interfaces.by_nic(await network_interfaces.records(ctx))
    for row in await machine_lookup.list_rows(ctx):
        for ident, nic in network_interfaces.nics_of(row, held).items():
            if wanted not in (ident, ec2_id("i", row["id"])):
                continue
            if nic.get("vpcid") == table.vpc["id"]:
                return {
                    "nic": held.get(nic["id"], nic)["id"],
                    "machine": row["id"],
                    "owner": owner_of(row),
                    "hop": nic["ipaddress"],
                }
    kind = KINDS["network-interface" if request.get("NetworkInterfaceId") else "instance"]
    raise kind.missing(wanted)


async def _add(ctx: Context, table: Table, to: str, target: Row) -> None:
    if "hop" in target:
        made = await ctx.account.job(
            "createStaticRoute", vpcid=table.vpc["id"], nexthop=target["hop"], cidr=to
        )
        target = {**target, "static": made["id"]}
    await route_tables.change_routes(ctx, table, lambda routes: routes.update({to: target}))


async def _withdraw(ctx: Context, route: Mapping[str, Any]) -> None:
    if "static" in route:
        await ctx.account.job("deleteStaticRoute", id=route["static"])
