"""Volumes.

CloudStack's volume has a disk offering where EC2's has a type, and a data disk is made on storage only when it is
first attached: until then it is Allocated, which to EC2 is available.
"""

import asyncio
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.chunks import RowChunks
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.places.zones import zone_names, zones
from ec2bridge.resources.volumes import records, removal
from ec2bridge.resources.volumes.items import (
    exists,
    require_state,
    resolve_volume,
    settled,
    volume_items,
    volume_rows,
    with_failed,
)
from ec2bridge.resources.volumes.types import known_offerings

Row = dict[str, Any]


async def _items(ctx: Context, rows: list[Row]) -> list[Item]:
    places, offerings = await asyncio.gather(zones(ctx), known_offerings(ctx))
    # Of what could not be made, CloudStack has a row until its clean-up has been by.
    gone = [row["id"] for row in rows if not exists(row)]
    begun = await records.kept(ctx, gone) if gone else {}
    return await volume_items(ctx, await with_failed(ctx, rows, begun), places, offerings)


@describe(
    "DescribeVolumes",
    items="Volumes",
    ids={"VolumeIds": Ids("VolumeId", "volume")},
    filters={
        **TAGS,
        "attachment.attach-time": "Attachments.AttachTime",
        "attachment.delete-on-termination": "Attachments.DeleteOnTermination",
        "attachment.device": "Attachments.Device",
        "attachment.instance-id": "Attachments.InstanceId",
        "attachment.status": "Attachments.State",
        "availability-zone": zone_names("AvailabilityZone"),
        "availability-zone-id": zone_names("AvailabilityZoneId"),
        "create-time": "CreateTime",
        "encrypted": "Encrypted",
        "fast-restored": None,
        "multi-attach-enabled": "MultiAttachEnabled",
        "operator.managed": None,
        "operator.principal": None,
        "size": "Size",
        "snapshot-id": "SnapshotId",
        "status": "State",
        "volume-id": "VolumeId",
        "volume-type": "VolumeType",
    },
    ignores={"IncludeManagedResources": "no service manages volumes of its own here"},
    native=("listVolumes", "listZones"),
    chunks=RowChunks("listVolumes", _items, lambda item: item["_Uuid"]),
)
async def describe_volumes(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's volumes, root disks included."""
    rows, places, offerings = await asyncio.gather(
        volume_rows(ctx, request.get("VolumeIds")), zones(ctx), known_offerings(ctx)
    )
    return await volume_items(ctx, rows, places, offerings)


@action("DeleteVolume", honours=("VolumeId",), native=("deleteVolume", "listVolumes"))
async def delete_volume(ctx: Context, request: dict[str, Any]) -> None:
    """Delete a volume that is attached to nothing."""
    place = str(request.get("VolumeId") or "")
    begun = await journal.claim(ctx, removal.PLAN, place)
    if begun:
        await removal.finish(ctx, place)
        return
    try:
        row = await resolve_volume(ctx, place)
    except Ec2Error as error:
        if begun is None and error.code == KINDS["volume"].not_found:
            # Whoever took the first request up has been through with it.
            return
        raise
    if row.get("virtualmachineid"):
        machine = ec2_id("i", row["virtualmachineid"])
        raise Ec2Error("VolumeInUse", f"Volume {request['VolumeId']} is currently attached to {machine}")
    require_state(row, "available", "error")
    await removal.delete(ctx, await settled(ctx, row), place)
