"""A volume made, as the journal's steps: under a name that finds it again, then ready, then tagged.

CloudStack's createVolume knows no token, but takes any name; the stem of the request stands in it.
"""

from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.values import native_time
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes import records
from ec2bridge.resources.volumes.items import exists

Row = dict[str, Any]

PLAN = "CreateVolume"
NAME_LENGTH = 255
_READY = ("Allocated", "Ready")


async def make(ctx: Context, given: Given, token: str | None) -> Made:
    """Make a volume of `params` under a `name`, with `tags`; wait for it unless it is `copied` from a snapshot.

    `shown` are further fields of its row, for the case that a copy fails.
    """
    return (await journal.perform(ctx, PLAN, given, token))["volume"]


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [VOLUME, KEPT if given["copied"] else READY, *([TAGS] if given["tags"] else [])]


def volume_name(wanted: str, stem: str) -> str:
    """Return the name of a volume: what the client calls it, and what finds it again."""
    return f"{wanted[: NAME_LENGTH - len(stem) - 3]} ({stem})"


async def _find(work: Work) -> Made | None:
    name = volume_name(work.given["name"], work.stem)
    rows = await work.ctx.account.list("listVolumes", name=name)
    row = next((row for row in rows if row["name"] == name and exists(row)), None)
    return row and {"id": row["id"], "jobid": row.get("jobid")}


async def _make(work: Work) -> Made:
    name = volume_name(work.given["name"], work.stem)
    answer = await work.ctx.account.submit("createVolume", name=name, **work.given["params"])
    work.ctx.directory.remember("volume", [answer])
    return {"id": answer["id"], "jobid": answer["jobid"]}


async def delete(ctx: Context, made: Made) -> None:
    """Delete a volume that a request has made and gives up; one that is gone is as good."""
    if made.get("jobid"):
        try:
            await ctx.account.wait(made["jobid"])
        except CloudStackError as error:
            # A job that is still at it, or forgotten: the volume itself tells.
            if not error.in_job and not await _row(ctx, made["id"]):
                raise
    row = await _row(ctx, made["id"])
    if row and row["state"] not in ("Destroy", "Expunging", "Expunged"):
        await ctx.account.call("deleteVolume", id=made["id"])
    await resource_tags.forget(ctx, "volume", made["id"])


async def _row(ctx: Context, uuid: str) -> Row | None:
    rows = await ctx.account.list("listVolumes", id=uuid)
    return rows[0] if rows else None


async def _undo(work: Work, made: Made) -> None:
    await delete(work.ctx, made)


async def _is_ready(work: Work) -> Made | None:
    row = await _row(work.ctx, work.made["volume"]["id"])
    return {} if row and row["state"] in _READY else None


async def _wait(work: Work) -> Made:
    made = work.made["volume"]
    if made["jobid"]:
        await work.ctx.account.wait(made["jobid"])
    elif await journal.sought(work, READY) is None:
        raise Ec2Error("Unavailable", "The volume is not ready yet. Try again later.")
    return {}


async def _keep(work: Work) -> Made:
    """Write down what is shown of the volume where its job fails."""
    made, given, who = work.made["volume"], work.given, work.ctx.identity
    row = {
        "id": made["id"],
        "name": volume_name(given["name"], work.stem),
        "type": "DATADISK",
        "created": native_time(),
        "account": who.account,
        "domainid": who.domain_id,
        "tags": [{"key": key, "value": value} for key, value in given["tags"].items()],
        **given["shown"],
    }
    if made["jobid"]:
        await records.keep(work.ctx, made["jobid"], row)
    return {}


async def _drop(work: Work, made: Made) -> None:
    await records.drop(work.ctx, work.made["volume"]["id"])


async def _tag(work: Work) -> Made:
    ctx, uuid = work.ctx, work.made["volume"]["id"]
    try:
        await resource_tags.attach(ctx, "volume", uuid, work.given["tags"])
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        row = await _row(ctx, uuid)
        if not work.given["copied"] or (row and exists(row)):
            raise
        # It could not be made, and that was quicker: its record shows it as failed.
    return {}


VOLUME = Step("volume", _find, _make, _undo)
KEPT = Step("kept", journal.unseen, _keep, _drop)
READY = Step("ready", _is_ready, _wait, journal.nothing)
TAGS = Step("tags", journal.unseen, _tag, journal.nothing)
