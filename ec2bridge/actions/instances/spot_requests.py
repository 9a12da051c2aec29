"""Spot requests: fulfilled at once by machines with a lease, and remembered in the store.

AWS keeps a request that waits for capacity; CloudStack either has it or not, so a request is active from the start
or refused. `SpotPrice` asks for no more than a price, and there is none.
"""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.launches.launch import launch_marked
from ec2bridge.resources.launches.leases import require
from ec2bridge.resources.machines import lookup as machine_lookup
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.tags import resource_tags
from ec2bridge.store import Change

KIND = "spot-instances-request"
SHOWN = 24 * 3600.0
"""Seconds for which a request whose machine is gone is still listed."""
_SPEC = "LaunchSpecification"
_REQUESTS = uuid.UUID("5a3d3c1e-7a0b-4b8e-9a53-6d1f0c2be7a4")
_STATUS = {
    "active": ("fulfilled", "Your spot request is fulfilled."),
    "cancelled": (
        "request-canceled-and-instance-running",
        "The request was cancelled; its instance is still running.",
    ),
    "closed": ("instance-terminated-by-user", "The instance of the request was terminated."),
    # The launch failed after it was answered.
    "no-capacity": (
        "instance-terminated-no-capacity",
        "There was no capacity for the instance of the request.",
    ),
    "failed": ("system-error", "The instance of the request could not be launched."),
}


@action(
    "RequestSpotInstances",
    honours=(
        "ClientToken",
        "InstanceCount",
        "InstanceInterruptionBehavior",
        "BlockDurationMinutes",
        "ValidUntil",
        "TagSpecifications",
        *(
            f"{_SPEC}.{name}"
            for name in (
                "ImageId",
                "InstanceType",
                "KeyName",
                "SecurityGroupIds",
                "SecurityGroups",
                "SubnetId",
                "UserData",
                "Monitoring.Enabled",
                "BlockDeviceMappings",
                "NetworkInterfaces",
                "EbsOptimized",
                "Monitoring",
                "Placement.AvailabilityZone",
                "Placement.GroupName",
            )
        ),
    ),
    ignores={
        "SpotPrice": "CloudStack has no prices",
    },
    defaults={
        "Type": ("one-time",),
        f"{_SPEC}.Placement.Tenancy": ("default",),
    },
    native=("deployVirtualMachine", "listVirtualMachines", "listTemplates", "listNetworks"),
)
async def request_spot_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Launch machines with a lease, and answer one active request for each."""
    await require(ctx)
    tags = resource_tags.specified(request, KIND)
    _price(request.get("SpotPrice"))
    count = request.get("InstanceCount") or 1
    if sum(state == "active" for _, state in await _states(ctx)) >= quotas.MOST:
        raise quotas.exceeded("MaxSpotInstanceCountExceeded", quotas.MOST, "active Spot Instance requests")
    options = {
        name: request[name]
        for name in ("InstanceInterruptionBehavior", "BlockDurationMinutes", "ValidUntil")
        if request.get(name)
    }
    launch = {
        **(request.get(_SPEC) or {}),
        "MinCount": count,
        "MaxCount": count,
        "ClientToken": f"spot-{request.get('ClientToken') or ctx.request_id}",
        "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": options},
    }
    made: list[dict[str, Any]] = []

    def remember(answer: dict[str, Any]) -> list[Change]:
        made.extend(_record(request, machine) for machine in answer["Instances"])
        kept = [Change(KIND, row["id"], row) for row in made]
        return kept + [resource_tags.kept(KIND, row["id"], tags) for row in made if tags]

    await launch_marked(ctx, launch, {}, remember)
    return {"SpotInstanceRequests": [_item(row, "active", resource_tags.as_list(tags)) for row in made]}


def _record(request: dict[str, Any], machine: Item) -> dict[str, Any]:
    return {
        # The same for a request that is sent again with its token, which finds the same machines.
        "id": str(uuid.uuid5(_REQUESTS, machine["InstanceId"])),
        "instance": machine["InstanceId"],
        "image": machine["ImageId"],
        "type": machine["InstanceType"],
        "zone": machine["Placement"].get("AvailabilityZone"),
        "behaviour": request.get("InstanceInterruptionBehavior") or "terminate",
        "price": _price(request.get("SpotPrice")),
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "state": "active",
    }


def _price(text: str | None) -> str | None:
    """Return a price as AWS writes it, with six decimals; refuse what is none."""
    if not text:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    if not (price.is_finite() and price > 0):
        raise Ec2Error(
            "InvalidParameterValue",
            f'Value ({text}) for parameter price is invalid. "{text}" is an invalid spot instance price.',
        )
    return f"{price:.6f}"


def _item(row: dict[str, Any], state: str, tags: list[dict[str, str]]) -> Item:
    created = datetime.fromisoformat(row["created"])
    code, message = _STATUS[row["end"] if state == "closed" and row.get("end") else state]
    price = {"SpotPrice": row["price"]} if row["price"] else {}
    return {
        "SpotInstanceRequestId": ec2_id("sir", row["id"]),
        "State": state,
        "Status": {"Code": code, "Message": message, "UpdateTime": created},
        "Type": "one-time",
        "InstanceId": row["instance"],
        "CreateTime": created,
        "LaunchedAvailabilityZone": row["zone"],
        "InstanceInterruptionBehavior": row["behaviour"],
        "LaunchSpecification": {"ImageId": row["image"], "InstanceType": row["type"]},
        "ProductDescription": "Linux/UNIX",
        "Tags": tags,
        **price,
    }


@describe(
    "DescribeSpotInstanceRequests",
    items="SpotInstanceRequests",
    ids={"SpotInstanceRequestIds": Ids("SpotInstanceRequestId", KIND)},
    filters={
        **TAGS,
        "availability-zone-group": None,
        "create-time": "CreateTime",
        "fault-code": None,
        "fault-message": None,
        "instance-id": "InstanceId",
        "launch-group": None,
        "launch.block-device-mapping.delete-on-termination": None,
        "launch.block-device-mapping.device-name": None,
        "launch.block-device-mapping.snapshot-id": None,
        "launch.block-device-mapping.volume-size": None,
        "launch.block-device-mapping.volume-type": None,
        "launch.group-id": None,
        "launch.group-name": None,
        "launch.image-id": f"{_SPEC}.ImageId",
        "launch.instance-type": f"{_SPEC}.InstanceType",
        "launch.kernel-id": None,
        "launch.key-name": None,
        "launch.monitoring-enabled": None,
        "launch.ramdisk-id": None,
        "launched-availability-zone": "LaunchedAvailabilityZone",
        "launched-availability-zone-id": None,
        "network-interface.addresses.primary": None,
        "network-interface.delete-on-termination": None,
        "network-interface.description": None,
        "network-interface.device-index": None,
        "network-interface.group-id": None,
        "network-interface.network-interface-id": None,
        "network-interface.private-ip-address": None,
        "network-interface.subnet-id": None,
        "product-description": "ProductDescription",
        "spot-instance-request-id": "SpotInstanceRequestId",
        "spot-price": "SpotPrice",
        "state": "State",
        "status-code": "Status.Code",
        "status-message": "Status.Message",
        "type": "Type",
        "valid-from": None,
        "valid-until": None,
    },
    native=("listVirtualMachines",),
)
async def describe_spot_instance_requests(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's requests; one whose machine is gone is closed."""
    found = await _states(ctx)
    tags = await resource_tags.merged(ctx, KIND, [row for row, _ in found])
    return [_item(row, state, tags[row["id"]]) for row, state in found]


async def _states(ctx: Context) -> list[tuple[dict[str, Any], str]]:
    """Return the caller's requests with their states; one whose machine has been gone for a day is let go."""
    rows = [entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)]
    if not rows:
        return []
    alive = {
        ec2_id("i", row["id"])
        for row in await machine_lookup.list_rows(ctx)
        if machine_lookup.state_of(row) not in ("terminated", "shutting-down")
    }
    ends = {ec2_id("i", uuid): data for uuid, data in (await machine_records.records(ctx)).items()}
    found = []
    for row in rows:
        state = row["state"] if row["instance"] in alive else "closed"
        if state == "closed" and "over" not in row:
            row |= {"over": time.time(), "end": _end(ends.get(row["instance"], {}))}
            await ctx.store.put(ctx.owner_id, KIND, row["id"], row)
        elif state == "closed" and row["over"] + SHOWN < time.time():
            await ctx.store.delete(ctx.owner_id, KIND, row["id"])
            await resource_tags.forget(ctx, KIND, row["id"])
            continue
        found.append((row, state))
    return found


def _end(record: Mapping[str, Any]) -> str | None:
    """Return why a machine is gone, if that was not the user's wish; its record tells for an hour."""
    code = (record.get("reason") or [""])[0]
    if not code or code.startswith("Client.User"):
        return None
    return "no-capacity" if code == "Server.InsufficientInstanceCapacity" else "failed"


@action("CancelSpotInstanceRequests", honours=("SpotInstanceRequestIds",))
async def cancel_spot_instance_requests(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Cancel requests; their machines go on running, as on AWS."""
    rows = {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)}
    by_id = {ec2_id("sir", key): row for key, row in rows.items()}
    asked = request.get("SpotInstanceRequestIds") or []
    if not asked:
        raise Ec2Error("MissingParameter", "The request must contain the parameter SpotInstanceRequestId")
    for ident in asked:
        if not KINDS[KIND].is_id(ident):
            raise KINDS[KIND].refused(ident)
        if ident not in by_id:
            raise KINDS[KIND].missing(ident)
    for ident in asked:
        row = by_id[ident]
        await ctx.store.put(ctx.owner_id, KIND, row["id"], {**row, "state": "cancelled"})
    return {
        "CancelledSpotInstanceRequests": [
            {"SpotInstanceRequestId": ident, "State": "cancelled"} for ident in asked
        ]
    }
