"""Public addresses acquired and moved, as the journal's steps.

associateIpAddress takes no name, and an address whose answer is lost looks like any other. So an address is marked as
soon as it is there, and one that is not marked, and younger than the request, is the request's (`listing.strays`).
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable, to_ec2
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.unknown import found_out, surely
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.addresses.listing import KIND, MOVE, NOT_FREE, acquire, addresses, release, strays
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags, tagging

log = logging.getLogger(__name__)

Row = dict[str, Any]

ALLOCATE, RELEASE = "AllocateAddress", "ReleaseAddress"
_PLACES = MappingProxyType({"vpcid": "vpc", "networkid": "subnet"})
"""What an address is acquired for, by associateIpAddress's parameter."""
ALLOCATED_MARK = "allocated"
"""Reserved tag on an address that was allocated: the stem of the request."""


async def allocate(ctx: Context, number: str | None, place: dict[str, str], tags: Mapping[str, str]) -> Made:
    """Acquire an Elastic IP for a place and tag it; returns its `id` and `ipaddress`."""
    given = {"number": number, "acquires": place, "tags": dict(tags)}
    return (await journal.perform(ctx, ALLOCATE, given))["address"]


@journal.plan(ALLOCATE)
def _allocation(given: Given) -> list[Step]:
    return [
        Step("address", _find, _acquire, _release),
        Step("place", journal.unseen, _check_place, journal.nothing),
        Step("tags", journal.unseen, _tag, journal.nothing),
    ]


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
    [(name, uuid)] = work.given["acquires"].items()
    async with deletion.within(work.ctx, (_PLACES[name], uuid)):
        return _made(await acquire(work.ctx, work.given["number"], work.given["acquires"]))


async def _check_place(work: Work) -> Made:
    # CloudStack releases the address with its VPC or network, unasked.
    [(name, uuid)] = work.given["acquires"].items()
    await deletion.check(work.ctx, _PLACES[name], uuid)
    return {}


async def _release(work: Work, made: Made) -> None:
    await release(work.ctx, made["id"])


async def _tag(work: Work) -> Made:
    tags = {**work.given["tags"], resource_tags.RESERVED + ALLOCATED_MARK: work.stem}
    await resource_tags.attach(work.ctx, KIND, work.made["address"]["id"], tags)
    return {}


# --- moving ----------------------------------------------------------------------------------------------------------


async def move(ctx: Context, ident: str, number: str, place: dict[str, str]) -> None:
    """Give an address back, and acquire it for another place under the same number with the same tags.

    What CloudStack refuses there is acquired again where it was. One that is on its way arrives first, wherever
    that is.
    """
    given = {"id": ident, "number": number, "acquires": place}
    refused: list[tuple[dict[str, str], CloudStackError]] = []
    while (await journal.perform(ctx, MOVE, given, place=ident, live=refused))["address"]["place"] != place:
        if refused and refused[-1][0] == place:
            raise refused[-1][1]


async def is_on_its_way(ctx: Context, ident: str) -> bool:
    """Whether somebody has begun to move an address, and died over it: `move` goes on with it then."""
    return await journal.claim(ctx, MOVE, ident) is True


@journal.plan(MOVE, forward=True, lasting=True)
def _moving(given: Given) -> list[Step]:
    return [
        Step("kept", journal.unseen, _keep, journal.nothing),
        Step("given back", _is_away, _give_back, journal.nothing),
        Step("address", _is_there, _arrive, journal.nothing),
        Step("tags", journal.unseen, _retag, journal.nothing),
    ]


async def _row(work: Work) -> Row | None:
    # While it was nobody's, another id of the same number is as good as impossible, and would be no less the account's.
    return next((row for row in await addresses(work.ctx) if row["ipaddress"] == work.given["number"]), None)


def place_of(row: Row) -> dict[str, str]:
    """Return the parameter of associateIpAddress that has an address serve what it serves now."""
    return (
        {"vpcid": row["vpcid"]} if row.get("vpcid") else {"networkid": row.get("associatednetworkid") or ""}
    )


async def _keep(work: Work) -> Made:
    """Write down all that there is of the address: from now on nobody else may know it."""
    row = await _row(work)
    if row is None:
        raise KINDS[KIND].missing(ec2_id(KINDS[KIND].prefix, work.given["id"]))
    return {"row": row, "tags": {**resource_tags.native(row), **row.get(resource_tags.HELD, {})}}


async def _is_away(work: Work) -> Made | None:
    row = await _row(work)
    return {} if row is None or place_of(row) != place_of(work.made["kept"]["row"]) else None


async def _give_back(work: Work) -> Made:
    async def do() -> Made:
        await release(work.ctx, work.given["id"])
        return {}

    try:
        return await surely(do, lambda: _is_away(work))
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        # It stays where it is, and is not moved later.
        raise await to_ec2(error, work.ctx.account, work.ctx.mappings.errors) from error


async def _is_there(work: Work) -> Made | None:
    row = await _row(work)
    return None if row is None else {**_made(row), "place": place_of(row)}


async def _arrive(work: Work) -> Made:
    there, before = work.given["acquires"], place_of(work.made["kept"]["row"])
    try:
        return await _acquired(work, there)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        log.warning("the address %s cannot be moved, and stays where it was: %s", work.given["number"], error)
        if work.live is not None:
            work.live.append((there, error))
        return await _acquired(work, before)


async def _acquired(work: Work, place: dict[str, str]) -> Made:
    async def do() -> Made:
        await acquire(work.ctx, work.given["number"], place)
        if not all([await deletion.stays(work.ctx, uuid) for uuid in place.values()]):
            raise CloudStackError("associateIpAddress", 431, errortext="Its network is being deleted")
        return {**_made(work.made["kept"]["row"]), "place": place}

    async def look() -> Made | None:
        return await _is_there(work)

    try:
        return await surely(do, look)
    except CloudStackError as error:
        if error.errorcode != NOT_FREE:
            raise
        # Ours may have arrived unheard.
        if (found := await found_out(look)) is not None:
            return found
        await resource_tags.forget(work.ctx, KIND, work.given["id"])
        raise Ec2Error(
            "InvalidAddress.NotFound",
            f"The address {work.given['number']} had to move to another subnet, and somebody else acquired it"
            " meanwhile.",
        ) from error


async def _retag(work: Work) -> Made:
    uuid = work.made["address"]["id"]
    held = await tagging.held_natively(work.ctx, KIND, [uuid]) if work.again else {uuid: {}}
    await tagging.assign(work.ctx, KIND, held, work.made["kept"]["tags"])
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
