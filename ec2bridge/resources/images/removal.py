"""An image deregistered, as the journal's steps: it goes from all zones, and then the snapshot that it was made of."""

from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.images.lookup import image_rows, images_of_snapshot
from ec2bridge.resources.images.records import bury
from ec2bridge.resources.snapshots import lookup as snapshots
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN = "DeregisterImage"


def place_of(image: str | None, with_snapshot: bool) -> str:
    """Return what stands for a request to remove an image: DeregisterImage has no client token."""
    return f"{image} {with_snapshot}"


async def remove(ctx: Context, uuid: str | None, snapshot: str | None, place: str) -> tuple[str, str] | None:
    """Remove an image, and its snapshot if that is named; returns the snapshot with EC2's word for what became of it.

    `place` is what the client asked for. Without a uuid, finish what somebody else has begun.
    """
    made = await journal.perform(ctx, PLAN, {"image": uuid, "snapshot": snapshot}, place=place)
    removed = made.get("snapshot")
    return (removed["snapshot"], removed["code"]) if removed else None


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    gone = [
        *journal.job("deleted", _is_gone, _delete),
        Step("told", journal.unseen, _tell, journal.nothing),
    ]
    return (
        [*gone, Step("snapshot", _is_snapshot_gone, _delete_snapshot, journal.nothing)]
        if given["snapshot"]
        else gone
    )


async def _is_gone(work: Work) -> Made | None:
    return None if await image_rows(work.ctx, work.given["image"]) else {}


async def _delete(work: Work) -> Row:
    answer: Row = await work.ctx.account.submit("deleteTemplate", id=work.given["image"], forced=True)
    return answer


async def _tell(work: Work) -> Made:
    await resource_tags.forget(work.ctx, "image", work.given["image"])
    await bury(work.ctx, work.given["image"])
    return {}


async def _delete_snapshot(work: Work) -> Made:
    ctx, uuid = work.ctx, work.given["snapshot"]
    if await images_of_snapshot(ctx, uuid):
        return {"snapshot": uuid, "code": "skipped"}
    try:
        await snapshots.delete(ctx, uuid)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        return {"snapshot": uuid, "code": "client-error"}
    return {"snapshot": uuid, "code": "success"}


async def _is_snapshot_gone(work: Work) -> Made | None:
    uuid = work.given["snapshot"]
    there = any(row["id"] == uuid for row in await snapshots.snapshot_rows(work.ctx, [uuid]))
    return None if there else {"snapshot": uuid, "code": "success"}
