"""Volumes.

CloudStack's volume has a disk offering where EC2's has a type, and a data disk is made on storage only when it is
first attached: until then it is Allocated, which to EC2 is available.
"""

import asyncio
import time
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.chunks import RowChunks
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import named
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places.zones import zone_names, zones
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes.items import (
    PATIENCE,
    PAUSE,
    exists,
    require_state,
    resolve_volume,
    settled,
    volume_items,
)
from ec2bridge.resources.volumes.types import known_offerings

Row = dict[str, Any]

BUSY = "snapshot operations in progress on the volume"
"""How CloudStack refuses to delete a volume for a moment."""


async def _items(ctx: Context, rows: list[Row]) -> list[Item]:
    places, offerings = await asyncio.gather(zones(ctx), known_offerings(ctx))
    return await volume_items(ctx, [row for row in rows if exists(row)], places, offerings)


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
        named(ctx, "listVolumes", "volume", request.get("VolumeIds")), zones(ctx), known_offerings(ctx)
    )
    return await volume_items(ctx, [row for row in rows if exists(row)], places, offerings)


@action("DeleteVolume", honours=("VolumeId",), native=("deleteVolume", "listVolumes"))
async def delete_volume(ctx: Context, request: dict[str, Any]) -> None:
    """Delete a volume that is attached to nothing."""
    row = await resolve_volume(ctx, request.get("VolumeId"))
    if row.get("virtualmachineid"):
        machine = ec2_id("i", row["virtualmachineid"])
        raise Ec2Error("VolumeInUse", f"Volume {request['VolumeId']} is currently attached to {machine}")
    require_state(row, "available", "error")
    await _delete(ctx, await settled(ctx, row))
    await resource_tags.forget(ctx, "volume", row["id"])


async def _delete(ctx: Context, row: Row) -> None:
    """Delete a volume, once no snapshot of it is being taken: CloudStack refuses until then, and AWS does not."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await ctx.account.call("deleteVolume", id=row["id"])
            return
        except CloudStackError as error:
            if BUSY not in error.errortext or time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE)
