"""Placement groups: CloudStack's affinity groups of the kinds that users choose themselves."""

from collections.abc import Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN, REMOVE = "CreatePlacementGroup", "DeletePlacementGroup"

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


async def being_made(ctx: Context, name: str) -> bool:
    """Whether a request for a group of that name was sent before, and its bearer died over it."""
    return await journal.claim(ctx, PLAN, name) is True


async def make(ctx: Context, name: str, kind: str, tags: dict[str, str]) -> Row:
    """Make a group of a native `kind`, whose name is free; returns CloudStack's row of it."""
    given = {"name": name, "type": kind, "tags": tags}
    return dict((await journal.perform(ctx, PLAN, given, place=name))["group"]["row"])


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [Step("group", _find, _make, _delete), Step("tags", journal.unseen, _tag, journal.nothing)]


async def _find(work: Work) -> Made | None:
    row = next((row for row in await rows(work.ctx) if row["name"] == work.given["name"]), None)
    return row and {"row": row}


async def _make(work: Work) -> Made:
    params = {name: work.given[name] for name in ("name", "type")}
    return {"row": await work.ctx.account.job("createAffinityGroup", **params)}


async def _delete(work: Work, made: Made) -> None:
    await journal.unless_gone(work, _find, work.ctx.account.job("deleteAffinityGroup", id=made["row"]["id"]))
    await resource_tags.forget(work.ctx, "placement-group", made["row"]["id"])


async def _tag(work: Work) -> Made:
    await resource_tags.attach(
        work.ctx, "placement-group", work.made["group"]["row"]["id"], work.given["tags"]
    )
    return {}


async def place(ctx: Context, machine: Row, group: Row | None) -> None:
    """Put a stopped machine into a group, or into none."""
    await _place(ctx, machine, [group["id"]] if group else [])
    if group:
        before = [one["id"] for one in machine.get("affinitygroup") or ()]
        await deletion.check(ctx, "placement-group", group["id"], partial(_place, ctx, machine, before))


async def _place(ctx: Context, machine: Row, groups: Sequence[str]) -> None:
    async with deletion.within(ctx, *(("placement-group", group) for group in groups)):
        await ctx.account.job("updateVMAffinityGroup", id=machine["id"], affinitygroupids=groups or "")


async def is_being_deleted(ctx: Context, name: str) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `delete` goes on with it then."""
    return await journal.claim(ctx, REMOVE, name) is True


async def delete(ctx: Context, name: str, row: Row | None = None) -> None:
    """Delete the group that a request names so; without a row, one whose deletion was begun before."""
    await journal.perform(ctx, REMOVE, {"id": row["id"], "place": name} if row else {}, place=name)


@journal.plan(REMOVE, forward=True)
def _steps_of_removal(given: Given) -> list[Step]:
    return deletion.steps(_is_free, _is_gone, _remove, _forget)


async def _is_free(work: Work) -> None:
    for row in await rows(work.ctx):
        if row["id"] == work.given["id"]:
            check_free(row)


def check_free(row: Row) -> None:
    """Refuse to delete a group that a machine is in."""
    if row.get("virtualmachineIds"):
        raise Ec2Error(
            "InvalidPlacementGroup.InUse",
            f"The placement group '{row['name']}' is in use and may not be deleted.",
        )


async def _is_gone(work: Work) -> Made | None:
    return None if work.given["id"] in {row["id"] for row in await rows(work.ctx)} else {}


async def _remove(work: Work) -> None:
    await work.ctx.account.job("deleteAffinityGroup", id=work.given["id"])


async def _forget(work: Work) -> None:
    await resource_tags.forget(work.ctx, "placement-group", work.given["id"])
