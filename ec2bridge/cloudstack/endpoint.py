"""One CloudStack endpoint: its session, its clock, and one signed call over HTTP.

Only reads are tried again, also where they failed inside CloudStack: a write whose answer did not come may have had
its effect.
"""

import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from ec2bridge.cloudstack import clock
from ec2bridge.cloudstack.answers import Reader, is_read, read
from ec2bridge.cloudstack.cache import Cached
from ec2bridge.cloudstack.calls import SECRETS, NativeCall, Observer, collected
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.cloudstack.jobs import POLL, Jobs
from ec2bridge.cloudstack.pages import Pages
from ec2bridge.cloudstack.reaching import may_pass, reason
from ec2bridge.cloudstack.sharing import Shared
from ec2bridge.cloudstack.signing import signed_form
from ec2bridge.cloudstack.unchanged import Unchanged

log = logging.getLogger(__name__)

_SAY_INTERNAL = ("listApis", POLL)
"""Reads that are not asked again at once: listApis says so of a command that is not there; of a job one asks anyway."""

Row = dict[str, Any]
RowObserver = Callable[[Any, str, list[Row]], None]
"""Called with the account, the command and the rows of each answer that has any."""
ChangeObserver = Callable[[str, str | None], Awaitable[None]]
"""Called with the command of a change, and for tags the kind of object: when it was sent, and at its job's end."""


@dataclass(slots=True)
class Sent:
    """Whether a call was sent on behalf of the one who asked, who else shares another's."""

    by_us: bool = False


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
    tls: ssl.SSLContext | bool = True
    """What its certificate is held against; True: the system's CAs."""
    observers: list[Observer] = field(default_factory=list)
    row_observers: list[RowObserver] = field(default_factory=list)
    change_observers: list[ChangeObserver] = field(default_factory=list)
    pages: Pages = field(default_factory=Pages)
    jobs: Jobs = field(default_factory=Jobs)
    clock_offset: float = 0.0
    _date: str | None = None
    _expiry: tuple[int, str] = (0, "")
    _session: aiohttp.ClientSession | None = None
    _signatures: dict[frozenset[str], frozenset[str]] = field(default_factory=dict)
    _apis: Cached = field(init=False)
    _parameters: Cached = field(init=False)
    _capabilities: Cached = field(init=False)
    unchanged: Unchanged = field(default_factory=Unchanged)
    shared: Shared = field(default_factory=Shared)
    totals: OrderedDict[tuple[Any, str], int] = field(default_factory=OrderedDict)
    """How many rows a listing had the last time, by caller and command."""

    def __post_init__(self) -> None:
        self._apis = Cached(self.cache_ttl)
        self._parameters = Cached(self.cache_ttl, 16_384)
        self._capabilities = Cached(self.cache_ttl)

    async def start(self) -> None:
        """Open the session; called in the event loop that will use it."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.connections,
                ssl=self.tls,
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

    async def watch(
        self, command: str, params: Mapping[str, str], credentials: Credentials
    ) -> tuple[Row, bool]:
        """`send`, and whether the answer is the very object of the last time, which nobody may change."""
        question, same = (credentials.api_key, credentials.project_id, command, *params.items()), False

        def look(command: str, status: int, body: bytes) -> Row:
            nonlocal same
            answer: Row
            answer, same = self.unchanged.read(question, body, lambda body: read(command, status, body))
            return answer

        return await self.send(command, params, credentials, look), same

    async def send(
        self,
        command: str,
        params: Mapping[str, str],
        credentials: Credentials,
        reader: Reader | None = None,
    ) -> Row:
        """Sign and send one call, return the one value of its envelope; only reads are tried again."""
        started = time.monotonic()
        error: CloudStackError | None = None
        sent = Sent()
        try:
            return await self._attempt(command, params, credentials, reader or read, sent)
        except CloudStackError as failure:
            error = failure
            raise
        finally:
            self._observe(command, params, time.monotonic() - started, error, sent.by_us)

    async def _attempt(
        self, command: str, params: Mapping[str, str], credentials: Credentials, reader: Reader, sent: Sent
    ) -> Row:
        try:
            return await self._exchange(command, params, credentials, reader, sent)
        except CloudStackError as error:
            if not (is_read(command) and _worth_retrying(error)) or self.attempts < 2:
                raise
            log.info("%s; trying again", error)
        # Only now: going through a Retrying costs as much as signing does.
        return await self._retrying()(self._exchange, command, params, credentials, reader, sent)

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            stop=stop_after_attempt(self.attempts - 1),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            retry=retry_if_exception(_worth_retrying),
            before_sleep=_log_retry,
            reraise=True,
        )

    def _observe(
        self,
        command: str,
        params: Mapping[str, str],
        seconds: float,
        error: CloudStackError | None,
        by_us: bool,
    ) -> None:
        calls = collected.get()
        if not by_us or (calls is None and not self.observers):
            return
        shown = {name: "***" if name in SECRETS else value for name, value in params.items()}
        call = NativeCall(command, shown, seconds, error)
        if calls is not None:
            calls.append(call)
        for observer in self.observers:
            observer(call)

    async def _exchange(
        self, command: str, params: Mapping[str, str], credentials: Credentials, reader: Reader, sent: Sent
    ) -> Row:

        async def ask() -> tuple[int, bytes]:
            sent.by_us = True
            return await self._ask(command, params, credentials)

        if is_read(command):
            question = (credentials.api_key, credentials.secret_key, command, *params.items())
            status, body = await self.shared.ask(question, ask)
        else:
            status, body = await ask()
        return reader(command, status, body)

    async def _ask(
        self, command: str, params: Mapping[str, str], credentials: Credentials
    ) -> tuple[int, bytes]:
        offset = self.clock_offset
        status, body = await self._post(command, params, credentials)
        if status == 401 and self.clock_offset != offset:
            # The signature had expired by CloudStack's clock: nothing was done, and now that clock is known.
            status, body = await self._post(command, params, credentials)
        return status, body

    async def _post(
        self, command: str, params: Mapping[str, str], credentials: Credentials
    ) -> tuple[int, bytes]:
        # Always POST: user data does not fit into a URL, and what stands in a URL ends up in access logs.
        if self._session is None:
            raise RuntimeError("CloudStack.start() has not been awaited")
        body = self._body(command, params, credentials)
        sent = time.time()
        try:
            async with self._session.post(self.url, data=body, allow_redirects=False) as response:
                self._learn_clock(response.headers.get("Date"), sent, time.time())
                return response.status, await response.read()
        except aiohttp.ConnectionTimeoutError:
            text = f"CloudStack could not be reached: no connection within {self.connect_timeout:g} seconds"
            raise CloudStackUnavailable(command, text, retry=False) from None
        except TimeoutError:
            text = f"CloudStack did not answer within {self.timeout:g} seconds"
            raise CloudStackUnavailable(command, text, retry=False) from None
        except aiohttp.ClientError as error:
            text = f"CloudStack could not be reached: {reason(error)}"
            raise CloudStackUnavailable(command, text, retry=may_pass(error)) from None

    def _body(self, command: str, params: Mapping[str, str], credentials: Credentials) -> bytes:
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

    def _learn_clock(self, date: str | None, sent: float, received: float) -> None:
        if date == self._date:
            return
        self._date = date
        offset = clock.offset(self.clock_offset, date, sent, received)
        if offset != self.clock_offset:
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


def _worth_retrying(error: BaseException) -> bool:
    if isinstance(error, CloudStackUnavailable):
        return error.retry
    # What fails inside CloudStack fails for once, mostly. Who reads after a write could not take the write back for it.
    return isinstance(error, CloudStackError) and error.is_internal and error.command not in _SAY_INTERNAL


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("trying again after attempt %d: %s", state.attempt_number, error)
