"""Whether the store is the one that this cloud's things were written down in.

Another cloud's store, an empty one or an old backup serves without an error, and tells clients that what it has no
record of was deleted. The cloud itself tells better: each machine that was launched through EC2 says so in its details,
each NAT gateway in a tag on its address, and the store has a record of both. The zones tell one cloud from another.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ec2bridge import store_tables
from ec2bridge.cloudstack.account import Account
from ec2bridge.ec2 import journal
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import elastic_ips, nat_gateways
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.machines.lookup import DETAILS
from ec2bridge.resources.machines.states import LAUNCH_KIND, made_by_ec2
from ec2bridge.store import Store

Row = dict[str, Any]

EVERYONE, KIND, ZONES = "", "cloud", "zones"
SAMPLE = 200
"""Machines, and addresses, that are looked at: a store that is wrong lacks nearly all of them."""
SHOWN = 3
_GOING = ("Destroyed", "Expunging", "Error")

FOREIGN = (
    "it was written for another cloud: of the zones that it knows, this one has none. Point the settings at that cloud,"
    " or name another store"
)


async def compared(location: str, account: Account) -> list[str]:
    """`doubts` of a store that is opened only to be looked at; raises StoreError, too."""
    store = Store(location)
    try:
        await store.start(store_tables.check)
        return await doubts(store, account, notes=False)
    finally:
        await store.close()


async def doubts(store: Store, account: Account, *, notes: bool) -> list[str]:
    """Return what speaks against the store, as clauses for the operator; an account that sees all is best.

    `notes` has the zones written down. Raises CloudStackError and StoreUnavailable.
    """
    zones = {str(row["id"]) for row in await account.list("listZones")}
    known = set(await store.get(EVERYONE, KIND, ZONES) or ())
    if known and zones and not known & zones:
        return [FOREIGN]
    if notes and zones and known != zones:
        await store.put(EVERYONE, KIND, ZONES, sorted(zones))
    machines, gateways = await asyncio.gather(_machines(account), _gateways(account))
    # The cloud first: whoever makes something at this moment has written down before that it is under way.
    lacking = await _lacking(store, LAUNCH_KIND, machines) + await _lacking(
        store, nat_gateways.KIND, gateways
    )
    return [await _told(store, lacking, len(machines) + len(gateways))] if lacking else []


async def _machines(account: Account) -> list[Row]:
    found = await account.call("listVirtualMachines", details=DETAILS, **_some())
    rows = [row for row in found.get("virtualmachine", ()) if row["state"] not in _GOING and made_by_ec2(row)]
    return [
        {"owner": _owner(row), "key": row["id"], "id": ec2_id("i", row["id"]), "at": row["created"]}
        for row in rows
    ]


async def _gateways(account: Account) -> list[Row]:
    found = await account.call("listPublicIpAddresses", **_some())
    marked = [(row, mark) for row in found.get("publicipaddress", ()) if (mark := elastic_ips.nat_mark(row))]
    return [
        {
            "owner": _owner(row),
            "key": mark[1],
            "id": ec2_id("nat", mark[1]),
            "at": datetime.fromtimestamp(float(mark[3]), UTC).isoformat(),
        }
        for row, mark in marked
    ]


def _some() -> dict[str, Any]:
    return {"listall": True, "page": 1, "pagesize": SAMPLE}


def _owner(row: Row) -> str:
    """Return the name under which the store has what a row's owner has."""
    return f"{row.get('domainid')}/{row.get('projectid') or row.get('account')}"


async def _lacking(store: Store, kind: str, found: Iterable[Row]) -> list[Row]:
    """Return what the store has no record of, and nobody is making or ending either."""
    by_owner: dict[str, list[Row]] = {}
    for row in found:
        by_owner.setdefault(row["owner"], []).append(row)
    lacking: list[Row] = []
    for owner, rows in by_owner.items():
        under_way = {entry.key for entry in await store.list(owner, machine_records.KIND)}
        if await store.list(owner, journal.KIND):
            continue
        there = {entry.key for entry in await store.list(owner, kind)} | under_way
        lacking += [row for row in rows if row["key"] not in there]
    return lacking


async def _told(store: Store, lacking: list[Row], looked_at: int) -> str:
    newest = await store.newest()
    oldest = min(datetime.fromisoformat(row["at"]).timestamp() for row in lacking)
    names = ", ".join(row["id"] for row in lacking[:SHOWN]) + (", …" if len(lacking) > SHOWN else "")
    lacks = f"of {looked_at} things of this cloud that EC2 made it lacks {len(lacking)} ({names})"
    advice = (
        "gateways, route tables and launch templates may be missing, too, and clients take what is missing for"
        " deleted: restore the last backup"
    )
    if newest is None:
        return f"it is empty, and {lacks}: {advice}"
    if newest < oldest:
        return f"it is older than they are ({_date(newest)}), and {lacks}: {advice}"
    return f"{lacks}: {advice}"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
