"""CloudStack machines as EC2 sees them before they are translated: found by id, listed, with what is remembered."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.cloudstack.walking import Spot, Stretch
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.machines import volumes as machine_volumes
from ec2bridge.resources.machines.public_addresses import on_nics
from ec2bridge.resources.machines.records import CALLERS, Records
from ec2bridge.resources.machines.states import GROUPS, LAUNCH_KIND, made_by_ec2
from ec2bridge.resources.machines.states import moving as moving
from ec2bridge.resources.machines.states import state_of as state_of
from ec2bridge.resources.machines.volumes import FEW, Volumes, by_machine
from ec2bridge.resources.tags import resource_tags
from ec2bridge.store import Entry

Row = dict[str, Any]

DETAILS = ["nics", "secgrp", "tmpl", "servoff", "affgrp"]
"""What listVirtualMachines is asked for: the statistics and volumes that it adds otherwise cost it most of its time."""
_OVER = frozenset({"Destroyed", "Error"})


@dataclass(slots=True)
class Machine:
    """One machine as an action needs it."""

    id: str
    uuid: str
    row: Row
    record: dict[str, Any] | None
    state: str


async def watched_rows(ctx: Context) -> list[Row]:
    """Return all of the caller's machines, to be looked at alone: most are the same objects as the last time."""
    rows: list[Row] = await ctx.account.watch("listVirtualMachines", details=DETAILS)
    return await on_nics(ctx, rows)


async def list_rows(ctx: Context, uuids: Iterable[str] | None = None) -> list[Row]:
    """Return the caller's machines, or those of them that are named; an unknown uuid is no error."""
    return await on_nics(ctx, await _native_rows(ctx, uuids))


async def _native_rows(ctx: Context, uuids: Iterable[str] | None) -> list[Row]:
    if uuids is None:
        return list(await ctx.account.list("listVirtualMachines", details=DETAILS))
    wanted = set(uuids)
    if not wanted:
        return []
    try:
        return list(await ctx.account.list("listVirtualMachines", details=DETAILS, ids=sorted(wanted)))
    except CloudStackError as error:
        # One id that never existed fails the whole listing, where one that is gone is merely absent.
        if error.errorcode != 431:
            raise
    rows = await ctx.account.list("listVirtualMachines", details=DETAILS)
    return [row for row in rows if row["id"] in wanted]


async def machines(ctx: Context, ids: Iterable[str]) -> list[Machine]:
    """Return the machines behind instance ids, in their order; the error names those that are unknown."""
    known = await machine_records.records(ctx)
    hidden = {uuid for uuid, data in known.unfinished.items() if data["phase"] == machine_records.UNDONE}
    by_id = known.by_id
    if hidden:
        by_id = {ident: uuid for ident, uuid in by_id.items() if uuid not in hidden}
    uuids = await resolve(ctx, ids, by_id)
    rows = {row["id"]: row for row in await list_rows(ctx, uuids.values())}
    for uuid in uuids.values():
        if uuid in known and uuid not in rows:
            rows[uuid] = known[uuid]["row"]
    missing = [ident for ident, uuid in uuids.items() if uuid not in rows]
    if missing:
        raise unknown(missing)
    under_way = moving(ctx)
    return [
        Machine(ec2_id("i", u), u, rows[u], known.get(u), state_of(rows[u], known.get(u), under_way.get(u)))
        for u in dict.fromkeys(uuids.values())
    ]


async def machine(ctx: Context, ident: str) -> Machine:
    """Return the one machine behind an instance id."""
    return (await machines(ctx, [ident]))[0]


async def user_data(ctx: Context, found: Machine) -> str | None:
    """Return a machine's user data as it is stored, in Base64; one that goes away has none any more."""
    if found.state in ("shutting-down", "terminated"):
        return None
    answer = await ctx.account.call("getVirtualMachineUserData", virtualmachineid=found.uuid)
    return (answer.get("virtualmachineuserdata") or {}).get("userdata")


async def resolve(ctx: Context, ids: Iterable[str], by_id: Mapping[str, str]) -> dict[str, str]:
    """Return id → uuid; `by_id` has those that CloudStack may no longer list."""
    found, missing = {}, []
    wanted = list(dict.fromkeys(ids))
    # Together, so that all that are unknown share one listing.
    outcomes = await asyncio.gather(*(_native(ctx, ident, by_id) for ident in wanted), return_exceptions=True)
    for ident, outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, str):
            found[ident] = outcome
        elif isinstance(outcome, Ec2Error) and outcome.code.endswith("NotFound"):
            missing.append(ident)
        else:
            raise outcome
    if missing:
        raise unknown(missing)
    return found


async def _native(ctx: Context, ident: str, by_id: Mapping[str, str]) -> str:
    return by_id.get(ident) or await ctx.directory.resolve("instance", ident)


def unknown(ids: list[str]) -> Ec2Error:
    """Return the error for ids that no machine has."""
    return KINDS["instance"].missing(*ids)


async def listed_with_records(ctx: Context, ids: list[str] | None = None) -> tuple[list[Row], Records]:
    """Return the rows of all machines, or of those named that exist, and the records of those that have one.

    Machines that CloudStack no longer lists, but EC2 still shows, are among the rows as their records kept them.
    """
    if ids is None:
        known, listed = await _listed(ctx)
        return await _all_joined(ctx, listed, known), known
    known = await machine_records.records(ctx)
    uuids = await _known_uuids(ctx, ids, known)
    listed = await list_rows(ctx, uuids)
    copies = None if all(map(made_by_ec2, listed)) else await _copies(ctx)
    return _joined(listed, known, copies, uuids), known


async def _listed(ctx: Context) -> tuple[Records, list[Row]]:
    # At the same time: a record written in between only makes the answer a moment older.
    known, listed = await asyncio.gather(machine_records.records(ctx), watched_rows(ctx))
    return known, listed


async def _listed_with_volumes(ctx: Context) -> tuple[Records, list[Row], Volumes]:
    """Return records, machines and volumes; the volumes of the last poll where nothing tells that they have changed."""
    last = await machine_volumes.kept(ctx)
    if last is not None:
        known, listed = await _listed(ctx)
        return known, listed, await machine_volumes.brought_up(ctx, last, listed)
    (known, listed), listing = await asyncio.gather(_listed(ctx), machine_volumes.list_volumes(ctx))
    machine_volumes.keep(ctx, listing, listed)
    return known, listed, listing.volumes


async def walked(
    ctx: Context, known: Mapping[str, dict[str, Any]], spot: Spot, wanted: int | None
) -> AsyncIterator[tuple[Stretch, list[tuple[int, Row]]]]:
    """Yield the machines that CloudStack lists behind a place, each with its number in the stretch."""
    async for stretch in ctx.account.walk("listVirtualMachines", spot, wanted, details=DETAILS):
        rows = await _with_details(ctx, await on_nics(ctx, stretch.rows))
        yield stretch, [(place, row) for place, row in enumerate(rows) if _is_shown(row, known)]


async def remembered(
    ctx: Context, known: Mapping[str, dict[str, Any]], after: str, listed: set[str] | None
) -> list[Row]:
    """Return the machines behind a uuid that only their records tell of; `listed` are CloudStack's, if known."""
    uuids = sorted(uuid for uuid, data in known.items() if uuid > after and not _is_hidden(data))
    if listed is None:
        listed = {row["id"] for row in await list_rows(ctx, uuids)}
    return [known[uuid]["row"] for uuid in uuids if uuid not in listed]


def _is_shown(row: Row, known: Mapping[str, dict[str, Any]]) -> bool:
    over = row.get("state") in _OVER and _is_long_gone(row)
    return not over and not _is_hidden(known.get(row["id"]))


async def _all_joined(ctx: Context, listed: list[Row], known: Records) -> list[Row]:
    """Put together what CloudStack lists and what the records add: the same list as long as none of it has changed."""
    copies = None if all(map(made_by_ec2, listed)) else await _copies(ctx)
    memory: OrderedDict[Any, _Join] = ctx.site.caches.setdefault("machines-joined", OrderedDict())
    key = ctx.account.cache_key
    last = memory.get(key)
    if last is None or last.known is not known or last.copies is not copies or last.listed != listed:
        rows = _joined(listed, known, copies, None)
        last = memory[key] = _Join(listed, known, copies, rows)
        if any(row.get("state") in _OVER for row in listed):
            # How long these are shown is a matter of time.
            del memory[key]
            return rows
    memory.move_to_end(key)
    if len(memory) > CALLERS:
        memory.popitem(last=False)
    return last.rows


@dataclass(frozen=True, slots=True)
class _Join:
    """The rows of a caller's last listing, and what they were put together of."""

    listed: list[Row]
    known: Records
    copies: Sequence[Entry] | None
    rows: list[Row]


def _joined(
    listed: list[Row], known: Records, copies: Sequence[Entry] | None, uuids: set[str] | None
) -> list[Row]:
    """Put together what CloudStack lists and what the records add, without what EC2 does not show."""
    rows = _completed([row for row in listed if _is_shown(row, known)], copies)
    present = {row["id"] for row in rows}
    for uuid, data in known.items():
        if uuid not in present and not _is_hidden(data) and (uuids is None or uuid in uuids):
            rows.append(data["row"])
    return rows


async def survey(
    ctx: Context, ids: list[str] | None = None
) -> tuple[list[Row], Records, dict[str, list[Row]]]:
    """Return machines, records and volumes, asked for together where all are wanted."""
    if ids is None:
        known, listed, volumes = await _listed_with_volumes(ctx)
        return await _all_joined(ctx, listed, known), known, volumes
    rows, known = await listed_with_records(ctx, ids)
    return rows, known, await volumes_of(ctx, rows)


async def _known_uuids(ctx: Context, ids: list[str], known: Records) -> set[str]:
    """Return the uuids behind those ids that mean something; the others are refused where all ids are checked."""
    found = await asyncio.gather(
        *(resolve(ctx, [ident], known.by_id) for ident in ids), return_exceptions=True
    )
    uuids: set[str] = set()
    for outcome in found:
        if isinstance(outcome, dict):
            uuids.update(outcome.values())
        elif not isinstance(outcome, Ec2Error):
            raise outcome
    return uuids


async def _with_details(ctx: Context, rows: list[Row]) -> list[Row]:
    """Give back to machines the launch's details that a change made outside EC2 has erased."""
    return rows if all(map(made_by_ec2, rows)) else _completed(rows, await _copies(ctx))


async def _copies(ctx: Context) -> Sequence[Entry]:
    """Return what launches have noted, which stands in the details of most machines, too."""
    found: Sequence[Entry] = await ctx.store.watch(ctx.owner_id, LAUNCH_KIND)
    return found


def _completed(rows: list[Row], copies: Sequence[Entry] | None) -> list[Row]:
    if not copies:
        return rows
    noted = {entry.key: entry.value for entry in copies}
    return [
        {**row, "details": {**noted[row["id"]], **(row.get("details") or {})}}
        if row["id"] in noted and not made_by_ec2(row)
        else row
        for row in rows
    ]


def _is_long_gone(row: Row) -> bool:
    """Whether a machine that is over has been so for longer than EC2 shows it; CloudStack keeps some for days."""
    changed = datetime.fromisoformat(row.get("lastupdated") or row["created"])
    return (datetime.now(UTC) - changed).total_seconds() > machine_records.SHOWN


def _is_hidden(record: Mapping[str, Any] | None) -> bool:
    """A launch that was taken back was never answered, so its machines are not shown while they go."""
    return record is not None and record["phase"] == machine_records.UNDONE


async def volumes_of(ctx: Context, rows: list[Row]) -> dict[str, list[Row]]:
    """Return machine uuid → its volumes, in one listing for many machines."""
    if len(rows) <= FEW:
        lists = await asyncio.gather(
            *(ctx.account.list("listVolumes", virtualmachineid=row["id"]) for row in rows)
        )
        found = [volume for volumes in lists for volume in volumes]
    else:
        found = await ctx.account.list("listVolumes")
    return by_machine(found)


def group_uuids(row: Row) -> list[str]:
    """Return the groups that a machine is in: CloudStack's own, or those in its reserved tag where zones have none."""
    native = row.get("securitygroup")
    if native:
        return [group["id"] for group in native]
    marked = resource_tags.RESERVED + GROUPS
    value = next((tag["value"] for tag in row.get("tags") or () if tag["key"] == marked), "")
    return [uuid for uuid in value.split(",") if uuid]


def refuse_unless(found: Iterable[Machine], states: tuple[str, ...], done: str) -> None:
    """Raise IncorrectInstanceState for the first machine in another state, before anything is changed."""
    for machine in found:
        if machine.state not in states:
            sentence = f"The instance '{machine.id}' is not in a state from which it can be {done}."
            raise Ec2Error("IncorrectInstanceState", sentence)
