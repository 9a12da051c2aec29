"""Volumes of snapshots whose making has failed.

EC2 shows a volume as creating from the moment it is asked for, and as error when it came to nothing; it stays to be
looked at until it is deleted. CloudStack destroys a volume that it could not make. So the job of each such making is
written down for a day, and asked after where the volume is not there.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ids import ec2_id

Row = dict[str, Any]

KIND = "volume"
KEEP = 24 * 3600.0
FAILED_JOB = 2
ERROR = "Error"
"""The state of the rows of volumes that could not be made; CloudStack itself has none."""


async def keep(ctx: Context, job: str, row: Row) -> None:
    """Write down the job that makes a volume, and the volume as CloudStack would list it."""
    await ctx.store.put(ctx.owner_id, KIND, row["id"], {"job": job, "row": row}, ttl=KEEP)


async def drop(ctx: Context, uuid: str) -> None:
    """Forget a volume: it was deleted."""
    await ctx.store.delete(ctx.owner_id, KIND, uuid)


async def kept(ctx: Context, ids: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Return uuid → record of the volumes that the caller began within a day, all or those named."""
    entries = await ctx.store.list(ctx.owner_id, KIND)
    return {
        entry.key: entry.value
        for entry in entries
        if not ids or entry.key in ids or ec2_id("vol", entry.key) in ids
    }


async def failed(ctx: Context, records: dict[str, dict[str, Any]], there: set[str]) -> list[Row]:
    """Return a row for each of the records whose job has failed, but for the uuids of volumes that are there."""
    missing = {uuid: record for uuid, record in records.items() if uuid not in there}
    jobs = await asyncio.gather(*(ctx.account.job_row(record["job"]) for record in missing.values()))
    return [
        {**record["row"], "state": ERROR}
        for record, job in zip(missing.values(), jobs, strict=True)
        if job and job["jobstatus"] == FAILED_JOB
    ]
