"""A volume's change, as the journal's steps: submitted, seen to its end, and only then told of the volume.

The record of the change is what DescribeVolumesModifications shows for a month. CloudStack changes an offering before
it refuses the size that was asked for with it: then the volume is given its former offering back.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import background, journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.values import gib
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes.types import TYPE_MARK

log = logging.getLogger(__name__)

Row = dict[str, Any]
Record = dict[str, Any]

PLAN, NAMING = "ModifyVolume", "VolumeType"
KIND = "volume-change"
KEEP = 30 * 24 * 3600.0
MODIFYING, COMPLETED, FAILED = "modifying", "completed", "failed"
_ENDS = {1: COMPLETED, 2: FAILED}
_LONGEST = 24 * 3600.0


def now() -> str:
    """Return the present as CloudStack writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def busy(uuid: str) -> Ec2Error:
    """Return the error for a volume that is being changed."""
    sentence = f"Cannot modify volume '{ec2_id('vol', uuid)}' that is in modification state 'modifying'"
    return Ec2Error("IncorrectModificationState", sentence)


async def unanswered(ctx: Context, uuid: str, asked: Mapping[str, Any]) -> Record | None:
    """Return the record of a change to what is `asked` that perhaps nobody was told of, if there is one.

    Nobody was before it was submitted, and nobody may have been where its bearer has died since. Whoever takes it up
    sees it to its end, so that the same request sent again joins it.
    """
    record: Record | None = await ctx.store.get(ctx.owner_id, KIND, uuid)
    if record is None or record["state"] != MODIFYING or "work" not in record:
        return None
    if any(record["target"].get(name) != value for name, value in asked.items() if value):
        return None
    return None if "job" in record and await journal.is_borne(ctx, record["work"]) else record


async def require_idle(ctx: Context, uuid: str) -> int:
    """Refuse a volume that is being changed; return the version of its last change, which `change` rests on."""
    entry = await ctx.store.entry(ctx.owner_id, KIND, uuid)
    if entry is None:
        return 0
    if (await current(ctx, uuid, entry.value))["state"] == MODIFYING:
        raise busy(uuid)
    entry = await ctx.store.entry(ctx.owner_id, KIND, uuid)
    return entry.version if entry else 0


async def current(ctx: Context, uuid: str, record: Record) -> Record:
    """Return the record; of one that no plan sees to its end with what its job has come to, which is written down."""
    if record["state"] != MODIFYING or "work" in record:
        return record
    # CloudStack forgets jobs after days; whatever it came to, it is over.
    job = await ctx.account.job_row(record["job"]) or {"jobstatus": 1}
    if job["jobstatus"] not in _ENDS:
        return record
    ended = {**record, "state": _ENDS[job["jobstatus"]], "end": job.get("completed") or now()}
    if ended["state"] == FAILED:
        ended["message"] = job["jobresult"].get("errortext", "")
    await ctx.store.put(ctx.owner_id, KIND, uuid, ended, ttl=KEEP)
    return ended


async def change(ctx: Context, given: Given) -> Record:
    """Begin a change and return its record; it is seen to its end after the answer.

    `volume` is the uuid, `before` its offering and size, `command` and `params` the native call (none where nothing
    but the type's name changes), `record` what is shown, `seen` its version before, `type` the type that is asked for.
    """
    begun: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
    work = journal.perform(ctx, PLAN, given, live=begun)
    task = background.start(ctx.site, work, f"change of {given['volume']}")
    await asyncio.wait([begun, task], return_when=asyncio.FIRST_COMPLETED)
    if not begun.done():
        await task
    return begun.result()


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return [
        Step("claimed", _claimed, _claim, journal.nothing),
        Step("submitted", _is_submitted, _submit, journal.nothing),
        Step("ended", _not_yet, _end, journal.nothing),
    ]


async def _claimed(work: Work) -> Made | None:
    held = await work.ctx.store.get(work.ctx.owner_id, KIND, work.given["volume"])
    return {} if held and held.get("work") == work.lease.key else None


async def _claim(work: Work) -> Made:
    """Write down that the volume is being changed, unless somebody else has begun to since it was read."""
    ctx, given = work.ctx, work.given
    place, record = (ctx.owner_id, KIND, given["volume"]), {**given["record"], "work": work.lease.key}
    if given["seen"]:
        done = await ctx.store.replace(*place, record, given["seen"], ttl=KEEP)
    else:
        done = await ctx.store.put_new(*place, record, ttl=KEEP)
    if not done:
        raise busy(given["volume"])
    return {}


async def _row(work: Work) -> Row:
    rows = await work.ctx.account.list("listVolumes", id=work.given["volume"])
    return dict(rows[0]) if rows else {}


async def _is_submitted(work: Work) -> Made | None:
    """A change has no name: it is under way where the volume says so, and done where the volume is as was wanted."""
    given, row = work.given, await _row(work)
    wanted = given["params"].get("diskofferingid"), given["params"].get("size")
    has = row.get("diskofferingid"), gib(row.get("size") or 0)
    if row.get("state") == "Resizing":
        return {"job": row.get("jobid")}
    if given["command"] and all(one in (None, other) for one, other in zip(wanted, has, strict=True)):
        return {"job": None}
    return None


async def _submit(work: Work) -> Made:
    ctx, given = work.ctx, work.given
    place, record = (ctx.owner_id, KIND, given["volume"]), {**given["record"], "work": work.lease.key}
    made: Made = {"job": None}
    if given["command"]:
        try:
            answer = await ctx.account.submit(given["command"], id=given["volume"], **given["params"])
        except CloudStackUnavailable as error:
            found = await journal.sought(work, Step("submitted", _is_submitted, _submit, journal.nothing))
            if found is None and work.live is None:
                raise
            if found is None:
                # Not to be made later, when the client may have asked for another change.
                await _forget(work)
                raise Ec2Error("Unavailable", f"{error.errortext}. Try again later.") from error
            answer = {"jobid": found["job"]}
        except CloudStackError as error:
            await _refused(work, error)
            raise
        made["job"] = answer["jobid"]
        record["job"] = answer["jobid"]
    await ctx.store.put(*place, record, ttl=KEEP)
    if work.live and given["command"]:
        work.live.set_result(record)
    return made


async def _forget(work: Work) -> None:
    """Have a change that was refused be none; the one before it is not shown any more."""
    await work.ctx.store.delete(work.ctx.owner_id, KIND, work.given["volume"])


async def _refused(work: Work, error: CloudStackError) -> None:
    """Have a change that was refused be none, or have failed where somebody may have been told that it is under way."""
    if work.live is not None:
        await _forget(work)
    else:
        await _keep(work, state=FAILED, message=error.errortext)


async def _keep(work: Work, **end: str) -> Record:
    ctx, given = work.ctx, work.given
    ended = {**given["record"], "end": now(), **end}
    await ctx.store.put(ctx.owner_id, KIND, given["volume"], ended, ttl=KEEP)
    return ended


async def _end(work: Work) -> Made:
    ctx, given, job = work.ctx, work.given, work.made["submitted"]["job"]
    end = {"state": COMPLETED}
    if job:
        try:
            await ctx.account.wait(job, timeout=_LONGEST)
        except CloudStackUnavailable:
            raise
        except CloudStackError as error:
            if error.in_job:
                end = {"state": FAILED, "message": error.errortext}
                await _restore(work)
    if end["state"] == COMPLETED and given["type"]:
        await _have_named(work)
    ended = await _keep(work, **end)
    if work.live and not work.live.done():
        work.live.set_result(ended)
    return {}


async def _have_named(work: Work) -> None:
    """Have the volume be of the type that was asked for, where several share an offering."""
    ctx, given = work.ctx, work.given
    named = {"volume": given["volume"], "type": given["type"]}
    if not given["command"]:
        try:
            await _name(ctx, named)
        except CloudStackUnavailable:
            raise
        except CloudStackError:
            await _forget(work)
            raise
        return
    try:
        await journal.perform(ctx, NAMING, named, place=f"{given['volume']} {given['type']}")
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        log.warning("%s shows its former type until CloudStack takes a tag: %s", given["volume"], error)


@journal.plan(NAMING, forward=True, lasting=True)
def _naming(given: Given) -> list[Step]:
    return [Step("named", journal.unseen, _name_later, journal.nothing)]


async def _name_later(work: Work) -> Made:
    record = await work.ctx.store.get(work.ctx.owner_id, KIND, work.given["volume"])
    if record is None or record["target"]["type"] == work.given["type"]:
        await _name(work.ctx, work.given)
    return {}


async def _name(ctx: Context, named: Mapping[str, str]) -> None:
    held = await resource_tags.held_natively(ctx, "volume", [named["volume"]])
    await resource_tags.assign(ctx, "volume", held, {resource_tags.RESERVED + TYPE_MARK: named["type"]})


async def _restore(work: Work) -> None:
    """Give a volume its former offering back, where CloudStack changed that before it refused the size."""
    before, row = work.given["before"], await _row(work)
    if before["diskofferingid"] and row.get("diskofferingid") not in (None, before["diskofferingid"]):
        params = {"diskofferingid": before["diskofferingid"]}
        if before["iscustomized"]:
            params["size"] = before["size"]
        try:
            await work.ctx.account.job("changeOfferingForVolume", id=work.given["volume"], **params)
        except CloudStackUnavailable:
            raise
        except CloudStackError as error:
            log.error("%s cannot be given its former offering back: %s", work.given["volume"], error)


async def _not_yet(work: Work) -> Made | None:
    """The end may be seen to again."""
    return None
