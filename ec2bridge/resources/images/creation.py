"""An image made, as the journal's steps: the machine stopped, its root volume's snapshot taken, the machine started
again, the template made and marked.

A template has the name that the client chose, which is the account's only one, so it is found again by that. That the
machine is to be started stands in the record before it is stopped.
"""

import asyncio
import logging
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import background, journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images.lookup import SNAPSHOT, Root, image_rows, own_templates
from ec2bridge.resources.images.records import drop, keep
from ec2bridge.resources.instance_types import TYPE_DETAIL
from ec2bridge.resources.key_pairs.records import KEY_DETAIL
from ec2bridge.resources.machines.records import timestamp
from ec2bridge.resources.machines.states import (
    ADDRESS,
    INDEX,
    KEY_NAMES,
    PUBLIC_KEY,
    RESERVATION,
    STOP_KIND,
    TOKEN,
    moving,
)
from ec2bridge.resources.snapshots import creation as snapshots
from ec2bridge.resources.snapshots.lookup import DESCRIPTION, snapshot_rows
from ec2bridge.resources.snapshots.lookup import state as snapshot_state
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

Row = dict[str, Any]

OF_ONE_MACHINE = (RESERVATION, INDEX, TOKEN, ADDRESS, TYPE_DETAIL, KEY_DETAIL, KEY_NAMES, PUBLIC_KEY)
"""Details that are nothing to the machines that are made of an image of this one."""
PLAN, AGAIN = "CreateImage", "StartAgain"
PATIENCE = 6 * 3600.0
"""Seconds that a snapshot may take; nobody has to wait for it so long but the task that makes the image."""


def place_of(name: str, source: str) -> str:
    """Return what stands for a request to make an image: CreateImage has no client token."""
    return f"{name} {source}"


async def make(ctx: Context, given: Given, place: str) -> str:
    """Make a template and return its image's id; what becomes of it is seen when images are described.

    `params` are createTemplate's (`command` names another). With a `snapshot` one is taken first, for which the
    `machine` rests if it `stops`. `tags` and `details` are the image's.
    """
    made = await journal.perform(ctx, PLAN, given, place=place)
    return ec2_id("ami", made["template"]["id"])


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    ends = [TEMPLATE, MARKS]
    if not given.get("snapshot"):
        return ends
    taken = [*snapshots.steps_of(given["snapshot"], 0), WHOLE]
    return [STOPPED, *taken, STARTED, *ends, TOLD] if given["stops"] else [*taken, *ends, TOLD]


# --- the machine rests -----------------------------------------------------------------------------------------------


async def _machine_state(work: Work) -> str:
    rows = await work.ctx.account.list("listVirtualMachines", ids=[work.given["machine"]], details=["min"])
    return str(rows[0]["state"]) if rows else ""


async def _settled_state(work: Work, passing: str) -> str:
    """Return the machine's state once it is no longer the one that passes."""
    while True:
        state = await _machine_state(work)
        if state != passing:
            return state
        await asyncio.sleep(0.5)


async def _is_stopped(work: Work) -> Made | None:
    return {} if await _machine_state(work) in ("Stopped", "Stopping") else None


async def _stop(work: Work) -> Made:
    # As on AWS it shows as running all the while.
    uuid = work.given["machine"]
    await work.ctx.account.job("stopVirtualMachine", id=uuid)
    moving(work.ctx)[uuid] = "running"
    return {}


async def _start_again(work: Work, made: Made) -> None:
    if await _settled_state(work, "Stopping") == "Stopped":
        # To its end: until it runs, not all is as it was, and an image could not be asked for again.
        await work.ctx.account.job("startVirtualMachine", id=work.given["machine"])
    moving(work.ctx).pop(work.given["machine"], None)


async def _is_started(work: Work) -> Made | None:
    if await _machine_state(work) not in ("Running", "Starting", ""):
        return None
    moving(work.ctx).pop(work.given["machine"], None)
    return {}


async def _start(work: Work) -> Made:
    """Begin to start the machine, by a record of its own: it is to run again whatever becomes of the image."""
    ctx, uuid = work.ctx, work.given["machine"]
    begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    starting = journal.perform(ctx, AGAIN, {"machine": uuid}, place=uuid, live=begun)
    task = background.start(ctx.site, starting, f"start {uuid}")
    # What becomes of it later is in the log, and tried again.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    waited: list[asyncio.Future[Any]] = [begun, task]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if not begun.done():
        await task
    return {}


@journal.plan(AGAIN, forward=True, lasting=True)
def _starting(given: Given) -> list[Step]:
    return [Step("started", _runs, _have_run, journal.nothing)]


async def _runs(work: Work) -> Made | None:
    """Whether it runs again, or is not to any more: it is gone, or somebody has stopped it since."""
    ctx, uuid = work.ctx, work.given["machine"]
    state = await _settled_state(work, "Starting")
    stop = await ctx.store.get(ctx.owner_id, STOP_KIND, uuid) or {}
    stopped = "reason" not in stop and stop.get("at", "") > timestamp(work.began)
    return None if state == "Stopped" and not stopped else {}


async def _have_run(work: Work) -> Made:
    ctx, uuid = work.ctx, work.given["machine"]
    try:
        answer = await ctx.account.submit("startVirtualMachine", id=uuid)
        if work.live and not work.live.done():
            work.live.set_result(None)
        await ctx.account.wait(answer["jobid"])
    except CloudStackError as error:
        ident = ec2_id("i", uuid)
        log.warning("%s was stopped to make an image of it and does not start again yet: %s", ident, error)
        raise
    finally:
        moving(ctx).pop(uuid, None)
    return {}


# --- the snapshot ----------------------------------------------------------------------------------------------------


async def _is_whole(work: Work) -> Made | None:
    rows = await snapshot_rows(work.ctx, [work.made["snapshot 0"]["id"]])
    state = snapshot_state(rows[0]) if rows else "error"
    if state == "error" and not work.is_undone:
        raise Ec2Error("InternalError", "CloudStack could not take the snapshot of the root volume.")
    return {} if state == "completed" else None


async def _whole(work: Work) -> Made:
    job = work.made["snapshot 0"]["jobid"]
    if job:
        await work.ctx.account.wait(job, timeout=PATIENCE)
        return {}
    while True:
        if (done := await _is_whole(work)) is not None:
            return done
        await asyncio.sleep(2.0)


async def _tell(work: Work) -> Made:
    """Say of a snapshot which image it was made for: whoever deletes the image looks for it by that."""
    image = ec2_id("ami", work.made["template"]["id"])
    snapshot, text = work.made["snapshot 0"]["id"], f"{work.given['snapshot']['text']} for {image}"
    held = await resource_tags.held_natively(work.ctx, "snapshot", [snapshot])
    key = resource_tags.RESERVED + DESCRIPTION
    await resource_tags.assign(work.ctx, "snapshot", held, {key: text})
    return {}


# --- the template ----------------------------------------------------------------------------------------------------


async def _find_template(work: Work) -> Made | None:
    rows = await own_templates(work.ctx)
    row = next((row for row in rows if row["name"] == work.given["params"]["name"]), None)
    return row and {"id": row["id"], "jobid": row.get("jobid")}


async def _make_template(work: Work) -> Made:
    ctx, given = work.ctx, work.given
    try:
        if given.get("command") == "registerTemplate":
            answer = (await ctx.account.call("registerTemplate", **given["params"]))["template"][0]
        else:
            source = {"snapshotid": work.made["snapshot 0"]["id"]} if given.get("snapshot") else {}
            # CloudStack gives the image its machine's details, and those to the machines that are made of the image.
            details = {**given.get("details", {}), **dict.fromkeys(OF_ONE_MACHINE, "")}
            answer = await ctx.account.submit("createTemplate", **given["params"], **source, details=details)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        # An image of that name is another request's.
        work.left_nothing()
        raise
    ctx.directory.remember("image", [answer])
    return {"id": answer["id"], "jobid": answer.get("jobid")}


async def delete(ctx: Context, made: Made) -> None:
    """Delete a template that was begun and is given up; one that is gone is as good."""
    if made.get("jobid"):
        try:
            await ctx.account.wait(made["jobid"], timeout=PATIENCE)
        except CloudStackUnavailable:
            raise
        except CloudStackError:
            pass  # It could not be made, or the job is forgotten: what is there is seen next.
    if await image_rows(ctx, made["id"]):
        await ctx.account.job("deleteTemplate", id=made["id"])
    await resource_tags.forget(ctx, "image", made["id"])
    await drop(ctx, made["id"])


async def _undo_template(work: Work, made: Made) -> None:
    await delete(work.ctx, made)


async def _mark(work: Work) -> Made:
    ctx, given, made = work.ctx, work.given, work.made["template"]
    if made["jobid"]:
        await keep(ctx, made["id"], made["jobid"], given["params"]["name"])
    tags = dict(given["tags"])
    if given.get("snapshot"):
        tags[resource_tags.RESERVED + SNAPSHOT] = Root(
            work.made["snapshot 0"]["id"], given["size"], given.get("kind")
        ).mark()
    if not tags:
        return {}
    held = await resource_tags.held_natively(ctx, "image", [made["id"]]) if work.again else {made["id"]: {}}
    try:
        await resource_tags.assign(ctx, "image", held, tags)
    except CloudStackUnavailable:
        raise
    except (CloudStackError, Ec2Error):
        if await image_rows(ctx, made["id"]):
            raise
        # It could not be made, and that was quicker: its record shows it as failed.
    return {}


STOPPED = Step("stopped", _is_stopped, _stop, _start_again)
WHOLE = Step("whole", _is_whole, _whole, journal.nothing)
STARTED = Step("started", _is_started, _start, journal.nothing)
TEMPLATE = Step("template", _find_template, _make_template, _undo_template)
MARKS = Step("marks", journal.unseen, _mark, journal.nothing)
TOLD = Step("told", journal.unseen, _tell, journal.nothing)
