"""The public names of addresses.

AWS makes a name of each public address in a VPC that has EnableDnsHostnames. CloudStack makes none, so there the
address itself stands where the name would: whoever connects to it arrives, as with AWS's name.
"""

from collections.abc import Collection, Iterable
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places.networks import default_vpc_id, vpc_rows
from ec2bridge.resources.places.zones import cached
from ec2bridge.resources.vpcs.items import attribute_value

_CACHE = "named-vpcs"


async def named_vpcs(ctx: Context, vpcs: Iterable[str]) -> Collection[str]:
    """Return the ids of those VPCs, all of them the caller's, that have EnableDnsHostnames.

    The default VPC has it always; the others are asked of CloudStack about once a minute, when there is one.
    """
    wanted, default = set(vpcs), default_vpc_id(ctx)
    if wanted <= {default}:
        return wanted
    found: frozenset[str] = await cached(ctx, _CACHE).get(ctx.account.cache_key, lambda: _fetch(ctx))
    return wanted & (found | {default})


async def _fetch(ctx: Context) -> frozenset[str]:
    rows: list[dict[str, Any]] = await vpc_rows(ctx)
    return frozenset(ec2_id("vpc", row["id"]) for row in rows if attribute_value(row, "enableDnsHostnames"))


def forget(ctx: Context) -> None:
    """Ask CloudStack again at the next look: the attribute was changed."""
    cached(ctx, _CACHE).forget(ctx.account.cache_key)


def public_name(address: str, *, named: bool) -> str:
    """Return the public name of an address; empty, as on AWS, where the VPC has no names."""
    return address if named else ""
