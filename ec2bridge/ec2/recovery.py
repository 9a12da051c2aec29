"""Taking up what a bearer that died has left in the store, at start and every few minutes.

Work is done with the keys of whoever asked for it. A record keeps the access key, never its secret, which is looked up
again; where the key is gone by now the record waits for the account's next request.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.auth.credentials import SecretProvider
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.directory import Directories
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import background, journal
from ec2bridge.ec2.batches import AT_ONCE
from ec2bridge.ec2.context import Context, Site
from ec2bridge.ec2.own_store import OwnStore, PatientStore
from ec2bridge.errors import Ec2Error
from ec2bridge.store import Entry, StoreUnavailable

log = logging.getLogger(__name__)

SHORTEST = 0.2
"""Seconds between two sweeps, however soon a record is due."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of records with bearers: when one is due to be taken up (None: never), and how."""

    due: Callable[[Mapping[str, Any]], float | None]
    resume: Callable[[Context, Entry], Awaitable[None]]


_kinds: dict[str, Kind] = {journal.KIND: Kind(journal.due, journal.resume)}


def register(
    kind: str,
    due: Callable[[Mapping[str, Any]], float | None],
    resume: Callable[[Context, Entry], Awaitable[None]],
) -> None:
    """Have records of a kind taken up."""
    _kinds[kind] = Kind(due, resume)


@dataclass(slots=True)
class Recovery:
    """The sweep of one process."""

    site: Site
    secrets: SecretProvider
    directories: Directories
    interval: float
    waiting: set[str] = field(default_factory=set)
    """The owners, as the store names them, of records whose keys are gone."""
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep until the process stops."""
        while not stopping.is_set():
            try:
                pause = await self.sweep()
            except StoreUnavailable as error:
                log.warning("what other bridges left is taken up later: %s", error)
                pause = self.interval
            except Exception:
                log.exception("what other bridges left could not be taken up")
                pause = self.interval
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)

    async def sweep(self) -> float:
        """Take up what is due; return the seconds until something may be due."""
        soonest = time.time() + self.interval
        for name, kind in _kinds.items():
            for owner, entry in await self.site.store.everywhere(name):
                due = kind.due(entry.value)
                if due is None or owner in self.waiting:
                    continue
                if due > time.time():
                    soonest = min(soonest, due)
                elif ctx := await self._context(owner, name, entry):
                    background.start(self.site, self._resumed(kind, ctx, entry), f"{name} {entry.key}")
        return max(soonest - time.time(), SHORTEST)

    def notice(self, ctx: Context) -> None:
        """Take up with a request's keys what waits for keys of its account."""
        owner = f"{ctx.identity.domain_id}/{ctx.identity.account}"
        if owner in self.waiting:
            self.waiting.discard(owner)
            background.leave(self.site, self._with(ctx), f"records of {owner}")

    async def _with(self, ctx: Context) -> None:
        for name, kind in _kinds.items():
            for entry in await ctx.store.list(ctx.owner_id, name):
                due = kind.due(entry.value)
                if due is not None and due <= time.time():
                    await self._resumed(kind, ctx, entry)

    async def _context(self, owner: str, kind: str, entry: Entry) -> Context | None:
        """Return a context with the keys of whoever the record is of; None where there are none."""
        key = entry.value.get("access_key") or ""
        try:
            credentials = await self.secrets.lookup(key) if key else None
            if credentials is not None:
                account = Account(self.site.cloud, credentials)
                who = await self.secrets.identify(credentials, account)
                if f"{who.domain_id}/{who.account}" == owner:
                    store = PatientStore(OwnStore(self.site.store, who))
                    directory = self.directories.of(account)
                    return Context(
                        self.site,
                        credentials,
                        who,
                        account,
                        store,
                        directory,
                        "",
                        entry.key,
                        f"recovery of {kind}",
                    )
        except (CloudStackError, Ec2Error) as error:
            if not (isinstance(error, Ec2Error) and error.code == "AuthFailure"):
                log.warning("the %s record %s is taken up later: %s", kind, entry.key, error)
                return None
        log.warning(
            "the %s record %s waits for the next request of account %s: the access key that it was begun with is gone",
            kind,
            entry.key,
            owner,
        )
        self.waiting.add(owner)
        return None

    async def _resumed(self, kind: Kind, ctx: Context, entry: Entry) -> None:
        async with self._slots:
            try:
                await kind.resume(ctx, entry)
            except (CloudStackError, Ec2Error, StoreUnavailable) as error:
                log.warning("the record %s is taken up later: %s", entry.key, error)
            except Exception:
                log.exception("the record %s could not be taken up", entry.key)
