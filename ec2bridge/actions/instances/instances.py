"""Instances in their reservations.

EC2 lists instances inside the reservations that launched them; CloudStack knows machines only, so the reservation is
a detail of the machine, and one that was not launched through EC2 is a reservation of its own.
"""

from collections.abc import Iterable
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ids import KINDS
from ec2bridge.resources.addresses import elastic_ips
from ec2bridge.resources.instances.cache import Listing, instances, reservation
from ec2bridge.resources.instances.chunks import InstanceChunks
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.instances.filters import ASSOCIATIONS, FILTERS
from ec2bridge.resources.launches import completion
from ec2bridge.resources.machines.lookup import survey
from ec2bridge.wire.render import KeptList

Row = dict[str, Any]


def reservations(items: list[Item]) -> dict[str, Any]:
    """Put instances into the reservations that launched them; what is told again whole is rendered once."""
    if not isinstance(items, Listing):
        return {"Reservations": _reservations(items)}
    if items.answer is None:
        items.answer = {"Reservations": KeptList(_reservations(items))}
    return {**items.answer}


def _reservations(items: Iterable[Item]) -> list[Item]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item["_Reservation"], []).append(item)
    return [
        together[0]["_Alone"] if len(together) == 1 else _reservation(together) for together in found.values()
    ]


def _reservation(together: list[Item]) -> Item:
    machines = sorted((item["_Public"] for item in together), key=lambda machine: machine["AmiLaunchIndex"])
    return reservation(together[0], machines)


def _is_narrow(request: dict[str, Any]) -> bool:
    """Whether a request asks for few by their ids, or for what takes a listing of its own."""
    return _named(request) is not None or _asks_for_associations(request)


@describe(
    "DescribeInstances",
    items="Reservations",
    ids={"InstanceIds": Ids("InstanceId", "instance")},
    filters=FILTERS,
    native=("listVirtualMachines", "listVolumes"),
    ignores={"IncludeManagedResources": "CloudStack has no machines that another service manages"},
    wrap=reservations,
    chunks=InstanceChunks(completion.take_up, _is_narrow),
)
async def describe_instances(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's instances, those terminated within the last hour among them."""
    rows, known, volumes = await survey(ctx, _named(request))
    await completion.take_up(ctx, known)
    found = await instances(ctx, await gather_facts(ctx, rows, known, volumes), rows)
    return await _with_associations(ctx, found, rows) if _asks_for_associations(request) else found


def _asks_for_associations(request: dict[str, Any]) -> bool:
    return any(FILTERS.get(entry.get("Name")) == ASSOCIATIONS for entry in request.get("Filters") or ())


async def _with_associations(ctx: Context, found: list[Item], rows: list[Row]) -> list[Item]:
    """Return the instances with what the filters on associations look at, which costs a listing of its own."""
    ids = await elastic_ips.associations(ctx, rows)
    return [
        {**item, ASSOCIATIONS: [ids[uuid] for uuid in item.get("_AddressUuids", ()) if uuid in ids]}
        for item in found
    ]


def _named(request: dict[str, Any]) -> list[str] | None:
    """Return the ids that alone are asked for, also in the form of a filter; None for all."""
    if request.get("InstanceIds"):
        return list(request["InstanceIds"])
    for entry in request.get("Filters") or ():
        if entry.get("Name") == "instance-id" and all(
            map(KINDS["instance"].is_id, entry.get("Values") or ())
        ):
            return list(entry.get("Values") or ())
    return None
