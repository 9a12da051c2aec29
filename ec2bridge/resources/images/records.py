"""Images whose making failed, or has not come to a row yet.

EC2 shows an image as pending from the moment it is asked for, and as failed with the reason when it came to nothing.
CloudStack removes a template that it could not make. So the job of each making is written down for a day, and asked
after as long as the template is not there.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ids import ec2_id

Row = dict[str, Any]

KIND = "image"
KEEP = 24 * 3600.0
GONE_KIND = "image-gone"
GONE_FOR = 3600.0
PENDING, FAILED = 0, 2


async def keep(ctx: Context, uuid: str, job: str, name: str) -> None:
    """Write down the job that makes a template."""
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    record = {"job": job, "name": name, "created": created}
    await ctx.store.put(ctx.owner_id, KIND, uuid, record, ttl=KEEP)


async def records(ctx: Context) -> dict[str, dict[str, Any]]:
    """Return uuid → record of the images that the caller began within a day."""
    return {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)}


async def drop(ctx: Context, uuid: str) -> None:
    """Forget an image: it was deregistered."""
    await ctx.store.delete(ctx.owner_id, KIND, uuid)


async def bury(ctx: Context, uuid: str) -> None:
    """Remember for a while that an image was deregistered."""
    await drop(ctx, uuid)
    await ctx.store.put(ctx.owner_id, GONE_KIND, ec2_id("ami", uuid), True, ttl=GONE_FOR)


async def buried(ctx: Context) -> list[str]:
    """Return the ids of the images that were deregistered a short while ago."""
    return [entry.key for entry in await ctx.store.list(ctx.owner_id, GONE_KIND)]


async def settled(ctx: Context, rows: list[Row]) -> list[Row]:
    """Return the rows with what the jobs of unfinished images tell, and one for each that CloudStack does not list."""
    ready = {row["id"] for row in rows if row.get("isready")}
    open_ones = {uuid: record for uuid, record in (await records(ctx)).items() if uuid not in ready}
    if not open_ones:
        return rows
    jobs = await asyncio.gather(*(ctx.account.job_row(record["job"]) for record in open_ones.values()))
    listed = {row["id"]: row for row in rows}
    for (uuid, record), job in zip(open_ones.items(), jobs, strict=True):
        row = listed.get(uuid) or _bare_row(ctx, uuid, record)
        if job and job["jobstatus"] == FAILED:
            listed[uuid] = {**row, "status": f"Failed: {job['jobresult'].get('errortext', '')}"}
        elif job and (job["jobstatus"] == PENDING or _is_fresh(job)):
            listed[uuid] = row
        # Otherwise its template was removed outside EC2, and so it is gone here.
    return list(listed.values())


def _bare_row(ctx: Context, uuid: str, record: dict[str, Any]) -> Row:
    return {
        "id": uuid,
        "name": record["name"],
        "created": record["created"],
        "account": ctx.identity.account,
        "domainid": ctx.identity.domain_id,
        "isready": False,
    }


def _is_fresh(job: dict[str, Any]) -> bool:
    """Whether a job has just ended, so that its template may not have been there when templates were listed."""
    ended = datetime.fromisoformat(job["completed"]) if job.get("completed") else datetime.now(UTC)
    return (datetime.now(UTC) - ended).total_seconds() < 30


async def failed(ctx: Context, image: str) -> str | None:
    """Return the uuid behind the id of an image that has a record."""
    known = await records(ctx)
    return next((uuid for uuid in known if image in (uuid, ec2_id("ami", uuid))), None)
