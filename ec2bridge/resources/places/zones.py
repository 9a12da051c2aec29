"""Zones and networks as availability zones, subnets and VPCs.

AWS puts every machine into a subnet of a VPC in a zone called region + letter. A CloudStack zone has a name of its
own, and most of its networks (basic, shared, isolated) belong to no VPC: those are the subnets of the account's
default VPC, an object that only the bridge knows.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.cache import Cached
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.filters import walk
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.places import pending_deletion

Row = dict[str, Any]

FORBIDDEN = 432

_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
_LETTERS = re.compile(r"[a-z]{1,2}")

KEEP = 60.0
"""Seconds that lists which hardly ever change (zones, offerings) are kept."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A CloudStack zone under the name that EC2 clients know it by."""

    name: str
    id: str
    """As AWS writes it, `use1-az1`; the uuid of a zone whose name is not region and letter."""
    uuid: str
    row: Row

    @property
    def names(self) -> tuple[str, str, str, str]:
        """All by which a client may mean this zone."""
        return (self.name, self.id, self.uuid, self.native_name)

    @property
    def native_name(self) -> str:
        """CloudStack's own name of the zone."""
        return str(self.row["name"])

    @property
    def basic(self) -> bool:
        """Whether the zone has one flat network and refuses to be told a machine's networks."""
        return self.row.get("networktype") == "Basic"

    @property
    def security_groups(self) -> bool:
        """Whether CloudStack itself applies security groups there."""
        return bool(self.row.get("securitygroupsenabled"))

    def answers_to(self, text: str) -> bool:
        """Whether a client may mean this zone: by its EC2 name or id, its CloudStack name or its uuid."""
        return text in self.names


FOREVER = 3600.0
"""Seconds that facts which cannot change are kept, so that those of callers who left are let go."""


def cached(ctx: Context, name: str, keep: float = KEEP) -> Cached:
    """Return the process-wide cache of that name; its keys must tell callers apart (`ctx.account.cache_key`)."""
    cache: Cached = ctx.site.caches.setdefault(name, Cached(keep))
    return cache


async def zones(ctx: Context) -> list[Zone]:
    """Return the zones that the caller may use, ordered by EC2 name."""
    rows = await cached(ctx, "zones").get(ctx.account.cache_key, lambda: ctx.account.list("listZones"))
    names = ctx.settings.zones or letters(ctx.settings.region, await _all_zones(ctx) or rows)
    named = [_zone(ctx.settings.region, _name(names, row), row) for row in rows]
    return sorted(named, key=lambda zone: zone.name)


async def _all_zones(ctx: Context) -> list[Row]:
    """Return the zones as the look-up account sees them: a zone has one letter for all callers."""
    service = ctx.site.service
    if service is None:
        return []
    rows: list[Row] = await cached(ctx, "zones").get(service.cache_key, lambda: service.list("listZones"))
    return rows


def letters(region: str, rows: Sequence[Row]) -> dict[str, str]:
    """Return EC2 name → uuid: region and a letter, in the order of the zones' own names."""
    ordered = sorted(rows, key=lambda row: (row["name"], row["id"]))
    return {f"{region}{_letter(place)}": row["id"] for place, row in enumerate(ordered)}


def _letter(place: int) -> str:
    letter = chr(ord("a") + place % 26)
    return letter if place < 26 else _letter(place // 26 - 1) + letter


def _name(names: dict[str, str], row: Row) -> str:
    """Return the zone's EC2 name; a zone that the settings leave out keeps its own."""
    return next((name for name, zone in names.items() if zone in (row["id"], row["name"])), str(row["name"]))


def _zone(region: str, name: str, row: Row) -> Zone:
    return Zone(name, zone_id(region, name) or row["id"], row["id"], row)


def zone_id(region: str, name: str) -> str | None:
    """Return `use1-az1` for us-east-1a, as AWS writes it; None for a name that is not region and letter."""
    letters = name.removeprefix(region)
    if letters == name or not _LETTERS.fullmatch(letters):
        return None
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("a") + 1
    return f"{_short(region)}-az{number}"


def _short(region: str) -> str:
    """Return AWS's short form of a region's name (apse2 for ap-southeast-2), another name as it is."""
    if not _AWS_REGION.fullmatch(region):
        return region
    area, *words, number = region.split("-")
    return area + "".join(_initials(word) for word in words) + number


def _initials(word: str) -> str:
    parts = re.fullmatch(r"(north|south)(east|west)", word)
    return parts[1][0] + parts[2][0] if parts else word[0]


async def resolve_zone(ctx: Context, text: str) -> Zone:
    """Return the zone that an AvailabilityZone parameter names, or raise as AWS does for one that does not exist."""
    for zone in await zones(ctx):
        if zone.answers_to(text):
            return zone
    raise Ec2Error("InvalidParameterValue", f"Invalid availability zone: [{text}]")


def zone_names(path: str) -> Callable[[dict[str, Any]], Iterable[str]]:
    """Return a filter on an item's zone that takes any of its names; the item keeps the zone in `_Zone`."""
    steps = path.split(".")

    def read(item: dict[str, Any]) -> Iterable[str]:
        zone: Zone | None = item.get("_Zone")
        return zone.names if zone is not None else walk(item, steps)

    return read


async def networks(ctx: Context) -> list[Row]:
    """Return the networks that the caller's machines can be in: tiers, isolated, shared and basic ones."""
    rows: list[Row] = await ctx.account.list("listNetworks")
    gone = await pending_deletion.hidden(ctx)
    return [
        row
        for row in rows
        if row.get("traffictype", "Guest") == "Guest" and not row.get("issystem") and row["id"] not in gone
    ]


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
    return bool(row.get("cidr")) and not row.get("vpcid") and row.get("canusefordeploy", True)


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
    try:
        rows = await ctx.account.list("listVPCs")
    except CloudStackError as error:
        # Where an operator takes VPCs out of a role, an account has none; the default VPC is not CloudStack's.
        if error.errorcode == FORBIDDEN:
            return []
        raise
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
