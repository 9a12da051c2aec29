"""The CloudStack client: signs, calls, lists all pages and waits for jobs.

EC2 answers in one piece and at once; CloudStack answers in pages and works in jobs. One `CloudStack` stands
for an endpoint and owns the HTTP session; `CloudStack.account(credentials)` binds it to a caller, whose own
keys sign every call, so that CloudStack decides what they may do.
"""

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from ec2bridge.cloudstack.cache import Cached
from ec2bridge.cloudstack.calls import SECRETS, NativeCall, Observer, collected
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.cloudstack.params import flatten
from ec2bridge.cloudstack.signing import signed_form
from ec2bridge.cloudstack.unchanged import Unchanged

if TYPE_CHECKING:
    from ec2bridge.auth.secrets import Credentials

log = logging.getLogger(__name__)

Row = dict[str, Any]
Rows = list[Row]

PAGE_SIZE = 500  # what a fresh install allows; a smaller limit is learnt from its refusal
POLL = "queryAsyncJobResult"
CLOCK_TOLERANCE = 30.0  # seconds: the Date header counts whole seconds and has travelled
_PAGE_LIMIT = re.compile(r"max allowed page size value: (\d+)")
_MACHINE_COMMAND = re.compile(r"VM$")


@dataclass(slots=True)
class Page:
    """One page of a listing, and CloudStack's count of all rows."""

    rows: list[Row]
    total: int | None
    same: bool = False
    """Whether these are the very rows of the last time."""


@dataclass(slots=True, eq=False)
class CloudStack:
    """One endpoint: session, page size, clock and caches, shared by all accounts."""

    url: str
    connections: int = 100
    timeout: float = 60.0
    connect_timeout: float = 5.0
    job_timeout: float = 600.0
    attempts: int = 3
    expires: float = 600.0
    cache_ttl: float = 600.0
    verify_tls: bool = True
    observers: list[Observer] = field(default_factory=list)
    row_observers: list["RowObserver"] = field(default_factory=list)
    page_size: int = PAGE_SIZE
    clock_offset: float = 0.0
    _date: str | None = None
    _expiry: tuple[int, str] = (0, "")
    _session: aiohttp.ClientSession | None = None
    _jobs: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _signatures: dict[frozenset[str], frozenset[str]] = field(default_factory=dict)
    _apis: Cached = field(init=False)
    _parameters: Cached = field(init=False)
    _capabilities: Cached = field(init=False)
    unchanged: Unchanged = field(default_factory=Unchanged)

    def __post_init__(self) -> None:
        self._apis = Cached(self.cache_ttl)
        self._parameters = Cached(self.cache_ttl, 16_384)
        self._capabilities = Cached(self.cache_ttl)

    async def start(self) -> None:
        """Open the session; called in the event loop that will use it."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.connections,
                ssl=self.verify_tls,
                # Shorter than the server's own 30 s: a write sent over a connection that the server has just
                # closed could not be told from one that was lost on its way.
                keepalive_timeout=15,
            ),
            timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=self.connect_timeout),
            # CloudStack sets session cookies; one caller's must never ride along with another's call.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            skip_auto_headers=("Accept-Encoding", "User-Agent"),
        )

    async def close(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def account(self, credentials: "Credentials") -> "Account":
        """This endpoint as one caller sees it; cheap, made for each request."""
        return Account(self, credentials)

    async def watch(
        self, command: str, params: Mapping[str, str], credentials: "Credentials"
    ) -> tuple[Row, bool]:
        """`send`, and whether the answer is the very object of the last time, which nobody may change."""
        question, same = (credentials.api_key, credentials.project_id, command, *params.items()), False

        def read(command: str, status: int, body: bytes) -> Row:
            nonlocal same
            answer: Row
            answer, same = self.unchanged.read(question, body, lambda body: _read(command, status, body))
            return answer

        return await self.send(command, params, credentials, read), same

    async def send(
        self,
        command: str,
        params: Mapping[str, str],
        credentials: "Credentials",
        read: "Reader | None" = None,
    ) -> Row:
        """Sign and send one call, return the one value of its envelope; only reads are tried again."""
        started = time.monotonic()
        error: CloudStackError | None = None
        try:
            return await self._attempt(command, params, credentials, read or _read)
        except CloudStackError as failure:
            error = failure
            raise
        finally:
            self._observe(command, params, time.monotonic() - started, error)

    async def _attempt(
        self, command: str, params: Mapping[str, str], credentials: "Credentials", read: "Reader"
    ) -> Row:
        try:
            return await self._exchange(command, params, credentials, read)
        except CloudStackUnavailable as error:
            if not error.retry or not is_read(command) or self.attempts < 2:
                raise
            log.info("%s; trying again", error)
        # Only now: going through a Retrying costs as much as signing does.
        return await self._retrying()(self._exchange, command, params, credentials, read)

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            stop=stop_after_attempt(self.attempts - 1),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            retry=retry_if_exception(_worth_retrying),
            before_sleep=_log_retry,
            reraise=True,
        )

    def _observe(
        self, command: str, params: Mapping[str, str], seconds: float, error: CloudStackError | None
    ) -> None:
        calls = collected.get()
        if calls is None and not self.observers:
            return
        shown = {name: "***" if name in SECRETS else value for name, value in params.items()}
        call = NativeCall(command, shown, seconds, error)
        if calls is not None:
            calls.append(call)
        for observer in self.observers:
            observer(call)

    async def _exchange(
        self, command: str, params: Mapping[str, str], credentials: "Credentials", read: "Reader"
    ) -> Row:
        offset = self.clock_offset
        status, body = await self._post(command, params, credentials)
        if status == 401 and abs(self.clock_offset - offset) > CLOCK_TOLERANCE:
            # The signature had expired by CloudStack's clock: nothing was done, and now that clock is known.
            status, body = await self._post(command, params, credentials)
        return read(command, status, body)

    async def _post(
        self, command: str, params: Mapping[str, str], credentials: "Credentials"
    ) -> tuple[int, bytes]:
        # Always POST: user data does not fit into a URL, and what stands in a URL ends up in access logs.
        if self._session is None:
            raise RuntimeError("CloudStack.start() has not been awaited")
        body = self._body(command, params, credentials)
        try:
            async with self._session.post(self.url, data=body, allow_redirects=False) as response:
                self._learn_clock(response.headers.get("Date"))
                return response.status, await response.read()
        except TimeoutError:
            text = f"CloudStack did not answer within {self.timeout:g} seconds"
            raise CloudStackUnavailable(command, text, retry=False) from None
        except aiohttp.ClientError as error:
            text = f"CloudStack could not be reached ({type(error).__name__})"
            raise CloudStackUnavailable(command, text) from None

    def _body(self, command: str, params: Mapping[str, str], credentials: "Credentials") -> bytes:
        signed = {
            **params,
            "command": command,
            "response": "json",
            "apiKey": credentials.api_key,
            "signatureVersion": "3",
            "expires": self._until(),
        }
        return signed_form(signed, credentials.secret_key).encode()

    def _until(self) -> str:
        # To the minute, so that the text is made once a minute.
        minute = int(time.time() + self.clock_offset + self.expires) // 60
        if self._expiry[0] != minute:
            until = datetime.fromtimestamp(minute * 60, UTC)
            self._expiry = minute, until.strftime("%Y-%m-%dT%H:%M:%S+0000")
        return self._expiry[1]

    def _learn_clock(self, date: str | None) -> None:
        if date == self._date:
            return
        self._date = date
        try:
            offset = parsedate_to_datetime(date).timestamp() - time.time() if date else 0.0
        except ValueError:
            return
        if abs(offset - self.clock_offset) > CLOCK_TOLERANCE:
            log.warning("CloudStack's clock differs from this one by %s", timedelta(seconds=round(offset)))
            self.clock_offset = offset

    def apis(self, answer: Row) -> dict[str, frozenset[str]]:
        """What listApis tells: commands with the names of their parameters, which are kept once for all callers."""
        if len(self._signatures) > 5_000:
            self._signatures.clear()
        found: dict[str, frozenset[str]] = {}
        for api in answer.get("api", ()):
            names = frozenset(param["name"] for param in api.get("params", ()))
            found[api["name"]] = self._signatures.setdefault(names, names)
        return found

    def remember_job(self, jobid: str, command: str) -> None:
        """Which command a job belongs to: the job's own answer names only a Java class."""
        self._jobs[jobid] = command
        while len(self._jobs) > 10_000:
            self._jobs.popitem(last=False)

    def job_command(self, jobid: str, answer: Row) -> str:
        """The command that started a job, told from its class when another bridge started it."""
        if command := self._jobs.get(jobid):
            return command
        name = str(answer.get("cmd", "queryAsyncJobResult")).rpartition(".")[2].removesuffix("Cmd")
        name = _MACHINE_COMMAND.sub("VirtualMachine", name)
        return name[:1].lower() + name[1:]


@dataclass(frozen=True, slots=True)
class Account:
    """The CloudStack API as one caller may use it."""

    cloudstack: CloudStack
    credentials: "Credentials"

    @property
    def cache_key(self) -> tuple[str, str | None]:
        """What tells this caller's cached answers from another's."""
        return self.credentials.api_key, self.credentials.project_id

    async def call(self, command: str, **params: Any) -> Row:
        """Call `command` and return the inner object of its answer; raises CloudStackError."""
        answer = await self.cloudstack.send(command, await self._flat(command, params), self.credentials)
        if not is_read(command):
            self._saw(command, _created(answer))
        return answer

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

    async def _ask(self, command: str, params: Mapping[str, Any]) -> Page:
        return _page_of(await self.call(command, **params))

    async def _look(self, command: str, params: Mapping[str, Any]) -> Page:
        flat = await self._flat(command, params)
        answer, same = await self.cloudstack.watch(command, flat, self.credentials)
        return _page_of(answer, same)

    async def _list(self, command: str, params: dict[str, Any], ask: "Asker") -> Rows:
        for _ in range(3):
            first = await self._page(command, params, 1, ask)
            pages = [first, *await self._further_pages(command, params, first, ask)]
            # Rows that come and go between two pages shift the rest; then the count differs, too.
            if len({page.total for page in pages if page.rows}) <= 1:
                break
        rows = _distinct([row for page in pages for row in page.rows])
        if fresh := [row for page in pages if not page.same for row in page.rows]:
            self._saw(command, fresh)
        return rows

    async def _further_pages(
        self, command: str, params: dict[str, Any], first: Page, ask: "Asker"
    ) -> Sequence[Page]:
        size = self.cloudstack.page_size
        if len(first.rows) < size or first.total is None or first.total <= len(first.rows):
            return ()
        numbers = range(2, -(-first.total // size) + 1)
        return await asyncio.gather(*(self._page(command, params, number, ask) for number in numbers))

    async def _page(self, command: str, params: dict[str, Any], number: int, ask: "Asker") -> Page:
        size = self.cloudstack.page_size
        try:
            return await ask(command, {**params, "page": number, "pagesize": size})
        except CloudStackError as error:
            limit = _PAGE_LIMIT.search(error.errortext)
            if limit is None or not 0 < int(limit[1]) < size:
                raise
            self.cloudstack.page_size = int(limit[1])
            return await self._page(command, params, number, ask)

    async def submit(self, command: str, **params: Any) -> Row:
        """Start a job; the answer has `jobid`, and `id` where the command creates something."""
        answer = await self.call(command, **params)
        if "jobid" in answer:
            self.cloudstack.remember_job(str(answer["jobid"]), command)
        return answer

    async def wait(self, jobid: str, timeout: float | None = None) -> Row:  # noqa: ASYNC109 - the job outlives the wait
        """The result of a job once it is done; raises CloudStackError when it failed.

        `timeout` is in seconds; past it CloudStackUnavailable is raised and the job goes on.
        """
        limit = self.cloudstack.job_timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        pause = 0.05
        while True:
            answer = await self._poll(jobid)
            if answer.get("jobstatus") != 0:
                return _job_result(self.cloudstack.job_command(jobid, answer), answer)
            if time.monotonic() + pause > deadline:
                command = self.cloudstack.job_command(jobid, answer)
                text = f"CloudStack's job for {command} is still running after {limit:g} seconds"
                raise CloudStackUnavailable(command, text, retry=False)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    async def _poll(self, jobid: str) -> Row:
        try:
            return await self.call(POLL, jobid=jobid)
        except CloudStackError as error:
            # A question that CloudStack was too busy for says nothing about the job: it is asked again.
            if not error.passes:
                raise
            log.info("job %s: %s; asking again", jobid, error)
            return {"jobstatus": 0}

    async def job(self, command: str, *, timeout: float | None = None, **params: Any) -> Row:  # noqa: ASYNC109
        """Run a command to its end; the object that it answers with, `{"success": true}` where it has none.

        Some commands became jobs, or ceased to be, between versions: one that answers at once is as good.
        """
        answer = await self.submit(command, **params)
        if "jobid" in answer:
            answer = await self.wait(str(answer["jobid"]), timeout)
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
            # So before 4.23, and where rules with a star allow what the server has not; but also what fails for once.
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


RowObserver = Callable[[Account, str, "list[Row]"], None]
Reader = Callable[[str, int, bytes], Row]
"""What makes an object, or an error, of a command's answer: status and body."""
Asker = Callable[[str, Mapping[str, Any]], Awaitable[Page]]


def is_read(command: str) -> bool:
    """Whether a command may be sent again without doing anything twice."""
    return command.startswith(("list", "query")) or (
        command.startswith("get") and not command.startswith("getUploadParams")
    )


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, CloudStackUnavailable) and error.retry


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("trying again after attempt %d: %s", state.attempt_number, error)


def _envelope(command: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        envelope = json.loads(body)
    except ValueError:
        envelope = None
    if isinstance(envelope, dict) and envelope:
        return envelope
    # A proxy's page, or the server while it starts: 5xx may pass, anything else would only be said again.
    text = f"CloudStack answered {status} with something that is not its API's JSON"
    raise CloudStackUnavailable(command, text, status, retry=status >= 500)


def _read(command: str, status: int, body: bytes) -> Row:
    envelope = _envelope(command, status, body)
    # The envelope's name is the command's, in lower case, mostly: some differ, and errors have their own.
    inner = next(iter(envelope.values()))
    if not isinstance(inner, dict):
        inner = {"value": inner}
    if status != 200 or "errorcode" in inner:
        code = inner.get("errorcode", status)
        raise CloudStackError(command, status, code, inner.get("cserrorcode"), inner.get("errortext", ""))
    return inner


def _page_of(answer: Row, same: bool = False) -> Page:
    rows = next((value for value in answer.values() if isinstance(value, list)), [])
    return Page(rows, answer.get("count"), same)


def _created(answer: Row) -> list[Row]:
    """The objects in the answer to a change: itself, as a job's is, or in its members."""
    found = [answer, *(value for value in answer.values() if isinstance(value, dict))]
    return [value for value in found if "id" in value]


def _distinct(rows: list[Row]) -> list[Row]:
    """The rows without those seen twice; a template has one row a zone under one id."""
    if len(rows) <= 1:
        return rows
    seen = {(row["id"], row.get("zoneid")) if "id" in row else place: row for place, row in enumerate(rows)}
    return list(seen.values())


def _job_result(command: str, answer: Row) -> Row:
    result = answer.get("jobresult")
    if answer.get("jobstatus") == 1:
        return result if isinstance(result, dict) else {"success": True}
    if not isinstance(result, dict):
        result = {"errortext": str(result or "")}
    code = result.get("errorcode", answer.get("jobresultcode"))
    raise CloudStackError(command, 200, code, result.get("cserrorcode"), result.get("errortext", ""))
