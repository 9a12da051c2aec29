"""What an action is given: the caller, CloudStack with the caller's keys, and what the process shares.

An action knows neither HTTP nor XML. It gets a `Context` and the parsed request, and returns EC2 members or raises
`Ec2Error`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ec2bridge.auth.secrets import Identity
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.directory import Directory
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.config import Settings
from ec2bridge.mapping import Mappings
from ec2bridge.store import Change, Store


class DryRunReached(Exception):
    """A dry run came to the first thing that would change something: everything before it held."""


@dataclass(slots=True)
class Site:
    """What all requests of one process share."""

    settings: Settings
    cloud: CloudStack
    mappings: Mappings
    store: Store
    service: Account | None
    """The look-up account, where there is one."""
    caches: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Ending:
    """What comes to its end with a request whose answer is kept: it is written in the moment in which the answer is.

    Before it, nobody was told anything: what the request did is finished or taken back by whoever takes it up.
    """

    along: list[Change] = field(default_factory=list)
    then: list[Callable[[], None]] = field(default_factory=list)
    """What is to begin when that is written."""


@dataclass(slots=True)
class Context:
    """One request: who asks, through which endpoint, with which native account."""

    site: Site
    credentials: Credentials
    identity: Identity
    account: Any
    """The caller's `Account`; in a dry run one that stops at the first native call that would change something."""
    store: Any
    directory: Directory
    endpoint: str
    """The URL by which the client reached the bridge."""
    request_id: str
    operation: str
    dry_run: bool = False
    again: bool = False
    """Whether a bearer of the same request died, who may have come to an end that nobody was told of."""
    claims: dict[str, Any] = field(default_factory=dict)
    """The leases of records in the journal that this very request has left, sent before, by their keys."""
    ending: "Ending | None" = None
    """What is to be written with the answer, of a request whose answer is kept."""

    @property
    def settings(self) -> Settings:
        return self.site.settings

    @property
    def mappings(self) -> Mappings:
        return self.site.mappings

    @property
    def owner_id(self) -> str:
        """The caller's 12-digit AWS account id."""
        return account_id(self.identity.domain_id, self.identity.account)


@lru_cache(4096)
def account_id(domain_id: str, account: str) -> str:
    """Return the 12 stable digits that stand for a CloudStack account.

    Made of the domain's uuid and the account's name, because those two stand on every row that CloudStack lists.
    """
    digest = hashlib.sha256(f"{domain_id}/{account}".encode()).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 10**12:012d}"


def owner_of(row: Mapping[str, Any]) -> str:
    """Return the 12-digit account id of a CloudStack row's owner (a project counts as an account of its own)."""
    return account_id(row.get("domainid", ""), row.get("account") or row.get("projectid") or "")


READS = ("list", "get", "query")


@dataclass(slots=True)
class DryRunAccount:
    """The caller's account in a dry run: reads go through, the first change ends it with DryRunReached."""

    real: Account

    async def call(self, command: str, **params: Any) -> dict[str, Any]:
        if not command.startswith(READS):
            raise DryRunReached
        return await self.real.call(command, **params)

    async def submit(self, command: str, **params: Any) -> dict[str, Any]:
        raise DryRunReached

    async def job(self, command: str, **params: Any) -> dict[str, Any]:
        raise DryRunReached

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
