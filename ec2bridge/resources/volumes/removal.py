"""A volume deleted, as the journal's steps: CloudStack forgets its tags with it, and the store those that it has."""

import asyncio
import time
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes import records
from ec2bridge.resources.volumes.items import PATIENCE, PAUSE, exists

Row = dict[str, Any]

PLAN = "DeleteVolume"
BUSY = "snapshot operations in progress on the volume"
"""How CloudStack refuses to delete a volume for a moment."""


async def delete(ctx: Context, row: Row, place: str) -> None:
    """Delete a volume, given its row; `place` is what the client calls it."""
    given = {"volume": row["id"], "failed": row["state"] == records.ERROR}
    await journal.perform(ctx, PLAN, given, place=place)


async def finish(ctx: Context, place: str) -> None:
    """Go on with a deletion that somebody else has begun."""
    await journal.perform(ctx, PLAN, {}, place=place)


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return [
        Step("deleted", _is_gone, _delete, journal.nothing),
        Step("forgotten", journal.unseen, _forget, journal.nothing),
    ]


async def _is_gone(work: Work) -> Made | None:
    rows = await work.ctx.account.list("listVolumes", id=work.given["volume"])
    return None if any(map(exists, rows)) else {}


async def _delete(work: Work) -> Made:
    """Delete it once no snapshot of it is being taken: CloudStack refuses until then, and AWS does not."""
    if work.given["failed"]:
        # CloudStack has destroyed it by itself.
        return {}
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await work.ctx.account.call("deleteVolume", id=work.given["volume"])
            return {}
        except CloudStackError as error:
            if BUSY not in error.errortext or time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE)


async def _forget(work: Work) -> Made:
    await resource_tags.forget(work.ctx, "volume", work.given["volume"])
    await records.drop(work.ctx, work.given["volume"])
    return {}
