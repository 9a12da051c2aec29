"""A snapshot deleted, as the journal's steps: from all of its zones, then its tags, which CloudStack keeps longer."""

from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.snapshots.lookup import snapshot_rows
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN = "DeleteSnapshot"


async def delete(ctx: Context, uuid: str | None, place: str) -> None:
    """Delete a snapshot; `place` is what the client calls it. Without a uuid, finish what somebody else has begun."""
    await journal.perform(ctx, PLAN, {"snapshot": uuid}, place=place)


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return [
        *journal.job("deleted", _is_gone, _delete),
        Step("cleared", journal.unseen, _clear, journal.nothing),
    ]


async def _is_gone(work: Work) -> Made | None:
    uuid = work.given["snapshot"]
    return None if any(row["id"] == uuid for row in await snapshot_rows(work.ctx, [uuid])) else {}


async def _delete(work: Work) -> Row:
    answer: Row = await work.ctx.account.submit("deleteSnapshot", id=work.given["snapshot"])
    return answer


async def _clear(work: Work) -> Made:
    await resource_tags.clear(work.ctx, "snapshot", work.given["snapshot"])
    return {}
