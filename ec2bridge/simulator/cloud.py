"""The cloud itself: tables, settings, jobs, and the one path of a call from parameters to answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ec2bridge.simulator import apis
from ec2bridge.simulator.apis import Api
from ec2bridge.simulator.call import Call, Caller
from ec2bridge.simulator.errors import ApiError, unauthenticated, unavailable
from ec2bridge.simulator.jobs import Jobs
from ec2bridge.simulator.limits import Limits
from ec2bridge.simulator.registry import Answer, Command, commands
from ec2bridge.simulator.seed import DEFAULT_SEED, Seed, plant
from ec2bridge.simulator.tables import Row, Tables

log = logging.getLogger(__name__)

# A fresh install's settings that matter to a client; all are changed with `Cloud(settings={…})`.
SETTINGS: dict[str, Any] = {
    "allow.user.view.destroyed.vm": False,
    "allow.user.expunge.recover.vm": False,
    "allow.user.expunge.recover.volume": True,
    "allow.user.force.stop.vm": True,
    "instance.lease.enabled": False,
    "allow.public.user.templates": True,
    "custom.diskoffering.size.min": 1,
    "custom.diskoffering.size.max": 1024,
    "expunge.delay": 86400,
    "expunge.interval": 86400,
    "guest.domain.suffix": "cloud.internal",
    "network.guest.cidr.limit": 22,
    "vm.userdata.max.length": 32768,
    "vm.password.length": 10,
    # The simulator's own: why no template can be made of a disk ("" where it can).
    "template.creation.fails": "",
    # The simulator's own: whether the routers of VPCs refuse what they are told.
    "router.fails": False,
    # The simulator's own: what a host holds (CPUs, MiB), and how many machines run in a zone (0: any number).
    "host.cpus": 32,
    "host.memory": 1 << 20,
    "zone.machines": 0,
}


class Cloud:
    """One CloudStack. `job_time` is the seconds of a job of weight 1 (a deploy)."""

    def __init__(
        self,
        *,
        seed: Seed = DEFAULT_SEED,
        path: str | None = None,
        job_time: float = 0.5,
        settings: dict[str, Any] | None = None,
        strict: bool = False,
        version: str = "4.23.0.0-SNAPSHOT",
    ) -> None:
        self.settings = {**SETTINGS, **(settings or {})}
        self.job_time = job_time
        self.strict = strict
        self.version = version
        self.release = apis.version_of(version)
        self.tables = Tables(path)
        self.jobs = Jobs(self)
        self.limits = Limits(self)
        self.default_limits = {row["resourcetypename"]: row["max"] for row in seed.facts["limits"]}
        self.unlimited_accounts = {account.name for account in seed.accounts if account.role == "Root Admin"}
        self.facts = seed.facts
        self._rules: dict[str, frozenset[str]] = {}
        self._callers: dict[str, tuple[Caller, str]] = {}
        self._key_version = -1
        self.shown: dict[Any, Row] = {}
        self.shown_at = -1
        if self.tables.loaded:
            self._resume()
        else:
            plant(self.tables, seed)
        self.tables.commit()

    def _resume(self) -> None:
        """Nobody works on what a former process left half done."""
        self.jobs.fail_unfinished()
        for machine in self.tables["machines"]:
            if machine["state"] in ("Starting", "Stopping"):
                self.tables["machines"].update(machine, state="Stopped")

    async def pause(self, weight: float) -> None:
        """Let `weight` × the job time pass; at least one turn of the loop."""
        await asyncio.sleep(self.job_time * weight)

    async def close(self) -> None:
        await self.jobs.close()
        self.tables.close()

    # One call

    def perform(self, params: Iterable[tuple[str, str]]) -> tuple[str, Answer]:
        """Envelope and answer of a call, or ApiError with its envelope set."""
        given = list(params)
        lowered = {_lower_name(name): value for name, value in given}
        name = lowered.get("command", "")
        api = apis.find(name, self.release)
        envelope = api.envelope if api else "errorresponse"
        try:
            caller = self._authenticate(given, lowered)
            if api is None:
                raise unauthenticated("errorresponse")
            command = self._authorize(api, caller)
            call = Call(self, caller, api, lowered, command.tables)
            call.check()
            answer = command.handler(call)
        except ApiError as error:
            error.envelope = error.envelope or envelope
            raise
        except Exception as error:
            log.exception("%s broke", name)
            raise ApiError(530, 4250, repr(error), envelope=envelope) from error
        finally:
            self.tables.commit()
        return envelope, answer

    def _authenticate(self, given: list[tuple[str, str]], lowered: dict[str, str]) -> Caller:
        found = self._caller_of(lowered.get("apikey", ""))
        if found is None or not _fresh(lowered):
            raise unauthenticated()
        caller, secret = found
        if not hmac.compare_digest(sign(given, secret), lowered.get("signature", "")):
            raise unauthenticated()
        return caller

    def _caller_of(self, api_key: str) -> tuple[Caller, str] | None:
        keys = self.tables["userkeys"]
        if self._key_version != keys.version:
            self._callers.clear()
            self._key_version = keys.version
        if api_key not in self._callers:
            key = keys.first(apikey=api_key)
            if key is None:
                return None
            self._callers[api_key] = (self.caller(key["userid"]), key["secretkey"])
        return self._callers[api_key]

    def caller(self, user_id: str) -> Caller:
        user = self.tables["users"].known(user_id)
        account = self.tables["accounts"].known(user["accountid"]) if user else None
        if user is None or account is None:
            raise unauthenticated()
        domain = self.tables["domains"].known(account["domainid"])
        role = self.tables["roles"].known(account["roleid"])
        if domain is None or role is None:
            raise unauthenticated()
        return Caller(user, account, domain, role)

    def _authorize(self, api: Api, caller: Caller) -> Command:
        # What the simulator has not got is refused as what the role may not call: listApis names neither.
        command = commands().get(api.name.lower())
        if command is None or api.name not in self.rules(caller.role):
            raise unavailable(api.name, caller.name)
        return command

    def rules(self, role: Row) -> frozenset[str]:
        """The commands that a role may call."""
        if role["id"] not in self._rules:
            self._rules[role["id"]] = frozenset(_allowed(role["_rules"]))
        return self._rules[role["id"]]


def _allowed(rules: list[str]) -> Iterable[str]:
    """`*` is every command, `@User` those of the User role, anything else one command."""
    for rule in rules:
        if rule == "*":
            yield from apis.names()
        elif rule == "@User":
            yield from (name for name in apis.names() if (api := apis.find(name)) and api.user)
        else:
            yield rule


def _lower_name(name: str) -> str:
    """Parameter names have no case; the keys inside a map do (`details[0].rootDiskController`)."""
    head, bracket, tail = name.partition("[")
    return head.lower() + bracket + tail


def _fresh(params: dict[str, str]) -> bool:
    """Signature version 3 must carry an expiry, and it must lie ahead."""
    if params.get("signatureversion") != "3":
        return True
    try:
        expires = datetime.strptime(params.get("expires", ""), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return False
    return expires > datetime.now(UTC)


def encode(value: str) -> str:
    """As Java's URLEncoder, with %20 for a space: `*` stays bare and `~` does not."""
    return quote(value, safe="*").replace("~", "%7E")


def sign(params: Iterable[tuple[str, str]], secret: str) -> str:
    """HMAC-SHA1 over the sorted, lower-cased query."""
    pairs = sorted((name, value) for name, value in params if name.lower() != "signature")
    query = "&".join(f"{name}={encode(value)}" for name, value in pairs).lower()
    digest = hmac.new(secret.encode(), query.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
