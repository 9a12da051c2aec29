"""Routes of a route table: made, replaced and deleted.

A CloudStack VPC routes all that is not its own to the internet, and (since 4.21) single ranges to an address inside,
for all of its tiers alike. So a route to the internet gateway is a record, and a route to a machine is a native
static route, possible in the main table of a VPC alone. One to a prefix list is a static route for each range.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import quotas, releases
from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.ec2.values import cidr_block
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources import prefix_lists
from ec2bridge.resources.addresses import nat_gateways
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.machines import lookup as machine_lookup
from ec2bridge.resources.vpcs import list_routes, route_tables
from ec2bridge.resources.vpcs.route_tables import MOST_ROUTES, Table
from ec2bridge.resources.vpn import routes as vpn_routes

Row = dict[str, Any]

_TARGETS = ("GatewayId", "InstanceId", "NatGatewayId", "NetworkInterfaceId")
_PLACE = ("RouteTableId", "DestinationCidrBlock", "DestinationPrefixListId")
_HONOURED = (*_PLACE, *_TARGETS)
_NATIVE = ("listVPCs", "createStaticRoute", "deleteStaticRoute", "listStaticRoutes")


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where a route leads to; `list` is the key of the prefix list that they are the ranges of."""

    list: str | None
    all: Sequence[ipaddress.IPv4Network]


@action("CreateRoute", honours=_HONOURED, native=_NATIVE)
async def create_route(ctx: Context, request: Request) -> Answer:
    """Add a route to a table."""
    table, to, ranges = await _place(ctx, request)
    target = await _target(ctx, request, table, ranges)
    # One that this very request has left, sent before, is gone on with.
    native = list_routes.is_native(target)
    begun = native and await list_routes.is_begun(ctx, table, to, target)
    if not begun and to in table.routes:
        sentence = f"The route identified by {to} already exists."
        raise Ec2Error("RouteAlreadyExists", sentence)
    sizes = {ec2_id("pl", one["id"]): one["most"] for one in await prefix_lists.prefix_lists(ctx)}
    if not begun and table.size(sizes) + sizes.get(to, 1) > MOST_ROUTES:
        raise quotas.exceeded("RouteLimitExceeded", MOST_ROUTES, f"routes in {table.id}")
    await _add(ctx, table, to, target)
    return {"Return": True}


@action("ReplaceRoute", honours=_HONOURED, native=_NATIVE)
async def replace_route(ctx: Context, request: Request) -> None:
    """Send a destination elsewhere."""
    table, to, ranges = await _place(ctx, request)
    if to not in table.routes and not _is_local(table, ranges):
        sentence = f"There is no route defined for '{to}' in the route table. Use CreateRoute instead."
        raise Ec2Error("InvalidParameterValue", sentence)
    target = await _target(ctx, request, table, ranges)
    old = table.routes[to]
    if list_routes.is_native(old) and not list_routes.is_native(target):
        await list_routes.put(ctx, table, to, target)
        return
    await _withdraw(ctx, old)
    await _add(ctx, table, to, target)


@action("DeleteRoute", honours=_PLACE, native=_NATIVE)
async def delete_route(ctx: Context, request: Request) -> None:
    """Take a route out of a table."""
    table, to, ranges = await _place(ctx, request)
    begun = ranges.list is not None and await list_routes.is_begun(ctx, table, to, None)
    if begun is None:
        return
    route = {} if begun else _known(table, to)
    if begun or list_routes.is_native(route):
        await list_routes.put(ctx, table, to, None)
        return
    await _withdraw(ctx, route)
    await route_tables.change_routes(ctx, table, lambda routes: routes.pop(to, None))
    # A list may have the same range.
    await list_routes.settle(ctx, table.key)


async def _place(ctx: Context, request: Request) -> tuple[Table, str, Ranges]:
    """Return the table and the destination of a request."""
    text, ident = request.get("DestinationCidrBlock") or "", request.get("DestinationPrefixListId")
    if ident:
        if text:
            sentence = "The request must contain exactly one of destinationCidrBlock, destinationPrefixListId"
            raise Ec2Error("InvalidParameterCombination", sentence)
        return await _place_of_list(ctx, request, ident)
    if not text:
        raise Ec2Error("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    to = cidr_block(ipaddress.IPv4Network, text, "destinationCidrBlock")
    table = await route_tables.table(ctx, request.get("RouteTableId") or "")
    return table, str(to), Ranges(None, [to])


async def _place_of_list(ctx: Context, request: Request, ident: str) -> tuple[Table, str, Ranges]:
    found = await prefix_lists.find(ctx, ident)
    if found["family"] != "IPv4":
        sentence = (
            f"The prefix list {ident} has ranges of {found['family']}: CloudStack's VPCs route IPv4 alone."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    table = await route_tables.table(ctx, request.get("RouteTableId") or "")
    entries = [ipaddress.IPv4Network(one["cidr"]) for one in prefix_lists.current(found)]
    return table, ec2_id("pl", found["id"]), Ranges(found["id"], entries)


def _is_local(table: Table, to: Ranges) -> bool:
    """Whether a range that is named itself lies in the VPC's own, which is nobody's to route elsewhere."""
    own = ipaddress.IPv4Network(table.vpc["cidr"], strict=False)
    return to.list is None and all(one.subnet_of(own) for one in to.all)


def _known(table: Table, to: str) -> Row:
    if to == table.vpc["cidr"]:
        raise Ec2Error("InvalidParameterValue", f"cannot remove local route {to} in route table {table.id}")
    if to not in table.routes:
        named = "destination-prefix-list-id" if to.startswith("pl-") else "destination-cidr-block"
        sentence = f"no route with {named} {to} in route table {table.id}"
        raise Ec2Error("InvalidRoute.NotFound", sentence)
    return table.routes[to]


async def _target(ctx: Context, request: Request, table: Table, to: Ranges) -> Row:
    """Return where a route leads, as the store keeps it; `hop` is the address of a native route."""
    target = await _chosen(ctx, request, table, to)
    return {**target, "list": to.list} if to.list else target


async def _chosen(ctx: Context, request: Request, table: Table, to: Ranges) -> Row:
    named = [name for name in _TARGETS if request.get(name)]
    if len(named) != 1:
        sentence = (
            "The request must contain exactly one of gatewayId, instanceId, natGatewayId, networkInterfaceId"
        )
        raise Ec2Error("InvalidParameterCombination" if named else "MissingParameter", sentence)
    local, at = _is_local(table, to), next(iter(to.all), None)
    if named[0] in ("InstanceId", "NetworkInterfaceId"):
        if local:
            sentence = (
                f"A route for {at} cannot lead to an instance: it lies in the VPC's own range, and CloudStack's router"
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
        sentence = f"The destination CIDR block {at} is equal to or more specific than one of this VPC's CIDR blocks."
        raise Ec2Error(
            "InvalidParameterValue", f"{sentence} This route can target only an interface or an instance."
        )
    return found


async def _to_gateway(ctx: Context, ident: str, table: Table, to: Ranges) -> Row:
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


async def _to_vpn_gateway(ctx: Context, ident: str, table: Table, to: Ranges) -> Row:
    try:
        gateway = await vpn_routes.attached(ctx, ident, table)
    except Ec2Error as error:
        if error.code == "Gateway.NotAttached":
            sentence = f"route table {table.id} and network gateway {ident} belong to different networks"
            raise Ec2Error("InvalidParameterValue", sentence) from None
        raise Ec2Error("InvalidGatewayID.NotFound", f"The gateway ID '{ident}' does not exist") from None
    own = ipaddress.IPv4Network(table.vpc["cidr"], strict=False)
    wide = next((one for one in to.all if own.subnet_of(one)), None)
    if wide is not None:
        sentence = f"A route for {wide} cannot lead to {ident}: a VPN gateway has the routes of its connections alone."
        raise Ec2Error("UnsupportedOperation", sentence)
    return {"vgw": gateway.key}


async def _to_machine(ctx: Context, request: Request, table: Table) -> Row:
    await releases.require(ctx, releases.ROUTE)
    if not table.main or table.vpc.get("default"):
        sentence = "Routes to instances hold for a whole VPC: they can be in its main table alone."
        raise Ec2Error("UnsupportedOperation", sentence)
    wanted = request.get("NetworkInterfaceId") or request["InstanceId"]
    kind = KINDS["network-interface" if request.get("NetworkInterfaceId") else "instance"]
    if not kind.is_id(wanted):
        raise kind.refused(wanted)
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
    raise kind.missing(wanted)


async def _add(ctx: Context, table: Table, to: str, target: Row) -> None:
    if list_routes.is_native(target):
        await list_routes.put(ctx, table, to, target)
    elif "hop" not in target:
        await route_tables.change_routes(ctx, table, lambda routes: routes.update({to: target}))
    else:
        await _add_static(ctx, table, to, target)


async def _add_static(ctx: Context, table: Table, to: str, target: Row) -> None:
    in_place_of_lists = any(of_list == to for of_list, _ in table.there)
    if in_place_of_lists:
        await list_routes.put(ctx, table, to, target)
    try:
        made = await ctx.account.job(
            "createStaticRoute", vpcid=table.vpc["id"], nexthop=target["hop"], cidr=to
        )
    except CloudStackError:
        if in_place_of_lists:
            await list_routes.put(ctx, table, to, None)
        raise
    target = {**target, "static": made["id"]}
    await route_tables.change_routes(ctx, table, lambda routes: routes.update({to: target}))


async def _withdraw(ctx: Context, route: Mapping[str, Any]) -> None:
    if "static" in route:
        await ctx.account.job("deleteStaticRoute", id=route["static"])
