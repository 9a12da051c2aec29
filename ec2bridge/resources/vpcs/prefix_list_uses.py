"""What names a prefix list, and what follows its changes.

EC2 changes a list as a whole, and all that names it follows. In CloudStack those are rules and static routes, so a
change has a record of the journal: the list first, then route tables and groups. Where CloudStack refuses one, the list
and the others are as they were.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal, quotas
from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources import prefix_lists
from ec2bridge.resources.enforcement import list_rules, rule_jobs
from ec2bridge.resources.groups import listed, security_groups
from ec2bridge.resources.groups.listed import NONE
from ec2bridge.resources.groups.security_groups import Group
from ec2bridge.resources.prefix_lists import PrefixList
from ec2bridge.resources.vpcs import list_routes, route_tables
from ec2bridge.resources.vpcs.route_tables import MOST_ROUTES, Table

PLAN = "ChangePrefixList"
_BACK = ("name", "most", "state", "message", "version")

Alter = Callable[[PrefixList], None]


async def groups(ctx: Context, ident: str) -> list[Group]:
    """The groups whose rules name a list."""
    known = await security_groups.groups(ctx)
    return [
        group
        for group in known
        if any(rule.prefix_list == ident for rule in known.listed.get(group.uuid, NONE).rules)
    ]


async def tables(ctx: Context, ident: str) -> list[Table]:
    """The route tables that have a route to a list."""
    return [table for table in await route_tables.tables(ctx) if ident in table.routes]


async def change(ctx: Context, ident: str, alter: Alter, request: str) -> PrefixList:
    """Change a list and what CloudStack has for it; `request` stands for who asks, as EC2 has no token here."""
    # What this very request has left, sent before, is gone on with, or is done by now.
    begun = await journal.claim(ctx, PLAN, request)
    found = await prefix_lists.find(ctx, ident)
    if begun is None and await _is_done(ctx, found, alter):
        return found
    given = {}
    if not begun:
        changed = await prefix_lists.altered(ctx, found, alter)
        await _check_room(ctx, changed)
        if prefix_lists.current(changed) == prefix_lists.current(found):
            return await prefix_lists.change(ctx, ident, alter)
        before = {name: found.get(name) for name in _BACK}
        given = {"list": found["id"], "before": before, "after": _digest(changed)}
    await journal.perform(ctx, PLAN, given, place=request, live=alter)
    return await prefix_lists.find(ctx, found["id"])


async def _is_done(ctx: Context, found: PrefixList, alter: Alter) -> bool:
    """Whether a change would make of a list as it was one version ago what it is now."""
    versions = {number: kept for number, kept in found["versions"].items() if number != str(found["version"])}
    before = {**found, "version": found["version"] - 1, "versions": versions}
    try:
        return _digest(await prefix_lists.altered(ctx, before, alter)) == _digest(found)
    except (Ec2Error, KeyError):
        return False


async def _check_room(ctx: Context, changed: PrefixList) -> None:
    """Refuse a size that is too much for a group which names the list: it counts as so many rules."""
    ident = ec2_id("pl", changed["id"])
    known = await security_groups.groups(ctx)
    for group in await groups(ctx, ident):
        await rule_jobs.check_room(ctx, known.rules(group), {ident: changed["most"]})
    sizes = {**await listed.sizes(ctx), ident: changed["most"]}
    for table in await tables(ctx, ident):
        if table.size(sizes) > MOST_ROUTES:
            raise quotas.exceeded("RouteLimitExceeded", MOST_ROUTES, f"routes in {table.id}")


def _digest(found: PrefixList) -> str:
    told = [found["name"], found["most"], found["version"], prefix_lists.current(found)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@journal.plan(PLAN, forward=True, lasting=True)
def _steps(given: Given) -> list[Step]:
    return [Step("list", journal.unseen, _change, journal.nothing)]


async def _change(work: Work) -> Made:
    """Whoever takes it up does not know what was to change, and has the rules follow what did."""
    ctx, given, alter = work.ctx, work.given, work.live
    if alter is None:
        await _settle(ctx, given["list"])
        return {}
    found = await prefix_lists.find(ctx, given["list"])
    if not work.again or _digest(found) != given["after"]:
        await prefix_lists.change(ctx, given["list"], alter)
    try:
        await _settle(ctx, given["list"])
    except CloudStackUnavailable:
        raise
    except (CloudStackError, Ec2Error):
        with suppress(CloudStackError, Ec2Error):
            await prefix_lists.change(ctx, given["list"], lambda found: _take_back(found, given))
            await _settle(ctx, given["list"])
        raise
    return {}


def _take_back(found: PrefixList, given: Given) -> None:
    """Make a list what it was, unless another request has changed it since."""
    if _digest(found) == given["after"]:
        del found["versions"][str(found["version"])]
        found.update(given["before"])


async def _settle(ctx: Context, uuid: str) -> None:
    named = await groups(ctx, ec2_id("pl", uuid))
    for table in await tables(ctx, ec2_id("pl", uuid)):
        await list_routes.settle(ctx, table.key)
    # What CloudStack may refuse comes first, for all of them.
    await _all(list_rules.settle(ctx, group.id, adding=True) for group in named)
    await _all(_settle_group(ctx, group) for group in named)


async def _all(work: Iterable[Awaitable[None]]) -> None:
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _settle_group(ctx: Context, group: Group) -> None:
    await list_rules.settle(ctx, group.id)
    await rule_jobs.settled(ctx, await security_groups.groups(ctx), group)


async def associations(ctx: Context, ident: str) -> list[dict[str, Any]]:
    """What names a list, as EC2 tells it."""
    owners = {group.id: group.owner_id for group in await groups(ctx, ident)}
    for table in await tables(ctx, ident):
        owners[table.id] = ctx.owner_id if table.vpc.get("default") else owner_of(table.vpc)
    return [{"ResourceId": found, "ResourceOwner": owner} for found, owner in owners.items()]
