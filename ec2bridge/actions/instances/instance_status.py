"""DescribeInstanceStatus.

AWS checks its hosts and pings its instances; CloudStack hears from its hosts which machines are powered on, and says
so when it has lost touch with one. That is what the two statuses tell here.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.instances.translation import instance
from ec2bridge.resources.machines.lookup import Row, listed_with_records
from ec2bridge.resources.places.zones import zone_names

_WORDS = {"running": ("ok", "passed"), "pending": ("initializing", "initializing")}
_UNSURE = ("insufficient-data", "insufficient-data")


def _wrap(page: list[Item]) -> dict[str, Any]:
    """Leave out those that were only looked up to see that they exist."""
    shown = [item for item in page if item["_Shown"]]
    return {
        "InstanceStatuses": [
            {name: value for name, value in item.items() if name[0] != "_"} for item in shown
        ]
    }


@describe(
    "DescribeInstanceStatus",
    items="InstanceStatuses",
    ids={"InstanceIds": Ids("InstanceId", "instance")},
    filters={
        "availability-zone": zone_names("AvailabilityZone"),
        "availability-zone-id": zone_names("AvailabilityZoneId"),
        "event.code": None,
        "event.description": None,
        "event.instance-event-id": None,
        "event.not-after": None,
        "event.not-before": None,
        "event.not-before-deadline": None,
        "instance-state-code": "InstanceState.Code",
        "instance-state-name": "InstanceState.Name",
        "instance-status.reachability": "InstanceStatus.Details.Status",
        "instance-status.status": "InstanceStatus.Status",
        "operator.managed": None,
        "operator.principal": None,
        "system-status.reachability": "SystemStatus.Details.Status",
        "system-status.status": "SystemStatus.Status",
        "attached-ebs-status.status": None,
        "application-status.status": None,
    },
    honours=("IncludeAllInstances",),
    ignores={"IncludeManagedResources": "CloudStack has no machines that another service manages"},
    native=("listVirtualMachines",),
    wrap=_wrap,
)
async def describe_instance_status(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the status of running instances, or with IncludeAllInstances of all."""
    rows, known = await listed_with_records(ctx, request.get("InstanceIds"))
    facts = await gather_facts(ctx, rows, known)
    every = bool(request.get("IncludeAllInstances"))
    return [_status(row, instance(facts, row), every) for row in rows]


def _status(row: Row, machine: Item, every: bool) -> Item:
    state = machine["State"]
    item: Item = {
        "InstanceId": machine["InstanceId"],
        "InstanceState": state,
        "InstanceStatus": _summary(row, state["Name"]),
        "SystemStatus": _summary(row, state["Name"]),
        "Events": [],
        "_Zone": machine["_Zone"],
        "_Shown": every or state["Name"] == "running",
    }
    for name in ("AvailabilityZone", "AvailabilityZoneId"):
        if name in machine["Placement"]:
            item[name] = machine["Placement"][name]
    return item


def _summary(row: Row, state: str) -> Item:
    if state not in _WORDS:
        return {"Status": "not-applicable"}
    word, detail = _UNSURE if row.get("state") == "Unknown" else _WORDS[state]
    return {"Status": word, "Details": [{"Name": "reachability", "Status": detail}]}
