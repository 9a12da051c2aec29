"""Faults on purpose: which calls go wrong, and how. Nothing goes wrong unless it is planned.

A real cloud loses answers, restarts in the middle of jobs and stands behind proxies with pages of their own. A plan
has the embedded one do so at the very call that a test names.
"""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ec2bridge.simulator.entities import free_address
from ec2bridge.simulator.errors import INTERNAL, ApiError, no_permission
from ec2bridge.simulator.jobs import Jobs
from ec2bridge.simulator.tables import Row, Tables

REFUSED, DROPPED, LOST, PAGE, GARBLED = "refused", "dropped", "lost", "page", "garbled"
JOB_FAILS, JOB_HANGS = "job-fails", "job-hangs"
MODES: Mapping[str, str] = {
    REFUSED: "an error of CloudStack's, before any effect",
    DROPPED: "the connection ends before the call has any effect",
    LOST: "the connection ends after the effect, and the answer is lost",
    PAGE: "a proxy's page with status 503, before any effect",
    GARBLED: "the answer breaks off in its middle, after the effect",
    JOB_FAILS: "the job fails without its effect",
    JOB_HANGS: "the job waits for `seconds`, then has its effect",
}
_READS = ("list", "query", "get")
_PAGE = b"<html><head><title>503 Service Unavailable</title></head><body><h1>No server is available</h1></body></html>"


@dataclass(frozen=True)
class Reply:
    """What goes over the wire."""

    status: int
    body: bytes
    kind: str = "text/html"


@dataclass
class Fault:
    """One fault: the `number`-th call of `command` goes wrong, of all accounts or of one.

    Without a command the writes are counted; `*` counts all calls.
    """

    mode: str
    command: str = ""
    number: int = 1
    account: str = ""
    seconds: float = 600.0
    errorcode: int = 531
    """Of a refusal: 531 says that the caller may not, 530 that something went wrong inside."""
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"there is no fault {self.mode!r}; choose of {', '.join(MODES)}")

    def counts(self, command: str, account: str) -> bool:
        """Whether a call is one of those that this fault counts."""
        if self.account and account != self.account:
            return False
        if not self.command:
            return not command.lower().startswith(_READS)
        return self.command == "*" or command.lower() == self.command.lower()


Perform = Callable[[], tuple[Reply, Row]]
"""Performs the call: what goes over the wire, and the answer in it."""


class Plan:
    """The faults that are to come. One that has happened is over."""

    def __init__(self, tables: Tables, jobs: Jobs) -> None:
        self.tables, self.jobs = tables, jobs
        self.faults: list[Fault] = []

    def add(self, mode: str, command: str = "", number: int = 1, **more: Any) -> Fault:
        """Plan one more; the calls are counted from now on."""
        self.faults.append(Fault(mode, command, number, **more))
        return self.faults[-1]

    def read(self, path: Path) -> None:
        """Plan what a TOML file names as `[[fault]]`."""
        for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("fault", ()):
            self.faults.append(Fault(**entry))

    def answer(self, params: Mapping[str, str], perform: Perform) -> Reply | None:
        """The reply to a call, gone wrong where that is planned; None where it is lost."""
        fault = self._met(params)
        if fault is None:
            return perform()[0]
        if fault.mode in (REFUSED, DROPPED, PAGE):
            return _instead(fault)
        reply, answer = perform()
        if fault.mode == LOST:
            return None
        if fault.mode == GARBLED:
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.kind)
        if "jobid" in answer:
            self.jobs.fates[answer["jobid"]] = partial(self._strike, fault, answer.get("id", ""))
        return reply

    def _met(self, params: Mapping[str, str]) -> Fault | None:
        """Count the call, and return the fault whose turn it is."""
        command, account = params.get("command", ""), self._account(params.get("apikey", ""))
        met = None
        for fault in [fault for fault in self.faults if fault.counts(command, account)]:
            fault.seen += 1
            if fault.seen == fault.number:
                self.faults.remove(fault)
                met = met or fault
        return met

    def _account(self, api_key: str) -> str:
        key = self.tables["userkeys"].first(apikey=api_key)
        user = self.tables["users"].get(key["userid"]) if key else None
        return str(user["account"]) if user else ""

    async def _strike(self, fault: Fault, made: str, command: str) -> None:
        """Have a job fail or wait."""
        if fault.mode == JOB_HANGS:
            await asyncio.sleep(fault.seconds)
            return
        self._take_back(made, command)
        raise ApiError(530, 4250, INTERNAL)

    def _take_back(self, made: str, command: str) -> None:
        """Leave what CloudStack leaves of an object whose making failed: a machine or snapshot in Error, else nothing.

        An address is released (IpAddressManagerImpl.associateIPToGuestNetwork, with releaseOnFailure).
        A snapshot stays until its clean-up thread has been by, a day later by default (SnapshotServiceImpl,
        StorageManagerImpl.removeSnapshotsInErrorStatus).
        """
        found = self.tables.known(made)
        if found is None:
            return
        kind, row = found
        if command == "deployVirtualMachine":
            details = {**row.get("details", {}), "deployvm": "true"}
            self.tables[kind].update(row, state="Error", details=details)
            for volume in self.tables["volumes"].where(virtualmachineid=row["id"]):
                self.tables["volumes"].remove(volume)
        elif command == "createSnapshot":
            self.tables[kind].update(row, state="Error")
        elif command == "associateIpAddress":
            free_address(self.tables[kind], row)
        elif command.startswith("create"):
            self.tables[kind].remove(row)


def _instead(fault: Fault) -> Reply | None:
    """What comes instead of an answer, before any effect."""
    if fault.mode != REFUSED:
        return Reply(503, _PAGE) if fault.mode == PAGE else None
    error = no_permission() if fault.errorcode == 531 else ApiError(fault.errorcode, 4250, INTERNAL)
    body = json.dumps({"errorresponse": error.body()}, separators=(",", ":"))
    return Reply(error.status, body.encode(), "application/json")
