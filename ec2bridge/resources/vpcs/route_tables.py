"""Internet gateways and route tables as the store keeps them.

CloudStack's VPC router always has its way out and routes between all tiers; there are neither gateways to attach nor
tables to choose. Clients that set up a VPC make both, and read back what they made. So gateways, tables and their
associations are objects of the store. Every VPC implies one table, its main one until another takes its place, which
goes by the VPC's digits; the default VPC implies its gateway and its default route as well.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources import prefix_lists
from ec2bridge.resources.places.networks import vpc_rows
from ec2bridge.resources.tags import resource_tags
from ec2bridge.store import Change

Row = dict[str, Any]

GATEWAY, TABLE = "internet-gateway", "route-table"
OF_SUBNET, OF_VPC = "subnet-route-table", "main-route-table"
"""Store kinds: subnet's or VPC's native id → {id of the association, the table's key}."""
PROPAGATION = "vgw-propagation"
"""Store kind: a table's key → {the key of the VPN gateway that propagates its routes to it}."""
DEFAULT_ROUTE = "0.0.0.0/0"
MOST_TABLES, MOST_ROUTES = 200, 500
"""Tables of a VPC and routes of a table: AWS's quotas."""


@dataclass(slots=True)
class Gateway:
    """An internet gateway; `vpc` is the native id of the VPC that it is attached to."""

    key: str
    vpc: str | None
    version: int = 0
    """The version of its record; that of the default VPC has none."""

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id("igw", self.key)


@dataclass(slots=True)
class Table:
    """A route table; `routes` are those beside the one to the VPC itself, by range or by the id of a prefix list."""

    key: str
    vpc: Row
    routes: dict[str, Row]
    main: str | None = None
    """The key of the association that makes it its VPC's main table."""
    subnets: dict[str, str] = field(default_factory=dict)
    """Native id of a subnet → key of its association."""
    there: set[tuple[str, str]] = field(default_factory=set)
    """The ranges and addresses of static routes that CloudStack has, or is about to have, for prefix lists."""

    def size(self, sizes: Mapping[str, int]) -> int:
        """How many routes it counts, by how many entries prefix lists may have."""
        return sum(sizes.get(to, 1) for to in self.routes)

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id("rtb", self.key)

    @property
    def implied(self) -> bool:
        """Whether the VPC itself has brought the table along."""
        return bool(self.key == self.vpc["id"])


async def gateways(ctx: Context, vpcs: Iterable[Row] | None = None) -> list[Gateway]:
    """Return the caller's gateways; one whose VPC is gone without EC2's doing is attached to none."""
    alive = {row["id"] for row in (await vpc_rows(ctx) if vpcs is None else vpcs)}
    entries = await ctx.store.list(ctx.owner_id, GATEWAY)
    found = [Gateway(entry.key, entry.value["vpc"], entry.version) for entry in entries]
    for gateway in found:
        gateway.vpc = gateway.vpc if gateway.vpc in alive else None
    found.insert(0, Gateway(ctx.owner_id, ctx.owner_id))
    ctx.directory.remember(GATEWAY, ({"id": gateway.key} for gateway in found))
    return found


async def gateway(ctx: Context, ident: str) -> Gateway:
    """Return the gateway of an id, or raise InvalidInternetGatewayID.NotFound."""
    found: Gateway = _named(await gateways(ctx), GATEWAY, ident)
    return found


async def tables(ctx: Context, vpcs: Iterable[Row] | None = None) -> list[Table]:
    """Return the caller's route tables, each with what is associated with it."""
    rows = {row["id"]: row for row in (await vpc_rows(ctx) if vpcs is None else vpcs)}
    found = {key: Table(key, row, _implied_routes(ctx, row)) for key, row in rows.items()}
    for entry in await ctx.store.list(ctx.owner_id, TABLE):
        if entry.value["vpc"] in rows:
            found[entry.key] = Table(entry.key, rows[entry.value["vpc"]], entry.value["routes"])
            found[entry.key].there = set(map(tuple, entry.value.get("there", ())))
    mains = {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, OF_VPC)}
    for key in rows:
        chosen = mains.get(key, {"id": key, "table": key})
        found.get(chosen["table"], found[key]).main = chosen["id"]
    for entry in await ctx.store.list(ctx.owner_id, OF_SUBNET):
        if entry.value["table"] in found:
            found[entry.value["table"]].subnets[entry.key] = entry.value["id"]
    ctx.directory.remember(TABLE, ({"id": key} for key in found))
    return list(found.values())


def _implied_routes(ctx: Context, vpc: Row) -> dict[str, Row]:
    return {DEFAULT_ROUTE: {"gateway": ctx.owner_id}} if vpc.get("default") else {}


async def table(ctx: Context, ident: str) -> Table:
    """Return the table of an id, or raise InvalidRouteTableID.NotFound."""
    found: Table = _named(await tables(ctx), TABLE, ident)
    return found


def _named(found: Iterable[Any], kind: str, ident: str | None) -> Any:
    if not ident:
        first, *rest = kind.split("-")
        name = first + "".join(map(str.capitalize, rest))
        raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}Id")
    for entry in found:
        if ident in (entry.id, entry.key):
            return entry
    if not KINDS[kind].is_id(ident):
        raise KINDS[kind].refused(ident)
    raise KINDS[kind].missing(ident)


def associations(of: Table) -> Iterator[tuple[str, str | None]]:
    """Yield EC2 id and subnet (None for the main one) of a table's associations."""
    if of.main:
        yield ec2_id("rtbassoc", of.main), None
    for subnet, key in of.subnets.items():
        yield ec2_id("rtbassoc", key), subnet


async def change_routes(ctx: Context, of: Table, change: Callable[[dict[str, Row]], Any]) -> None:
    """Change the routes of a table."""

    def alter(value: Row) -> None:
        change(value["routes"])

    await _change(ctx, of, alter)


async def note(
    ctx: Context, of: Table, there: Iterable[tuple[str, str]] = (), gone: Iterable[tuple[str, str]] = ()
) -> None:
    """Write down which static routes CloudStack has for a table's prefix lists, or no longer has."""
    there, gone = set(there), set(gone)

    def alter(value: Row) -> None:
        kept = (set(map(tuple, value.pop("there", ()))) | there) - gone
        if kept:
            value["there"] = sorted(map(list, kept))

    if there or gone:
        await _change(ctx, of, alter)


async def _change(ctx: Context, of: Table, alter: Callable[[Row], None]) -> None:
    """Change what is kept of a table; tried again when another request was faster.

    Nothing is, of one that is as the VPC has brought it along.
    """
    brought = {"vpc": of.vpc["id"], "routes": _implied_routes(ctx, of.vpc)} if of.implied else None
    done = False
    while not done:
        entry = await ctx.store.entry(ctx.owner_id, TABLE, of.key)
        if entry is None and not of.implied:
            # It was deleted meanwhile.
            raise KINDS[TABLE].missing(of.id)
        held = entry.value if entry else {"vpc": of.vpc["id"], "routes": of.routes}
        value = {**held, "routes": dict(held["routes"])}
        alter(value)
        kept = None if value == brought else value
        if entry is None and kept is None:
            return
        change = Change(TABLE, of.key, kept, version=entry.version if entry else 0)
        new = _lists(value["routes"]) - _lists(held["routes"])
        done = await ctx.store.together(ctx.owner_id, change, *await prefix_lists.still_there(ctx, new))


def _lists(routes: Mapping[str, Row]) -> set[str]:
    """The prefix lists that routes lead to."""
    return {route["list"] for route in routes.values() if "list" in route}


async def associate(ctx: Context, of: Table, kind: str, key: str) -> str:
    """Make a table that of a subnet or a VPC, and return the association's EC2 id."""
    association = str(uuid.uuid4())
    await rest_on(ctx, of, Change(kind, key, {"id": association, "table": of.key}))
    return ec2_id("rtbassoc", association)


async def rest_on(ctx: Context, of: Table, change: Change) -> None:
    """Write what rests on a table; one that is deleted is NotFound."""
    done = False
    while not done:
        entry = await ctx.store.entry(ctx.owner_id, TABLE, of.key)
        if entry is None and not of.implied:
            raise KINDS[TABLE].missing(of.id)
        # Who deletes the table has read it before it looked what rests on it: its version is another one by now.
        same = [Change(TABLE, of.key, entry.value, version=entry.version)] if entry else []
        done = await ctx.store.together(ctx.owner_id, *same, change)


async def holds(ctx: Context, vpc: str) -> bool:
    """Whether a VPC cannot be deleted yet: a gateway is attached, or it has tables beside its first."""
    if any(gateway.vpc == vpc for gateway in await gateways(ctx)):
        return True
    return any(table.vpc["id"] == vpc and not (table.implied or table.main) for table in await tables(ctx))


async def leave_vpc(ctx: Context, vpc: str) -> None:
    """Forget the tables of a VPC that is gone."""
    for entry in await ctx.store.list(ctx.owner_id, TABLE):
        if entry.value["vpc"] == vpc:
            await drop(ctx, entry.key)
    await ctx.store.delete(ctx.owner_id, OF_VPC, vpc)
    await drop(ctx, vpc)


async def drop(ctx: Context, key: str) -> None:
    """Forget a table, its tags, and which gateway propagates its routes to it."""
    await ctx.store.delete(ctx.owner_id, TABLE, key)
    await ctx.store.delete(ctx.owner_id, PROPAGATION, key)
    await resource_tags.forget(ctx, TABLE, key)


async def leave_subnet(ctx: Context, subnet: str) -> None:
    """Forget which table a subnet that is gone had."""
    await ctx.store.delete(ctx.owner_id, OF_SUBNET, subnet)


def route_item(destination: str, route: Mapping[str, Any], attached: Collection[str | None]) -> Row:
    """Return a route as EC2 shows it; through a gateway that is no longer attached it leads nowhere."""
    gateway = next((route[name] for name in ("gateway", "vgw", "nat") if name in route), None)
    state = "active" if gateway in attached or "hop" in route else "blackhole"
    named = "DestinationPrefixListId" if "list" in route else "DestinationCidrBlock"
    item: Row = {named: destination, "Origin": "CreateRoute", "State": state}
    if "gateway" in route:
        return {**item, "GatewayId": ec2_id("igw", route["gateway"])}
    if "vgw" in route:
        return {**item, "GatewayId": ec2_id("vgw", route["vgw"])}
    if "nat" in route:
        return {**item, "NatGatewayId": ec2_id("nat", route["nat"])}
    return {
        **item,
        "NetworkInterfaceId": ec2_id("eni", route["nic"]),
        "InstanceId": ec2_id("i", route["machine"]),
        "InstanceOwnerId": route["owner"],
    }
