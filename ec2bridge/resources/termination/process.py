"""The end of a machine: destroyed, expunged by whoever may, and all that it held released.

CloudStack works this off in jobs, and some may be done by the look-up account only. What is left to do stands in the
machine's record, so each step may be repeated by another process.
"""

import asyncio
import logging
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.machines.records import ENDING, UNDONE, Record, carry_on, trimmed
from ec2bridge.resources.machines.states import ADDRESS, LAUNCH_KIND, STOP_KIND
from ec2bridge.resources.machines.volumes import goes_with_machine
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.termination.release import delete_leftovers, expunge, let_go
from ec2bridge.resources.volumes.items import exists

log = logging.getLogger(__name__)

Row = dict[str, Any]

BUSY = "please try again later"
_GONE = (None, "Expunging")
"""The states of a machine of which nothing is left to destroy; its owner sees none that is gone."""
BY_USER = ("Client.UserInitiatedShutdown", "User initiated shutdown")


async def ending(
    ctx: Context, row: Row, volumes: list[Row], launch: dict[str, Any] | None = None, phase: str = ENDING
) -> dict[str, Any]:
    """Return the record of a machine that is to go: what to delete with it, and how."""
    stored = (await resource_tags.stored(ctx, "instance")).get(row["id"], {})
    shown = trimmed(row)
    shown["tags"] = [{"key": k, "value": v} for k, v in {**resource_tags.native(row), **stored}.items()]
    kept_root = [v["id"] for v in volumes if v.get("type") == "ROOT" and not goes_with_machine(v)]
    data = [v for v in volumes if v.get("type") != "ROOT"]
    kept = [v["id"] for v in data if not goes_with_machine(v)]
    made = [v for v in (launch or {}).get("made", ()) if v not in {volume["id"] for volume in data}]
    address = (row.get("details") or {}).get(ADDRESS)
    by_owner = bool((await ctx.account.capabilities()).get("allowuserexpungerecovervm"))
    by_service = ctx.settings.expunge and ctx.site.service is not None
    return {
        "phase": phase,
        "row": shown,
        "reason": None,
        "job": (launch or {}).get("job"),
        "destroying": False,
        "destroyed": False,
        # CloudStack gives a released address out again under its old id, so one that has moved on is not ours.
        "address": (launch or {}).get("address") or (address if address == row.get("publicipid") else None),
        # The mark of a launch's address is the last that a launch does with it.
        "unmarked": bool((launch or {}).get("todo", {}).get("address")),
        "static": row.get("publicipid"),
        # The NICs of a launch that failed are not known any more.
        "vpcs": tiers.vpcs_of(row.get("nic", ())) or (launch or {}).get("todo", {}).get("vpcs", []),
        "volumes": [v["id"] for v in data if goes_with_machine(v)] + made,
        "roots": [v["id"] for v in volumes if v.get("type") == "ROOT" and v["id"] not in kept_root],
        "detach": kept_root + kept,
        "nics": [nic["id"] for nic in row.get("nic", ())],
        "expunge": "owner" if by_owner else "service" if by_service else "nobody",
        "careful": bool(kept_root) or not (by_owner or by_service),
        "grouped": bool(row.get("securitygroup")),
    }


async def destroy(ctx: Context, uuid: str, data: dict[str, Any]) -> Row:
    expunge = {"expunge": True} if data["expunge"] == "owner" else {}
    attached = await _still_attached(ctx, uuid, data["volumes"]) if data["volumes"] else []
    answer: Row = await ctx.account.submit("destroyVirtualMachine", id=uuid, volumeids=attached, **expunge)
    return answer


async def _still_attached(ctx: Context, uuid: str, volumes: list[str]) -> list[str]:
    """Return those volumes that may be named in the destruction: one that is not attached fails it."""
    rows = await ctx.account.list("listVolumes", virtualmachineid=uuid)
    return [row["id"] for row in rows if row["id"] in volumes]


async def end(record: Record) -> None:
    """Destroy a machine and release all it held; each step may be repeated, by whoever takes the work up."""
    ctx, data = record.ctx, record.data
    if record.launch:
        # What the launch went on to make before it gave way.
        known = data["volumes"] + data["detach"]
        made = [volume for volume in record.launch.get("made", ()) if volume not in known]
        await record.save(volumes=data["volumes"] + made)
    if data["job"]:
        done = await _succeeded(ctx, data["job"])
        await record.save(job=None, destroyed=done and data["destroying"])
    try:
        if not data["destroyed"]:
            await _destroy_when_free(record)
        await expunge(record)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        if error.passes:
            raise
        # It still runs, or whatever CloudStack says of it: EC2 shows that again.
        log.warning("machine %s could not be destroyed: %s", record.uuid, error)
        await record.close()
        return
    await delete_leftovers(record)
    await tiers.settle_later(ctx, *data.get("vpcs", ()))
    await finish(record)


async def finish(record: Record) -> None:
    """Leave a tombstone, or nothing of a launch that was taken back."""
    ctx = record.ctx
    for kind in (LAUNCH_KIND, STOP_KIND):
        await ctx.store.delete(ctx.owner_id, kind, record.uuid)
    await network_interfaces.machine_gone(ctx, record.uuid, record.data.get("nics", ()))
    await _forget_volumes(record)
    if record.data["phase"] == UNDONE:
        await record.close()
    else:
        await record.bury(tuple(record.data["reason"] or BY_USER))
    await resource_tags.forget(ctx, "instance", record.uuid)


async def _forget_volumes(record: Record) -> None:
    """Drop what the store has as tags of the volumes that went with the machine; CloudStack drops its own."""
    ctx, data = record.ctx, record.data
    tagged = {*data.get("roots", ()), *data["volumes"]} & (await resource_tags.stored(ctx, "volume")).keys()
    if tagged:
        there = {row["id"] for row in await ctx.account.list("listVolumes") if exists(row)}
        await resource_tags.forget(ctx, "volume", *tagged - there)


async def _succeeded(ctx: Context, jobid: str) -> bool:
    try:
        await ctx.account.wait(jobid)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        return False
    return True


async def _destroy_when_free(record: Record) -> None:
    """Destroy a machine, once no snapshot of its root volume is being taken: CloudStack refuses until then."""
    pause = 1.0
    while True:
        try:
            await _destroy_carefully(record)
            return
        except CloudStackError as error:
            if BUSY not in error.errortext:
                raise
            log.info("machine %s: %s", record.uuid, error)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 60.0)


async def _destroy_carefully(record: Record) -> None:
    """Destroy a machine that is not destroyed yet, and expunge it where its owner may.

    CloudStack fails a destruction or expunction that is accepted while another, whose answer was lost, is at work.
    """
    ctx, expunges = record.ctx, record.data["expunge"] == "owner"
    state = await _state(ctx, record.uuid)
    while state not in _GONE and (expunges or state != "Destroyed"):
        try:
            await _destroyed_or_expunged(record, state)
            return
        except CloudStackUnavailable:
            raise
        except CloudStackError:
            before, state = state, await _state(ctx, record.uuid)
            if state == before:
                raise


async def _destroyed_or_expunged(record: Record, state: str | None) -> None:
    ctx, data = record.ctx, record.data
    if state == "Destroyed":
        await ctx.account.job("expungeVirtualMachine", id=record.uuid)
        return
    if data["careful"]:
        await let_go(record)
    answer = await destroy(ctx, record.uuid, data)
    await ctx.account.wait(answer["jobid"])
    await record.save(destroyed=True)


async def _state(ctx: Context, uuid: str) -> str | None:
    """Return CloudStack's word for a machine's state; None for one that its owner does not see any more."""
    rows = await ctx.account.list("listVirtualMachines", ids=[uuid], details=["min"])
    return str(rows[0].get("state")) if rows else None


async def undo(ctx: Context, row: Row, launch: dict[str, Any]) -> None:
    """Take back a machine of a launch that failed as a whole; it is not shown while it goes."""
    record = Record(ctx, row["id"], await ending(ctx, row, [], launch, UNDONE))
    await record.save()
    carry_on(record, end)


async def end_failed(record: Record, reason: tuple[str, str]) -> None:
    """End a machine whose launch failed after it was answered: terminated, with the reason."""
    ctx, data = record.ctx, record.data
    gone = await ending(ctx, data["row"], [], data)
    await record.save(**{**gone, "reason": reason, "job": None})
    await end(record)
