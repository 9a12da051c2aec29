"""VPN connections deleted, and VPN gateways taken from their VPCs, as the journal's steps.

CloudStack's part goes first, and what the store has of it then: whoever comes after a death in between sees to that.
"""

import time
from typing import Any

from ec2bridge.ec2 import journal, tombstones
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn.objects import CONNECTION, GATEWAY, Connection, Thing

Row = dict[str, Any]

DELETE, DETACH = "DeleteVpnConnection", "DetachVpnGateway"


async def is_being_deleted(ctx: Context, ident: str) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `delete` goes on with it then."""
    return await journal.claim(ctx, DELETE, ident) is True


async def delete(ctx: Context, ident: str, connection: Connection | None = None) -> None:
    """Take down a connection that a request names by `ident`; None for one whose deletion was begun before."""
    given: Given = {}
    if connection is not None:
        given = {
            "key": connection.key,
            "link": connection.link and connection.link["id"],
            "own": connection.own,
            "ends": {"customer": connection.customer, "gateway": connection.gateway},
        }
    await journal.perform(ctx, DELETE, given, place=ident)


@journal.plan(DELETE, forward=True)
def _steps_of_deletion(given: Given) -> list[Step]:
    return [
        Step("link", _has_no_link, _unlink, journal.nothing),
        Step("end", _has_no_end, _drop_end, journal.nothing),
        Step("forgotten", journal.unseen, _forget, journal.nothing),
    ]


async def _has_no_link(work: Work) -> Made | None:
    links = await work.ctx.account.list("listVpnConnections")
    return None if work.given["link"] in {row["id"] for row in links} else {}


async def _unlink(work: Work) -> Made:
    if work.given["link"]:
        await work.ctx.account.job("deleteVpnConnection", id=work.given["link"])
    return {}


async def _has_no_end(work: Work) -> Made | None:
    ends = await work.ctx.account.list("listVpnCustomerGateways")
    return None if work.given["own"] and work.given["key"] in {row["id"] for row in ends} else {}


async def _drop_end(work: Work) -> Made:
    if work.given["own"]:
        await work.ctx.account.job("deleteVpnCustomerGateway", id=work.given["key"])
    return {}


async def _forget(work: Work) -> Made:
    ctx, key = work.ctx, work.given["key"]
    await tombstones.keep(ctx, CONNECTION, key, work.given["ends"])
    await resource_tags.forget(ctx, CONNECTION, key)
    return {}


async def is_being_detached(ctx: Context, gateway: Thing, vpc: str) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `detach` goes on with it then."""
    return await journal.claim(ctx, DETACH, _place(gateway, vpc)) is True


async def detach(ctx: Context, gateway: Thing, vpc: str) -> None:
    """Take a gateway and its connections from a VPC; they are there again when it is attached to one."""
    await journal.perform(ctx, DETACH, {"key": gateway.key, "vpc": vpc}, place=_place(gateway, vpc))


def _place(gateway: Thing, vpc: str) -> str:
    return f"{gateway.key} {vpc}"


@journal.plan(DETACH, forward=True)
def _steps_of_detachment(given: Given) -> list[Step]:
    return [
        Step("down", _is_down, _down, journal.nothing),
        Step("left", journal.unseen, _leave, journal.nothing),
    ]


async def _gateway(work: Work) -> Thing:
    found = await vpn.gateways(work.ctx)
    return next(one for one in found if work.given["key"] in (one.key, one.row.get("id")))


async def _is_down(work: Work) -> Made | None:
    rows = await work.ctx.account.list("listVpnGateways")
    return None if work.given["vpc"] in {row["vpcid"] for row in rows} else {}


async def _down(work: Work) -> Made:
    await take_down(work.ctx, await _gateway(work))
    return {}


async def _leave(work: Work) -> Made:
    ctx, key = work.ctx, work.given["key"]
    record = await ctx.store.get(ctx.owner_id, GATEWAY, key) or {}
    left = {"vpc": "", "left": {"vpc": work.given["vpc"], "at": time.time()}}
    await ctx.store.put(ctx.owner_id, GATEWAY, key, {**record, **left})
    return {}


async def take_down(ctx: Context, gateway: Thing) -> None:
    """Have CloudStack have neither a gateway nor its connections."""
    native, gateway.row = gateway.row, {}
    for connection in await vpn.connections_of(ctx, gateway):
        await vpn.settle(ctx, gateway, connection)
    await ctx.account.job("deleteVpnGateway", id=native["id"])
