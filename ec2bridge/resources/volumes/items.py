"""Volumes as EC2 describes them: found by id, told with their state and attachment.

A data disk is made on storage only when it is first attached: until then it is Allocated, which to EC2 is available.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.describe import Item
from ec2bridge.ec2.values import gib, known, moment, named
from ec2bridge.errors import Ec2Error
from ec2bridge.gently import gently
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.machines.devices import device_name
from ec2bridge.resources.machines.volumes import goes_with_machine
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes import records
from ec2bridge.resources.volumes.types import SNAPSHOT_MARK, nominal, volume_type, with_encryption

Row = dict[str, Any]


# Every state of CloudStack's Volume.State; what is in none of the sets is "available" or "in-use".
CREATING = {"Creating", "Copying", "NotUploaded", "UploadOp", "UploadInProgress", "Uploaded"}


DELETING = {"Expunging"}


GONE = {"Destroy", "Destroyed", "Expunged"}


FAILED = {"UploadError", "UploadAbandoned", records.ERROR}


MACHINE_GONE = {"Destroyed", "Expunging"}


CHANGING = {"Resizing", "Migrating", "Snapshotting", "RevertSnapshotting", "Attaching", "Restoring"}
"""Those states that pass by themselves, and in which CloudStack refuses what AWS takes."""
PATIENCE, PAUSE = 120.0, 0.25
"""Seconds to wait for the end of such a state, and between two looks."""


async def volume_items(
    ctx: Context, rows: list[dict[str, Any]], places: list[Zone], offerings: list[dict[str, Any]]
) -> list[Item]:
    """Return volumes as EC2 has them, with their tags."""
    rows = await resource_tags.with_stored(ctx, "volume", rows)
    by_uuid = {zone.uuid: zone for zone in places}
    told = await with_encryption(ctx, rows, offerings)
    return [
        volume_item(row, by_uuid.get(row["zoneid"]), volume_type(ctx, row, offerings), _tags(row))
        async for some in gently(told)
        for row in some
    ]


def _tags(row: Row) -> list[dict[str, str]]:
    return resource_tags.as_list({**resource_tags.native(row), **row.get(resource_tags.HELD, {})})


def exists(row: Row) -> bool:
    """Return whether EC2 still has the volume: a root disk goes with its machine, however late CloudStack cleans up."""
    if row["state"] in GONE:
        return False
    return not (row.get("type") == "ROOT" and row.get("vmstate") in MACHINE_GONE)


def volume_item(row: Row, zone: Zone | None, kind: str, tags: list[dict[str, str]]) -> Item:
    """Return one volume."""
    size = gib(row.get("size") or 0)
    return known(
        VolumeId=ec2_id("vol", row["id"]),
        Size=size,
        # Always there on AWS, and empty for a volume that no snapshot made.
        SnapshotId=_source(row),
        AvailabilityZone=zone.name if zone else None,
        AvailabilityZoneId=zone.id if zone else None,
        State=state(row),
        CreateTime=moment(row.get("created")),
        VolumeType=kind,
        **nominal(kind, size, row),
        Encrypted=row["encrypted"],
        MultiAttachEnabled=False,
        Attachments=[attachment(row)] if row.get("virtualmachineid") else [],
        Tags=tags,
        _Owner=owner_of(row),
        _Zone=zone,
        _Uuid=row["id"],
    )


def _source(row: Row) -> str:
    snapshot = resource_tags.hidden(row).get(SNAPSHOT_MARK)
    return ec2_id("snap", snapshot) if snapshot else ""


def state(row: Row) -> str:
    """Return EC2's word for a volume's state."""
    native = row["state"]
    for states, word in ((CREATING, "creating"), (DELETING, "deleting"), (FAILED, "error")):
        if native in states:
            return word
    return "in-use" if row.get("virtualmachineid") else "available"


def attachment(row: Row, word: str | None = None) -> dict[str, Any]:
    """Return the attachment of a volume's row; a root disk was attached when it was made."""
    return known(
        VolumeId=ec2_id("vol", row["id"]),
        InstanceId=ec2_id("i", row["virtualmachineid"]),
        Device=device_name(row),
        State=word or ("attaching" if row["state"] == "Attaching" else "attached"),
        AttachTime=moment(row.get("attached") or row.get("created")),
        DeleteOnTermination=goes_with_machine(row),
    )


def require_state(row: Row, *states: str) -> None:
    """Refuse a volume in any other state, as AWS does."""
    if state(row) not in states:
        raise Ec2Error(
            "IncorrectState", f"Volume '{ec2_id('vol', row['id'])}' is in the '{state(row)}' state."
        )


async def resolve_volume(ctx: Context, volume: str | None) -> Row:
    """Return the row of a volume, or raise InvalidVolume.NotFound."""
    if not volume:
        raise Ec2Error("MissingParameter", "The request must contain the parameter volumeId")
    begun = await records.kept(ctx, [volume])
    uuid = next(iter(begun), None) or await ctx.directory.resolve("volume", volume)
    for row in await with_failed(ctx, await named(ctx, "listVolumes", "volume", [uuid]), begun):
        if row["id"] == uuid:
            return row
    raise KINDS["volume"].missing(volume)


async def volume_rows(ctx: Context, ids: Sequence[str] | None = None) -> list[Row]:
    """Return the rows of the caller's volumes, all or at least those named, and of what could not be made."""
    begun = await records.kept(ctx, ids)
    uuids = {ec2_id("vol", uuid): uuid for uuid in begun}
    rows = await named(ctx, "listVolumes", "volume", ids and [uuids.get(ident, ident) for ident in ids])
    return await with_failed(ctx, rows, begun)


async def with_failed(ctx: Context, rows: list[Row], begun: dict[str, dict[str, Any]]) -> list[Row]:
    """Return those rows that EC2 has, and one for each volume of those begun that could not be made."""
    there = [row for row in rows if exists(row)]
    return there + (await records.failed(ctx, begun, {row["id"] for row in there}) if begun else [])


async def until_settled(
    row: Row, is_settled: Callable[[Row], bool], look: Callable[[], Awaitable[Row | None]]
) -> Row | None:
    """Return a row once it is settled, or as it is after PATIENCE; None when it is gone."""
    deadline, found = time.monotonic() + PATIENCE, row
    while not is_settled(found) and time.monotonic() < deadline:
        await asyncio.sleep(PAUSE)
        seen = await look()
        if seen is None:
            return None
        found = seen
    return found


async def settled(ctx: Context, volume: Row) -> Row:
    """Return a volume once CloudStack is done with what it does to it for a moment; AWS takes the next change then."""

    async def look() -> Row | None:
        rows = await ctx.account.list("listVolumes", id=volume["id"])
        return rows[0] if rows else None

    found = await until_settled(volume, lambda now: now["state"] not in CHANGING, look)
    if found is None:
        raise KINDS["volume"].missing(ec2_id("vol", volume["id"]))
    return found
