"""Deploying the machines of one launch: all that were asked for, or none.

CloudStack deploys one machine a call and knows no tokens: so names and details are derived from the token, a name
that is taken turns out to be the machine of an answer that was lost, a look at all machines of the launch finds a
twin (CloudStack's check of names can be outrun), and what was accepted is taken back when the rest is refused.
"""

import asyncio
import hashlib
import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.batches import AT_ONCE
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.locks import account_lock
from ec2bridge.ec2.unknown import surely
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.addresses.listing import associate
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.launches.plan import Launch
from ec2bridge.resources.machines.lookup import DETAILS, list_rows
from ec2bridge.resources.machines.states import ADDRESS, INDEX, RESERVATION, TOKEN
from ec2bridge.resources.tags import resource_tags, tagging
from ec2bridge.resources.termination.process import undo
from ec2bridge.resources.vpcs import source_nat

log = logging.getLogger(__name__)

Row = dict[str, Any]

NAME_TAKEN = ("already exists in the network domain", "There already exists a VM by the")
"""The second where an operator has machines named alike in CloudStack and on VMware."""


def reservation_id(ctx: Context, launch: Launch) -> str:
    """Return the reservation's id, which is the same when the launch is sent again."""
    return "r-" + hashlib.sha256(f"reservation/{ctx.owner_id}/{launch.stem}".encode()).hexdigest()[:17]


async def deploy_all(ctx: Context, launch: Launch) -> list[Row]:
    """Deploy as many as possible up to MaxCount; with fewer than MinCount take all back and raise the refusal."""
    await _check_quota(ctx, launch)
    if launch.nics.public:
        await source_nat.ensure(ctx, _scope(launch))
    accepted: list[Row] = []
    refusal: BaseException | None = None
    for start in range(0, launch.most, AT_ONCE):
        batch = range(start, min(start + AT_ONCE, launch.most))
        outcomes = await asyncio.gather(*(_deploy(ctx, launch, i) for i in batch), return_exceptions=True)
        accepted += [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        refusal = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
        if refusal is not None:
            break
    if refusal is not None and (len(accepted) < launch.least or not isinstance(refusal, CloudStackError)):
        await take_back(ctx, launch, accepted)
        raise refusal
    return accepted


async def _check_quota(ctx: Context, launch: Launch) -> None:
    """Refuse at once what the quota cannot hold: CloudStack would count it one machine at a time."""
    if launch.least < 2 or ctx.credentials.project_id:
        return
    own = (ctx.identity.account, ctx.identity.domain_id)
    rows = await ctx.account.list("listAccounts")
    account: Row = next((row for row in rows if (row.get("name"), row.get("domainid")) == own), {})
    limit, available = str(account.get("vmlimit")), str(account.get("vmavailable"))
    if limit.isdigit() and available.isdigit() and int(available) < launch.least:
        raise Ec2Error(
            "InstanceLimitExceeded",
            f"You have requested more instances ({launch.least}) than your current instance limit of {limit} allows,"
            f" of which {int(limit) - int(available)} are in use.",
        )


async def _deploy(ctx: Context, launch: Launch, index: int) -> Row:
    """Submit one machine; returns its uuid as `id`, its job, and the public address acquired for it."""
    acquired = await _acquire(ctx, launch)
    details = {
        **launch.details,
        RESERVATION: reservation_id(ctx, launch),
        INDEX: index,
        TOKEN: launch.token or None,
        ADDRESS: acquired.get("address"),
    }
    try:
        async with _turn(ctx, launch):
            answer = await surely(
                lambda: ctx.account.submit(
                    "deployVirtualMachine", name=launch.name(index), details=details, **launch.params
                ),
                lambda: _adopted(ctx, launch, index),
            )
        if "known" in answer:
            return await _with_one_address(ctx, answer, acquired)
    except BaseException as error:
        machine = await asyncio.shield(_made(ctx, launch, index, error))
        if machine is not None:
            return await asyncio.shield(_with_one_address(ctx, machine, acquired))
        if acquired:
            await asyncio.shield(_release(ctx, acquired["address"]))
        if isinstance(error, CloudStackError) and error.errorcode == 530 and launch.nics.address:
            # CloudStack hides from users that this is why.
            raise Ec2Error("InvalidIPAddress.InUse", f"Address {launch.nics.address} is in use.") from error
        raise
    ctx.directory.remember("instance", [answer])
    return {"id": answer["id"], "jobid": answer.get("jobid"), "index": index, "details": details, **acquired}


def _turn(ctx: Context, launch: Launch) -> AbstractAsyncContextManager[None]:
    """Have an account's machines deployed one after the other into isolated networks and tiers.

    There CloudStack picks a free address and takes it later, so that two machines deployed at once may get the same.
    """
    if all(row.get("type") != "Isolated" for row in launch.nics.rows):
        return nullcontext()
    return account_lock(ctx, "deploy")


async def _acquire(ctx: Context, launch: Launch) -> Row:
    """Acquire the public address of a machine, so that a lack of addresses refuses the launch."""
    if not launch.nics.public:
        return {}
    answer = await associate(ctx, None, _scope(launch))
    return {"address": answer["id"], "address_job": answer.get("jobid")}


def _scope(launch: Launch) -> dict[str, str]:
    network = launch.nics.rows[0]
    return {"vpcid": network["vpcid"]} if network.get("vpcid") else {"networkid": network["id"]}


async def _release(ctx: Context, address: str) -> None:
    try:
        await ctx.account.submit("disassociateIpAddress", id=address)
    except CloudStackError as error:
        log.warning("the address %s of a launch that was refused could not be released: %s", address, error)


async def _made(ctx: Context, launch: Launch, index: int, error: BaseException) -> Row | None:
    """Return the machine of an earlier attempt, which has the name that CloudStack says is taken."""
    if isinstance(error, CloudStackError) and any(text in error.errortext for text in NAME_TAKEN):
        return await _adopted(ctx, launch, index)
    return None


async def _with_one_address(ctx: Context, machine: Row, acquired: Row) -> Row:
    """Return an adopted machine, which keeps the address that it was made with; another one goes back."""
    if acquired and machine["details"].get(ADDRESS) != acquired["address"]:
        await _release(ctx, acquired["address"])
    return machine


async def _adopted(ctx: Context, launch: Launch, index: int) -> Row | None:
    """Return the machine that already has the name, if it is this launch's: the answer that told of it was lost."""
    rows = await ctx.account.list("listVirtualMachines", name=launch.name(index), details=DETAILS)
    for row in rows:
        details = row.get("details") or {}
        if details.get(RESERVATION) == reservation_id(ctx, launch):
            job = row.get("jobid") if row.get("jobstatus") == 0 else None
            adopted: Row = {"id": row["id"], "jobid": job, "index": index, "details": details, "known": row}
            if details.get(ADDRESS) and not row.get("publicipid"):
                adopted |= {"address": details[ADDRESS], "address_job": None}
            return adopted
    return None


async def equip(ctx: Context, launch: Launch, accepted: list[Row]) -> None:
    """Give the machines what clients look for at once: tags, and protection from termination."""
    marks = {resource_tags.RESERVED + name: value for name, value in launch.marks.items()}
    tags = {**launch.tags["instance"], **marks}
    if tags:
        held = {entry["id"]: resource_tags.native(entry.get("known", {})) for entry in accepted}
        await tagging.assign(ctx, "instance", held, tags)
    if launch.protect:
        for entry in accepted:
            await ctx.account.call("updateVirtualMachine", id=entry["id"], deleteprotection=True)


async def look(ctx: Context, launch: Launch, accepted: list[Row]) -> list[Row]:
    """List the launch's machines by their common name, and remove twins; returns the rows in launch order."""
    rows = await ctx.account.list("listVirtualMachines", keyword=launch.stem, details=DETAILS)
    mine = {entry["id"] for entry in accepted}
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (row["created"], row["id"])):
        kept = first.setdefault(row["name"], row)
        if kept is not row:
            log.warning("%s was launched twice; %s is removed", row["name"], row["id"])
            await undo(ctx, row, {})
    for entry in accepted:
        kept = first.get(launch.name(entry["index"]), {})
        if kept and kept["id"] not in mine:
            entry["id"], entry["jobid"] = kept["id"], kept.get("jobid")
    chosen = {entry["id"] for entry in accepted}
    found = {row["id"]: row for row in first.values() if row["id"] in chosen}
    for row in await list_rows(ctx, chosen - found.keys()):
        found[row["id"]] = row
    if chosen - found.keys():
        raise Ec2Error("InternalError", "CloudStack accepted the launch but does not list its machines.")
    return sorted(found.values(), key=_index)


def _index(row: Row) -> int:
    return int(row["name"].rpartition("-")[2])


async def take_back(ctx: Context, launch: Launch, accepted: list[Row]) -> None:
    """Destroy what was accepted of a launch that fails as a whole."""
    for entry in accepted:
        row = {"id": entry["id"], "details": entry["details"], "tags": []}
        # The mark on its address is the last that a launch makes, so none is there yet.
        todo = {"vpcs": tiers.vpcs_of(launch.nics.rows), "address": "address" in entry}
        await undo(ctx, row, {"job": entry["jobid"], "address": entry.get("address"), "todo": todo})
