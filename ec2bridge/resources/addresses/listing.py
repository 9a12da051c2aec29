"""Public addresses as they are now, without what an earlier holder left on them.

CloudStack keeps the row of an address, and its uuid, while nobody has it. `disassociateIpAddress` takes the tags off;
`deleteVPC`, which takes the VPC's addresses with it, leaves them there, and the next account that is given the address
has them on its row (seen on 4.20.3 and 4.23). A tag's own row tells whose it is, and only its owner lists it. So
of what stands on an address only that is believed which the caller's own listing of tags has, too; and an address that
comes with tags is given back, which takes them off, and acquired again.
"""

import logging
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.resources.tags import tagging

log = logging.getLogger(__name__)

Row = dict[str, Any]

KIND, NATIVE = "allocation", "PublicIpAddress"
_NOT_FREE = 533


async def addresses(ctx: Context, **params: Any) -> list[Row]:
    """Return the caller's public addresses, with those tags alone that are the caller's."""
    rows: list[Row] = await ctx.account.list("listPublicIpAddresses", **params)
    if not any(row.get("tags") for row in rows):
        return rows
    tags = await ctx.account.list("listTags", resourcetype=NATIVE)
    own = {(tag["resourceid"], tag["key"], tag.get("value") or "") for tag in tags}
    return [_believed(row, own) for row in rows]


def _believed(row: Row, own: set[tuple[str, str, str]]) -> Row:
    tags = row.get("tags") or ()
    return {**row, "tags": [tag for tag in tags if (row["id"], tag["key"], tag.get("value") or "") in own]}


async def acquire(ctx: Context, number: str | None, place: dict[str, str]) -> Row:
    """Acquire a public address for a network or VPC, a certain one if its number is given; it comes without tags."""
    row: Row = await ctx.account.job("associateIpAddress", ipaddress=number, **place)
    if row.get("tags"):
        log.info("the address %s still has tags of an earlier life; it is acquired anew", row["ipaddress"])
        await ctx.account.job("disassociateIpAddress", id=row["id"])
        try:
            row = await ctx.account.job("associateIpAddress", ipaddress=row["ipaddress"], **place)
        except CloudStackError as error:
            if error.errorcode != _NOT_FREE or number:
                raise
            row = await ctx.account.job("associateIpAddress", **place)
    # What CloudStack cannot hold lies in the store, where nobody hears of an address that was released natively.
    await tagging.forget(ctx, KIND, row["id"])
    return row
