"""Networks and VPCs: CloudStack's networks as subnets, in its VPCs or in the default one.

Most of CloudStack's networks (basic, shared, isolated) belong to no VPC: those are the subnets of the account's
default VPC, an object that only the bridge knows.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, unless_forbidden
from ec2bridge.ec2.context import Context
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.places import pending_deletion, ranges
from ec2bridge.resources.places.zones import FOREVER, Zone, cached

Row = dict[str, Any]


async def networks(ctx: Context) -> list[Row]:
    """Return the networks that the caller's machines can be in: tiers, isolated, shared and basic ones."""
    return await _usable(ctx, await ctx.account.list("listNetworks"))


async def networks_of(ctx: Context, idents: Sequence[str]) -> list[Row]:
    """Return the networks that subnet ids (or uuids) name; all that there are where one of these was never seen."""
    found = [ctx.directory.seen("subnet", ident) for ident in idents]
    uuids = dict.fromkeys(filter(None, found))
    if not all(found):
        return await networks(ctx)
    rows = await asyncio.gather(*(_asked(ctx, uuid) for uuid in uuids))
    return await _usable(ctx, [row for some in rows for row in some])


async def _asked(ctx: Context, uuid: str) -> list[Row]:
    try:
        rows: list[Row] = await ctx.account.list("listNetworks", id=uuid)
    except CloudStackError as error:
        if not error.is_unknown_id:
            raise
        return []
    return rows


async def _usable(ctx: Context, rows: list[Row]) -> list[Row]:
    gone = await pending_deletion.hidden(ctx)
    return await ranges.told(
        ctx,
        [
            row
            for row in rows
            if row.get("traffictype", "Guest") == "Guest"
            and not row.get("issystem")
            and row["id"] not in gone
        ],
    )


def subnet_id(row: Row) -> str:
    """Return the EC2 id of a network."""
    return ec2_id("subnet", row["id"])


def default_vpc_id(ctx: Context) -> str:
    """Return the id of the VPC that holds the caller's networks outside any VPC."""
    return ec2_id("vpc", ctx.owner_id)


def vpc_id_of_network(ctx: Context, row: Row) -> str:
    """Return the id of the VPC that a network lies in."""
    return ec2_id("vpc", row["vpcid"]) if row.get("vpcid") else default_vpc_id(ctx)


async def vpc_ids(ctx: Context, network_uuids: Iterable[str]) -> dict[str, str]:
    """Return network uuid → VPC id for networks that machines are in.

    A network never changes its VPC, so CloudStack is asked only when one turns up that was never seen.
    """
    wanted = set(network_uuids)
    if not wanted:
        return {}
    cache, key = cached(ctx, "network-vpcs", FOREVER), ctx.account.cache_key
    known: dict[str, str] = await cache.get(key, lambda: _fetch_vpc_ids(ctx))
    if not wanted <= known.keys():
        cache.forget(key)
        known = await cache.get(key, lambda: _fetch_vpc_ids(ctx))
        # One that the caller cannot list is in no VPC of the caller's, and need not be looked for again.
        known.update(dict.fromkeys(wanted - known.keys(), default_vpc_id(ctx)))
    return {uuid: known[uuid] for uuid in wanted}


async def _fetch_vpc_ids(ctx: Context) -> dict[str, str]:
    return {row["id"]: vpc_id_of_network(ctx, row) for row in await networks(ctx)}


async def default_network(ctx: Context, zone: Zone, rows: Sequence[Row] | None = None) -> Row | None:
    """Return the network of a zone that a launch without a subnet uses; None when there is none yet.

    It is the one in the settings, else the oldest outside any VPC. `rows` saves the listing where it is at hand.
    """
    found = await networks(ctx) if rows is None else rows
    chosen = ctx.settings.default_networks.get(zone.uuid) or ctx.settings.default_networks.get(
        zone.native_name
    )
    usable = [row for row in found if row["zoneid"] == zone.uuid and _may_be_default(row)]
    named = [row for row in usable if chosen in (row["id"], row["name"])]
    return min(named or usable, key=lambda row: (row.get("created", ""), row["id"]), default=None)


def _may_be_default(row: Row) -> bool:
    """A layer-2 network has no addresses to give, and a tier belongs to another VPC."""
    has_addresses = bool(row.get("cidr")) or ranges.is_untold(row)
    return has_addresses and not row.get("vpcid") and row.get("canusefordeploy", True)


async def resolve_subnet(ctx: Context, subnet: str) -> Row:
    """Return the network that a subnet id (or a network's uuid) names, or raise InvalidSubnetID.NotFound."""
    kind = KINDS["subnet"]
    if not is_uuid(subnet) and not kind.is_id(subnet):
        raise kind.refused(subnet)
    for row in await networks(ctx):
        if subnet in (subnet_id(row), row["id"]):
            return row
    raise kind.missing(subnet)


async def vpc_rows(ctx: Context) -> list[Row]:
    """Return the default VPC, as a row that says `default`, and the caller's VPCs in CloudStack."""
    return [default_vpc_row(ctx), *await _native_vpcs(ctx)]


async def _native_vpcs(ctx: Context) -> list[Row]:
    # Where an operator takes VPCs out of a role, an account has none; the default VPC is not CloudStack's.
    rows = await unless_forbidden(ctx.account.list("listVPCs")) or []
    gone = await pending_deletion.hidden(ctx)
    return [row for row in rows if row["id"] not in gone]


def default_vpc_row(ctx: Context) -> Row:
    """Return the VPC that only the bridge knows; its id is the owner's digits, as its EC2 id is made of them."""
    return {"id": ctx.owner_id, "default": True, "state": "Enabled", "cidr": ctx.settings.default_vpc_cidr}


async def resolve_vpc(ctx: Context, vpc: str) -> Row:
    """Return the row of a VPC id (or uuid), the default VPC's included, or raise InvalidVpcID.NotFound."""
    kind = KINDS["vpc"]
    if not is_uuid(vpc) and not kind.is_id(vpc):
        raise kind.refused(vpc)
    for row in await vpc_rows(ctx):
        if vpc in (ec2_id("vpc", row["id"]), row["id"]):
            return row
    raise kind.missing(vpc)


def has_static_nat(network: Row) -> bool:
    """Whether a public address can be mapped to machines of a network."""
    return any(service["name"] == "StaticNat" for service in network.get("service") or ())
