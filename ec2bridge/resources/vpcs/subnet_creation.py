"""A subnet made, as the journal's steps: the display text has the request's stem, by which it is found again."""

import json
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.enforcement import firewall
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import dhcp_options

Row = dict[str, Any]

PLAN = "CreateSubnet"


def place(vpc: str, block: str, zone: str, tags: dict[str, str]) -> str:
    """Return what stands for a request: CreateSubnet has no client token, and no range is there twice."""
    return json.dumps([vpc, block, zone, tags], sort_keys=True)


async def make(ctx: Context, given: Given, where: str) -> Row:
    """Make a network of createNetwork's `params` with `tags`; returns CloudStack's row of it."""
    return dict((await journal.perform(ctx, PLAN, given, place=where))["network"]["row"])


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [
        Step("network", _find, _make, _delete),
        Step("vpc", journal.unseen, _check_vpc, journal.nothing),
        Step("options", journal.unseen, _join, journal.nothing),
        Step("egress", journal.unseen, _open, journal.nothing),
        Step("tags", journal.unseen, _tag, journal.nothing),
    ]


def _text(work: Work) -> str:
    return f"{work.given['params']['name'][:200]} ({work.stem})"


async def _find(work: Work) -> Made | None:
    rows = await work.ctx.account.list("listNetworks")
    row = next((row for row in rows if row.get("displaytext") == _text(work)), None)
    return row and {"row": row}


async def _make(work: Work) -> Made:
    params = work.given["params"]
    async with deletion.within(work.ctx, ("vpc", params.get("vpcid", ""))):
        answer = await work.ctx.account.call("createNetwork", displaytext=_text(work), **params)
    return {"row": answer["network"]}


async def _check_vpc(work: Work) -> Made:
    if vpc := work.given["params"].get("vpcid"):
        await deletion.check(work.ctx, "vpc", vpc)
    return {}


async def _delete(work: Work, made: Made) -> None:
    await journal.unless_gone(work, _find, work.ctx.account.job("deleteNetwork", id=made["row"]["id"]))
    await resource_tags.forget(work.ctx, "subnet", made["row"]["id"])


async def _join(work: Work) -> Made:
    await dhcp_options.join(work.ctx, work.made["network"]["row"])
    return {}


async def _open(work: Work) -> Made:
    await firewall.open_egress(work.ctx, work.made["network"]["row"], again=work.again)
    return {}


async def _tag(work: Work) -> Made:
    if work.given["tags"]:
        await resource_tags.attach(work.ctx, "subnet", work.made["network"]["row"]["id"], work.given["tags"])
    return {}
