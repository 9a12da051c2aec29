"""Public addresses as they are now, without what an earlier holder left on them.

CloudStack keeps the row of an address, and its uuid, while nobody has it. `disassociateIpAddress` takes the tags off;
`deleteVPC`, which takes the VPC's addresses with it, leaves them there, and the next account that is given the address
has them on its row (seen on 4.20.3 and 4.23). A tag's own row tells whose it is, and only its owner lists it. So
of what stands on an address only that is believed which the caller's own listing of tags has, too; and an address that
comes with tags is given back, which takes them off, and acquired again.
"""

import logging
import time
from datetime import datetime
from functools import partial
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.unknown import found_out, surely
from ec2bridge.resources.tags import resource_tags, tagging

log = logging.getLogger(__name__)

Row = dict[str, Any]

KIND, NATIVE = "allocation", "PublicIpAddress"
CLAIM, CLAIMED = "address-claim", 600.0
"""The store's kind for addresses that were acquired a short while ago, and how many seconds that is."""
MARGIN = 2.0
"""Seconds by which CloudStack's clock, which counts whole ones, may be behind what was learnt of it."""
_NOT_FREE = 533


async def addresses(ctx: Context, **params: Any) -> list[Row]:
    """Return the caller's public addresses, with those tags alone that are the caller's."""
    rows: list[Row] = await ctx.account.list("listPublicIpAddresses", **params)
    if any(row.get("tags") for row in rows):
        tags = await ctx.account.list("listTags", resourcetype=NATIVE)
        own = {(tag["resourceid"], tag["key"], tag.get("value") or "") for tag in tags}
        rows = [_believed(row, own) for row in rows]
    held = await resource_tags.stored(ctx, KIND)
    # CloudStack holds a key once: where an earlier holder's is, the caller's own is in the store.
    return [{**row, resource_tags.HELD: held[row["id"]]} if row["id"] in held else row for row in rows]


def _believed(row: Row, own: set[tuple[str, str, str]]) -> Row:
    tags = row.get("tags") or ()
    return {**row, "tags": [tag for tag in tags if (row["id"], tag["key"], tag.get("value") or "") in own]}


async def acquire(ctx: Context, number: str | None, place: dict[str, str]) -> Row:
    """Acquire a public address for a network or VPC, a certain one if its number is given; it comes without tags."""
    row = await _acquired(ctx, number, place)
    if row.get("tags"):
        log.info("the address %s still has tags of an earlier life; it is acquired anew", row["ipaddress"])
        await ctx.account.job("disassociateIpAddress", id=row["id"])
        try:
            row = await _acquired(ctx, row["ipaddress"], place)
        except CloudStackError as error:
            if error.errorcode != _NOT_FREE or number:
                raise
            row = await _acquired(ctx, None, place)
    # What CloudStack cannot hold lies in the store, where nobody hears of an address that was released natively.
    await tagging.forget(ctx, KIND, row["id"])
    return row


async def _acquired(ctx: Context, number: str | None, place: dict[str, str]) -> Row:
    answer = await associate(ctx, number, place)
    if answer.get("jobid"):
        await ctx.account.wait(str(answer["jobid"]))
    rows: list[Row] = await ctx.account.list("listPublicIpAddresses", id=answer["id"])
    return rows[0]


async def associate(ctx: Context, number: str | None, place: dict[str, str]) -> Row:
    """Have CloudStack begin to acquire an address; its uuid as `id`, and the job if it is known.

    An address has no name by which it could be found again when the answer is lost. So whoever gets one claims it in
    the store, and whoever lost an answer takes one that is new, bare and unclaimed: if two meet, each has one.
    """
    began = time.time()
    look = partial(_unclaimed, ctx, number, place, began)
    answer: Row = await surely(
        lambda: ctx.account.submit("associateIpAddress", ipaddress=number, **place), look
    )
    if "claimed" in answer or await _claim(ctx, answer["id"], began):
        return answer
    other = await found_out(look)
    if other is None:
        raise CloudStackUnavailable("associateIpAddress", "Another request has the address that was acquired")
    return other


async def _unclaimed(ctx: Context, number: str | None, place: dict[str, str], began: float) -> Row | None:
    """Claim and return an address that was acquired for the place since then, and that nobody uses or knows of."""
    rows: list[Row] = await ctx.account.list("listPublicIpAddresses", **_where(place))
    since = began + ctx.site.cloud.clock_offset - MARGIN
    for row in rows:
        new = datetime.fromisoformat(row["allocated"]).timestamp() >= since
        bare = not (row.get("issourcenat") or row.get("isstaticnat"))
        if new and bare and number in (None, row["ipaddress"]) and await _claim(ctx, row["id"], began):
            return {"id": row["id"], "claimed": True}
    return None


def _where(place: dict[str, str]) -> dict[str, str]:
    return {"associatednetworkid" if name == "networkid" else name: uuid for name, uuid in place.items()}


async def _claim(ctx: Context, uuid: str, began: float) -> bool:
    """Have an address be this request's; False if another one has it that was not over when this one began."""
    place, now = (ctx.owner_id, CLAIM, uuid), time.time()
    if await ctx.store.put_new(*place, now, ttl=CLAIMED):
        return True
    known = await ctx.store.entry(*place)
    # Claimed before this request asked, and given out since: that was an earlier life of the address.
    over = known is not None and known.value < began
    return over and bool(await ctx.store.replace(*place, now, known.version, ttl=CLAIMED))
