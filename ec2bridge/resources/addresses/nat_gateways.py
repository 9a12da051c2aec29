"""Public NAT gateways: an Elastic IP while it is the source NAT address of a VPC.

A CloudStack VPC has one router, which is the NAT of all its tiers under one address. `updateVPC` gives it another of
the VPC's addresses and starts the router anew, which takes a while. A reserved tag on the Elastic IP tells the gateway,
its subnet and its time; a record in the store tells the job that is under way, and is written anew if it was lost.
What a job came to is seen to by whoever looks next. The VPC's own address stays the account's meanwhile, under a
reserved tag, and is its source NAT address again when the gateway is deleted.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal, tombstones
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, own_uuid
from ec2bridge.resources.addresses import acquisition, elastic_ips
from ec2bridge.resources.addresses.elastic_ips import NAT_MARK, OWN_MARK
from ec2bridge.resources.addresses.listing import addresses
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import source_nat

log = logging.getLogger(__name__)

Row = dict[str, Any]

KIND = "nat-gateway"
PLAN = "CreateNatGateway"
PENDING, AVAILABLE, DELETING, FAILED = "pending", "available", "deleting", "failed"
LEASE = 300.0
"""Seconds that a gateway without a job has to get one: then whoever was at it has died."""
_FORGOTTEN = 431
_NOT_STARTED = "CloudStack could not start the VPC's router anew."
_NOT_TAKEN = "CloudStack did not take the address as the VPC's source NAT address."


@dataclass(slots=True)
class Gateway:
    """A NAT gateway that is there: its record, and the row of its Elastic IP."""

    key: str
    record: Row
    row: Row
    state: str = AVAILABLE

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id("nat", self.key)

    @property
    def vpc(self) -> str:
        """The uuid of its VPC."""
        return str(self.record["vpc"])

    @property
    def subnet(self) -> str:
        """The uuid of its subnet."""
        return str(self.record["subnet"])

    @property
    def routes(self) -> bool:
        """Whether routes through it lead anywhere."""
        return self.state in (PENDING, AVAILABLE)


async def known(ctx: Context) -> list[Gateway]:
    """Return the gateways, asking CloudStack only if the store has any."""
    entries = await ctx.store.list(ctx.owner_id, KIND)
    return await gateways(ctx) if any(not entry.value.get("gone") for entry in entries) else []


async def gateways(ctx: Context) -> list[Gateway]:
    """Return the gateways that are there, each in the state that its job has brought it to."""
    # The records first: each is younger than its address.
    records = {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)}
    rows = {row["id"]: row for row in await elastic_ips.held(ctx)}
    for row in rows.values():
        marked = elastic_ips.nat_mark(row)
        if marked and marked[1] not in records:
            records[marked[1]] = await _found(ctx, marked, row)
    found = []
    for key, record in records.items():
        if not record.get("gone"):
            gateway = await _current(ctx, key, record, rows.get(record["address"]))
            found += [gateway] if gateway else []
    return found


async def _found(ctx: Context, marked: re.Match[str], row: Row) -> Row:
    """Return the record of a gateway that the store does not know, or did not a moment ago."""
    key, subnet, created, _ = marked.groups()
    record = _record(row, subnet, float(created), "")
    await ctx.store.put_new(ctx.owner_id, KIND, key, record)
    return dict(await ctx.store.get(ctx.owner_id, KIND, key) or {"gone": created})


def _record(row: Row, subnet: str, created: float, phase: str) -> Row:
    return {
        "address": row["id"],
        "ip": row["ipaddress"],
        "vpc": row["vpcid"],
        "subnet": subnet,
        "created": created,
        "phase": phase,
    }


def find(found: list[Gateway], ident: str | None) -> Gateway:
    """Return the gateway of an id, or raise NatGatewayNotFound."""
    for gateway in found:
        if ident in (gateway.id, gateway.key) and gateway.state != FAILED:
            return gateway
    if not KINDS[KIND].is_id(str(ident)):
        raise KINDS[KIND].refused(str(ident))
    raise KINDS[KIND].missing(str(ident))


# --- what its job has come to ------------------------------------------------------------------------------------


async def _current(ctx: Context, key: str, record: Row, row: Row | None) -> Gateway | None:
    if row is None or row.get("vpcid") != record["vpc"]:
        # The address went without EC2's doing, or came back in another life.
        await _end(ctx, Gateway(key, record, {}))
        return None
    gateway = Gateway(key, record, row)
    if record.get("job"):
        return await _settle(ctx, gateway)
    if row.get("issourcenat"):
        if record["phase"]:
            # The answer that told its job was lost.
            await _put(ctx, gateway, phase="")
        return gateway
    if record["created"] + LEASE > time.time():
        gateway.state = PENDING
        return gateway
    await _end(ctx, gateway, _NOT_TAKEN if record["phase"] == PENDING else "")
    return None


async def _settle(ctx: Context, gateway: Gateway) -> Gateway | None:
    """Do what is left to do when the gateway's job is done; None if there is no gateway any more."""
    record = gateway.record
    job = await _job(ctx, record["job"])
    gateway.state = FAILED if record.get("failure") else record["phase"]
    if job["jobstatus"] == 0:
        return gateway
    rows = await addresses(ctx, id=gateway.row["id"])
    gateway.row = rows[0] if rows else {}
    if not gateway.row.get("issourcenat"):
        failure = (_failure(job) or _NOT_TAKEN) if record["phase"] == PENDING else ""
        await _end(ctx, gateway, record.get("failure") or failure)
        return None
    failure = _failure(job)
    if record["phase"] == PENDING and failure:
        await give_back(ctx, gateway, failure)
        return gateway
    if record["phase"] == DELETING:
        log.warning("the NAT gateway %s could not be deleted: %s", gateway.id, failure or _NOT_TAKEN)
    await _put(ctx, gateway, phase="", job=None, failure=None)
    gateway.state = AVAILABLE
    return gateway


async def _job(ctx: Context, job: str) -> Row:
    try:
        return dict(await ctx.account.call("queryAsyncJobResult", jobid=job))
    except CloudStackError as error:
        if error.errorcode != _FORGOTTEN:
            raise
        # CloudStack forgets jobs after days; whatever it came to, the address tells.
        return {"jobstatus": 1}


def _failure(job: Row) -> str:
    result = job.get("jobresult") or {}
    if job["jobstatus"] != 1:
        return str(result.get("errortext") or _NOT_TAKEN)
    # The job ends well even if the router does not start again.
    return _NOT_STARTED if result.get("vpc", {}).get("restartrequired") else ""


async def _put(ctx: Context, gateway: Gateway, **changes: Any) -> None:
    gateway.record = {**gateway.record, **changes}
    await ctx.store.put(ctx.owner_id, KIND, gateway.key, gateway.record)


async def _end(ctx: Context, gateway: Gateway, failure: str = "") -> None:
    """Have the address be an Elastic IP like any other, and remember the gateway as deleted or failed."""
    if gateway.row:
        await _unmark(ctx, gateway.row)
    await tombstones.keep(ctx, KIND, gateway.key, {**gateway.record, "failure": failure})
    await resource_tags.forget(ctx, KIND, gateway.key)


async def _unmark(ctx: Context, row: Row) -> None:
    try:
        await resource_tags.mark(ctx, "allocation", row, {NAT_MARK: None})
    except CloudStackError:
        # Another request was faster, or the address is gone.
        rows = await addresses(ctx, id=row["id"])
        if any(NAT_MARK in resource_tags.hidden(now) for now in rows):
            raise


# --- making and deleting -----------------------------------------------------------------------------------------


async def make(
    ctx: Context, subnet: Row, row: Row, tags: Mapping[str, str], token: str | None = None
) -> Gateway:
    """Have the Elastic IP become the source NAT address of the subnet's VPC; the job goes on after the answer."""
    place = {"vpcid": subnet["vpcid"]}
    if not elastic_ips.serves(row, subnet):
        await elastic_ips.move(ctx, row, subnet)
    await source_nat.ensure(ctx, place)
    rows = await addresses(ctx, **place)
    own = next((other for other in rows if other.get("issourcenat")), None)
    row = next(other for other in rows if other["id"] == row["id"])
    begun = token is not None and await journal.claim(ctx, PLAN, token)
    if not begun and (own is None or own is row or elastic_ips.nat_mark(own)):
        sentence = f"The address {row['ipaddress']} cannot be the NAT of {ec2_id('vpc', subnet['vpcid'])}."
        raise Ec2Error("UnsupportedOperation", sentence)
    record = _record(row, subnet["id"], round(time.time(), 3), PENDING)
    given = {"key": own_uuid(), "record": record, "own": (own or row)["id"], "tags": dict(tags)}
    key = (await journal.perform(ctx, PLAN, given, token))["record"]["key"]
    record = dict(await ctx.store.get(ctx.owner_id, KIND, key))
    # As it is described from now on: the association's id is made of the mark.
    mark = {"key": resource_tags.RESERVED + NAT_MARK, "value": _mark_of(key, record)}
    tags_of_others = [tag for tag in row.get("tags") or () if tag["key"] != mark["key"]]
    return Gateway(key, record, {**row, "tags": [*tags_of_others, mark]}, state=PENDING)


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [
        Step("record", _unseen, _write, _forget),
        Step("subnet", journal.unseen, _check_subnet, journal.nothing),
        Step("own", _unseen, _mark_own, _unmark_own),
        Step("mark", _unseen, _mark, _unmark_address),
        Step("source nat", _is_source_nat, _take_over, _hand_back),
    ]


async def _unseen(work: Work) -> Made | None:
    """Records and marks may be written again; while they are taken back, they are taken for there."""
    return {"key": work.given["key"]} if work.is_undone else None


async def _row_of(work: Work, uuid: str) -> Row | None:
    rows = await addresses(work.ctx, vpcid=work.given["record"]["vpc"])
    return next((row for row in rows if row["id"] == uuid), None)


async def _write(work: Work) -> Made:
    ctx, given = work.ctx, work.given
    await ctx.store.put(ctx.owner_id, KIND, given["key"], given["record"])
    await resource_tags.attach(ctx, KIND, given["key"], given["tags"])
    return {"key": given["key"]}


async def _check_subnet(work: Work) -> Made:
    # DeleteSubnet sees the record, or is seen here.
    await deletion.check(work.ctx, "subnet", work.given["record"]["subnet"])
    return {}


async def _forget(work: Work, made: Made) -> None:
    await work.ctx.store.delete(work.ctx.owner_id, KIND, work.given["key"])
    await resource_tags.forget(work.ctx, KIND, work.given["key"])


async def _set(work: Work, uuid: str, marks: Mapping[str, str | None]) -> Made:
    row = await _row_of(work, uuid)
    if row is not None:
        await resource_tags.mark(work.ctx, "allocation", row, marks)
    return {}


async def _mark_own(work: Work) -> Made:
    return await _set(work, work.given["own"], {OWN_MARK: work.given["record"]["vpc"]})


async def _unmark_own(work: Work, made: Made) -> None:
    await _set(work, work.given["own"], {OWN_MARK: None})


def _mark_of(key: str, record: Row) -> str:
    return f"{key} {record['subnet']} {record['created']} {record['vpc']}"


async def _mark(work: Work) -> Made:
    record = work.given["record"]
    return await _set(work, record["address"], {NAT_MARK: _mark_of(work.given["key"], record)})


async def _unmark_address(work: Work, made: Made) -> None:
    await _set(work, work.given["record"]["address"], {NAT_MARK: None})


async def _is_source_nat(work: Work) -> Made | None:
    row = await _row_of(work, work.given["record"]["address"])
    return {} if row and row.get("issourcenat") else None


async def _take_over(work: Work) -> Made:
    ctx, given = work.ctx, work.given
    job = await _become(ctx, given["record"]["vpc"], {"ipaddress": given["record"]["ip"]})
    await ctx.store.put(ctx.owner_id, KIND, given["key"], {**given["record"], "job": job})
    return {}


async def _hand_back(work: Work, made: Made) -> None:
    own = await _row_of(work, work.given["own"])
    if own and not own.get("issourcenat"):
        await work.ctx.account.wait(await _become(work.ctx, work.given["record"]["vpc"], own))


async def give_back(ctx: Context, gateway: Gateway, failure: str = "") -> None:
    """Have the VPC's own address become its source NAT address again; the job goes on after the answer."""
    rows = await addresses(ctx, vpcid=gateway.vpc)
    own = next(filter(elastic_ips.is_own_way_out, rows), None)
    if own and own.get("issourcenat"):
        # Whoever deleted the gateway before died over it.
        await _end(ctx, gateway, failure)
        return
    if own is None:
        mark = {resource_tags.RESERVED + OWN_MARK: gateway.vpc}
        own = await acquisition.allocate(ctx, None, {"vpcid": gateway.vpc}, mark)
    try:
        job = await _become(ctx, gateway.vpc, own)
    except CloudStackUnavailable:
        if not await _has_become(ctx, own):
            raise
        await _end(ctx, gateway, failure)
        return
    await _put(ctx, gateway, phase=DELETING, job=job, failure=failure)
    gateway.state = FAILED if failure else DELETING


async def _has_become(ctx: Context, own: Row) -> bool:
    """Whether an address is the source NAT address that was to be, though CloudStack did not answer."""
    for pause in journal.PAUSES:
        await asyncio.sleep(pause)
        if any(row.get("issourcenat") for row in await addresses(ctx, id=own["id"])):
            return True
    return False


async def _become(ctx: Context, vpc: str, row: Row) -> str:
    """Return the job in which an address becomes a VPC's source NAT address."""
    answer = await ctx.account.submit("updateVPC", id=vpc, sourcenatipaddress=row["ipaddress"])
    return str(answer["jobid"])


async def made(ctx: Context, gateway: Gateway) -> Gateway:
    """Return a gateway that is being made as it is when its job is done; raises NatGatewayNotFound if it failed."""
    if gateway.state == PENDING and gateway.record.get("job"):
        try:
            await ctx.account.wait(gateway.record["job"])
        except CloudStackError as error:
            log.info("the NAT gateway %s failed before it was deleted: %s", gateway.id, error)
        return find(await gateways(ctx), gateway.id)
    return gateway


async def holder(ctx: Context, row: Row) -> Gateway | None:
    """Return the gateway that has an Elastic IP."""
    if not elastic_ips.nat_mark(row):
        return None
    return next((gateway for gateway in await gateways(ctx) if gateway.row["id"] == row["id"]), None)


async def past(ctx: Context) -> list[tuple[str, Row]]:
    """Return key and record of the gateways that were deleted, or failed, a short while ago."""
    entries = await ctx.store.list(ctx.owner_id, KIND)
    return [(entry.key, entry.value) for entry in entries if entry.value.get("gone")]
