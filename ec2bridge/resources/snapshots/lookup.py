"""CloudStack's volume snapshots as EC2 has them.

A snapshot is in one zone here and in a region there: one that was copied to other zones keeps its id and is listed
once for each storage that it lies on, to who asks for it (`showunique=false`, 4.19 and later; before, none is copied).
CloudStack names a snapshot and EC2 describes it, so what the bridge makes has a name that says so and its description
in a reserved tag; any other snapshot is described by its name.
"""

from collections.abc import Mapping
from typing import Any

from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.describe import Item
from ec2bridge.ec2.values import gib, known, moment, named
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_own
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.snapshots import empty as empty_snapshots
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes.items import settled, until_settled

Row = dict[str, Any]

DESCRIPTION = "description"
"""Reserved tag on a snapshot: EC2's description."""
NAMED = "ec2 "
"""What the names of snapshots made through EC2 start with."""
MOST_NAMED = 255
NO_VOLUME = "vol-ffffffff"
"""What AWS shows for a snapshot whose volume is not known."""

COMPLETED = {"BackedUp"}
FAILED = {"Error"}
GONE = {"Destroying", "Destroyed"}


async def snapshot_rows(ctx: Context, ids: list[str] | None = None) -> list[Row]:
    """Return one row a snapshot, of all or of those named.

    `zones` has the uuids of its zones, `kept` a description that no tag of CloudStack's could hold.
    """
    whole: dict[str, Row] = {}
    empty = await empty_snapshots.rows(ctx)
    held = await resource_tags.stored(ctx, "snapshot")
    for row in [*await _native_rows(ctx, ids, empty), *empty.values()]:
        if row["state"] not in GONE:
            kept = held.get(row["id"], {}).get(resource_tags.RESERVED + DESCRIPTION)
            places = whole.setdefault(row["id"], {**row, "zones": [], "kept": kept})["zones"]
            # A snapshot lies nowhere yet when it has only just been begun.
            places += [row["zoneid"]] if row.get("zoneid") else []
    return list(whole.values())


async def _native_rows(ctx: Context, ids: list[str] | None, empty: Mapping[str, Row]) -> list[Row]:
    """Return the rows of CloudStack's own snapshots that are named, or all."""
    known_here = {name for uuid in empty for name in (uuid, ec2_id("snap", uuid))}
    wanted = ids and [ident for ident in ids if ident not in known_here]
    if ids and not wanted:
        return []
    rows = await named(ctx, "listSnapshots", "snapshot", wanted, showunique=False)
    return await _with_all_tags(ctx, rows)


async def _with_all_tags(ctx: Context, rows: list[Row]) -> list[Row]:
    """Return the rows with their tags, of which CloudStack's listing of snapshots shows one, whichever it likes."""
    tagged = {row["id"] for row in rows if row.get("tags")}
    if not tagged:
        return rows
    held = await resource_tags.held_natively(ctx, "snapshot", tagged)
    return [
        {**row, "tags": [{"key": key, "value": value} for key, value in held.get(row["id"], {}).items()]}
        for row in rows
    ]


async def resolve_snapshot(ctx: Context, snapshot: str | None) -> Row:
    """Return the row of a snapshot, or raise InvalidSnapshot.NotFound."""
    if not snapshot:
        raise Ec2Error("MissingParameter", "The request must contain the parameter snapshotId")
    for row in (await empty_snapshots.rows(ctx)).values():
        if snapshot in (row["id"], ec2_id("snap", row["id"])):
            snapshot = row["id"]
    uuid = await ctx.directory.resolve("snapshot", snapshot)
    for row in await snapshot_rows(ctx, [uuid]):
        if row["id"] == uuid:
            return row
    raise KINDS["snapshot"].missing(snapshot)


async def delete(ctx: Context, uuid: str) -> None:
    """Delete a snapshot with its tags, which CloudStack would list until its own clean-up, a day later by default."""
    if is_own(uuid):
        await empty_snapshots.delete(ctx, uuid)
        return
    await ctx.account.job("deleteSnapshot", id=uuid)
    await resource_tags.clear(ctx, "snapshot", uuid)


def require_completed(row: Row) -> None:
    """Refuse to make anything of a snapshot that is not whole."""
    if state(row) != "completed":
        raise Ec2Error(
            "IncorrectState",
            f"The snapshot '{ec2_id('snap', row['id'])}' is in the '{state(row)}' state, not 'completed'.",
        )


def require_zone(row: Row, zone: Zone, known_zones: list[Zone]) -> None:
    """Refuse to use a snapshot in a zone that does not have it."""
    if zone.uuid in row["zones"] or row.get("empty"):
        return
    names = ", ".join(place.name for place in known_zones if place.uuid in row["zones"])
    raise Ec2Error(
        "InvalidParameterValue",
        f"The snapshot '{ec2_id('snap', row['id'])}' is in {names or 'another zone'}, not in {zone.name}."
        " Copy it there with CopySnapshot.",
    )


def state(row: Row) -> str:
    """Return EC2's word for a snapshot's state."""
    if row["state"] in COMPLETED:
        return "completed"
    return "error" if row["state"] in FAILED else "pending"


def snapshot_item(row: Row, tags: list[dict[str, str]], places: list[Zone]) -> Item:
    """Return one snapshot."""
    word = state(row)
    return known(
        SnapshotId=ec2_id("snap", row["id"]),
        VolumeId=ec2_id("vol", row["volumeid"]) if row.get("volumeid") else NO_VOLUME,
        VolumeSize=gib(row.get("virtualsize") or 0),
        State=word,
        StateMessage="CloudStack could not make the snapshot." if word == "error" else None,
        # CloudStack tells when a snapshot is whole, not how far it is.
        Progress="100%" if word == "completed" else "0%",
        StartTime=moment(row.get("created")),
        OwnerId=owner_of(row),
        Description=description(row),
        Encrypted=False,
        StorageTier="standard",
        AvailabilityZone=next((zone.name for zone in places if zone.uuid == row.get("zoneid")), None),
        FullSnapshotSizeInBytes=row.get("physicalsize") or None,
        Tags=tags,
    )


def description(row: Row) -> str:
    """Return a snapshot's description: always there on AWS, and empty where none was given."""
    marked = resource_tags.hidden(row).get(DESCRIPTION) or row.get("kept")
    if marked is not None:
        return marked
    name = str(row.get("name") or "")
    return "" if name.startswith(NAMED) else name


async def describe_with(ctx: Context, made: Row, text: str | None, tags: dict[str, str]) -> None:
    """Give a new snapshot its description and tags."""
    marks = {resource_tags.RESERVED + DESCRIPTION: text} if text else {}
    if tags or marks:
        await resource_tags.attach(ctx, "snapshot", made["id"], {**tags, **marks})


async def settled_volume(ctx: Context, volume: Row) -> Row:
    """Return a volume of which a snapshot can be taken, once CloudStack is done with what it does to it."""
    volume = await settled(ctx, volume)
    check_volume(volume)
    return volume


async def settled_snapshot(ctx: Context, row: Row) -> Row:
    """Return a snapshot once it is whole or has failed: CloudStack deletes none that it is taking, and AWS does."""

    async def look() -> Row | None:
        rows = await snapshot_rows(ctx, [row["id"]])
        return rows[0] if rows else None

    found = await until_settled(row, lambda now: state(now) != "pending", look)
    if found is None:
        raise KINDS["snapshot"].missing(ec2_id("snap", row["id"]))
    return found


def check_volume(volume: Row) -> None:
    """Refuse a volume of which CloudStack takes no snapshot."""
    if volume["state"] != "Ready" and not empty_snapshots.is_empty(volume):
        raise Ec2Error(
            "IncorrectState",
            f"A snapshot of '{ec2_id('vol', volume['id'])}' cannot be made: the volume is not ready.",
        )


def answer(row: Row, text: str | None, tags: dict[str, str], places: list[Zone]) -> Item:
    """Return a snapshot as its creation answers: with what was asked for, whatever CloudStack lists by now."""
    begun = {"State": "pending", "Progress": "0%", "Description": text or ""}
    return {**snapshot_item(row, resource_tags.as_list(tags), places), **begun}
