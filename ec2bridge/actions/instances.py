"""Instances in their reservations.

EC2 lists instances inside the reservations that launched them; CloudStack knows machines only, so the reservation is
a detail of the machine, and one that was not launched through EC2 is a reservation of its own.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from ec2bridge.actions import _launched, _records, terminate
from ec2bridge.actions._context import Context
from ec2bridge.actions._describe import Ids, Item, describe
from ec2bridge.actions._instance_filters import FILTERS
from ec2bridge.actions._instances import gather_facts, instance
from ec2bridge.actions._machines import list_rows, resolve, volumes_of
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id


def reservations(items: Iterable[Item]) -> dict[str, Any]:
    """Put instances into the reservations that launched them."""
    found: dict[str, Item] = {}
    for item in items:
        ident = item["_Reservation"]
        reservation = found.get(ident)
        if reservation is None:
            reservation = found[ident] = {
                "ReservationId": ident,
                "OwnerId": item["_Owner"],
                "Groups": [],
                "Instances": [],
            }
        reservation["Instances"].append(public(item))
    return {"Reservations": list(found.values())}


def public(item: Item) -> Item:
    """Return the members that clients see."""
    return {name: value for name, value in item.items() if name[0] != "_"}


@describe(
    "DescribeInstances",
    items="Reservations",
    ids={"InstanceIds": Ids("InstanceId", "instance")},
    filters=FILTERS,
    native=("listVirtualMachines", "listVolumes"),
    ignores={"IncludeManagedResources": "CloudStack has no machines that another service manages"},
    wrap=reservations,
)
async def describe_instances(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's instances, those terminated within the last hour among them."""
    return await items(ctx, request.get("InstanceIds"))


async def items(ctx: Context, ids: list[str] | None, *, with_volumes: bool = True) -> list[Item]:
    """Return instance items, of those named or of all; an id that nothing has is left out."""
    known = await _records.records(ctx)
    uuids = await _known_uuids(ctx, ids, known) if ids else None
    rows = [row for row in await list_rows(ctx, uuids) if not _is_hidden(known.get(row["id"]))]
    listed = {row["id"] for row in rows}
    for uuid, data in known.items():
        if uuid not in listed and not _is_hidden(data) and (uuids is None or uuid in uuids):
            rows.append(data["row"])
    _launched.take_up(ctx, known)
    terminate.take_up(ctx, known)
    facts = await gather_facts(ctx, rows, known, await volumes_of(ctx, rows) if with_volumes else None)
    return [instance(facts, row) for row in rows]


async def _known_uuids(ctx: Context, ids: list[str], known: dict[str, Any]) -> set[str]:
    """Return the uuids behind those ids that mean something; the others are refused where all ids are checked."""
    by_id = {ec2_id("i", uuid): uuid for uuid in known}
    found = await asyncio.gather(*(resolve(ctx, [ident], by_id) for ident in ids), return_exceptions=True)
    uuids: set[str] = set()
    for outcome in found:
        if isinstance(outcome, dict):
            uuids.update(outcome.values())
        elif not isinstance(outcome, Ec2Error):
            raise outcome
    return uuids


def _is_hidden(record: dict[str, Any] | None) -> bool:
    """A launch that was taken back was never answered, so its machines are not shown while they go."""
    return record is not None and record["phase"] == _records.UNDONE
