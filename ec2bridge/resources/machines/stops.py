"""Stops that EC2 asked for, and switches that failed: why a machine is in the state that it is in.

EC2 shows who stopped an instance and when, and why one that was started is stopped again. CloudStack's row tells
neither. So a stop is noted before CloudStack is asked for it, and the note is settled when the machine has stopped:
then it names CloudStack's time of that state, and is over with it. A bridge that dies in between leaves a note with a
beat, which the sweep settles.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import background, leases, recovery
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.leases import Lease, LostError
from ec2bridge.ec2.unknown import PAUSES
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.machines.records import BEAT, STALE, timestamp
from ec2bridge.resources.machines.states import STOP_KIND
from ec2bridge.store import Entry, StoreUnavailable

log = logging.getLogger(__name__)

Row = dict[str, Any]

ON_THE_WAY = 1.0
"""Seconds between looks at a machine that is stopping."""
STOPPED = ("Stopped", "Shutdown")
LIMITS = {"createVolume": "Client.VolumeLimitExceeded", "associateIpAddress": "Client.AddressLimitExceeded"}


def reason(error: CloudStackError | Ec2Error) -> tuple[str, str]:
    """Return EC2's StateReason (code, sentence) for what failed after a request was accepted."""
    if isinstance(error, Ec2Error):
        return f"Server.{error.code}", error.message
    if error.errorcode == 533:
        return "Server.InsufficientInstanceCapacity", "There is not enough capacity to launch this instance"
    if error.errorcode == 535:
        return LIMITS.get(error.command, "Client.InstanceLimitExceeded"), error.errortext
    return "Server.InternalError", error.errortext or "Internal error on launch"


async def stop(ctx: Context, uuid: str, **params: Any) -> Awaitable[None]:
    """Have CloudStack begin a stop that is noted as EC2's; return the work of seeing it through.

    Raises CloudStackError where it is refused, which leaves no note.
    """
    note = await _begun(ctx, uuid)
    try:
        answer = await ctx.account.submit("stopVirtualMachine", id=uuid, **params)
    except CloudStackUnavailable:
        # The machine itself tells whether it stops.
        background.leave(ctx.site, _seen_through(ctx, uuid, note, None), f"stop {uuid}")
        raise
    except CloudStackError:
        if note is not None:
            await note.end()
        raise
    return _seen_through(ctx, uuid, note, str(answer["jobid"]))


async def tell_failed_start(ctx: Context, uuid: str, error: CloudStackError) -> None:
    """Remember why a machine is stopped again, for as long as it stays as the failed start has left it."""
    row = await _row(ctx, uuid)
    if row is not None and row.get("state") in STOPPED:
        await _settle(ctx, uuid, None, {**_over(row), "reason": list(reason(error))})


async def _begun(ctx: Context, uuid: str) -> Lease | None:
    """Write down that EC2 asks for a stop, which takes the place of an earlier one; a stop needs no store."""
    value = {"at": timestamp(), "access_key": ctx.credentials.access_key}
    note, change = leases.seized(ctx, STOP_KIND, uuid, value)
    try:
        await ctx.store.together(ctx.owner_id, change)
    except StoreUnavailable as error:
        log.warning("the stop of %s is not noted: %s", uuid, error)
        return None
    return note


async def _seen_through(ctx: Context, uuid: str, note: Lease | None, job: str | None) -> None:
    """Settle the note when the stop has ended; what CloudStack does not tell now is left to the sweep."""
    beat = asyncio.create_task(note.beat(BEAT)) if note else None
    try:
        await _settle(ctx, uuid, note, await _outcome(ctx, uuid, job))
    except LostError:
        log.debug("stop of %s: somebody else goes on with it", uuid)
    except CloudStackError as error:
        log.warning("what became of the stop of %s is looked at later: %s", uuid, error)
        if note is not None:
            with suppress(LostError, StoreUnavailable):
                await note.write(beat=0.0)
    finally:
        if beat is not None:
            beat.cancel()


async def _outcome(ctx: Context, uuid: str, job: str | None) -> Row | None:
    """Return the note of a stop that has ended; None where there was none, or the machine is gone."""
    failure = None
    if job is None:
        row = await _come_to_rest(ctx, uuid)
    else:
        try:
            row = (await ctx.account.wait(job)).get("virtualmachine")
        except CloudStackError as error:
            if not error.in_job:
                raise
            log.warning("%s: %s", uuid, error)
            failure, row = error, await _row(ctx, uuid)
    if row is None:
        return None
    if row.get("state") in STOPPED:
        return _over(row)
    return {**_over(row), "reason": list(reason(failure))} if failure else None


async def _come_to_rest(ctx: Context, uuid: str) -> Row | None:
    """Return a machine's row once it stops no more, if it ever began to; raises while it goes on for long."""
    deadline = time.monotonic() + float(ctx.settings.job_timeout)
    row = None
    for pause in PAUSES:
        await asyncio.sleep(pause)
        row = await _row(ctx, uuid)
        if row is None or row.get("state") in STOPPED or _is_on_the_way(row):
            break
    while row is not None and _is_on_the_way(row):
        if time.monotonic() > deadline:
            raise CloudStackUnavailable("stopVirtualMachine", "the machine is still stopping", retry=False)
        await asyncio.sleep(ON_THE_WAY)
        row = await _row(ctx, uuid)
    return row


def _is_on_the_way(row: Row) -> bool:
    return row.get("state") == "Stopping" or row.get("jobstatus") == 0


async def _row(ctx: Context, uuid: str) -> Row | None:
    rows = await ctx.account.list("listVirtualMachines", ids=[uuid], details=["min"])
    return rows[0] if rows else None


def _over(row: Row) -> Row:
    # CloudStack's times have whole seconds: a machine may come to two states in one.
    return {"at": timestamp(), "state": row.get("lastupdated"), "rests": row.get("state")}


async def _settle(ctx: Context, uuid: str, note: Lease | None, value: Row | None) -> None:
    if note is None:
        if value is not None:
            await ctx.store.put(ctx.owner_id, STOP_KIND, uuid, value)
    elif value is None:
        await note.end()
    else:
        await note.leave(value, None)


def is_under_way(value: Mapping[str, Any]) -> bool:
    """Whether a note is of a stop that has not ended, so far as the bridge knows."""
    return "beat" in value


def _due(value: Mapping[str, Any]) -> float | None:
    return float(value["beat"]) + STALE if is_under_way(value) else None


async def _resume(ctx: Context, entry: Entry) -> None:
    """See to a note whose bearer died: the stop has happened or not, and is not asked for again."""
    if note := await leases.take(ctx, STOP_KIND, entry, STALE):
        await _seen_through(ctx, entry.key, note, None)


recovery.register(STOP_KIND, _due, _resume)
