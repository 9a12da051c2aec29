"""A VPC made, as the journal's steps: the display text has the request's stem, by which it is found again."""

from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import dhcp_options

Row = dict[str, Any]

PLAN = "CreateVpc"


async def make(ctx: Context, given: Given) -> Row:
    """Make a VPC of createVPC's `params` with `tags` and a set of DHCP `options`; returns CloudStack's row of it."""
    return dict((await journal.perform(ctx, PLAN, given))["vpc"]["row"])


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [Step("vpc", _find, _make, _delete), Step("tags", journal.unseen, _tag, journal.nothing)]


def _text(work: Work) -> str:
    return f"{work.given['params']['name'][:200]} ({work.stem})"


async def _find(work: Work) -> Made | None:
    rows = await work.ctx.account.list("listVPCs")
    row = next((row for row in rows if row.get("displaytext") == _text(work)), None)
    return row and {"row": row}


async def _make(work: Work) -> Made:
    row = await work.ctx.account.job("createVPC", displaytext=_text(work), **work.given["params"])
    return {"row": row}


async def _delete(work: Work, made: Made) -> None:
    await journal.unless_gone(work, _find, work.ctx.account.job("deleteVPC", id=made["row"]["id"]))
    await resource_tags.forget(work.ctx, "vpc", made["row"]["id"])
    await dhcp_options.leave_vpc(work.ctx, made["row"]["id"])


async def _tag(work: Work) -> Made:
    uuid = work.made["vpc"]["row"]["id"]
    if work.given.get("options"):
        await dhcp_options.choose(work.ctx, uuid, work.given["options"])
    await resource_tags.attach(work.ctx, "vpc", uuid, work.given["tags"])
    return {}
