"""The health of volumes, and their attributes.

AWS watches each volume's input and output; CloudStack tells only a volume's state. A volume that it can use is well,
one whose making failed is impaired, and of one in the making nothing is known yet.
"""

import asyncio
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import known, named
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places.zones import Zone, zone_names, zones
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes.items import exists, require_state, resolve_volume, state

Row = dict[str, Any]

AUTO_ENABLE = "auto-enable-io"
"""Reserved tag on a volume."""
HEALTH = {"available": "ok", "in-use": "ok", "error": "impaired"}


@describe(
    "DescribeVolumeStatus",
    items="VolumeStatuses",
    ids={"VolumeIds": Ids("VolumeId", "volume")},
    filters={
        "action.code": None,
        "action.description": None,
        "action.event-id": None,
        "attachment-status.instance-id": None,
        "attachment-status.io-performance": None,
        "availability-zone": zone_names("AvailabilityZone"),
        "event.description": None,
        "event.event-id": None,
        "event.event-type": None,
        "event.not-after": None,
        "event.not-before": None,
        "volume-status.details-name": "VolumeStatus.Details.Name",
        "volume-status.details-status": "VolumeStatus.Details.Status",
        "volume-status.status": "VolumeStatus.Status",
    },
    ignores={"IncludeManagedResources": "no service manages volumes of its own here"},
    native=("listVolumes", "listZones"),
)
async def describe_volume_status(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the health of the caller's volumes."""
    rows, places = await asyncio.gather(
        named(ctx, "listVolumes", "volume", request.get("VolumeIds")), zones(ctx)
    )
    by_uuid = {zone.uuid: zone for zone in places}
    return [status_item(row, by_uuid.get(row["zoneid"])) for row in rows if exists(row)]


def status_item(row: Row, zone: Zone | None) -> Item:
    """Return one volume's health."""
    word = HEALTH.get(state(row), "insufficient-data")
    # Only what CloudStack can use takes input and output; how fast, it does not say.
    details = [{"Name": "io-enabled", "Status": "passed"}] if word == "ok" else []
    return known(
        VolumeId=ec2_id("vol", row["id"]),
        AvailabilityZone=zone.name if zone else None,
        AvailabilityZoneId=zone.id if zone else None,
        VolumeStatus={"Status": word, "Details": details},
        Actions=[],
        Events=[],
        _Zone=zone,
    )


@action("DescribeVolumeAttribute", honours=("VolumeId", "Attribute"), native=("listVolumes",))
async def describe_volume_attribute(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one attribute of a volume."""
    attribute = request.get("Attribute")
    if attribute not in ("autoEnableIO", "productCodes"):
        raise Ec2Error("InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid.")
    row = await resolve_volume(ctx, request.get("VolumeId"))
    answer = {"VolumeId": ec2_id("vol", row["id"])}
    if attribute == "productCodes":
        return {**answer, "ProductCodes": []}
    return {**answer, "AutoEnableIO": {"Value": resource_tags.hidden(row).get(AUTO_ENABLE) == "true"}}


@action("ModifyVolumeAttribute", honours=("VolumeId", "AutoEnableIO"), native=("listVolumes", "createTags"))
async def modify_volume_attribute(ctx: Context, request: dict[str, Any]) -> None:
    """Remember whether input and output are to go on by themselves; CloudStack never stops them."""
    wanted = (request.get("AutoEnableIO") or {}).get("Value")
    if wanted is None:
        raise Ec2Error("InvalidParameterCombination", "No attributes specified.")
    row = await resolve_volume(ctx, request.get("VolumeId"))
    await resource_tags.mark(ctx, "volume", row, {AUTO_ENABLE: "true" if wanted else None})


@action("EnableVolumeIO", honours=("VolumeId",), native=("listVolumes",))
async def enable_volume_io(ctx: Context, request: dict[str, Any]) -> None:
    """Let a volume's input and output go on, which CloudStack never stops."""
    require_state(await resolve_volume(ctx, request.get("VolumeId")), "available", "in-use")
