"""What a machine holds, and how CloudStack is brought to let go of it.

A machine that is only destroyed keeps its groups, networks, addresses and name until it is expunged, a day later by
default, and users may not expunge unless an operator lets them.
"""

import logging
from typing import Any

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.resources.machines.records import Record
from ec2bridge.resources.machines.states import GROUPS, LAUNCH_MARK
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)


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
                await _quietly(ctx, "deleteVolume", id=volume)
    if data["address"] and await _is_launchs(record):
        await _quietly(ctx, "disassociateIpAddress", id=data["address"])


async def _is_launchs(record: Record) -> bool:
    """Whether the address that came with the launch is still that, and no Elastic IP allocated since."""
    try:
        rows = await record.ctx.account.list("listPublicIpAddresses", id=record.data["address"])
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        return False  # nobody's any more
    return any(_is_of(record, row) for row in rows)


def _is_of(record: Record, row: dict[str, Any]) -> bool:
    mark = resource_tags.hidden(row).get(LAUNCH_MARK)
    if mark is not None or not record.data.get("unmarked"):
        return mark == record.uuid
    # The launch did not come to mark it: an Elastic IP is marked as soon as it is allocated.
    return not row.get("tags") and row.get("virtualmachineid") in (None, record.uuid)


async def _quietly(ctx: Context, command: str, **params: Any) -> None:
    """Do what matters less than that the machine is gone; a failure is for the operator to read."""
    try:
        await ctx.account.job(command, **params)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        log.warning("while a machine was terminated: %s", error)
