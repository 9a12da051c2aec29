"""Groups' rules on the tiers of VPCs, where CloudStack knows a list of rules for a tier and none for a machine.

While machines with groups are in a tier, it has a list of the bridge's: what both its network ACL and the union of
those groups' rules let through. CloudStack's rules name no machine, so what one machine's group opens is open to the
whole tier, whose machines reach each other without the router anyway. A tier whose list somebody has chosen in
CloudStack's own interface is left alone, and one without such machines has its ACL's list itself.
"""

import asyncio
import logging
import uuid
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import background, journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import firewall
from ec2bridge.resources.enforcement.tier_state import State, Tier, look
from ec2bridge.resources.groups.security_groups import Group
from ec2bridge.resources.network_acls import tier_lists

log = logging.getLogger(__name__)

Row = Mapping[str, Any]

PLAN, CHANGE = "SettleTiers", "ChangeTiers"
ROUNDS = 5
"""After a change all is compared again: another replica may have changed the same tier at the same time."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Flight:
    """What this process does about one VPC: one look and change at a time, which serves all who asked before it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: int = 0
    done: int = 0
    joining: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(Tier, group) of machines that are about to be deployed."""


def _flight(ctx: Context, vpc: str) -> Flight:
    flights = ctx.site.caches.setdefault("tier-flights", weakref.WeakValueDictionary())
    # By account, too: a tag can name another's VPC, and nobody is to wait for what strangers try there.
    place = (ctx.identity.domain_id, ctx.identity.account, vpc)
    flight: Flight = flights.setdefault(place, Flight())
    return flight


def vpcs_of(rows: Iterable[Row]) -> list[str]:
    """Return the uuids of the VPCs that networks, or NICs, are in."""
    return sorted({row["vpcid"] for row in rows if row.get("vpcid")})


async def settle(ctx: Context, *vpcs: str) -> None:
    """Make the tiers of VPCs let through what the groups of their machines and their network ACLs do."""
    for vpc in vpcs:
        flight = _flight(ctx, vpc)
        flight.asked += 1
        mine = flight.asked
        async with flight.lock:
            if flight.done < mine:
                asked = flight.asked
                await _settle(ctx, vpc, flight)
                flight.done = asked


async def changed(ctx: Context, vpc: str, change: Callable[[], Awaitable[None]]) -> None:
    """Make a change that the tiers of a VPC follow, and have them follow it whatever becomes of this process."""
    await journal.perform(ctx, CHANGE, {"vpc": vpc}, live=change, apart=uuid.uuid4().hex)


@journal.plan(CHANGE, forward=True, lasting=True)
def _change_steps(given: Given) -> list[Step]:
    return [
        Step("change", journal.unseen, _do_change, journal.nothing),
        Step("tiers", journal.unseen, _follow, journal.nothing),
    ]


async def _do_change(work: Work) -> Made:
    """Whoever takes it up does not know what was to change, and has the tiers follow what did."""
    if work.live is not None:
        await work.live()
    return {}


async def _follow(work: Work) -> Made:
    try:
        await settle(work.ctx, work.given["vpc"])
    except CloudStackError as error:
        # The VPC has gone, and its tiers with it.
        if work.live is not None or not error.is_unknown_id:
            raise
    return {}


async def settle_group(ctx: Context, group: Group) -> None:
    """Do so where a group's rules have changed; one native call where no machine is in it."""
    members = await firewall.members(ctx)
    if any(group.uuid in of for of in members.values()):
        await settle(ctx, await ctx.directory.resolve("vpc", group.vpc_id))


async def settle_later(ctx: Context, *vpcs: str) -> None:
    """Do so where nobody waits for it: what fails is in the log, and tried again by the sweep."""
    try:
        await settle(ctx, *vpcs)
    except CloudStackUnavailable:
        raise
    except (CloudStackError, Ec2Error) as error:
        log.error("the security groups' rules could not be put onto the tiers of VPC %s: %s", vpcs, error)


async def _settle_at_last(ctx: Context, *vpcs: str) -> None:
    try:
        await settle_later(ctx, *vpcs)
    except CloudStackUnavailable as error:
        log.error("the tiers of VPC %s stay as they are: %s", vpcs, error)


async def associate(ctx: Context, vpc: str, tier: str, acl: str) -> None:
    """Give a tier another network ACL."""
    flight = _flight(ctx, vpc)
    async with flight.lock:
        await _settle(ctx, vpc, flight, {tier: acl})


@asynccontextmanager
async def joining(ctx: Context, networks: Iterable[Row], groups: Iterable[str]) -> AsyncIterator[None]:
    """Have tiers ready for machines of these groups before they are deployed, and keep them so meanwhile."""
    tiers = [row for row in networks if row.get("vpcid")]
    if not tiers or ctx.dry_run:
        yield
        return
    pairs = [(_flight(ctx, row["vpcid"]), (row["id"], group)) for row in tiers for group in groups]
    for flight, pair in pairs:
        flight.joining[pair] += 1
    try:
        await settle(ctx, *vpcs_of(tiers))
        yield
    except BaseException:
        _leave(pairs)
        background.leave(ctx.site, _settle_at_last(ctx, *vpcs_of(tiers)), "tiers of a launch that failed")
        raise
    _leave(pairs)


def _leave(pairs: Iterable[tuple[Flight, tuple[str, str]]]) -> None:
    for flight, pair in pairs:
        flight.joining -= Counter([pair])


async def forget(ctx: Context, network: Row) -> None:
    """Remove the list of a tier that has been deleted."""
    if str(network.get("aclname", "")).startswith(tier_lists.NAME):
        try:
            rows = await ctx.account.list("listNetworkACLLists", id=network["aclid"])
        except CloudStackError as error:
            if not error.is_unknown_id:
                raise
            return  # what a machine's end had settled about the tier was quicker
        for written in filter(None, map(tier_lists.read, rows)):
            await tier_lists.discard(ctx, written.uuid)


async def _settle(ctx: Context, vpc: str, flight: Flight, acls: Mapping[str, str] | None = None) -> None:
    state = await look(ctx, vpc, flight.joining, acls or {})
    if state.unsettled or state.abandoned():
        live = _Live(flight, acls or {}, state)
        replaced = [tier.written.uuid for tier in state.unsettled if tier.written]
        given = {"vpc": vpc, "replaced": replaced}
        await journal.perform(ctx, PLAN, given, live=live, apart=uuid.uuid4().hex)


@dataclass(slots=True)
class _Live:
    """What a request has in memory of what it does about a VPC."""

    flight: Flight
    acls: Mapping[str, str]
    state: State | None
    """The look that it begins with."""


@journal.plan(PLAN, forward=True, lasting=True)
def _steps(given: Given) -> list[Step]:
    return [Step("tiers", journal.unseen, _settled, journal.nothing)]


async def _settled(work: Work) -> Made:
    if work.live is not None:
        await _rounds(work, work.live)
        return {}
    # Whoever takes it up knows of no machines to come: those that are there decide.
    flight = _flight(work.ctx, work.given["vpc"])
    try:
        async with flight.lock:
            await _rounds(work, _Live(flight, {}, None))
    except CloudStackError as error:
        # The VPC has gone, and its lists with it.
        if not error.is_unknown_id:
            raise
    return {}


async def _rounds(work: Work, live: _Live) -> None:
    ctx, vpc = work.ctx, work.given["vpc"]
    failures: dict[str, Exception] = {}
    state = live.state
    for _ in range(ROUNDS):
        state = state or await look(ctx, vpc, live.flight.joining, live.acls)
        for ident in state.abandoned(work.stem, work.given.get("replaced", ())):
            await tier_lists.discard(ctx, ident)
        # One that is gone by now, or that another bridge has settled, has not failed.
        for tier in state.unsettled:
            if tier.uuid in failures:
                raise failures[tier.uuid]
        if not state.unsettled:
            return
        done = await asyncio.gather(*(_tried(work, state, tier) for tier in state.unsettled))
        failures = {
            tier.uuid: error for tier, error in zip(state.unsettled, done, strict=True) if error is not None
        }
        state = None
    for error in failures.values():
        raise error
    log.warning("the tiers of VPC %s do not come to rest: another bridge keeps changing them", vpc)


async def _tried(work: Work, state: State, tier: Tier) -> Exception | None:
    """Change a tier, and return what CloudStack says against it: the other tiers are changed whatever that is."""
    try:
        await _change(work, state, tier)
    except CloudStackError as error:
        return error
    return None


async def _change(work: Work, state: State, tier: Tier) -> None:
    """Give a tier the list that it should have, unless somebody else has given it another since the look."""
    ctx, fresh = work.ctx, None
    if tier.wanted is not None:
        fresh = await tier_lists.write(ctx, state.vpc, tier.uuid, tier.acl, tier.wanted, work.stem)
    try:
        [now] = await ctx.account.list("listNetworks", id=tier.uuid) or [{}]
        if (now.get("aclid") or "") == tier.has:
            await tier_lists.put(ctx, tier.uuid, fresh or tier.acl, instead=tier.has)
            fresh = tier.written.uuid if tier.written else None
    finally:
        if fresh is not None:
            await tier_lists.discard(ctx, fresh)
