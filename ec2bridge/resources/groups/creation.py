"""A security group made, as the journal's steps.

CloudStack's group is in the default VPC until it is marked, and has the account's only group of its native name.
"""

from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN = "CreateSecurityGroup"


async def make(ctx: Context, given: Given, place: str) -> Row:
    """Make a group of a `name` and `description` with `tags`; returns CloudStack's row of it.

    `vpc` is the uuid of the VPC that the tags put it into.
    """
    made = await journal.perform(ctx, PLAN, given, place=place)
    return dict(made["group"]["row"])


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [
        Step("group", _find, _make, _delete),
        Step("tags", journal.unseen, _tag, journal.nothing),
        Step("vpc", journal.unseen, _check_vpc, journal.nothing),
    ]


async def _find(work: Work) -> Made | None:
    rows = await work.ctx.account.list("listSecurityGroups", securitygroupname=work.given["name"])
    row = next((row for row in rows if row["name"] == work.given["name"]), None)
    return row and {"row": row}


async def _make(work: Work) -> Made:
    name, text = work.given["name"], work.given["description"]
    answer = await work.ctx.account.call("createSecurityGroup", name=name, description=text)
    return {"row": answer["securitygroup"]}


async def _delete(work: Work, made: Made) -> None:
    await journal.unless_gone(work, _find, work.ctx.account.call("deleteSecurityGroup", id=made["row"]["id"]))
    await resource_tags.forget(work.ctx, "security-group", made["row"]["id"])


async def _tag(work: Work) -> Made:
    if work.given["tags"]:
        uuid = work.made["group"]["row"]["id"]
        await resource_tags.attach(work.ctx, "security-group", uuid, work.given["tags"])
    return {}


async def _check_vpc(work: Work) -> Made:
    if work.given.get("vpc"):
        await deletion.check(work.ctx, "vpc", work.given["vpc"])
    return {}
