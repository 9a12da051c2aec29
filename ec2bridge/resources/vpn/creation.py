"""A VPN connection made, as the journal's steps: CloudStack's customer gateway, then what the store has of it.

The customer gateway's name tells its two ends, between which there is one connection: it is found again by that. The
pre-shared key is in CloudStack alone, never in a record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn.objects import CONNECTION, NOWHERE, Connection, Thing

Row = dict[str, Any]

PLAN = "CreateVpnConnection"


@dataclass(slots=True)
class _Asked:
    """What a request has in memory: what CloudStack is asked for, and its customer gateway then."""

    params: Row
    row: Row = field(default_factory=dict)


async def is_being_made(ctx: Context, customer: Thing, gateway: Thing) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `make` goes on with it then."""
    return await journal.claim(ctx, PLAN, vpn.name(customer.id, gateway.id)) is True


async def make(
    ctx: Context, customer: Thing, gateway: Thing, params: Row, record: Row, tags: Mapping[str, str]
) -> Connection:
    """Make a connection; `params` are CloudStack's of the tunnel, its key among them, `record` what the store keeps."""
    name = vpn.name(customer.id, gateway.id)
    ends = [(thing.kind, thing.key) for thing in (customer, gateway) if thing.record]
    given = {"name": name, "record": record, "tags": dict(tags), "ends": ends}
    asked = _Asked({"gateway": customer.record.get("ip") or customer.row["gateway"], **params})
    made = await journal.perform(ctx, PLAN, given, place=name, live=asked)
    row = asked.row or await _row(ctx, name) or {"id": made["gateway"]["id"]}
    return Connection(row["id"], customer.id, gateway.id, row, record=record)


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [
        Step("gateway", _find, _create, _delete),
        Step("ends", journal.unseen, _touch_ends, journal.nothing),
        Step("record", _is_noted, _note, _forget),
    ]


async def _row(ctx: Context, name: str) -> Row | None:
    rows = await ctx.account.list("listVpnCustomerGateways")
    return next((row for row in rows if row["name"] == name), None)


async def _find(work: Work) -> Made | None:
    row = await _row(work.ctx, work.given["name"])
    return {"id": row["id"]} if row else None


async def _create(work: Work) -> Made:
    work.live.row = await work.ctx.account.job(
        "createVpnCustomerGateway", name=work.given["name"], cidrlist=NOWHERE, **work.live.params
    )
    return {"id": work.live.row["id"]}


async def _delete(work: Work, made: Made) -> None:
    deleting = work.ctx.account.job("deleteVpnCustomerGateway", id=made["id"])
    await journal.unless_gone(work, _find, deleting)


async def _touch_ends(work: Work) -> Made:
    for kind, key in work.given.get("ends", ()):
        await vpn.touch(work.ctx, kind, key)
    return {}


async def _is_noted(work: Work) -> Made | None:
    """What the store has may be written again; while it is taken back, it is taken for there."""
    return {} if work.is_undone else None


async def _note(work: Work) -> Made:
    ctx, key = work.ctx, work.made["gateway"]["id"]
    await ctx.store.put(ctx.owner_id, CONNECTION, key, work.given["record"])
    await resource_tags.attach(ctx, CONNECTION, key, work.given["tags"])
    return {}


async def _forget(work: Work, made: Made) -> None:
    ctx, key = work.ctx, work.made["gateway"]["id"]
    await ctx.store.delete(ctx.owner_id, CONNECTION, key)
    await resource_tags.forget(ctx, CONNECTION, key)
