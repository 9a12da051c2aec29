"""An Elastic IP mapped to a machine, as the journal's steps: a refusal brings back what both were mapped to before.

For an interface that is on no machine nothing is mapped: the address is brought to its network, and waits there.
"""

import json
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.addresses import acquisition, elastic_ips
from ec2bridge.resources.addresses.elastic_ips import Target
from ec2bridge.resources.addresses.listing import addresses, release
from ec2bridge.resources.enforcement import firewall
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN, END = "AssociateAddress", "DisassociateAddress"
KIND = "allocation"
_MARK = resource_tags.RESERVED + elastic_ips.ASSOCIATION_MARK


def _place(row: Row, target: Target) -> str:
    """What stands for a request: AssociateAddress has no client token."""
    return json.dumps(
        [row["id"], target.machine["id"] if target.machine else target.interface, target.address]
    )


async def claim(ctx: Context, row: Row, target: Target) -> bool | None:
    """Whether this very request was sent before, as `journal.claim` says it."""
    return await journal.claim(ctx, PLAN, _place(row, target))


async def associate(ctx: Context, rows: list[Row], row: Row, target: Target) -> Row:
    """Map an address to a target, and return its row as it is then.

    What the address was mapped to before ends, and of the caller's `rows` those that are mapped to the target.
    """
    place = target.interface, target.address
    given = {
        "address": row["id"],
        "number": row["ipaddress"],
        "from": acquisition.place_of(row),
        "was": _mapping(row) if row.get("isstaticnat") else None,
        "others": [
            _mapping(one) for one in rows if one is not row and target.machine and target.is_served_by(one)
        ],
        "network": {name: target.network[name] for name in ("id", "vpcid") if target.network.get(name)},
        "forgotten": [_told(one) for one in rows if one is not row and elastic_ips.marked_for(one) == place],
        "target": target.machine
        and _native(
            row["id"],
            target.machine["id"],
            target.network["id"],
            target.address if target.address != target.nic.get("ipaddress") else None,
        ),
        "guest": target.address,
        "mark": elastic_ips.new_mark(*place),
    }
    made = await journal.perform(ctx, PLAN, given, place=_place(row, target), live=row)
    return elastic_ips.associated(dict(made["mark"]["row"]), target)


def _native(address: str, machine: str, network: str | None, guest: str | None) -> dict[str, str]:
    found = {"ipaddressid": address, "virtualmachineid": machine, "networkid": network, "vmguestip": guest}
    return {name: value for name, value in found.items() if value}


def _mapping(row: Row) -> dict[str, Any]:
    """What brings back what an address is mapped to."""
    back = _native(row["id"], row["virtualmachineid"], row.get("associatednetworkid"), row.get("vmipaddress"))
    return {"id": row["id"], "back": back, "elastic": elastic_ips.is_elastic(row)}


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    was = [given["was"]] if given["was"] else []
    steps = [
        *(_ending(number, one) for number, one in enumerate([*was, *given["others"]])),
        *(_forgetting(number, one) for number, one in enumerate(given.get("forgotten", ()))),
        Step("moved", _may_be_moved, _move, _move_back),
        Step("mark", journal.unseen, _mark, _unmark),
    ]
    if given["target"]:
        steps += [
            Step("mapped", _is_mapped, _map, _unmap),
            Step("firewall", journal.unseen, _settle, journal.nothing),
        ]
    return steps


async def is_being_ended(ctx: Context, asked: str) -> bool:
    """Whether this very request to disassociate was sent before, and its bearer died: `finish` goes on with it."""
    return await journal.claim(ctx, END, asked) is True


async def finish(ctx: Context, asked: str) -> None:
    """Go on with the end of an association that somebody else has begun."""
    await journal.perform(ctx, END, {}, place=asked)


async def end(ctx: Context, row: Row, asked: str) -> None:
    """Have an address be associated with nothing; `asked` is what the request names it by."""
    given = {
        "was": _mapping(row) if row.get("isstaticnat") else None,
        # Else it would wait for its interface when that is detached.
        "told": _told(row) if elastic_ips.marked_for(row) else None,
    }
    await journal.perform(ctx, END, given, place=asked)


@journal.plan(END)
def _end_steps(given: Given) -> list[Step]:
    return [
        *([_ending(0, given["was"])] if given["was"] else ()),
        *([_forgetting(0, given["told"])] if given["told"] else ()),
    ]


async def _row(work: Work, ident: str) -> Row | None:
    return next((row for row in await addresses(work.ctx) if row["id"] == ident), None)


def _ending(number: int, mapping: dict[str, Any]) -> Step:
    """The end of a mapping that stands in the way; AWS gives back an address that came with its machine's launch."""

    async def find(work: Work) -> Made | None:
        row = await _row(work, mapping["id"])
        return None if row is not None and _is(row, mapping["back"]) else {}

    async def do(work: Work) -> Made:
        await work.ctx.account.job("disableStaticNat", ipaddressid=mapping["id"])
        if not mapping["elastic"]:
            await release(work.ctx, mapping["id"])
        return {}

    async def undo(work: Work, made: Made) -> None:
        row = await _row(work, mapping["id"])
        if row is not None and not row.get("isstaticnat"):
            await work.ctx.account.call("enableStaticNat", **mapping["back"])
            await firewall.settle(work.ctx, machines=[mapping["back"]["virtualmachineid"]])

    return Step(f"ended {number}", find, do, undo)


def _is(row: Row, mapped: dict[str, str]) -> bool:
    return bool(row.get("isstaticnat")) and row.get("virtualmachineid") == mapped["virtualmachineid"]


def _forgetting(number: int, told: dict[str, str]) -> Step:
    """The end of what an address has to tell of an interface."""

    async def find(work: Work) -> Made | None:
        row = await _row(work, told["id"])
        return None if row is not None and _told(row)["mark"] == told["mark"] else {}

    async def do(work: Work) -> Made:
        row = await _row(work, told["id"])
        if row is not None:
            await resource_tags.mark(work.ctx, KIND, row, {elastic_ips.ASSOCIATION_MARK: None})
        return {}

    async def undo(work: Work, made: Made) -> None:
        row = await _row(work, told["id"])
        if row is not None:
            await resource_tags.mark(work.ctx, KIND, row, {elastic_ips.ASSOCIATION_MARK: told["mark"]})

    return Step(f"forgotten {number}", find, do, undo)


def _told(row: Row) -> dict[str, str]:
    """What brings back what an address has to tell of an interface."""
    return {"id": row["id"], "mark": resource_tags.hidden(row).get(elastic_ips.ASSOCIATION_MARK, "")}


async def _may_be_moved(work: Work) -> Made | None:
    return {} if work.is_undone else None


async def _move(work: Work) -> Made:
    row = await _row(work, work.given["address"])
    if row is not None and not elastic_ips.serves(row, work.given["network"]):
        await elastic_ips.move(work.ctx, row, work.given["network"])
    return {}


async def _move_back(work: Work, made: Made) -> None:
    given = work.given
    row = await _row(work, given["address"])
    begun = await acquisition.is_on_its_way(work.ctx, given["address"])
    if begun or (row is not None and acquisition.place_of(row) != given["from"]):
        await acquisition.move(work.ctx, given["address"], given["number"], given["from"])


async def _mark(work: Work) -> Made:
    """Give the address what makes the id of its association."""
    row = work.live if work.live and not work.again else await _row(work, work.given["address"])
    if row is None:
        raise CloudStackUnavailable("listPublicIpAddresses", "The address is on its way to another subnet")
    before = resource_tags.native(row).get(_MARK)
    await resource_tags.mark(work.ctx, KIND, row, {elastic_ips.ASSOCIATION_MARK: work.given["mark"]})
    now = resource_tags.native(row) | {_MARK: work.given["mark"]}
    tags = [{"key": key, "value": value} for key, value in now.items()]
    return {"row": {**row, "tags": tags}, "before": before}


async def _unmark(work: Work, made: Made) -> None:
    row = await _row(work, work.given["address"])
    if row is not None:
        await resource_tags.mark(work.ctx, KIND, row, {elastic_ips.ASSOCIATION_MARK: made["before"]})


async def _is_mapped(work: Work) -> Made | None:
    row = await _row(work, work.given["address"])
    mapped = row is not None and _is(row, work.given["target"])
    return {} if row is not None and mapped and row.get("vmipaddress") == work.given["guest"] else None


async def _map(work: Work) -> Made:
    await work.ctx.account.call("enableStaticNat", **work.given["target"])
    return {}


async def _unmap(work: Work, made: Made) -> None:
    try:
        await work.ctx.account.job("disableStaticNat", ipaddressid=work.given["address"])
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        if await _is_mapped(work) is not None:
            raise


async def _settle(work: Work) -> Made:
    await firewall.settle(work.ctx, machines=[work.given["target"]["virtualmachineid"]])
    return {}
