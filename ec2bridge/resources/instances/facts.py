"""What the translation of machines needs beside their own rows.

Each of these is listed once for all machines, or remembered because it never changes.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import unless_forbidden
from ec2bridge.ec2.context import Context
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.instance_types import TypeTable, architecture, bare_table, type_table, virtualization
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.machines.lookup import group_uuids
from ec2bridge.resources.machines.records import CALLERS
from ec2bridge.resources.machines.states import STOP_KIND, moving
from ec2bridge.resources.places.networks import default_vpc_id, vpc_ids
from ec2bridge.resources.places.zones import FOREVER, Zone, cached, zones
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import host_names

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a machine has of its image."""

    architecture: str
    virtualization: str


@dataclass(slots=True)
class Facts:
    """What a listing knows beside the machines' own rows."""

    zones: Mapping[str, Zone]
    types: TypeTable
    vpcs: Mapping[str, str]
    default_vpc: str
    named_vpcs: Collection[str]
    """The VPCs whose public addresses have names."""
    images: Mapping[str, ImageFacts | None]
    groups: Mapping[str, str]
    tags: Mapping[str, Mapping[str, str]]
    volumes: Mapping[str, list[Row]]
    records: Mapping[str, dict[str, Any]]
    moving: Mapping[str, str]
    stops: Mapping[str, dict[str, Any]]
    interfaces: Mapping[str, dict[str, Any]]
    """CloudStack's uuid of a NIC → the record of its interface, of those that have one."""
    owners: dict[tuple[Any, ...], str]


async def gather_facts(
    ctx: Context,
    rows: list[Row],
    records: Mapping[str, dict[str, Any]],
    volumes: Mapping[str, list[Row]] | None = None,
) -> Facts:
    """Collect what the translation of these rows needs; a handful of calls at most, however many rows."""
    named = _named(ctx, rows)
    vpcs = await vpc_ids(ctx, named.networks)
    return Facts(
        zones={zone.uuid: zone for zone in await zones(ctx)},
        types=await unless_forbidden(type_table(ctx)) or bare_table(ctx),
        vpcs=vpcs,
        default_vpc=default_vpc_id(ctx),
        named_vpcs=await host_names.named_vpcs(ctx, vpcs.values()),
        images=await _images(ctx, named.templates),
        groups=await _group_names(ctx, named.groups),
        tags=await resource_tags.stored(ctx, "instance"),
        volumes=volumes or {},
        records=records,
        # As it is before the notes are read, which are written before a machine moves no more.
        moving=dict(moving(ctx)),
        stops={entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, STOP_KIND)},
        interfaces=network_interfaces.by_nic(await network_interfaces.records(ctx)),
        owners={},
    )


@dataclass(frozen=True, slots=True)
class _Named:
    """What some rows name: uuids of networks, templates and groups."""

    rows: list[Row]
    networks: frozenset[str]
    templates: frozenset[str | None]
    groups: frozenset[str]


def _named(ctx: Context, rows: list[Row]) -> _Named:
    """Return what the rows name; those of the very list of the last time are not looked through again."""
    memory: OrderedDict[Any, _Named] = ctx.site.caches.setdefault("rows-name", OrderedDict())
    key = ctx.account.cache_key
    last = memory.get(key)
    if last is None or last.rows is not rows:
        last = memory[key] = _Named(
            rows,
            frozenset(nic["networkid"] for row in rows for nic in row.get("nic", ())),
            frozenset(row.get("templateid") for row in rows),
            frozenset(uuid for row in rows for uuid in group_uuids(row)),
        )
    memory.move_to_end(key)
    if len(memory) > CALLERS:
        memory.popitem(last=False)
    return last


async def _images(ctx: Context, templates: frozenset[str | None]) -> Mapping[str, ImageFacts | None]:
    """Return template uuid → facts; they never change, so only a template never seen costs a listing."""
    known = await cached(ctx, "image-facts", FOREVER).get(ctx.account.cache_key, _none_yet)
    wanted = {template for template in templates if template}
    for sort in ("executable", "sharedexecutable"):
        if wanted <= known.keys():
            return known
        rows = await unless_forbidden(ctx.account.list("listTemplates", templatefilter=sort, details="min"))
        if rows is None:
            return known
        for row in rows:
            known[row["id"]] = ImageFacts(architecture(row), virtualization(row))
    # One that is gone, or was never the caller's to see, will not turn up later either.
    known.update(dict.fromkeys(wanted - known.keys()))
    return known


async def _none_yet() -> dict[str, ImageFacts | None]:
    return {}


async def _group_names(ctx: Context, wanted: frozenset[str]) -> Mapping[str, str]:
    """Return uuid → EC2 name of the groups that machines are in; listed only when one turns up that is unknown."""
    if not wanted:
        return {}
    cache = cached(ctx, "group-names")

    async def names() -> Mapping[str, str]:
        return await unless_forbidden(security_groups.names(ctx)) or {}

    found: Mapping[str, str] = await cache.get(ctx.account.cache_key, names)
    if not wanted <= found.keys():
        cache.forget(ctx.account.cache_key)
        found = await cache.get(ctx.account.cache_key, names)
    return found
