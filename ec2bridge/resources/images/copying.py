"""An image brought to further zones, as the journal's steps.

It stays the same image, which is there all the while, so that nothing but the answer can tell that the copying failed:
it comes when the copies are there.
"""

import json
from collections.abc import Sequence
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.images.lookup import image_rows
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN = "CopyImage"
_COPIED = 3600.0
"""Seconds that copies to other zones may take."""


def place_of(image: str, zone: str | None) -> str:
    """Return what stands for a request to copy an image to a zone, or to all that lack it."""
    return json.dumps([image, zone])


async def copy(ctx: Context, row: Row, zones: Sequence[str], tags: dict[str, str], place: str) -> None:
    """Have an image be in further zones (uuids), and tagged; raises what the copying has failed for."""
    given = {"image": row["id"], "source": row["zoneid"], "zones": list(zones), "tags": tags}
    await journal.perform(ctx, PLAN, given, place=place)


async def finish(ctx: Context, place: str) -> None:
    """Go on with what somebody else has begun."""
    await journal.perform(ctx, PLAN, {}, place=place)


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    copied = journal.job("copied", _is_copied, _submit, patience=_COPIED) if given["zones"] else []
    return [*copied, *([Step("tags", journal.unseen, _tag, journal.nothing)] if given["tags"] else [])]


async def _is_copied(work: Work) -> Made | None:
    rows = await image_rows(work.ctx, work.given["image"])
    ready = {row["zoneid"] for row in rows if row.get("isready")}
    return {} if ready >= set(work.given["zones"]) else None


async def _submit(work: Work) -> Row:
    given = work.given
    answer: Row = await work.ctx.account.submit(
        "copyTemplate", id=given["image"], sourcezoneid=given["source"], destzoneids=given["zones"]
    )
    return answer


async def _tag(work: Work) -> Made:
    image = work.given["image"]
    held = await resource_tags.held_natively(work.ctx, "image", [image])
    await resource_tags.assign(work.ctx, "image", held, work.given["tags"])
    return {}
