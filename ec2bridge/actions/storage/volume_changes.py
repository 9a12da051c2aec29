"""Changing volumes: their size, type and speed.

EC2 changes a volume in the background and tells how far it is; CloudStack does it in a job, of which it tells only the
end. The job and what was asked for are written down in the store, and the job is asked after until it has ended.
"""

import asyncio
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import gib, known, moment
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.volumes import modification
from ec2bridge.resources.volumes.items import require_state, resolve_volume, settled
from ec2bridge.resources.volumes.modification import COMPLETED, KIND, MODIFYING
from ec2bridge.resources.volumes.types import (
    PLAIN_SPEED,
    check_size,
    check_type,
    choose_offering,
    disk_offerings,
    offering_of,
    performance,
    volume_type,
)

Row = dict[str, Any]
Record = dict[str, Any]


@describe(
    "DescribeVolumesModifications",
    items="VolumesModifications",
    ids={
        "VolumeIds": Ids(
            "VolumeId",
            code="InvalidVolumeModification.NotFound",
            sentence="Modification for volume '{}' does not exist.",
        )
    },
    filters={
        "modification-state": "ModificationState",
        "original-iops": "OriginalIops",
        "original-size": "OriginalSize",
        "original-volume-type": "OriginalVolumeType",
        "originalMultiAttachEnabled": "OriginalMultiAttachEnabled",
        "start-time": "StartTime",
        "target-iops": "TargetIops",
        "target-size": "TargetSize",
        "target-volume-type": "TargetVolumeType",
        "targetMultiAttachEnabled": "TargetMultiAttachEnabled",
        "volume-id": "VolumeId",
    },
    ignores={"IncludeManagedResources": "no service manages volumes of its own here"},
    native=("queryAsyncJobResult",),
)
async def describe_volumes_modifications(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the last change of each volume that was changed through this endpoint within a month."""
    for volume in request.get("VolumeIds") or ():
        if not is_uuid(volume) and not KINDS["volume"].is_id(volume):
            raise KINDS["volume"].refused(volume)
    entries = await ctx.store.list(ctx.owner_id, KIND)
    changes = await asyncio.gather(*(modification.current(ctx, entry.key, entry.value) for entry in entries))
    return [_item(entry.key, change) for entry, change in zip(entries, changes, strict=True)]


def _item(uuid: str, record: Record) -> Item:
    """Return one change."""
    before, after = record["original"], record["target"]
    return known(
        VolumeId=ec2_id("vol", uuid),
        ModificationState=record["state"],
        StatusMessage=record.get("message"),
        OriginalSize=before["size"],
        OriginalVolumeType=before["type"],
        OriginalIops=before.get("iops"),
        OriginalMultiAttachEnabled=False,
        TargetSize=after["size"],
        TargetVolumeType=after["type"],
        TargetIops=after.get("iops"),
        TargetMultiAttachEnabled=False,
        Progress=100 if record["state"] == COMPLETED else 0,
        StartTime=moment(record["start"]),
        EndTime=moment(record.get("end")),
    )


@action(
    "ModifyVolume",
    honours=("VolumeId", "Size", "VolumeType", "Iops"),
    defaults={"MultiAttachEnabled": (False,), **PLAIN_SPEED},
    native=("resizeVolume", "changeOfferingForVolume", "listVolumes", "listDiskOfferings"),
)
async def modify_volume(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin to change a volume's size, type or speed."""
    uuid = await ctx.directory.resolve("volume", _named(request))
    asked = {"size": request.get("Size"), "type": request.get("VolumeType"), "iops": request.get("Iops")}
    if begun := await modification.unanswered(ctx, uuid, asked):
        return {"VolumeModification": _item(uuid, begun)}
    # The volume is read after that: a change that ended in between has been counted in.
    seen = await modification.require_idle(ctx, uuid)
    row = await resolve_volume(ctx, uuid)
    if not any(request.get(member) for member in ("Size", "VolumeType", "Iops", "Throughput")):
        raise Ec2Error("MissingParameter", "The request must contain the parameter size, volumeType or iops")
    require_state(row, "available", "in-use")
    row = await settled(ctx, row)
    offerings = await disk_offerings(ctx)
    before = known(
        size=gib(row.get("size") or 0), type=volume_type(ctx, row, offerings), iops=row.get("maxiops")
    )
    after = {**before, "type": check_type(ctx, request.get("VolumeType") or before["type"])}
    after["size"] = request.get("Size") or before["size"]
    if after["size"] < before["size"]:
        raise Ec2Error("InvalidParameterValue", "New size cannot be smaller than existing size")
    steps = _steps(ctx, row, before, after, offerings, request.get("Iops"))
    if request.get("Iops"):
        after["iops"] = request["Iops"]
    command, params = steps or (None, {})
    present = offering_of(row, offerings)
    if command == "changeOfferingForVolume" or (present and present.get("iscustomized")):
        await check_size(ctx, params)
    record: Record = {"state": MODIFYING, "start": modification.now(), "original": before, "target": after}
    if command is None:
        record |= {"state": COMPLETED, "end": record["start"]}
    given = {
        "volume": row["id"],
        "before": {
            "diskofferingid": row.get("diskofferingid"),
            "iscustomized": bool(present and present.get("iscustomized")),
            "size": before["size"],
        },
        "command": command,
        "params": params,
        "record": record,
        "seen": seen,
        "type": request.get("VolumeType") and after["type"],
    }
    return {"VolumeModification": _item(row["id"], await modification.change(ctx, given))}


def _named(request: dict[str, Any]) -> str:
    if not request.get("VolumeId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter volumeId")
    return str(request["VolumeId"])


def _steps(
    ctx: Context,
    row: Row,
    before: dict[str, Any],
    after: dict[str, Any],
    offerings: list[Row],
    iops: int | None,
) -> tuple[str, dict[str, Any]] | None:
    """Return the native command and its parameters that make the change; None where there is nothing to do."""
    present = offering_of(row, offerings)
    grows = after["size"] != before["size"]
    strict = present is not None and not present.get("iscustomized") and present.get("disksizestrictness")
    if after["type"] == before["type"] and not (grows and strict):
        speed = performance(after["type"], present, iops)
        return ("resizeVolume", {"size": after["size"], **speed}) if grows or speed else None
    encrypted = bool(present and present.get("encrypt"))
    chosen, size = choose_offering(
        ctx, offerings, after["type"], after["size"], row["zoneid"], encrypted=encrypted
    )
    speed = performance(after["type"], chosen, iops)
    if present is not None and chosen["id"] == present["id"]:
        return ("resizeVolume", {"size": after["size"], **speed}) if grows or speed else None
    return "changeOfferingForVolume", {"diskofferingid": chosen["id"], **known(size=size), **speed}
