"""The CloudStack API as one caller may use it.

EC2 answers in one piece and at once; CloudStack answers in pages and works in jobs. An account's own keys sign every
call, so that CloudStack decides what they may do.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.answers import created, is_read, job_result
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.cloudstack.jobs import POLL
from ec2bridge.cloudstack.outcomes import learn
from ec2bridge.cloudstack.pages import Page, distinct, page_of
from ec2bridge.cloudstack.params import flatten
from ec2bridge.cloudstack.walking import Spot, Stretch, walk

log = logging.getLogger(__name__)

MANY = 1_000
"""Rows from which on a listing is large."""
MOST_TOTALS = 10_000
WHOLE = frozenset({"details"})
"""Parameters with which a listing still tells how large the whole is."""

Row = dict[str, Any]
NO_SUCH_API = "unable to find an api by that name"
"""What listApis says of a command that the server does not have or the caller may not use (4.18 to 4.23)."""
Rows = list[Row]
Asker = Callable[[str, Mapping[str, Any]], Awaitable[Page]]


@dataclass(frozen=True, slots=True)
class Account:
    """The CloudStack API as one caller may use it."""

    cloudstack: CloudStack
    credentials: Credentials

    @property
    def cache_key(self) -> tuple[str, str | None]:
        """What tells this caller's cached answers from another's."""
        return self.credentials.api_key, self.credentials.project_id

    async def call(self, command: str, **params: Any) -> Row:
        """Call `command` and return the inner object of its answer; raises CloudStackError."""
        flat = await self._flat(command, params)
        if is_read(command):
            return await self.cloudstack.send(command, flat, self.credentials)
        try:
            answer = await self.cloudstack.send(command, flat, self.credentials)
        except CloudStackUnavailable as error:
            answer = await self._learn(command, flat, error)
        finally:
            # Also after a failure: one whose answer was lost may have had its effect.
            await self._changed(command, flat.get("resourcetype"))
        self._saw(command, created(answer))
        return answer

    async def _learn(self, command: str, flat: Mapping[str, str], error: CloudStackUnavailable) -> Row:
        """What became of a change whose answer did not come; raises the error where that cannot be seen."""
        answer = await learn(self.list, command, flat)
        if answer is None:
            raise error
        log.info("%s; it was done", error)
        return answer

    async def _changed(self, command: str, kind: str | None) -> None:
        for observer in self.cloudstack.change_observers:
            await observer(command, kind)

    async def _flat(self, command: str, params: Mapping[str, Any]) -> dict[str, str]:
        flat = flatten(params)
        await self._add_project(command, flat)
        return flat

    def _saw(self, command: str, rows: list[Row]) -> None:
        for observer in self.cloudstack.row_observers:
            observer(self, command, rows)

    async def _add_project(self, command: str, flat: dict[str, str]) -> None:
        project = self.credentials.project_id
        if not project or "projectid" in flat or command == "listApis":
            return
        if await self.takes(command, "projectid"):
            flat["projectid"] = project

    async def list(self, command: str, **params: Any) -> list[Row]:
        """All rows of a listing, whatever number of pages they come in."""
        return await self._list(command, params, self._ask)

    async def watch(self, command: str, **params: Any) -> Rows:
        """`list`, for a question that is asked again and again and whose rows are not changed by who asked.

        Where CloudStack's answer is what it was the last time, its rows are the same objects.
        """
        return await self._list(command, params, self._look)

    async def are_many(self, command: str, **params: Any) -> bool:
        """Whether a listing is so large that a part of it is better asked for by `walk`."""
        total = self.cloudstack.totals.get((self.cache_key, command))
        if total is None:
            page = await self._look(command, {**params, "page": 1, "pagesize": self.cloudstack.pages.size})
            total = self._counted(command, page.total or len(page.rows))
        return total > MANY

    async def walk(
        self, command: str, spot: Spot, wanted: int | None = None, **params: Any
    ) -> AsyncIterator[Stretch]:
        """Yield what follows a place in a listing, a page at a time; `wanted` is how many rows are needed at first."""

        async def ask(number: int, size: int) -> Page:
            return await self._ask(command, {**params, "page": number, "pagesize": size})

        async for stretch in walk(ask, self.cloudstack.pages, spot, wanted):
            self._counted(command, stretch.total)
            self._saw(command, stretch.rows)
            yield stretch

    def _counted(self, command: str, total: int) -> int:
        totals = self.cloudstack.totals
        totals[self.cache_key, command] = total
        totals.move_to_end((self.cache_key, command))
        if len(totals) > MOST_TOTALS:
            totals.popitem(last=False)
        return total

    async def _ask(self, command: str, params: Mapping[str, Any]) -> Page:
        return page_of(await self.call(command, **params))

    async def _look(self, command: str, params: Mapping[str, Any]) -> Page:
        flat = await self._flat(command, params)
        answer, same = await self.cloudstack.watch(command, flat, self.credentials)
        return page_of(answer, same)

    async def _list(self, command: str, params: dict[str, Any], ask: Asker) -> Rows:
        async def seen(number: int, size: int) -> Page:
            page = await ask(command, {**params, "page": number, "pagesize": size})
            if not page.same:
                self._saw(command, page.rows)
            return page

        pages = await self.cloudstack.pages.all(seen)
        if params.keys() <= WHOLE:
            self._counted(command, pages[0].total or len(pages[0].rows))
        return await distinct(pages)

    async def submit(self, command: str, **params: Any) -> Row:
        """Start a job; the answer has `jobid`, and `id` where the command creates something."""
        answer = await self.call(command, **params)
        if "jobid" in answer:
            self.cloudstack.jobs.remember(str(answer["jobid"]), command, params.get("resourcetype"))
        return answer

    async def wait(self, jobid: str, timeout: float | None = None) -> Row:  # noqa: ASYNC109 - the job outlives the wait
        """The result of a job once it is done; raises CloudStackError when it failed.

        `timeout` is in seconds; past it CloudStackUnavailable is raised and the job goes on.
        """
        jobs = self.cloudstack.jobs
        jobs.waiting += 1
        try:
            return await self._end_of(jobid, self.cloudstack.job_timeout if timeout is None else timeout)
        finally:
            jobs.waiting -= 1

    async def _end_of(self, jobid: str, limit: float) -> Row:
        deadline = time.monotonic() + limit
        pause = self.cloudstack.jobs.first_pause(jobid)
        while True:
            await asyncio.sleep(pause)
            answer = await self._poll(jobid)
            if answer.get("jobstatus") != 0:
                command = self.cloudstack.jobs.command(jobid, answer)
                await self._changed(command, self.cloudstack.jobs.kind(jobid))
                self.cloudstack.jobs.forget(jobid)
                return job_result(command, answer)
            pause = min(pause * 1.5, 2.0)
            if time.monotonic() + pause > deadline:
                command = self.cloudstack.jobs.command(jobid, answer)
                text = f"CloudStack's job for {command} is still running after {limit:g} seconds"
                raise CloudStackUnavailable(command, text, retry=False)

    async def _poll(self, jobid: str) -> Row:
        try:
            return await self.call(POLL, jobid=jobid)
        except CloudStackError as error:
            # A question that CloudStack did not answer says nothing about the job: it is asked again.
            if not (error.passes or isinstance(error, CloudStackUnavailable) or error.is_internal):
                raise
            log.info("job %s: %s; asking again", jobid, error)
            return {"jobstatus": 0}

    async def job_row(self, jobid: str) -> Row | None:
        """A job as it is now; None once CloudStack has forgotten it."""
        try:
            return await self.call(POLL, jobid=jobid)
        except CloudStackError as error:
            if error.errorcode == 431:
                return None
            raise

    async def job(self, command: str, *, timeout: float | None = None, **params: Any) -> Row:  # noqa: ASYNC109
        """Run a command to its end; the object that it answers with, `{"success": true}` where it has none.

        Some commands became jobs, or ceased to be, between versions: one that answers at once is as good.
        """
        answer = await self.submit(command, **params)
        if "jobid" in answer:
            try:
                answer = await self.wait(str(answer["jobid"]), timeout)
            except CloudStackUnavailable as error:
                answer = await self._learn(command, await self._flat(command, params), error)
        objects = [value for value in answer.values() if isinstance(value, dict)]
        return objects[0] if len(objects) == 1 else answer

    async def apis(self) -> Mapping[str, frozenset[str]]:
        """The commands that the caller may use, each with its parameters' names, as listApis tells."""
        # The answer knows nothing of projects; by the key alone, made-up ones cannot have it fetched again and again.
        cache = self.cloudstack._apis
        return await cache.get(self.credentials.api_key, self._fetch_apis)

    async def _fetch_apis(self) -> Mapping[str, frozenset[str]]:
        return self.cloudstack.apis(await self.cloudstack.send("listApis", {}, self.credentials))

    async def may_call(self, command: str) -> bool:
        """Whether this server has a command, and the caller may use it."""
        return await self._parameters_of(command) is not None

    async def takes(self, command: str, parameter: str) -> bool:
        """Whether a command has a parameter on this server; one that it does not know it would ignore."""
        return parameter in (await self._parameters_of(command) or ())

    async def _parameters_of(self, command: str) -> frozenset[str] | None:
        # By the key alone, as in `apis`. The whole list is two megabytes, for which a busy server takes its time.
        known: frozenset[str] | None = await self.cloudstack._parameters.get(
            (self.credentials.api_key, command), lambda: self._fetch_parameters(command)
        )
        return known

    async def _fetch_parameters(self, command: str) -> frozenset[str] | None:
        try:
            answer = await self.cloudstack.send("listApis", {"name": command}, self.credentials)
        except CloudStackError as error:
            if error.errorcode not in (431, 530):
                raise
            if NO_SUCH_API in error.errortext:
                return None
            # Any other refusal may be for once; the whole list tells.
            return (await self.apis()).get(command)
        # From 4.23 on the whole list comes for one that the caller may not use.
        return self.cloudstack.apis(answer).get(command)

    async def capabilities(self) -> Row:
        """What listCapabilities says of this cloud to this caller."""
        return await self.cloudstack._capabilities.get(self.credentials.api_key, self._fetch_capabilities)

    async def _fetch_capabilities(self) -> Row:
        answer = await self.cloudstack.send("listCapabilities", {}, self.credentials)
        capability: Row = answer.get("capability", {})
        return capability

    async def is_key_valid(self) -> bool:
        """Whether CloudStack still accepts the caller's key.

        It answers 401 to a bad key and to a command that it does not have, with the same words; listCapabilities
        is one that every server has and every role may call.
        """
        try:
            await self.cloudstack.send("listCapabilities", {}, self.credentials)
        except CloudStackUnavailable:
            return True
        except CloudStackError as error:
            return error.errorcode != 401
        return True
