"""Instances in their reservations.

EC2 lists instances inside the reservations that launched them; CloudStack knows machines only, so the reservation is
a detail of the machine, and one that was not launched through EC2 is a reservation of its own.
"""

from collections.abc import Iterable
from typing import Any

from ec2bridge.actions import _launched, terminate
from ec2bridge.actions._context import Context
from ec2bridge.actions._describe import Ids, Item, describe
from ec2bridge.actions._instance_filters import FILTERS
from ec2bridge.actions._instances import gather_facts, instance
from ec2bridge.actions._machines import listed_with_records, volumes_of


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
    for reservation in found.values():
        if len(reservation["Instances"]) > 1:
            reservation["Instances"].sort(key=lambda machine: machine["AmiLaunchIndex"])
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
    rows, known = await listed_with_records(ctx, request.get("InstanceIds"))
    _launched.take_up(ctx, known)
    terminate.take_up(ctx, known)
    facts = await gather_facts(ctx, rows, known, await volumes_of(ctx, rows))
    return [instance(facts, row) for row in rows]
