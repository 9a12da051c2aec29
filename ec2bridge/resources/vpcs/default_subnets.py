"""The network of a zone that a launch without a subnet goes to, made for an account that has none.

On AWS an account finds a default subnet in every zone from its first day on. CloudStack gives an account nothing in an
advanced zone without a shared network: its first isolated network is made for its first launch, or for a client that
looks for the zone's default subnet before it launches, as Ansible and docker-machine do.
"""

import logging
from collections.abc import Sequence
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import filters, journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement.firewall import open_egress
from ec2bridge.resources.places.networks import default_network, default_vpc_id, networks, vpc_rows
from ec2bridge.resources.places.zones import Zone, zones
from ec2bridge.resources.vpcs.offerings import has_vpcs, serves
from ec2bridge.store import Change

Row = dict[str, Any]

log = logging.getLogger(__name__)

PLAN = "DefaultSubnet"
_MADE = "default-subnet-made"

_ASK_FOR_IT = {
    *("vpc-id", "default-for-az", "defaultForAz"),
    *("availability-zone", "availabilityZone", "availability-zone-id", "availabilityZoneId"),
}
"""Filters of clients that look for a place to launch into; a listing of everything makes nothing."""

_NEEDED = ("SourceNat", "StaticNat", "Dhcp", "UserData")

_AGAIN = 3600.0
"""Seconds after which one that could not be made is tried again."""


async def make_sought(
    ctx: Context, request: dict[str, Any], documented: filters.Filters, rows: list[Row]
) -> list[Row]:
    """Return the networks with the default ones that a DescribeSubnets looks for and that were not there yet.

    One is made once: who deletes it goes without, as on AWS, until a launch or CreateDefaultSubnet makes another.
    """
    asked = filters.wanted(request)
    if request.get("SubnetIds") or _ASK_FOR_IT.isdisjoint(name for name, _ in asked):
        return rows
    sought = [zone for zone in await zones(ctx) if filters.keep([_outline(ctx, zone)], documented, asked)]
    made = [await _make_once(ctx, zone) for zone in sought if await _lacks(ctx, zone, rows)]
    return await networks(ctx) if any(made) else rows


def _outline(ctx: Context, zone: Zone) -> dict[str, Any]:
    """What can be said of a subnet before it is made."""
    return {
        "AvailabilityZone": zone.name,
        "AvailabilityZoneId": zone.id,
        "DefaultForAz": True,
        "State": "available",
        "VpcId": default_vpc_id(ctx),
        "_Zone": zone,
    }


async def _lacks(ctx: Context, zone: Zone, rows: Sequence[Row]) -> bool:
    """Whether a zone can have a default subnet and has none; who works in a VPC there has a place to launch into."""
    if not has_vpcs(zone) or await default_network(ctx, zone, rows):
        return False
    if await ctx.store.get(ctx.owner_id, _MADE, zone.uuid) is not None:
        return False
    return not any(vpc.get("zoneid") == zone.uuid for vpc in await vpc_rows(ctx))


async def _make_once(ctx: Context, zone: Zone) -> bool:
    try:
        await make_network(ctx, zone)
    except CloudStackUnavailable:
        raise
    except (CloudStackError, Ec2Error) as error:
        # The role may make no networks, or the quota is used up: the listing is right without one.
        log.info("no default subnet in %s for %s: %s", zone.name, ctx.owner_id, error)
        await ctx.store.put(ctx.owner_id, _MADE, zone.uuid, False, ttl=_AGAIN)
        return False
    return True


async def make_network(ctx: Context, zone: Zone) -> Row:
    """Make the isolated network that launches into a zone go to; one at a time, across all replicas."""
    given = {"zone": zone.uuid, "offering": await network_offering(ctx, zone)}
    made = await journal.perform(ctx, PLAN, given, place=zone.uuid)
    return dict(made["network"]["row"])


async def is_being_made(ctx: Context, zone: Zone) -> bool:
    """Whether this account's request for one has gone unanswered: `make_network` finishes it, or finds it."""
    return await journal.claim(ctx, PLAN, zone.uuid) is not False


@journal.plan(PLAN, forward=True, later=True)
def _steps(given: journal.Given) -> list[journal.Step]:
    return [journal.Step("network", journal.unseen, _make, journal.nothing)]


async def _make(work: Work) -> journal.Made:
    ctx, given = work.ctx, work.given
    zone = next(zone for zone in await zones(ctx) if zone.uuid == given["zone"])
    # Whoever made one before may have done it between our look and our turn.
    made = await default_network(ctx, zone)
    if made and not work.again:
        return {"row": made}
    if made is None:
        await ctx.account.call(
            "createNetwork",
            name="default",
            displaytext="default",
            zoneid=zone.uuid,
            networkofferingid=given["offering"],
        )
        made = await default_network(ctx, zone)
    if made is None:
        raise Ec2Error("InternalError", f"The network made for launches in {zone.name} cannot be found.")
    try:
        await open_egress(ctx, made, again=work.again)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        await ctx.account.job("deleteNetwork", id=made["id"])
        raise
    work.along.append(Change(_MADE, zone.uuid, True))
    return {"row": made}


async def network_offering(ctx: Context, zone: Zone) -> str:
    """Return the offering of the settings, else the oldest for isolated networks with source NAT."""
    rows = await ctx.account.list(
        "listNetworkOfferings", guestiptype="Isolated", state="Enabled", forvpc=False, zoneid=zone.uuid
    )
    chosen = ctx.settings.network_offering
    if chosen:
        rows = [row for row in rows if chosen in (row["id"], row["name"])]
    usable = [row for row in rows if chosen or serves(row, _NEEDED)]
    if not usable:
        raise Ec2Error(
            "VPCIdNotSpecified",
            f"No default subnet for your account in {zone.name}, and no network offering to make one with."
            " Specify a subnet.",
        )
    return str(min(usable, key=lambda row: (row.get("created", ""), row["id"]))["id"])
