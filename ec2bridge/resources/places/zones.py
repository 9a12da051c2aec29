"""Zones and networks as availability zones, subnets and VPCs.

AWS puts every machine into a subnet of a VPC in a zone called region + letter. A CloudStack zone has a name of its
own, and most of its networks (basic, shared, isolated) belong to no VPC: those are the subnets of the account's
default VPC, an object that only the bridge knows.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.cache import Cached
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.filters import walk
from ec2bridge.errors import Ec2Error

Row = dict[str, Any]


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


async def asked_zone(
    ctx: Context,
    asked: Mapping[str, Any],
    members: tuple[str, str] = ("AvailabilityZone", "AvailabilityZoneId"),
    resolve: Callable[[Context, str], Awaitable[Zone]] = resolve_zone,
) -> Zone | None:
    """Return the zone that a request names, by its name or its id; both must mean the same one.

    `resolve` raises what AWS raises for a zone that is none.
    """
    named = {name: await resolve(ctx, asked[name]) for name in members if asked.get(name)}
    if len({zone.uuid for zone in named.values()}) > 1:
        differ = " and ".join(f"{name[0].lower()}{name[1:]} ({asked[name]})" for name in members)
        raise Ec2Error("InvalidParameterCombination", f"The parameters {differ} differ.")
    return next(iter(named.values()), None)


def zone_names(path: str) -> Callable[[dict[str, Any]], Iterable[str]]:
    """Return a filter on an item's zone that takes any of its names; the item keeps the zone in `_Zone`."""
    steps = path.split(".")

    def read(item: dict[str, Any]) -> Iterable[str]:
        zone: Zone | None = item.get("_Zone")
        return zone.names if zone is not None else walk(item, steps)

    return read


def require_region(ctx: Context, region: str | None, parameter: str = "SourceRegion") -> None:
    """Refuse another region: the bridge knows one CloudStack."""
    if region and region != ctx.settings.region:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter {parameter} with the value '{region}' is not supported: this endpoint knows the region"
            f" {ctx.settings.region} alone.",
        )
