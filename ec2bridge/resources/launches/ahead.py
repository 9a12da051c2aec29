"""What a launch asks CloudStack before its place is known.

Where a launch goes is told by its networks, and only then is it seen whose groups and addresses it needs. What can be
guessed is asked for together with the networks, and costs no time of its own; what was guessed wrongly is thrown away,
and what was not is asked for as soon as it is seen.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.security_groups import Groups
from ec2bridge.resources.interfaces.addresses import addresses_taken
from ec2bridge.resources.places.networks import networks, networks_of
from ec2bridge.resources.places.zones import FOREVER, cached

Row = dict[str, Any]


@dataclass(slots=True, eq=False)
class Needs:
    """What launches at a place need to know beside image and networks, as the last one there has left it."""

    networks: tuple[str, ...] = ()
    """Those whose addresses the bridge chooses, by uuid."""


async def expected(ctx: Context, request: dict[str, Any]) -> Needs:
    """Return what is known of the place that a request names; who launches there writes into it what it needed."""
    zone = tuple(sorted((request.get("Placement") or {}).items()))
    place = (ctx.account.cache_key, _subnets(request), repr(zone))
    needs: Needs = await cached(ctx, "launch-places", FOREVER).get(place, _unknown)
    return needs


async def _unknown() -> Needs:
    return Needs()


def _subnets(request: dict[str, Any]) -> tuple[str | None, ...]:
    nics = request.get("NetworkInterfaces") or [request]
    return tuple(nic.get("SubnetId") for nic in nics)


async def early_networks(ctx: Context, request: dict[str, Any]) -> list[Row]:
    """Return the networks that a launch may go to: those that it names where it names them all."""
    named = [ident for ident in _subnets(request) if ident]
    return await (networks_of(ctx, named) if len(named) == len(_subnets(request)) else networks(ctx))


async def early_groups(ctx: Context, request: dict[str, Any]) -> Groups | None:
    """Return the caller's groups where a launch is seen to need them before its place is known."""
    named = request.get("SecurityGroupIds") or request.get("SecurityGroups")
    return await security_groups.groups(ctx) if named else None


async def early_addresses(ctx: Context, needs: Needs) -> dict[str, set[str]]:
    """Return network → addresses that are taken there, of the networks that are expected and can be asked."""
    found = await asyncio.gather(
        *(addresses_taken(ctx, uuid) for uuid in needs.networks), return_exceptions=True
    )
    for outcome in found:
        if isinstance(outcome, BaseException) and not isinstance(outcome, CloudStackError):
            raise outcome
    known = zip(needs.networks, found, strict=True)
    return {uuid: taken for uuid, taken in known if not isinstance(taken, BaseException)}
