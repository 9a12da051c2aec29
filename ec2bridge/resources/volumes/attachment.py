"""Volumes attached and detached, as the journal's steps: the job is submitted, and whoever asks again waits for it.

EC2 attaches under a name, CloudStack under a number, of which a hypervisor has only so many: past them CloudStack
chooses one. A name that does not follow from the number is remembered on the volume before the job starts, so that it
is never seen without it; it goes with the attachment.
"""

import json
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.values import known
from ec2bridge.resources.machines.devices import DEVICE_MARK, is_number_refused, number_name
from ec2bridge.resources.machines.states import KEEP_MARK
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

ATTACH, DETACH = "AttachVolume", "DetachVolume"


def place_of(*asked: str | None) -> str:
    """Return what stands for a request to attach or detach: EC2 has no client token for it."""
    return json.dumps(asked)


async def _row(work: Work) -> Row:
    rows = await work.ctx.account.list("listVolumes", id=work.given["volume"]["id"])
    return dict(rows[0]) if rows else {}


# --- attaching -------------------------------------------------------------------------------------------------------


async def attach(ctx: Context, given: Given, place: str) -> Row:
    """Attach a `volume` (its row) to a `machine` under a `device` name, and a `number` or any; returns its row then."""
    return dict((await journal.perform(ctx, ATTACH, given, place=place))[ENDED.name]["volume"])


@journal.plan(ATTACH, forward=True)
def _attaching(given: Given) -> list[Step]:
    return [SUBMITTED, Step(ENDED.name, ENDED.find, _end, journal.nothing)]


async def _is_attached(work: Work) -> Made | None:
    row = await _row(work)
    return {"volume": row} if row.get("virtualmachineid") == work.given["machine"] else None


async def _mark(work: Work, name: str | None) -> None:
    # What was read before is good as long as nobody has changed a tag since.
    row = await _row(work) if work.again or work.made else work.given["volume"]
    if row:
        await resource_tags.mark(work.ctx, "volume", row, {DEVICE_MARK: name})


async def _unmark(work: Work) -> None:
    """Take the name off a volume that was not attached, unless somebody else has attached it meanwhile."""
    row = await _row(work)
    if row and not row.get("virtualmachineid"):
        await resource_tags.mark(work.ctx, "volume", row, {DEVICE_MARK: None})


async def _submit(work: Work) -> Row:
    given = work.given
    derived = given["number"] is not None and number_name(given["number"]) == given["device"]
    await _mark(work, None if derived else given["device"])
    try:
        answer: Row = await work.ctx.account.submit("attachVolume", **_asked(work, given["number"]))
    except CloudStackUnavailable:
        # It may be attached yet, under the name that was asked for.
        raise
    except CloudStackError:
        await _unmark(work)
        raise
    return answer


def _asked(work: Work, number: int | None) -> dict[str, Any]:
    given = work.given
    return {"id": given["volume"]["id"], "virtualmachineid": given["machine"], **known(deviceid=number)}


async def _end(work: Work) -> Made:
    given = work.given
    try:
        return await ENDED.do(work)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        if given["number"] is None or not is_number_refused(error):
            await _unmark(work)
            raise
    if number_name(given["number"]) == given["device"]:
        # Only now it does not follow from the number any more.
        await _mark(work, given["device"])
    return {"volume": await work.ctx.account.job("attachVolume", **_asked(work, None))}


SUBMITTED, ENDED = journal.job("attached", _is_attached, _submit)


# --- detaching -------------------------------------------------------------------------------------------------------


async def detach(ctx: Context, volume: Row, place: str) -> Row:
    """Detach a volume, given its row, from its machine; returns the row as it was."""
    return dict((await journal.perform(ctx, DETACH, {"volume": volume}, place=place))["freed"]["volume"])


async def finish(ctx: Context, place: str) -> Row:
    """Go on with a detachment that somebody else has begun; returns the volume's row as it was."""
    return await detach(ctx, {}, place)


@journal.plan(DETACH, forward=True)
def _detaching(given: Given) -> list[Step]:
    return [
        *journal.job("detached", _is_detached, _take_off),
        Step("freed", journal.unseen, _free, journal.nothing),
    ]


async def _is_detached(work: Work) -> Made | None:
    row = await _row(work)
    return {} if row.get("virtualmachineid") != work.given["volume"]["virtualmachineid"] else None


async def _take_off(work: Work) -> Row:
    answer: Row = await work.ctx.account.submit("detachVolume", id=work.given["volume"]["id"])
    return answer


async def _free(work: Work) -> Made:
    """Take off what belongs to the attachment: the next one has a name of its own and starts with AWS's defaults."""
    before, row = work.given["volume"], await _row(work) if work.again else work.given["volume"]
    if row:
        await resource_tags.mark(work.ctx, "volume", row, {DEVICE_MARK: None, KEEP_MARK: None})
    return {"volume": before}
