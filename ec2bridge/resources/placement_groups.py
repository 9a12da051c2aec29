"""Placement groups: CloudStack's affinity groups of the kinds that users choose themselves."""

from types import MappingProxyType
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id

Row = dict[str, Any]


STRATEGIES = MappingProxyType(
    {
        "host affinity": "cluster",
        "non-strict host affinity": "cluster",
        "host anti-affinity": "spread",
        "non-strict host anti-affinity": "spread",
    }
)


async def rows(ctx: Context) -> list[Row]:
    """Return the groups that users choose themselves: a dedication is the administrator's."""
    return [row for row in await ctx.account.list("listAffinityGroups") if row.get("type") in STRATEGIES]


async def find(ctx: Context, name: str) -> Row:
    """Return the group of that name, or raise InvalidPlacementGroup.Unknown."""
    for row in await rows(ctx):
        if name in (row["name"], ec2_id("pg", row["id"])):
            return row
    raise Ec2Error("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
