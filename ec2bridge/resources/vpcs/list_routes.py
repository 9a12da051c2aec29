"""Routes to the ranges of a prefix list: a static route of CloudStack's for each, brought into step with the list.

A table's record says which static routes are there for lists, before they are made and until they are gone. A range
that has a route of its own in the table, or lies in the VPC, needs none; of two lists with one range the first counts.
"""

import ipaddress
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources import prefix_lists
from ec2bridge.resources.vpcs import route_tables
from ec2bridge.resources.vpcs.route_tables import Table

Row = dict[str, Any]
Way = tuple[str, str]
"""A range and the address that it is routed to."""

PLAN = "RoutePrefixList"
ROUNDS = 3


def is_native(route: Mapping[str, Any]) -> bool:
    """Whether a route to a list is made of static routes of CloudStack's."""
    return "list" in route and "hop" in route


def _place_of(table: Table, to: str, route: Row | None) -> str:
    """Return what stands for a request to change a route: CreateRoute has no client token."""
    return json.dumps([table.key, to, route], sort_keys=True)


async def is_begun(ctx: Context, table: Table, to: str, route: Row | None) -> bool | None:
    """Whether this very request was sent before, and `put` goes on with it; None: it is over by now."""
    return await journal.claim(ctx, PLAN, _place_of(table, to, route))


async def put(ctx: Context, table: Table, to: str, route: Row | None) -> None:
    """Set a table's route to a list, or take it out; where CloudStack refuses it, the table is as it was."""
    live = (table, to, route, table.routes.get(to))
    given = {"table": table.key}
    await journal.perform(ctx, PLAN, given, place=_place_of(table, to, route), live=live)


@journal.plan(PLAN, forward=True, lasting=True)
def _steps(given: Given) -> list[Step]:
    return [Step("routes", journal.unseen, _change, journal.nothing)]


async def _change(work: Work) -> Made:
    """Whoever takes it up has CloudStack's routes follow whatever the table says by then."""
    ctx, key = work.ctx, work.given["table"]
    if work.live is not None:
        table, to, route, before = work.live
        await _set(ctx, table, to, route)
    try:
        await settle(ctx, key)
    except CloudStackUnavailable:
        raise
    except (CloudStackError, Ec2Error):
        if work.live is not None:
            with suppress(CloudStackError, Ec2Error):
                await _set(ctx, table, to, before)
                await settle(ctx, key)
        raise
    return {}


async def _set(ctx: Context, table: Table, to: str, route: Row | None) -> None:
    def change(routes: dict[str, Row]) -> None:
        routes.pop(to, None)
        if route is not None:
            routes[to] = route

    await route_tables.change_routes(ctx, table, change)


async def settle(ctx: Context, key: str) -> None:
    """Make CloudStack's static routes what a table's routes to lists say."""
    for _ in range(ROUNDS):
        table = next((one for one in await route_tables.tables(ctx) if one.key == key), None)
        if table is None or not (table.there or any(map(is_native, table.routes.values()))):
            return
        wanted = await _wanted(ctx, table)
        rows = await ctx.account.list("listStaticRoutes", vpcid=table.vpc["id"])
        idents = {(row["cidr"], row.get("nexthop", "")): row["id"] for row in rows}
        new = wanted.difference(idents)
        stale = table.there.difference(wanted)
        if not new and not stale:
            return
        await route_tables.note(ctx, table, there=new)
        # Old ones go first: CloudStack refuses a range that overlaps with another's.
        for way in stale.intersection(idents):
            await _removed(ctx, idents[way])
        await route_tables.note(ctx, table, gone=stale)
        for way in sorted(new):
            await _made(ctx, table, way, new)


async def _made(ctx: Context, table: Table, way: Way, new: Iterable[Way]) -> None:
    to, hop = way
    try:
        await ctx.account.job("createStaticRoute", vpcid=table.vpc["id"], nexthop=hop, cidr=to)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        rows = await ctx.account.list("listStaticRoutes", vpcid=table.vpc["id"])
        there = {(row["cidr"], row.get("nexthop", "")) for row in rows}
        await route_tables.note(ctx, table, gone=set(new).difference(there))
        raise


async def _removed(ctx: Context, ident: str) -> None:
    try:
        await ctx.account.job("deleteStaticRoute", id=ident)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        if not error.is_unknown_id:
            raise


async def _wanted(ctx: Context, table: Table) -> set[Way]:
    lists = {one["id"]: one for one in await prefix_lists.prefix_lists(ctx)}
    own = ipaddress.IPv4Network(table.vpc["cidr"], strict=False)
    found: dict[str, str] = {}
    for route in table.routes.values():
        if is_native(route) and route["list"] in lists:
            entries = [
                ipaddress.IPv4Network(one["cidr"]) for one in prefix_lists.current(lists[route["list"]])
            ]
            for entry in entries:
                # CloudStack refuses ranges that overlap; to the same address the larger one says it all.
                within = any(entry != other and entry.subnet_of(other) for other in entries)
                if not within and not entry.subnet_of(own) and str(entry) not in table.routes:
                    found.setdefault(str(entry), route["hop"])
    return set(found.items())
