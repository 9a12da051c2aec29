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

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.batches import AT_ONCE
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import PAUSES
from ec2bridge.ec2.locks import account_lock
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.addresses.listing import others_have_moved, release, strays
from ec2bridge.resources.launches.plan import Launch
from ec2bridge.resources.launches.private_addresses import Addresses
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.machines.lookup import DETAILS, list_rows
from ec2bridge.resources.machines.states import ADDRESS, INDEX, RESERVATION, TOKEN
from ec2bridge.resources.tags import resource_tags, tagging
from ec2bridge.resources.termination.process import undo
from ec2bridge.resources.vpcs import source_nat

log = logging.getLogger(__name__)

Row = dict[str, Any]

NAME_TAKEN = ("already exists in the network domain", "There already exists a VM by the")
"""The second where an operator has machines named alike in CloudStack and on VMware."""
ADDRESS_TAKEN = "Unable to acquire Guest IP address"

LEAVING = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between two attempts, while a machine that was taken back still has the name."""


def reservation_id(ctx: Context, launch: Launch) -> str:
    """Return the reservation's id, which is the same when the launch is sent again."""
    return "r-" + hashlib.sha256(f"reservation/{ctx.owner_id}/{launch.stem}".encode()).hexdigest()[:17]


async def deploy_all(ctx: Context, launch: Launch, addresses: Addresses) -> list[Row]:
    """Deploy as many as possible up to MaxCount; with fewer than MinCount take all back and raise the refusal."""
    await _check_quota(ctx, launch)
    await addresses.choose(launch.least, launch.most)
    if launch.nics.public:
        await source_nat.ensure(ctx, scope(launch))
    accepted: list[Row] = []
    refusal: BaseException | None = None
    for start in range(0, launch.most, AT_ONCE):
        batch = range(start, min(start + AT_ONCE, launch.most))
        deploys = (_deploy(ctx, launch, addresses, index) for index in batch)
        outcomes = await asyncio.gather(*deploys, return_exceptions=True)
        accepted += [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        refusal = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
        if refusal is not None:
            break
    unknown = isinstance(refusal, CloudStackUnavailable) or not isinstance(refusal, CloudStackError)
    if refusal is not None and (len(accepted) < launch.least or unknown):
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


async def _deploy(ctx: Context, launch: Launch, addresses: Addresses, index: int) -> Row:
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
        answer = await _submitted(ctx, launch, addresses, index, details)
    except CloudStackUnavailable:
        # Nobody knows whether the machine is there, and has the address.
        return await _sought(ctx, launch, index)
    except CloudStackError as error:
        if acquired:
            await asyncio.shield(_release(ctx, acquired["address"]))
        if _is_taken(error):
            return await _adopt(ctx, launch, index)
        if error.errorcode == 530 and launch.nics.address:
            # CloudStack hides from users that this is why.
            raise Ec2Error("InvalidIPAddress.InUse", f"Address {launch.nics.address} is in use.") from error
        raise
    ctx.directory.remember("instance", [answer])
    return {"id": answer["id"], "jobid": answer.get("jobid"), "index": index, "details": details, **acquired}


async def _submitted(ctx: Context, launch: Launch, addresses: Addresses, index: int, details: Row) -> Row:
    """Have CloudStack accept a machine; waits for one of the same name that is on its way out."""
    pauses = iter(LEAVING)
    while True:
        params = {**launch.params, **launch.nics.params(addresses.of(index))}
        try:
            async with _turn(ctx, addresses, index):
                answer: Row = await ctx.account.submit(
                    "deployVirtualMachine", name=launch.name(index), details=details, **params
                )
                return answer
        except CloudStackError as error:
            if _is_of_address(error) and await addresses.refused(index):
                log.info("%s was refused with the address that was chosen for it", launch.name(index))
                continue
            pause = next(pauses, None) if _is_taken(error) else None
            # A machine that is listed is adopted; one that is not was taken back, and keeps its name till it is gone.
            if pause is None or await _named(ctx, launch, index):
                raise
        await asyncio.sleep(pause)


def _is_of_address(error: CloudStackError) -> bool:
    """Whether a private address may be what was refused: users are not told."""
    return error.is_internal or ADDRESS_TAKEN in error.errortext


def _is_taken(error: CloudStackError) -> bool:
    return any(text in error.errortext for text in NAME_TAKEN)


def _turn(ctx: Context, addresses: Addresses, index: int) -> AbstractAsyncContextManager[None]:
    """Have an account's machines deployed one after the other where CloudStack might choose the same address twice."""
    return nullcontext() if addresses.are_known(index) else account_lock(ctx, "deploy")


async def _acquire(ctx: Context, launch: Launch) -> Row:
    """Acquire the public address of a machine, so that a lack of addresses refuses the launch."""
    if not launch.nics.public:
        return {}
    await others_have_moved(ctx)
    answer = await ctx.account.submit("associateIpAddress", **scope(launch))
    return {"address": answer["id"], "address_job": answer["jobid"]}


def scope(launch: Launch) -> dict[str, str]:
    network = launch.nics.rows[0]
    return {"vpcid": network["vpcid"]} if network.get("vpcid") else {"networkid": network["id"]}


async def _release(ctx: Context, address: str) -> None:
    try:
        await ctx.account.submit("disassociateIpAddress", id=address)
    except CloudStackError as error:
        log.warning("the address %s of a launch that was refused could not be released: %s", address, error)


async def _sought(ctx: Context, launch: Launch, index: int) -> Row:
    """Return the machine whose deployment has no answer; raises CloudStackUnavailable if it does not show."""
    for pause in PAUSES:
        await asyncio.sleep(pause)
        if row := await _named(ctx, launch, index):
            return _adopted(row, index)
    raise CloudStackUnavailable("deployVirtualMachine", "CloudStack did not answer a deployment")


async def _adopt(ctx: Context, launch: Launch, index: int) -> Row:
    """Take the machine that already has the name for ours: the answer to its launch was lost."""
    row = await _named(ctx, launch, index)
    record = (await machine_records.records(ctx)).get(row["id"]) if row else None
    if row is None or (record and record["phase"] != machine_records.LAUNCHING):
        raise Ec2Error("Unavailable", "A launch with this token is just being taken back. Try again later.")
    return _adopted(row, index)


async def _named(ctx: Context, launch: Launch, index: int) -> Row | None:
    rows = await ctx.account.list("listVirtualMachines", name=launch.name(index), details=DETAILS)
    wanted = reservation_id(ctx, launch)
    # CloudStack finds all names that have this one in them, and leaves a machine in state Error of a refused attempt.
    own = [
        row
        for row in rows
        if row["name"] == launch.name(index) and (row.get("details") or {}).get(RESERVATION) == wanted
    ]
    return min(own, key=_is_failed, default=None)


def _adopted(row: Row, index: int) -> Row:
    details = row.get("details") or {}
    job = row.get("jobid") if row.get("jobstatus") == 0 else None
    adopted: Row = {"id": row["id"], "jobid": job, "index": index, "details": details, "known": row}
    if details.get(ADDRESS) and not row.get("publicipid"):
        adopted |= {"address": details[ADDRESS], "address_job": None}
    return adopted


async def equipped(ctx: Context, launch: Launch, accepted: list[Row]) -> list[Row]:
    """Give the machines what clients look for at once, and return their rows with it in launch order."""
    given = {entry["id"] for entry in accepted}
    equipping, rows = await asyncio.gather(
        _equip(ctx, launch, accepted), _look(ctx, launch, accepted), return_exceptions=True
    )
    if isinstance(rows, BaseException):
        raise rows
    if {row["id"] for row in rows} != given:
        # A machine that was equipped had a twin, and is removed.
        await _equip(ctx, launch, accepted)
    elif equipping is not None:
        raise equipping
    return [tagging.shown_on(row, _tags(launch)) for row in rows]


def _tags(launch: Launch) -> dict[str, str]:
    marks = {resource_tags.RESERVED + name: value for name, value in launch.marks.items()}
    return {**launch.tags["instance"], **marks}


async def _equip(ctx: Context, launch: Launch, accepted: list[Row]) -> None:
    """Give the machines tags, and protection from termination."""
    if tags := _tags(launch):
        held = {entry["id"]: resource_tags.native(entry.get("known", {})) for entry in accepted}
        await tagging.assign(ctx, "instance", held, tags)
    if launch.protect:
        for entry in accepted:
            await ctx.account.call("updateVirtualMachine", id=entry["id"], deleteprotection=True)


async def _look(ctx: Context, launch: Launch, accepted: list[Row]) -> list[Row]:
    """List the launch's machines by their common name, and remove twins; returns the rows in launch order."""
    rows = await ctx.account.list("listVirtualMachines", keyword=launch.stem, details=DETAILS)
    mine = {entry["id"] for entry in accepted}
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (_is_failed(row), row["created"], row["id"])):
        kept = first.setdefault(row["name"], row)
        if kept is not row:
            reason = "was refused before" if _is_failed(row) else "was launched twice"
            log.warning("%s %s; %s is removed", row["name"], reason, row["id"])
            await undo(ctx, row, {})
    for entry in accepted:
        kept = first.get(launch.name(entry["index"]), {})
        if kept and kept["id"] not in mine:
            entry |= {"id": kept["id"], "jobid": kept.get("jobid"), "known": kept}
    chosen = {entry["id"] for entry in accepted}
    found = {row["id"]: row for row in first.values() if row["id"] in chosen}
    for row in await list_rows(ctx, chosen - found.keys()):
        found[row["id"]] = row
    if chosen - found.keys():
        raise Ec2Error("InternalError", "CloudStack accepted the launch but does not list its machines.")
    return sorted(found.values(), key=_index)


def _is_failed(row: Row) -> bool:
    return bool(row.get("state") == "Error")


def _index(row: Row) -> int:
    return int(row["name"].rpartition("-")[2])


async def take_back(ctx: Context, key: str, given: Row, since: float) -> None:
    """Destroy the machines of a launch that fails as a whole, and release what it acquired for them."""
    rows = await ctx.account.list("listVirtualMachines", keyword=given["stem"], details=DETAILS)
    gone = await machine_records.records(ctx)
    for row in rows:
        address = _address(row)
        if gone.get(row["id"], {}).get("phase") != machine_records.UNDONE:
            job = row.get("jobid") if row.get("jobstatus") == 0 else None
            todo = {"vpcs": given["vpcs"], "address": bool(address)}
            await undo(ctx, row, {"job": job, "address": address, "todo": todo})
    await _let_go(ctx, key, given, since, rows)


async def let_go(ctx: Context, key: str, given: Row, since: float) -> None:
    """Release what the bearer of a launch that died has acquired for machines that it did not come to deploy."""
    if given["acquires"]:
        rows = await ctx.account.list("listVirtualMachines", keyword=given["stem"], details=DETAILS)
        await _let_go(ctx, key, given, since, rows)


async def _let_go(ctx: Context, key: str, given: Row, since: float, machines: list[Row]) -> None:
    held = set(map(_address, machines))
    for row in await strays(ctx, key, given["acquires"], since) if given["acquires"] else ():
        if row["id"] not in held:
            await release(ctx, row["id"])


def _address(machine: Row) -> str | None:
    """The public address that a machine was deployed for."""
    found: str | None = (machine.get("details") or {}).get(ADDRESS)
    return found
