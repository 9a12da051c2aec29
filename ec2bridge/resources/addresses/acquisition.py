"""Public addresses acquired and moved, as the journal's steps.

associateIpAddress takes no name, and an address whose answer is lost looks like any other. So an address is marked as
soon as it is there, and one that is not marked, and younger than the request, is the request's (`listing.strays`).
"""

from collections.abc import Mapping
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.addresses.listing import KIND, MOVE, acquire, addresses, release, strays
from ec2bridge.resources.tags import resource_tags, tagging

Row = dict[str, Any]

ALLOCATE, RELEASE = "AllocateAddress", "ReleaseAddress"
ALLOCATED_MARK = "allocated"
"""Reserved tag on an address that was allocated: the stem of the request."""


async def allocate(ctx: Context, number: str | None, place: dict[str, str], tags: Mapping[str, str]) -> Made:
    """Acquire an Elastic IP for a place and tag it; returns its `id` and `ipaddress`."""
    given = {"number": number, "acquires": place, "tags": dict(tags)}
    return (await journal.perform(ctx, ALLOCATE, given))["address"]


@journal.plan(ALLOCATE)
def _allocation(given: Given) -> list[Step]:
    return [Step("address", _find, _acquire, _release), Step("tags", journal.unseen, _tag, journal.nothing)]


async def _find(work: Work) -> Made | None:
    ctx, given = work.ctx, work.given
    for row in await addresses(ctx):
        if resource_tags.hidden(row).get(ALLOCATED_MARK) == work.stem:
            return _made(row)
    for row in await strays(ctx, work.lease.key, given["acquires"], work.began):
        if given["number"] in (None, row["ipaddress"]):
            return _made(row)
    return None


def _made(row: Row) -> Made:
    return {"id": row["id"], "ipaddress": row["ipaddress"]}


async def _acquire(work: Work) -> Made:
    return _made(await acquire(work.ctx, work.given["number"], work.given["acquires"]))


async def _release(work: Work, made: Made) -> None:
    await release(work.ctx, made["id"])


async def _tag(work: Work) -> Made:
    tags = {**work.given["tags"], resource_tags.RESERVED + ALLOCATED_MARK: work.stem}
    await resource_tags.attach(work.ctx, KIND, work.made["address"]["id"], tags)
    return {}


# --- moving ----------------------------------------------------------------------------------------------------------


async def move(ctx: Context, row: Row, place: dict[str, str], tags: Mapping[str, str]) -> None:
    """Give an address back, and acquire it for another place under the same number with the same tags."""
    given = {"id": row["id"], "number": row["ipaddress"], "acquires": place, "tags": dict(tags)}
    await journal.perform(ctx, MOVE, given)


@journal.plan(MOVE, forward=True)
def _moving(given: Given) -> list[Step]:
    return [
        Step("given back", _is_away, _give_back, journal.nothing),
        Step("address", _is_there, _acquire, journal.nothing),
        Step("tags", journal.unseen, _retag, journal.nothing),
    ]


async def _is_away(work: Work) -> Made | None:
    rows = [row for row in await addresses(work.ctx) if row["id"] == work.given["id"]]
    return {} if not rows or await _is_there(work) else None


async def _is_there(work: Work) -> Made | None:
    place = work.given["acquires"]
    for row in await addresses(work.ctx):
        if row["ipaddress"] == work.given["number"] and _serves(row, place):
            return _made(row)
    return None


def _serves(row: Row, place: dict[str, str]) -> bool:
    if "vpcid" in place:
        return bool(row.get("vpcid") == place["vpcid"])
    return bool(row.get("associatednetworkid") == place["networkid"])


async def _give_back(work: Work) -> Made:
    await release(work.ctx, work.given["id"])
    return {}


async def _retag(work: Work) -> Made:
    uuid = work.made["address"]["id"]
    held = await tagging.held_natively(work.ctx, KIND, [uuid]) if work.again else {uuid: {}}
    await tagging.assign(work.ctx, KIND, held, work.given["tags"])
    return {}


# --- releasing -------------------------------------------------------------------------------------------------------


async def give_up(ctx: Context, row: Row) -> None:
    """Give an Elastic IP back to the cloud, with what the store has of it."""
    await journal.perform(ctx, RELEASE, {"id": row["id"]}, place=row["id"])


@journal.plan(RELEASE, forward=True)
def _releasing(given: Given) -> list[Step]:
    return [
        Step("released", _is_released, _do_release, journal.nothing),
        Step("forgotten", journal.unseen, _forget, journal.nothing),
    ]


async def _is_released(work: Work) -> Made | None:
    return None if any(row["id"] == work.given["id"] for row in await addresses(work.ctx)) else {}


async def _do_release(work: Work) -> Made:
    await work.ctx.account.job("disassociateIpAddress", id=work.given["id"])
    return {}


async def _forget(work: Work) -> Made:
    await resource_tags.forget(work.ctx, KIND, work.given["id"])
    return {}
