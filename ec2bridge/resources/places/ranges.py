"""The IPv4 ranges of networks: none, one, or several.

A layer-2 network has none. A shared network may have several, which CloudStack writes with commas between. A basic
zone's may be given pod by pod, and then CloudStack tells none with the network: what its machines' NICs say is a range
of it, and `listVlanIpRanges` has all, for an administrator.
"""

import asyncio
import ipaddress
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.resources.places.zones import cached

Row = dict[str, Any]
Block = ipaddress.IPv4Network

BY_POD = "listVlanIpRanges"


def blocks(row: Row, field: str = "cidr") -> list[Block]:
    """Return a network's ranges, in CloudStack's order."""
    return [Block(text, strict=False) for text in listed(row.get(field))]


def gateways(row: Row) -> list[str]:
    """Return a network's gateways, one a range."""
    return listed(row.get("gateway"))


def listed(text: Any) -> list[str]:
    """Return what a field of several values has; CloudStack writes commas between."""
    return [part.strip() for part in str(text or "").split(",") if part.strip()]


async def told(ctx: Context, rows: list[Row]) -> list[Row]:
    """Return networks with the ranges that are known of them otherwise, where CloudStack tells none."""
    untold = [row["id"] for row in rows if is_untold(row)]
    if not untold:
        return rows
    found = dict(
        zip(untold, await asyncio.gather(*(_found(ctx, network) for network in untold)), strict=True)
    )
    return [_with(row, found[row["id"]]) if found.get(row["id"]) else row for row in rows]


def is_untold(row: Row) -> bool:
    """Whether a network has addresses to give, and CloudStack does not tell which."""
    return row.get("type") == "Shared" and not row.get("cidr") and not row.get("ip6cidr")


def _with(row: Row, found: set[tuple[Block, str]]) -> Row:
    ordered = sorted(found)
    return {
        **row,
        "cidr": ",".join(str(block) for block, _ in ordered),
        "gateway": ",".join(gateway for _, gateway in ordered),
    }


async def _found(ctx: Context, network: str) -> set[tuple[Block, str]]:
    return await _of_pods(ctx, network) or await _of_machines(ctx, network)


async def _of_pods(ctx: Context, network: str) -> set[tuple[Block, str]]:
    """Return a network's ranges as the look-up account sees them, where it may."""
    service = ctx.site.service
    if service is None or not await service.may_call(BY_POD):
        return set()
    rows: list[Row] = await cached(ctx, "ranges-of-pods").get(
        (service.cache_key, network), lambda: service.list(BY_POD, networkid=network)
    )
    return _spanned(rows)


async def _of_machines(ctx: Context, network: str) -> set[tuple[Block, str]]:
    """Return the ranges that the caller's machines have addresses of."""
    cache, key = cached(ctx, "ranges-of-machines"), (ctx.account.cache_key, network)
    found: set[tuple[Block, str]] = await cache.get(key, lambda: _fetch_of_machines(ctx, network))
    if not found:
        cache.forget(key)  # of the first machine it is to be known at once
    return found


async def _fetch_of_machines(ctx: Context, network: str) -> set[tuple[Block, str]]:
    rows = await ctx.account.list("listVirtualMachines", networkid=network, details=["nics"])
    return _spanned([nic for row in rows for nic in row.get("nic") or () if nic["networkid"] == network])


def _spanned(rows: list[Row]) -> set[tuple[Block, str]]:
    """Return the ranges, with their gateways, that gateway and netmask span."""
    return {
        (Block(f"{row['gateway']}/{row['netmask']}", strict=False), row["gateway"])
        for row in rows
        if row.get("gateway") and row.get("netmask")
    }
