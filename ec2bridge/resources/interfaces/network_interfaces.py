"""Network interfaces that are there before a machine and after it.

CloudStack's NIC begins and ends with its machine, or when it is added to one and taken from it. An interface of EC2's
has an id, addresses and groups of its own meanwhile: so it is a record in the store, and becomes a NIC with those
addresses while it is attached. Of a machine's own NIC a record holds what CloudStack has no place for. What nobody has
attached holds no address in CloudStack: another machine may get it, and then the interface cannot be attached.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.machines.lookup import list_rows
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]
Record = dict[str, Any]
"""`id`, `subnet` (a network's uuid), `address`, `mac`, `secondary`, `description`, `groups` (EC2 ids), `check`;
`machine`, `nic` (CloudStack's uuid of it), `attachment`, `index`, `at` and `keep` while it is attached."""

KIND = "network-interface"
PATIENCE = 900.0
"""Seconds after which an attachment that never came about is taken to have died with its process."""
_GONE = ("Destroyed", "Expunging", "Error")
_FREE: Record = {"machine": None, "nic": None, "attachment": None, "index": None, "at": None}


async def records(ctx: Context) -> dict[str, Record]:
    """Return the caller's records by their uuid."""
    return {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)}


def by_nic(known: Mapping[str, Record]) -> dict[str, Record]:
    """Return CloudStack's uuid of a NIC → record, of those that are attached."""
    return {record["nic"]: record for record in known.values() if record["nic"]}


def attachment_id(record: Mapping[str, Any], nic: Row) -> str:
    """Return the id of an attachment: CloudStack's NIC is another one each time, so that an old id detaches nothing.

    A record that was written before knows of none: there it was the interface's.
    """
    return ec2_id("eni-attach", record.get("attachment") or record.get("id") or nic["id"])


def nics_of(row: Row, held: Mapping[str, Record]) -> dict[str, Row]:
    """Return interface id → NIC of a machine's row; `held` are the records by NIC."""
    return {ec2_id("eni", held.get(nic["id"], nic)["id"]): nic for nic in row.get("nic") or ()}


MOST, MOST_TEXT = 5000, 255
"""Interfaces of an account, and characters of a description: AWS's."""


def description(text: str | None) -> str:
    """Return the description of an interface, or refuse one that is too long to be kept."""
    if len(text or "") > MOST_TEXT:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The description of a network interface has at most {MOST_TEXT} characters.",
        )
    return text or ""


def new(subnet: str, **members: Any) -> Record:
    """Return the record of an interface that is not attached."""
    uuid = str(uuid4())
    digits = uuid.replace("-", "")[:10]
    # A locally administered address, as CloudStack's own are.
    mac = ":".join(["02", *(digits[place : place + 2] for place in range(0, 10, 2))])
    record: Record = {
        "id": uuid,
        "subnet": subnet,
        "address": None,
        "mac": mac,
        "secondary": [],
        "description": "",
    }
    return {**record, "groups": [], "check": True, "keep": True, **_FREE, **members}


def of_nic(nic: Row, machine: str, index: int) -> Record:
    """Return what is kept of a NIC that came with its machine, and goes with it unless it is told to stay."""
    own = {"id": nic["id"], "mac": nic.get("macaddress"), "address": nic.get("ipaddress"), "keep": False}
    return attached(new(nic["networkid"], **own), nic, machine, index)


def claim(machine: str, index: int) -> Record:
    """Return the members of a record whose NIC is being made."""
    return {"machine": machine, "nic": None, "index": index, "at": time.time()}


def attached(record: Record, nic: Row, machine: str, index: int) -> Record:
    """Return a record as it is once CloudStack has its NIC."""
    address = nic.get("ipaddress") or record["address"]
    return {
        **record,
        "machine": machine,
        "nic": nic["id"],
        "attachment": nic["id"],
        "address": address,
        "index": index,
        "at": time.time(),
    }


async def put(ctx: Context, record: Record) -> None:
    """Write a record."""
    await ctx.store.put(ctx.owner_id, KIND, record["id"], record)


async def change(ctx: Context, ident: str, changes: Mapping[str, Any]) -> Record:
    """Change the record of an interface, and return what it was; one that is deleted is NotFound."""
    while True:
        entry = await ctx.store.entry(ctx.owner_id, KIND, ident)
        if entry is None:
            raise missing(ec2_id("eni", ident))
        if await ctx.store.replace(ctx.owner_id, KIND, ident, {**entry.value, **changes}, entry.version):
            return dict(entry.value)


async def drop(ctx: Context, record: Record) -> None:
    """Forget an interface with its tags."""
    await ctx.store.delete(ctx.owner_id, KIND, record["id"])
    await resource_tags.forget(ctx, KIND, record["id"])


async def drop_free(ctx: Context, record: Record) -> bool:
    """Forget an interface that is as it was read; False where it is not."""
    place = (ctx.owner_id, KIND, record["id"])
    entry = await ctx.store.entry(*place)
    if entry is None or entry.value != record or not await ctx.store.delete(*place, entry.version):
        return False
    await resource_tags.forget(ctx, KIND, record["id"])
    return True


async def release(ctx: Context, record: Record, **changes: Any) -> None:
    """Have an interface be available again."""
    await put(ctx, {**record, **changes, **_FREE})


async def machine_gone(ctx: Context, machine: str, nics: Iterable[str]) -> None:
    """After a machine's end: what was to stay is available, the rest is gone with it, tags and all."""
    known = await records(ctx)
    for record in known.values():
        if record["machine"] == machine:
            await (release(ctx, record) if record["keep"] else drop(ctx, record))
    await resource_tags.forget(ctx, KIND, *(nic for nic in nics if nic not in known))


async def settled(ctx: Context, known: Mapping[str, Record], rows: Iterable[Row]) -> dict[str, Record]:
    """Return the records as CloudStack's NICs say they are now; they must have been read before the machines.

    A machine may end, and a NIC be taken away, without EC2.
    """
    machines = {row["id"]: row for row in rows if row.get("state") not in _GONE}
    nics = {nic["id"] for row in machines.values() for nic in row.get("nic") or ()}
    changed = False
    for record in known.values():
        if not record["machine"] or record["nic"] in nics:
            continue
        if record["machine"] not in machines:
            await (release(ctx, record) if record["keep"] else drop(ctx, record))
        elif record["nic"] or record["at"] + PATIENCE < time.time():
            await release(ctx, record)
        else:
            continue
        changed = True
    return await records(ctx) if changed else dict(known)


def find(known: Mapping[str, Record], ident: str) -> Record | None:
    """Return the record that an interface's id, or a uuid, names."""
    for record in known.values():
        if ident in (record["id"], ec2_id("eni", record["id"])):
            return record
    return None


async def named(ctx: Context, ident: str) -> Record | None:
    """Return the record that an interface's id names, attached or not; None where there is none."""
    return find(await records(ctx), ident)


async def unattached(ctx: Context, ident: str) -> Record | None:
    """Return the record of an interface that no machine has, None for one that is attached; raises NotFound."""
    known = await records(ctx)
    record = find(known, ident)
    if record is not None:
        return None if record["machine"] else record
    # A machine's own has a record only if there is something to keep of it.
    held = by_nic(known)
    for row in await list_rows(ctx):
        if any(ident in (name, nic["id"]) for name, nic in nics_of(row, held).items()):
            return None
    raise missing(ident)


async def required(ctx: Context, ident: str) -> Record:
    """Return the record of an interface that is not attached, or raise NotFound or InUse."""
    record = await unattached(ctx, ident)
    if record is None:
        raise in_use(ident)
    return record


def in_use(ident: str) -> Ec2Error:
    """The error for an interface that is attached where it must not be."""
    return Ec2Error("InvalidNetworkInterface.InUse", f"Interface: [{ident}] in use.")


def missing(ident: str) -> Ec2Error:
    """The error for an id that no interface has."""
    kind = KINDS[KIND]
    return kind.missing(ident) if is_uuid(ident) or kind.is_id(ident) else kind.refused(ident)
