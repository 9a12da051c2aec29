"""Placement groups: CloudStack's affinity groups.

AWS's strategy `spread` keeps machines on different hardware: host anti-affinity. `cluster` keeps them close, on
however many hosts that takes: host affinity, the non-strict kind where the cloud has it, since the strict one refuses
a machine that does not fit on the one host. Partitions have no counterpart. CloudStack deletes a group that machines
are in; AWS does not.
"""

from types import MappingProxyType
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.placement_groups import (
    STRATEGIES,
    being_made,
    check_free,
    delete,
    find,
    is_being_deleted,
    make,
    rows,
)
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

TYPES = MappingProxyType(
    {
        "cluster": ("non-strict host affinity", "host affinity"),
        "spread": ("host anti-affinity",),
    }
)
"""Strategy → affinity types that serve it, the better first."""


@action(
    "CreatePlacementGroup",
    honours=("GroupName", "Strategy", "TagSpecifications"),
    defaults={"SpreadLevel": ("host",)},
    native=("createAffinityGroup", "listAffinityGroupTypes"),
)
async def create_placement_group(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Create a group."""
    tags = resource_tags.specified(request, "placement-group")
    name = request.get("GroupName")
    if not name:
        raise Ec2Error("MissingParameter", "The request must contain the parameter groupName")
    kind = await _type(ctx, request.get("Strategy") or "cluster")
    # A request whose bridge died over it is gone on with.
    if not await being_made(ctx, name) and any(row["name"] == name for row in await rows(ctx)):
        raise Ec2Error("InvalidPlacementGroup.Duplicate", f"The placement group '{name}' already exists.")
    row = await make(ctx, name, kind, tags)
    return {"PlacementGroup": _item(ctx, row, resource_tags.as_list(tags))}


async def _type(ctx: Context, strategy: str) -> str:
    if strategy == "partition":
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter Strategy with the value 'partition' is not supported: CloudStack has no partitions.",
        )
    if strategy not in TYPES:
        raise Ec2Error("InvalidParameterValue", f"Value ({strategy}) for parameter strategy is invalid.")
    known = {row["type"] for row in await ctx.account.list("listAffinityGroupTypes")}
    found = next((kind for kind in TYPES[strategy] if kind in known), None)
    if found is None:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Strategy with the value '{strategy}' is not supported: this cloud has no affinity groups"
            " of that kind.",
        )
    return found


def _item(ctx: Context, row: Row, tags: list[dict[str, str]]) -> Item:
    strategy = STRATEGIES[row["type"]]
    arn = f"arn:aws:ec2:{ctx.settings.region}:{ctx.owner_id}:placement-group/{row['name']}"
    level = {"SpreadLevel": "host"} if strategy == "spread" else {}
    return {
        "GroupId": ec2_id("pg", row["id"]),
        "GroupName": row["name"],
        "GroupArn": arn,
        "State": "available",
        "Strategy": strategy,
        "Tags": tags,
        **level,
    }


@describe(
    "DescribePlacementGroups",
    items="PlacementGroups",
    ids={
        "GroupIds": Ids("GroupId", "placement-group"),
        "GroupNames": Ids(
            "GroupName", None, "InvalidPlacementGroup.Unknown", "The Placement Group '{}' is unknown."
        ),
    },
    filters={
        **TAGS,
        "group-arn": "GroupArn",
        "group-name": "GroupName",
        "spread-level": "SpreadLevel",
        "state": "State",
        "strategy": "Strategy",
    },
    native=("listAffinityGroups",),
)
async def describe_placement_groups(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's groups."""
    found = await rows(ctx)
    tags = await resource_tags.merged(ctx, "placement-group", found)
    return [_item(ctx, row, tags[row["id"]]) for row in found]


@action("DeletePlacementGroup", honours=("GroupName",), native=("deleteAffinityGroup", "listAffinityGroups"))
async def delete_placement_group(ctx: Context, request: dict[str, Any]) -> None:
    """Delete a group that no machine is in."""
    name = request.get("GroupName") or ""
    if await is_being_deleted(ctx, name):
        await delete(ctx, name)
        return
    row = await find(ctx, name)
    if ctx.dry_run:
        check_free(row)
    await delete(ctx, name, row)
