"""Objects that are gone and whose tags CloudStack has all the same.

Of a snapshot that was deleted, of a volume that was destroyed and not yet expunged, of a template that could not be
made, of a rule whose group went, and of a public address that went with its network or VPC, CloudStack keeps the tags
and lists them (`docs/cloudstack.md` has the table). On AWS an object's tags end with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from types import MappingProxyType

from ec2bridge.cloudstack.errors import FORBIDDEN, CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.resources.groups.listed import listed
from ec2bridge.resources.images import records as image_records
from ec2bridge.resources.images.lookup import SORTS
from ec2bridge.resources.snapshots import empty as empty_snapshots
from ec2bridge.resources.snapshots.lookup import GONE
from ec2bridge.resources.volumes.items import exists

Place = tuple[str, str]
"""A kind, and the native id of an object of it."""
Finder = Callable[[Context, dict[str, str]], Awaitable[set[str]]]

_NOT_THERE = 431


async def left_behind(ctx: Context, tagged: Collection[Place]) -> set[Place]:
    """Return those of the tagged objects that are gone: a listing for each kind that leaves its tags behind."""
    kinds: dict[str, set[str]] = {}
    for kind, ident in tagged:
        if kind in _FINDERS:
            kinds.setdefault(kind, set()).add(ident)
    found = await asyncio.gather(*(_there(ctx, kind, idents) for kind, idents in kinds.items()))
    return {
        (kind, ident)
        for (kind, idents), there in zip(kinds.items(), found, strict=True)
        for ident in idents - there
    }


async def _there(ctx: Context, kind: str, idents: set[str]) -> set[str]:
    """Return the native ids of what there is of a kind: of one object if one is asked for, else of all."""
    narrowed = {"id": next(iter(idents))} if len(idents) == 1 else {}
    try:
        return await _FINDERS[kind](ctx, narrowed)
    except CloudStackError as error:
        if error.errorcode == FORBIDDEN:
            # Nobody can tell: the tags are shown, as CloudStack lists them.
            return idents
        if not narrowed or error.errorcode != _NOT_THERE:
            raise
        return set()


async def _volumes(ctx: Context, narrowed: dict[str, str]) -> set[str]:
    return {row["id"] for row in await ctx.account.list("listVolumes", **narrowed) if exists(row)}


async def _snapshots(ctx: Context, narrowed: dict[str, str]) -> set[str]:
    empty = await empty_snapshots.rows(ctx)
    if narrowed.get("id") in empty:
        return set(empty)
    rows = await ctx.account.list("listSnapshots", **narrowed)
    return {row["id"] for row in rows if row["state"] not in GONE}.union(empty)


async def _images(ctx: Context, narrowed: dict[str, str]) -> set[str]:
    """All that the caller may see, and those that could not be made as long as EC2 shows them as failed."""
    begun = set(await image_records.records(ctx))
    if narrowed.get("id") in begun:
        return begun
    found = await asyncio.gather(
        *(ctx.account.list("listTemplates", templatefilter=sort, **narrowed) for sort in SORTS)
    )
    return begun | {row["id"] for rows in found for row in rows}


async def _addresses(ctx: Context, narrowed: dict[str, str]) -> set[str]:
    return {row["id"] for row in await ctx.account.list("listPublicIpAddresses", **narrowed)}


async def _rules(ctx: Context, _: dict[str, str]) -> set[str]:
    """Rules are found in their groups alone."""
    groups = await ctx.account.list("listSecurityGroups")
    named = {rule.uuid for of in (await listed(ctx)).values() for rule in of.rules if rule.uuid}
    return {rule["ruleid"] for row in groups for rule in (*row["ingressrule"], *row["egressrule"])} | named


_FINDERS: Mapping[str, Finder] = MappingProxyType(
    {
        "volume": _volumes,
        "snapshot": _snapshots,
        "image": _images,
        "allocation": _addresses,
        "security-group-rule": _rules,
    }
)
