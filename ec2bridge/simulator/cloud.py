"""The cloud itself: tables, settings, jobs, quotas, and what a role may call. `dispatcher.py` takes the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ec2bridge.simulator import apis
from ec2bridge.simulator.caller import Caller
from ec2bridge.simulator.errors import unauthenticated
from ec2bridge.simulator.jobs import Jobs
from ec2bridge.simulator.limits import Limits
from ec2bridge.simulator.releases import NAMED, NEWEST, version_of, worded
from ec2bridge.simulator.seed import DEFAULT_SEED, Seed, plant
from ec2bridge.simulator.tables import Row, Tables

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
        version: str = NEWEST,
    ) -> None:
        self.settings = {**SETTINGS, **(settings or {})}
        self.job_time = job_time
        self.strict = strict
        self.version = NAMED.get(version, version)
        self.release = version_of(self.version)
        self.tables = Tables(path)
        self.jobs = Jobs(self.tables, self.pause, lambda text: worded(text, self.release))
        self.default_limits = {row["resourcetypename"]: row["max"] for row in seed.facts["limits"]}
        self.unlimited_accounts = {account.name for account in seed.accounts if account.role == "Root Admin"}
        self.limits = Limits(self.tables, self.default_limits, self.unlimited_accounts)
        self.facts = seed.facts
        self._rules: dict[str, frozenset[str]] = {}
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

    def since(self, release: str) -> bool:
        """Whether this cloud is of that release or a later one."""
        return self.release >= version_of(release)

    async def pause(self, weight: float) -> None:
        """Let `weight` × the job time pass; at least one turn of the loop."""
        await asyncio.sleep(self.job_time * weight)

    async def close(self) -> None:
        await self.jobs.close()
        self.tables.close()

    # Who may do what

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

    def rules(self, role: Row) -> frozenset[str]:
        """The commands that a role may call."""
        if role["id"] not in self._rules:
            self._rules[role["id"]] = frozenset(_allowed(role["_rules"]))
        return self._rules[role["id"]]

    def forget_rules(self, role: Row) -> None:
        """Read a role's rules anew: they have changed."""
        self._rules.pop(role["id"], None)


def _allowed(rules: list[str]) -> Iterable[str]:
    """`*` is every command, `@User` those of the User role, anything else one command."""
    for rule in rules:
        if rule == "*":
            yield from apis.names()
        elif rule == "@User":
            yield from (name for name in apis.names() if (api := apis.find(name)) and api.user)
        else:
            yield rule
