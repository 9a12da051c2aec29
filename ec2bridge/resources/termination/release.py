"""What a machine holds, and how CloudStack is brought to let go of it.

A machine that is only destroyed keeps its groups, networks, addresses and name until it is expunged, a day later by
default, and users may not expunge unless an operator lets them.
"""

import logging
import uuid
from contextlib import suppress
from typing import Any

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.addresses.listing import addresses, release
from ec2bridge.resources.machines.records import Record
from ec2bridge.resources.machines.states import GROUPS, LAUNCH_MARK
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

PLAN = "GiveUp"
NOT_ITS_COMMAND = 432
"""CloudStack's refusal of a command that an account's role does not have; any other may pass."""


async def let_go(record: Record) -> None:
    """Take a machine out of what it would hold until CloudStack itself expunges it."""
    ctx, data, uuid = record.ctx, record.data, record.uuid
    await _stop(ctx, uuid)
    attached = {row["id"]: row for row in await ctx.account.list("listVolumes", virtualmachineid=uuid)}
    for volume in data["detach"]:
        if attached.pop(volume, None):
            await ctx.account.job("detachVolume", id=volume)
    if tagged := [volume for volume, row in attached.items() if row.get("tags")]:
        # CloudStack lists the tags of the root volume until it expunges it.
        await _quietly(ctx, "deleteTags", resourcetype="Volume", resourceids=tagged)
    if data["grouped"]:
        await _quietly(ctx, "updateVirtualMachine", id=uuid, securitygroupnames="default")
    if data["static"] and not data["address"]:
        await _quietly(ctx, "disableStaticNat", ipaddressid=data["static"])
    row = {"id": uuid, "tags": data["row"]["tags"]}
    await resource_tags.mark(ctx, "instance", row, {GROUPS: None})


async def _stop(ctx: Context, uuid: str) -> None:
    try:
        await ctx.account.job("stopVirtualMachine", id=uuid, forced=True)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        log.info("machine %s is not stopped by force: %s", uuid, error)
        # An operator may keep force from users (allow.user.force.stop.vm).
        await _quietly(ctx, "stopVirtualMachine", id=uuid)


async def expunge(record: Record) -> None:
    """Expunge as whoever may; a machine that is gone is as good."""
    ctx, data = record.ctx, record.data
    if data["expunge"] == "owner":
        return
    service = ctx.site.service if data["expunge"] == "service" else None
    if service and not data["destroyed"] and not await _is_left_over(ctx, service, record.uuid):
        return
    account = service or ctx.account
    try:
        await account.job("expungeVirtualMachine", id=record.uuid)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        if error.passes:
            raise
        if "Unable to find" in error.errortext or data["expunge"] == "nobody":
            return
        if service and error.errorcode != NOT_ITS_COMMAND:
            # It may, and could not just now.
            log.warning("machine %s is destroyed, and expunged later: %s", record.uuid, error)
            await _later(ctx, {"expunge": record.uuid})
            return
        log.error(
            "machine %s is destroyed, but the look-up account may not expunge it (%s):"
            " its groups, networks and addresses stay in use until CloudStack does",
            record.uuid,
            error,
        )


async def _is_left_over(ctx: Context, service: Account, uuid: str) -> bool:
    """Whether a machine that the caller no longer sees is still the caller's, and destroyed.

    It may have been given to another account meanwhile: what the caller has not destroyed with their own keys, the
    look-up account expunges only if CloudStack says whose it is.
    """
    project = ctx.credentials.project_id
    try:
        rows = await service.list(
            "listVirtualMachines", id=uuid, listall=True, projectid=project, details=["min"]
        )
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        return False
    owners = {(row.get("domainid"), row.get("projectid") or row.get("account")) for row in rows}
    dead = {row.get("state") for row in rows} <= {"Destroyed", "Expunging", "Error"}
    return dead and owners == {(ctx.identity.domain_id, ctx.identity.account)}


async def delete_leftovers(record: Record) -> None:
    """Delete volumes that were made for the machine and never attached, and release its address."""
    ctx, data = record.ctx, record.data
    if data["volumes"]:
        left = {row["id"] for row in await ctx.account.list("listVolumes") if not row.get("virtualmachineid")}
        for volume in data["volumes"]:
            if volume in left:
                await _surely(ctx, {"volume": volume})
    if data["address"] and await _is_launchs(record):
        given = {"address": data["address"], "machine": record.uuid, "unmarked": bool(data.get("unmarked"))}
        await _surely(ctx, given)


async def _is_launchs(record: Record) -> bool:
    """Whether the address that came with the launch is still that, and no Elastic IP allocated since."""
    return await _is_still_of(
        record.ctx, record.data["address"], record.uuid, bool(record.data.get("unmarked"))
    )


async def _is_still_of(ctx: Context, address: str, machine: str, unmarked: bool) -> bool:
    try:
        rows = await addresses(ctx, id=address)
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        return False  # nobody's any more
    return any(_is_of(machine, row, unmarked) for row in rows)


def _is_of(machine: str, row: dict[str, Any], unmarked: bool) -> bool:
    mark = resource_tags.hidden(row).get(LAUNCH_MARK)
    if mark is not None or not unmarked:
        return mark == machine
    # The launch did not come to mark it: an Elastic IP is marked as soon as it is allocated.
    return not row.get("tags") and row.get("virtualmachineid") in (None, machine)


async def _surely(ctx: Context, given: dict[str, Any]) -> None:
    """Give up what was a machine's; what CloudStack refuses now is tried again, less and less often, for a day."""
    volume = given.get("volume")
    try:
        await (ctx.account.job("deleteVolume", id=volume) if volume else release(ctx, given["address"]))
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        log.warning("while a machine was terminated: %s", error)
        await _later(ctx, given)


async def _later(ctx: Context, given: dict[str, Any]) -> None:
    """Have something given up once more now and, while that is refused, by the sweep."""
    with suppress(CloudStackError):
        await journal.perform(ctx, PLAN, given, apart=uuid.uuid4().hex)


@journal.plan(PLAN, forward=True, lasting=True)
def _steps(given: Given) -> list[Step]:
    return [Step("given up", journal.unseen, _given_up, journal.nothing)]


async def _given_up(work: Work) -> Made:
    await _give_up(work.ctx, work.given)
    return {}


async def _give_up(ctx: Context, given: dict[str, Any]) -> None:
    """Expunge a machine, delete a volume that no machine has, or release an address that is still its machine's."""
    service = ctx.site.service
    if machine := given.get("expunge"):
        if service and await _is_left_over(ctx, service, machine):
            await service.job("expungeVirtualMachine", id=machine)
    elif volume := given.get("volume"):
        rows = await ctx.account.list("listVolumes", id=volume)
        if rows and not rows[0].get("virtualmachineid"):
            await ctx.account.job("deleteVolume", id=volume)
    elif await _is_still_of(ctx, given["address"], given["machine"], given["unmarked"]):
        await release(ctx, given["address"])


async def _quietly(ctx: Context, command: str, **params: Any) -> None:
    """Do what matters less than that the machine is gone; a failure is for the operator to read."""
    try:
        await ctx.account.job(command, **params)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        log.warning("while a machine was terminated: %s", error)
