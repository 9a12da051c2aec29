"""Public addresses as they are now, without what an earlier holder left on them.

CloudStack keeps the row of an address, and its uuid, while nobody has it. `disassociateIpAddress` takes the tags off;
`deleteVPC`, which takes the VPC's addresses with it, leaves them there, and the next account that is given the address
has them on its row (seen on 4.20.3 and 4.23). A tag's own row tells whose it is, and only its owner lists it. So
of what stands on an address only that is believed which the caller's own listing of tags has, too; and an address that
comes with tags is given back, which takes them off, and acquired again.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal, leases
from ec2bridge.ec2.context import Context
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.tags import resource_tags, tagging

log = logging.getLogger(__name__)

Row = dict[str, Any]

KIND, NATIVE = "allocation", "PublicIpAddress"
MOVE = "MoveAddress"
"""The plan by which an address leaves one network for another, and is nobody's in between."""
NOT_FREE = 533
RIVALS_PAUSE, RIVALS_LOOKS = 0.5, 60
"""Seconds between looks whether others of the account still acquire addresses, and how often it is looked."""


async def addresses(ctx: Context, **params: Any) -> list[Row]:
    """Return the caller's public addresses, with those tags alone that are the caller's."""
    rows: list[Row] = await ctx.account.list("listPublicIpAddresses", **params)
    if any(row.get("tags") for row in rows):
        tags = await ctx.account.list("listTags", resourcetype=NATIVE)
        own = {(tag["resourceid"], tag["key"], tag.get("value") or "") for tag in tags}
        rows = [_believed(row, own) for row in rows]
    # CloudStack holds a key once: where an earlier holder's is, the caller's own is in the store.
    return await resource_tags.with_stored(ctx, KIND, rows)


def _believed(row: Row, own: set[tuple[str, str, str]]) -> Row:
    tags = row.get("tags") or ()
    return {**row, "tags": [tag for tag in tags if (row["id"], tag["key"], tag.get("value") or "") in own]}


async def moving(ctx: Context) -> dict[str, Row]:
    """Return uuid → row, as it was before, of the addresses that are on their way from one network to another.

    All its tags are on the row: CloudStack, and the store, forget them while it is nobody's.
    """
    entries = await ctx.store.list(ctx.owner_id, journal.KIND)
    found = {}
    for entry in entries:
        if entry.value["plan"] == MOVE and (kept := entry.value["made"].get("kept")):
            tags = [{"key": key, "value": value} for key, value in kept["tags"].items()]
            found[kept["row"]["id"]] = {**kept["row"], "tags": tags}
    return found


async def known(ctx: Context) -> list[Row]:
    """Return the caller's public addresses, those that are on their way with what they had before."""
    # One that leaves while CloudStack lists is in the second look, one that arrives in the first.
    before, rows, after = await moving(ctx), await addresses(ctx), await moving(ctx)
    there = {row["id"]: row for row in rows}
    there |= {ident: row for ident, row in before.items() if ident not in there}
    # Where one is again, its tags may not be as yet.
    there |= {ident: {**there.get(ident, row), "tags": row["tags"]} for ident, row in after.items()}
    return list(there.values())


async def arrived(ctx: Context) -> None:
    """Have the account's addresses that are on their way arrive, where nobody is at it any more; else wait for them.

    Raises what CloudStack has against it, and CloudStackUnavailable if it takes too long. A dry run changes nothing.
    """
    for _ in range(0 if ctx.dry_run else RIVALS_LOOKS):
        entries = await ctx.store.list(ctx.owner_id, journal.KIND)
        moves = [entry for entry in entries if entry.value["plan"] == MOVE]
        if not moves:
            return
        left = [entry for entry in moves if leases.is_free(entry.value, journal.LEASE)]
        for entry in left:
            await journal.resume(ctx, entry)
        if not left:
            await asyncio.sleep(RIVALS_PAUSE)
    if not ctx.dry_run:
        raise CloudStackUnavailable("listPublicIpAddresses", "An address is on its way to another subnet")


async def others_have_moved(ctx: Context) -> None:
    """Wait while an address of the account is on its way: CloudStack would give it to whoever acquires any."""
    try:
        await arrived(ctx)
    except CloudStackError as error:
        log.warning("an address that is on its way may go to who acquires any: %s", error)


async def acquire(ctx: Context, number: str | None, place: dict[str, str]) -> Row:
    """Acquire a public address for a network or VPC, a certain one if its number is given; it comes without tags."""
    if not number:
        await others_have_moved(ctx)
    row: Row = await ctx.account.job("associateIpAddress", ipaddress=number, **place)
    if row.get("tags"):
        log.info("the address %s still has tags of an earlier life; it is acquired anew", row["ipaddress"])
        await ctx.account.job("disassociateIpAddress", id=row["id"])
        try:
            row = await ctx.account.job("associateIpAddress", ipaddress=row["ipaddress"], **place)
        except CloudStackError as error:
            if error.errorcode != NOT_FREE or number:
                raise
            row = await ctx.account.job("associateIpAddress", **place)
    # What CloudStack cannot hold lies in the store, where nobody hears of an address that was released natively.
    await tagging.forget(ctx, KIND, row["id"])
    return row


async def strays(ctx: Context, own: str, place: dict[str, str], since: float) -> list[Row]:
    """Return the addresses that were acquired for a place `since`, and that neither a tag nor a record tells of.

    They are those whose answer was lost, or whose request died before it wrote them down. `own` is the key of the
    journal's record that looks for its own. What others of the account acquire at the same time is not told apart from
    them before it is written down: they are waited for, and CloudStackUnavailable is raised if that takes too long.
    """
    for _ in range(RIVALS_LOOKS):
        # First the addresses: of each there is a record that is older.
        rows = await addresses(ctx, **_listed(place))
        records = [entry for entry in await ctx.store.list(ctx.owner_id, journal.KIND) if entry.key != own]
        if not any(_is_acquiring(entry.value) for entry in records):
            told = {made.get("id") for entry in records for made in entry.value["made"].values()}
            told |= {data.get("address") for data in (await machine_records.records(ctx)).values()}
            # CloudStack's clock, to the second.
            earliest = since + ctx.site.cloud.clock_offset - 1
            return [row for row in rows if row["id"] not in told and _is_bare(row, earliest)]
        await asyncio.sleep(RIVALS_PAUSE)
    raise CloudStackUnavailable("listPublicIpAddresses", "Other requests of the account acquire addresses")


def _listed(place: dict[str, str]) -> dict[str, str]:
    return {"vpcid": place["vpcid"]} if "vpcid" in place else {"associatednetworkid": place["networkid"]}


def _is_acquiring(record: Mapping[str, Any]) -> bool:
    acquires = bool(record["given"].get("acquires")) and not record["made"].get("address")
    return acquires and record["phase"] == journal.DOING and not leases.is_free(record, journal.LEASE)


def _is_bare(row: Row, earliest: float) -> bool:
    used = any(
        row.get(flag) for flag in ("issourcenat", "isstaticnat", "issystem", "virtualmachineid", "tags")
    )
    allocated = row.get("allocated")
    return not used and (not allocated or datetime.fromisoformat(allocated).timestamp() >= earliest)


async def release(ctx: Context, uuid: str) -> None:
    """Give an address back that a request has acquired, with its marks; one that is gone is as good."""
    try:
        await ctx.account.job("disassociateIpAddress", id=uuid)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        if any(row["id"] == uuid for row in await ctx.account.list("listPublicIpAddresses")):
            raise
    # Where an earlier holder's tags were on it, its own are in the store.
    await tagging.forget(ctx, KIND, uuid)
