"""Jobs: what CloudStack does after it has answered.

A failed job is no HTTP error: its row says `jobstatus` 2 and carries errorcode and errortext. Jobs of one machine
run one after the other, in the order in which they were accepted.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import uuid4

from ec2bridge.simulator import apis
from ec2bridge.simulator.apis import Api
from ec2bridge.simulator.caller import Caller
from ec2bridge.simulator.errors import INTERNAL, ApiError
from ec2bridge.simulator.tables import Row, Tables, now

log = logging.getLogger(__name__)

PENDING, DONE, FAILED = 0, 1, 2
INTERRUPTED = "Job was cancelled by a restart of the management server"
_MANAGEMENT_SERVER = {
    "managementserverid": "66da4453-b447-4881-bf80-0de478347da8",
    "managementservername": "localhost",
}
Work = Callable[[], Row | Awaitable[Row]]
Pause = Callable[[float], Awaitable[None]]
"""Lets that many times the cloud's job time pass."""


class Submitter(Protocol):
    """What a job knows of the call that it goes back to."""

    @property
    def api(self) -> Api: ...

    @property
    def caller(self) -> Caller: ...


class Jobs:
    """Runs them as tasks; the rows live in the table `jobs`."""

    def __init__(self, tables: Tables, pause: Pause, worded: Callable[[str], str]) -> None:
        self.tables = tables
        self.pause = pause
        self.worded = worded
        """Puts an error text as the cloud's release does."""
        self.held: dict[str, asyncio.Event] = {}
        """Commands whose jobs wait, each for its event."""
        self.fates: dict[str, Callable[[str], Awaitable[None]]] = {}
        """What a plan of faults has come over single jobs, by id."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[str, asyncio.Lock] = {}
        self._latest: dict[str, str] = {}

    def submit(
        self,
        call: Submitter,
        work: Work,
        *,
        kind: str | None,
        instance: str | None,
        answer: Row,
        weight: float,
        queue: str | None,
    ) -> Row:
        job = self.tables["jobs"].add(_job_row(call, kind, instance))
        task = asyncio.get_running_loop().create_task(self._run(job, work, weight, queue, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return {**answer, "jobid": job["id"]}

    def pending(self, instance: str) -> Row | None:
        """The job at work on an object, which its listing shows as `jobid` and `jobstatus`; not one that waits."""
        job = self.tables["jobs"].get(self._latest.get(instance))
        return job if job and job["jobstatus"] == PENDING else None

    async def _run(self, job: Row, work: Work, weight: float, queue: str | None, call: Submitter) -> None:
        if queue is None:
            await self._perform(job, work, weight, call)
        else:
            lock = self._queues.setdefault(queue, asyncio.Lock())
            waited = lock.locked()
            async with lock:
                if waited:
                    await self.pause(0.2)
                await self._perform(job, work, weight, call)
        self.tables.commit()

    async def _perform(self, job: Row, work: Work, weight: float, call: Submitter) -> None:
        self._latest[job.get("jobinstanceid", "")] = job["id"]
        self.tables["jobs"].save(job)
        try:
            await self.pause(weight)
            if call.api.name in self.held:
                await self.held[call.api.name].wait()
            if job["id"] in self.fates:
                await self.fates.pop(job["id"])(call.api.name)
            result = work()
            if inspect.isawaitable(result):
                result = await result
            self._finish(job, DONE, 0, apis.tell(call.api, result))
        except ApiError as error:
            # A user reads the masked text here too; the handler has chosen it already.
            text = self.worded(error.text)
            self._finish(job, FAILED, error.status, {"errorcode": error.status, "errortext": text})
        except Exception as error:
            log.exception("job %s (%s) broke", job["id"], job["cmd"])
            text = repr(error) if call.caller.is_admin else INTERNAL
            self._finish(job, FAILED, 530, {"errorcode": 530, "errortext": text})

    def _finish(self, job: Row, status: int, code: int, result: Row) -> None:
        self.tables["jobs"].update(
            job,
            jobstatus=status,
            jobresultcode=code,
            jobresulttype="object",
            jobresult=result,
            completed=now(),
        )

    def fail_unfinished(self) -> None:
        """After a restart nobody works on the jobs that were running: they fail."""
        for job in self.tables["jobs"].where(jobstatus=PENDING):
            self._finish(job, FAILED, 530, {"errorcode": 530, "errortext": INTERRUPTED})

    async def settle(self) -> None:
        """Wait until no job is running."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _job_row(call: Submitter, kind: str | None, instance: str | None) -> Row:
    caller = call.caller
    job_id = str(uuid4())
    row: dict[str, Any] = {
        "id": job_id,
        "accountid": caller.account["id"],
        "account": caller.name,
        "domainid": caller.domain["id"],
        "domainpath": caller.domain["path"],
        "userid": caller.user["id"],
        "cmd": call.api.job_class,
        "jobprocstatus": 0,
        "jobresultcode": 0,
        "created": now(),
        "jobid": job_id,
        "jobstatus": PENDING,
        **({"jobinstancetype": kind} if kind else {}),
        **({"jobinstanceid": instance} if instance else {}),
    }
    return row


def shown(job: Row) -> Row:
    """The row as `queryAsyncJobResult` answers it."""
    row = {key: value for key, value in job.items() if key != "id" and not key.startswith("_")}
    return {**row, **_MANAGEMENT_SERVER} if job["jobstatus"] == PENDING else row
