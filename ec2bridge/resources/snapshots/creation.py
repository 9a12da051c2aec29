"""Snapshots made and copied, as the journal's steps: under names that find them again, then described and tagged."""

import json
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.snapshots import empty as empty_snapshots
from ec2bridge.resources.snapshots import lookup
from ec2bridge.resources.snapshots.lookup import MOST_NAMED, NAMED, describe_with
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN, COPY = "CreateSnapshots", "CopySnapshot"
_COPIED = 3600.0
"""Seconds that a copy to another zone may take."""


async def take(ctx: Context, wanted: list[tuple[Row, str | None, dict[str, str]]]) -> list[Row]:
    """Begin a snapshot of each volume, with its description and tags, or of none; returns their rows.

    EC2 has no client token for it: the volumes with what is said of their snapshots stand for the request.
    """
    settled = [await lookup.settled_volume(ctx, volume) for volume, _, _ in wanted]
    pairs = zip(settled, wanted, strict=True)
    given = {"snapshots": [asked(volume, text, tags) for volume, (_, text, tags) in pairs]}
    place = json.dumps([[volume["id"], text, sorted(tags.items())] for volume, text, tags in wanted])
    return list((await journal.perform(ctx, PLAN, given, place=place))["read"]["rows"])


def asked(volume: Row, text: str | None, tags: dict[str, str]) -> Given:
    """Return what a plan is given of a snapshot."""
    title = tags.get("Name") or text or ec2_id("vol", volume["id"])
    kept = ("id", "type", "size", "account", "domainid", "projectid")
    return {
        "volume": {field: volume[field] for field in kept if field in volume},
        "empty": empty_snapshots.is_empty(volume),
        "title": title,
        "text": text,
        "tags": tags,
    }


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    taken = [step for number, one in enumerate(given["snapshots"]) for step in steps_of(one, number)]
    # Read before the record goes: who dies over it has told nothing, and who asks again gets these snapshots.
    return [*taken, Step("read", journal.unseen, _read, journal.nothing)]


async def _read(work: Work) -> Made:
    made = [work.made[f"snapshot {number}"]["id"] for number in range(len(work.given["snapshots"]))]
    rows = {row["id"]: row for row in await lookup.snapshot_rows(work.ctx, made)}
    if not rows.keys() >= set(made):
        raise Ec2Error("InternalError", "CloudStack could not take the snapshot.")
    return {"rows": [rows[uuid] for uuid in made]}


def steps_of(one: Given, number: int) -> list[Step]:
    """Return the steps that make and describe one snapshot; the first is named `snapshot NUMBER`."""
    name = f"snapshot {number}"

    async def find(work: Work) -> Made | None:
        wanted = _name(work, one, number)
        rows = (await empty_snapshots.rows(work.ctx)).values() if one["empty"] else await _listed(work, one)
        row = next((row for row in rows if row.get("name") == wanted), None)
        return row and {"id": row["id"], "jobid": None}

    async def do(work: Work) -> Made:
        wanted, volume = _name(work, one, number), one["volume"]
        if one["empty"]:
            return {"id": (await empty_snapshots.take(work.ctx, volume, wanted))["id"], "jobid": None}
        made = await work.ctx.account.submit("createSnapshot", volumeid=volume["id"], name=wanted)
        work.ctx.directory.remember("snapshot", [made])
        return {"id": made["id"], "jobid": made["jobid"]}

    async def undo(work: Work, made: Made) -> None:
        await delete(work.ctx, made)

    async def describe(work: Work) -> Made:
        await describe_with(work.ctx, work.made[name], one["text"], one["tags"])
        return {}

    return [Step(name, find, do, undo), Step(f"tags {number}", journal.unseen, describe, journal.nothing)]


def _name(work: Work, one: Given, number: int) -> str:
    end = f" ({work.stem}-{number})"
    return f"{NAMED}{one['title']}"[: MOST_NAMED - len(end)] + end


async def _listed(work: Work, one: Given) -> list[Row]:
    rows: list[Row] = await work.ctx.account.list("listSnapshots", volumeid=one["volume"]["id"])
    return rows


async def delete(ctx: Context, made: Made) -> None:
    """Delete a snapshot that was begun and is given up; CloudStack refuses that of one that it still takes."""
    if made.get("jobid"):
        try:
            await ctx.account.wait(made["jobid"])
        except CloudStackUnavailable:
            raise
        except CloudStackError:
            pass  # It could not be made, or the job is forgotten: what is there is seen next.
    if any(row["id"] == made["id"] for row in await lookup.snapshot_rows(ctx, [made["id"]])):
        await lookup.delete(ctx, made["id"])
    else:
        await resource_tags.forget(ctx, "snapshot", made["id"])


# --- copying ---------------------------------------------------------------------------------------------------------


async def copy(ctx: Context, row: Row, zone: str, tags: dict[str, str]) -> None:
    """Have a snapshot be in another zone, too; raises what the copying has failed for.

    It stays the same snapshot, so that nothing but the answer can tell of a failure: it comes when the copy is there.
    """
    given = {"id": row["id"], "zone": zone, "tags": tags}
    await journal.perform(ctx, COPY, given, place=f"{row['id']} {zone}")


@journal.plan(COPY, forward=True)
def _copying(given: Given) -> list[Step]:
    return [Step("copied", _is_copied, _copy, journal.nothing), *([_TAGGED] if given["tags"] else [])]


async def _is_copied(work: Work) -> Made | None:
    rows = await lookup.snapshot_rows(work.ctx, [work.given["id"]])
    if not rows:
        raise Ec2Error("InvalidSnapshot.NotFound", "The snapshot was deleted while it was copied.")
    return {} if work.given["zone"] in rows[0]["zones"] else None


async def _copy(work: Work) -> Made:
    given = work.given
    await work.ctx.account.job("copySnapshot", id=given["id"], destzoneids=[given["zone"]], timeout=_COPIED)
    return {}


async def _tag_copied(work: Work) -> Made:
    held = await resource_tags.held_natively(work.ctx, "snapshot", [work.given["id"]])
    await resource_tags.assign(work.ctx, "snapshot", held, work.given["tags"])
    return {}


_TAGGED = Step("tags", journal.unseen, _tag_copied, journal.nothing)
