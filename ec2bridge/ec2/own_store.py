"""The store as one request has it: the caller's own part of it, and what becomes of the request while it is away.

A Describe goes on without the store where what it cannot read would not make its answer untrue. What changes something
does not begin while the store is away, and what has begun waits for it: CloudStack has been told by then, and only the
store knows what for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ec2bridge.auth.secrets import Identity
from ec2bridge.ec2 import context
from ec2bridge.ec2.context import DryRunReached
from ec2bridge.store import Change, Entry, Store, StoreUnavailable, fresh
from ec2bridge.store_kinds import Away, kind_of

PATIENCE = 20.0
"""Seconds for which work that has begun waits for the store."""
PAUSE = 0.25

_LOOKS = ("Describe", "Get", "RebootInstances", "StartInstances", "StopInstances")
"""How the names of actions begin that change nothing in the store, but that an instance was stopped."""


def only_looks(action: str) -> bool:
    """Whether an action can go on without the store, so far as it reads nothing that it needs."""
    return action.startswith(_LOOKS)


@dataclass(frozen=True, slots=True)
class OwnStore:
    """The store as one caller has it: what actions keep under the caller's digits lies under domain and account.

    The digits are a hash so short that whoever may name accounts can find a name with another account's digits. What
    they share then is a number in answers, and nothing in the store.
    """

    real: Store
    identity: Identity

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        who = self.identity
        digits, owner = context.account_id(who.domain_id, who.account), f"{who.domain_id}/{who.account}"

        def of_owner(account: str, *arguments: Any, **options: Any) -> Any:
            return method(owner if account == digits else account, *arguments, **options)

        return of_owner


@dataclass(frozen=True, slots=True)
class LookingStore:
    """The store of a request that only looks: what is not needed is as it was read last, or absent."""

    real: OwnStore

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @property
    def needed(self) -> OwnStore:
        """The store for what must not be done without, whatever its kind."""
        return self.real

    async def list(self, account: str, kind: str) -> Sequence[Entry]:
        """All entries of a kind, in the order in which they were made."""
        return await self._unless_away(self.real.list, account, kind)

    async def watch(self, account: str, kind: str) -> Sequence[Entry]:
        """`list`, for what is not changed by who asked."""
        return await self._unless_away(self.real.watch, account, kind)

    async def entry(self, account: str, kind: str, key: str) -> Entry | None:
        """The value with its version, or None."""
        try:
            found: Entry | None = await self.real.entry(account, kind, key)
        except StoreUnavailable:
            known = self._known(account, kind)
            if known is None:
                raise
            return next((entry for entry in known if entry.key == key), None)
        return found

    async def get(self, account: str, kind: str, key: str) -> Any:
        """The value, or None."""
        entry = await self.entry(account, kind, key)
        return None if entry is None else entry.value

    async def _unless_away(
        self, ask: Callable[[str, str], Awaitable[Sequence[Entry]]], account: str, kind: str
    ) -> Sequence[Entry]:
        try:
            return await ask(account, kind)
        except StoreUnavailable:
            known = self._known(account, kind)
            if known is None:
                raise
            return known

    def _known(self, account: str, kind: str) -> Sequence[Entry] | None:
        """What can be told of a kind without the store; None if nothing."""
        found = kind_of(kind)
        if found is None or found.away is Away.REFUSED:
            return None
        last: Sequence[Entry] | None = self.real.last_known(account, kind)
        return [] if last is None and found.away is Away.NOTHING else last


@dataclass(frozen=True, slots=True)
class PatientStore:
    """The store of work that changes something: it waits for a store that goes away meanwhile.

    What a write without an answer came to is looked at when the store is back.
    """

    real: OwnStore

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if name == "last_known":
            return method

        async def patiently(*arguments: Any, **options: Any) -> Any:
            if name == "put_new":
                options = {"becomes": fresh(), **options}
            until, asked_before = time.monotonic() + PATIENCE, False
            while True:
                try:
                    done = await method(*arguments, **options)
                    late = done is False or (name == "put_new" and done is None)
                    if not late or not asked_before:
                        return done
                    # Nothing was changed by this attempt: perhaps by the one before.
                    return await self._what_was_done(name, options.get("becomes"), *arguments)
                except StoreUnavailable:
                    if time.monotonic() > until:
                        raise
                asked_before = True
                await asyncio.sleep(PAUSE)

        return patiently

    @property
    def needed(self) -> "PatientStore":
        """The store for what must not be done without: all of it."""
        return self

    async def _what_was_done(self, name: str, becomes: int | None, *arguments: Any) -> int | bool | None:
        """What a write that found nothing to do comes to: it may have been done before, unseen."""
        if name == "together":
            return await self._are_done(*arguments)
        entry = await self.real.entry(*arguments[:3])
        if name == "put_new":
            return becomes if entry is not None and entry.version == becomes else None
        if name == "delete":
            return entry is None
        return bool(entry and entry.value == arguments[3] and entry.version == arguments[4] + 1)

    async def _are_done(self, account: str, *changes: Change) -> bool:
        """Whether changes were made, as the one tells that rests on a version."""
        for change in changes:
            if change.version is not None:
                entry = await self.real.entry(account, change.kind, change.key)
                return (
                    entry is None if change.value is None else bool(entry and entry.version == change.becomes)
                )
        return False


@dataclass(slots=True)
class DryRunStore:
    """The store in a dry run: it can be read, and ends the run at the first write."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        if name in ("get", "entry", "list", "watch"):
            return getattr(self.real, name)
        raise DryRunReached

    @property
    def needed(self) -> Any:
        """The store for what must not be done without."""
        return self
