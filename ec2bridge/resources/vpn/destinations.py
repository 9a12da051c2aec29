"""The static routes of a VPN connection changed, as the journal's steps.

They are the ranges of CloudStack's customer gateway, which must have one, while its connection cannot lead nowhere:
with the first range comes CloudStack's connection, and it goes before the last one does.
"""

import json
from dataclasses import replace

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn.objects import NOWHERE, Connection, Thing

PLAN = "ChangeVpnConnectionRoutes"


def _place(ident: str | None, to: str, there: bool) -> str:
    """What stands for a request to add or remove a route: neither has a client token."""
    return json.dumps([ident, to, there])


async def is_being_changed(ctx: Context, ident: str | None, to: str, *, there: bool) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `finish` goes on with it then."""
    return await journal.claim(ctx, PLAN, _place(ident, to, there)) is True


async def finish(ctx: Context, ident: str | None, to: str, *, there: bool) -> None:
    """Go on with a change that somebody else has begun."""
    await journal.perform(ctx, PLAN, {}, place=_place(ident, to, there))


async def change(
    ctx: Context, ident: str | None, connection: Connection, gateway: Thing, to: str, *, there: bool
) -> None:
    """Have a connection, which the request names by `ident`, lead to a range, or no longer."""
    last = not there and connection.routes == [to]
    given = {"connection": connection.key, "to": to, "there": there, "last": last}
    await journal.perform(ctx, PLAN, given, place=_place(ident, to, there), live=(connection, gateway))


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    ranges = Step("ranges", _has_ranges, _set_ranges, _set_back)
    link = Step("link", journal.unseen, _link, _link_as_before)
    return [link, ranges] if given["last"] else [ranges, link]


async def _now(work: Work) -> Connection:
    return await vpn.connection(work.ctx, work.given["connection"])


def _ranges(connection: Connection, to: str, there: bool) -> str:
    others = [route for route in connection.routes if route != to]
    return ",".join([*others, to] if there else others) or NOWHERE


async def _has_ranges(work: Work) -> Made | None:
    return {} if (work.given["to"] in (await _now(work)).routes) is work.given["there"] else None


async def _set_ranges(work: Work) -> Made:
    """What was read before is good for the first step, and for who has not begun it unseen."""
    connection = work.live[0] if work.live and not work.again else await _now(work)
    given = work.given
    connection.row = {**connection.row, "cidrlist": _ranges(connection, given["to"], given["there"])}
    await vpn.update(work.ctx, connection.row)
    return {}


async def _set_back(work: Work, made: Made) -> None:
    connection, given = await _now(work), work.given
    if (given["to"] in connection.routes) is given["there"]:
        ranges = _ranges(connection, given["to"], not given["there"])
        await vpn.update(work.ctx, {**connection.row, "cidrlist": ranges})


async def _link(work: Work) -> Made:
    await _settle(work, work.given["there"])
    return {}


async def _link_as_before(work: Work, made: Made) -> None:
    await _settle(work, not work.given["there"])


async def _settle(work: Work, there: bool) -> None:
    """Have CloudStack's connection be there, or not, as it should with the range or without it."""
    if work.live and not work.again and not work.is_undone:
        connection, gateway = work.live
    else:
        connection = await _now(work)
        gateway = await vpn.near_end(work.ctx, connection)
    row = {**connection.row, "cidrlist": _ranges(connection, work.given["to"], there)}
    wanted = replace(connection, row=row)
    await vpn.settle(work.ctx, gateway, wanted)
    connection.link = wanted.link
