"""From EC2 ids back to CloudStack's uuids, in memory.

An EC2 id holds 17 of a uuid's 32 digits, so the way back needs to have seen the object. Every row that CloudStack
lists is seen here, per caller and kind; an id that nobody has seen yet costs one listing, shared by all who ask at
the same moment, and an id that names nothing is remembered for some seconds, so that made-up ids cannot trigger
listing after listing. A raw uuid is taken wherever an id is. What large accounts have seen is also kept in the store
(`kept_ids`), so that a bridge that has just started need not list all of them for one.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ec2bridge import ids
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.cache import Cached
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.kept_ids import MANY, STARTS, KeptIds
from ec2bridge.ids import KINDS, is_uuid
from ec2bridge.store import StoreError

log = logging.getLogger(__name__)

Row = Mapping[str, Any]

MISS_TTL = 5.0  # seconds
MOST_IDS = 50_000  # of one kind and caller
MOST_CALLERS = 2_000
MOST_MISSES = 2_000  # of one kind and caller
COLLECTED = 1.0
"""Seconds for which what has been seen is collected before it is kept."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Where the ids of a kind are found: the rows of a command, or the rows in a member of those (`within`)."""

    command: str
    params: Mapping[str, Any] = field(default_factory=dict)
    within: tuple[str, ...] = ()
    key: str = "id"

    def ids(self, rows: Iterable[Row]) -> list[str]:
        """The native ids in the rows of this listing."""
        parts = rows
        if self.within:
            parts = [part for row in rows for member in self.within for part in row.get(member) or ()]
        return [str(native_id) for part in parts if (native_id := part.get(self.key))]


# An object that CloudStack only implies is found under its owner: an internet gateway under its VPC.
LISTINGS: Mapping[str, tuple[Listing, ...]] = MappingProxyType(
    {
        "instance": (Listing("listVirtualMachines", {"details": "min"}),),
        "image": (
            Listing("listTemplates", {"templatefilter": "executable"}),
            # One's own images that are still being made are not executable yet.
            Listing("listTemplates", {"templatefilter": "self"}),
        ),
        "volume": (Listing("listVolumes"),),
        "snapshot": (Listing("listSnapshots"),),
        "security-group": (Listing("listSecurityGroups"),),
        "security-group-rule": (
            Listing("listSecurityGroups", within=("ingressrule", "egressrule"), key="ruleid"),
        ),
        "vpc": (Listing("listVPCs"),),
        "internet-gateway": (Listing("listVPCs"),),
        "route-table": (Listing("listVPCs"),),
        "dhcp-options": (Listing("listVPCs"),),
        "subnet": (Listing("listNetworks"),),
        "network-interface": (Listing("listVirtualMachines", {"details": "nics"}, within=("nic",)),),
        "network-interface-attachment": (
            Listing("listVirtualMachines", {"details": "nics"}, within=("nic",)),
        ),
        "allocation": (Listing("listPublicIpAddresses"),),
        "address-association": (Listing("listPublicIpAddresses"),),
        "key-pair": (Listing("listSSHKeyPairs"),),
        "network-acl": (Listing("listNetworkACLLists"),),
        "placement-group": (Listing("listAffinityGroups"),),
        "vpn-gateway": (Listing("listVpnGateways"),),
        "customer-gateway": (Listing("listVpnCustomerGateways"),),
        "vpn-connection": (Listing("listVpnConnections"),),
    }
)


# What these answer with, at submission or at once, is known from then on and never costs a listing.
CREATED_BY = MappingProxyType(
    {
        "deployVirtualMachine": "instance",
        "createVolume": "volume",
        "createSnapshot": "snapshot",
        "createTemplate": "image",
        "createSecurityGroup": "security-group",
        "createVPC": "vpc",
        "createNetwork": "subnet",
        "associateIpAddress": "allocation",
        "createSSHKeyPair": "key-pair",
        "registerSSHKeyPair": "key-pair",
        "createNetworkACLList": "network-acl",
        "createAffinityGroup": "placement-group",
        "createVpnGateway": "vpn-gateway",
        "createVpnCustomerGateway": "customer-gateway",
        "createVpnConnection": "vpn-connection",
    }
)


def _by_command() -> Mapping[str, tuple[tuple[str, Listing], ...]]:
    found: dict[str, dict[str, Listing]] = {}
    for kind, listings in LISTINGS.items():
        for listing in listings:
            found.setdefault(listing.command, {})[kind] = listing
    for command, kind in CREATED_BY.items():
        owned = [other for other, listings in LISTINGS.items() if listings == LISTINGS[kind]]
        found[command] = {other: Listing(command) for other in owned}
    return MappingProxyType({command: tuple(kinds.items()) for command, kinds in found.items()})


_FED_BY = _by_command()
_KEPT_AS: Mapping[str, str] = MappingProxyType(
    {kind: next(first for first in LISTINGS if LISTINGS[first] == found) for kind, found in LISTINGS.items()}
)
"""Kinds whose ids are made of the same uuids, by the one under which these are kept."""


@dataclass(slots=True)
class Known:
    """The ids of one kind that one caller has seen."""

    kind: str
    miss_ttl: float = MISS_TTL
    most: int = MOST_IDS
    by_digits: OrderedDict[str, str] = field(default_factory=OrderedDict)
    seen: set[str] = field(default_factory=set)
    misses: OrderedDict[str, float] = field(default_factory=OrderedDict)
    fresh: set[str] | None = None
    """Those that are not kept in the store yet; None where none are to be kept under this kind."""
    is_large: bool = False
    """Whether there are so many that they are worth keeping."""

    def remember(self, native_ids: Iterable[str]) -> None:
        """Take note of objects; those seen before cost a look into a set."""
        for native_id in native_ids:
            if native_id not in self.seen:
                self._add(native_id)
        while len(self.by_digits) > self.most:
            oldest = self.by_digits.popitem(last=False)[1]
            self.seen.discard(oldest)
            if self.fresh:
                self.fresh.discard(oldest)
        self.is_large = self.is_large or len(self.by_digits) > MANY

    def _add(self, native_id: str) -> None:
        if self.fresh is not None:
            self.fresh.add(native_id)
        digits = ids.digits_of(self.kind, native_id)
        other = self.by_digits.get(digits)
        self.seen.add(native_id)
        if other is not None and other != native_id:
            # The same one of the two gives way on every replica, whichever was seen first.
            native_id, loser = sorted((other, native_id))
            ids.lengthen(self.kind, loser)
            self.by_digits[ids.digits_of(self.kind, loser)] = loser
            log.warning(
                "the %ss %s and %s share their first digits; %s is now known by %s",
                self.kind,
                native_id,
                loser,
                loser,
                ids.digits_of(self.kind, loser),
            )
        self.by_digits[digits] = native_id

    def forget(self, native_ids: Iterable[str]) -> None:
        """Know nothing any more of objects that are gone."""
        for native_id in native_ids:
            if native_id in self.seen:
                self.seen.discard(native_id)
                if self.fresh:
                    self.fresh.discard(native_id)
                self.by_digits.pop(ids.digits_of(self.kind, native_id), None)

    def find(self, digits: str) -> str | None:
        """The native id behind the digits of an id."""
        return self.by_digits.get(digits)

    def missed(self, digits: str) -> bool:
        """Whether a listing has just shown that there is no such object."""
        return self.misses.get(digits, 0.0) > time.monotonic()

    def miss(self, digits: str) -> None:
        """Remember for a while that there is no such object."""
        self.misses[digits] = time.monotonic() + self.miss_ttl
        self.misses.move_to_end(digits)
        if len(self.misses) > MOST_MISSES:
            self.misses.popitem(last=False)


@dataclass(slots=True, eq=False)
class Memory:
    """One caller's ids, of all kinds."""

    miss_ttl: float = MISS_TTL
    caller: str = ""
    """Under which what the caller has seen is kept."""
    kept: KeptIds | None = None
    _kinds: dict[str, Known] = field(default_factory=dict)
    # Kept only while it runs: those who ask meanwhile share it, the next one needs a fresh one.
    _listings: Cached = field(default_factory=lambda: Cached(ttl=0.0))
    _recalls: dict[str, tuple[set[str], asyncio.Future[None]]] = field(default_factory=dict)
    """The looks into what is kept that have not begun: kind → the digits that are wanted."""

    def known(self, kind: str) -> Known:
        """What has been seen of a kind."""
        known = self._kinds.get(kind)
        if known is None:
            keeps = self.kept is not None and _KEPT_AS.get(kind) == kind
            known = self._kinds[kind] = Known(kind, self.miss_ttl, fresh=set() if keeps else None)
        return known

    def remember(self, kind: str, rows: Iterable[Row]) -> None:
        """Take note of rows that did not come from a listing: what was just created is found without one."""
        self.known(kind).remember(str(row["id"]) for row in rows)

    def saw(self, command: str, rows: Iterable[Row]) -> None:
        """Take note of the rows of a listing."""
        for kind, listing in _FED_BY.get(command, ()):
            self.known(kind).remember(listing.ids(rows))

    async def resolve(self, account: Account, kind: str, value: str) -> str:
        """The native id behind an EC2 id or a uuid; raises the kind's NotFound or Malformed."""
        if is_uuid(value):
            return value.lower()
        if not KINDS[kind].is_id(value):
            raise KINDS[kind].refused(value)
        digits = value.rpartition("-")[2]
        known = self.known(kind)
        native_id = known.find(digits)
        if native_id is None and not known.missed(digits):
            await self._recall(kind, digits)
            native_id = known.find(digits)
        if native_id is None and not known.missed(digits):
            for listing in LISTINGS.get(kind, ()):
                await self._list(account, listing)
                native_id = known.find(digits)
                if native_id is not None:
                    break
            else:
                known.miss(digits)
        if native_id is None:
            raise KINDS[kind].missing(value)
        return native_id

    async def _recall(self, kind: str, digits: str) -> None:
        """Take note of what is kept of objects whose ids begin alike; who asks in the same moment asks together."""
        if self.kept is None or kind not in _KEPT_AS:
            return
        starts, recall = self._recalls.get(kind) or (set(), None)
        starts.add(digits[:STARTS])
        if recall is None:
            recall = asyncio.ensure_future(self._recalled(kind))
            self._recalls[kind] = starts, recall
        await asyncio.shield(recall)

    async def _recalled(self, kind: str) -> None:
        await asyncio.sleep(0)
        starts, _ = self._recalls.pop(kind)
        found = await self.kept.beside(self.caller, _KEPT_AS[kind], starts) if self.kept else []
        known = self.known(kind)
        unseen = set(found) - known.seen
        known.remember(found)
        if known.fresh:
            known.fresh -= unseen
        known.is_large = known.is_large or bool(found)

    def to_keep(self) -> dict[str, set[str]]:
        """Return what is to be kept, by kind."""
        return {kind: known.fresh for kind, known in self._kinds.items() if known.is_large and known.fresh}

    async def keep(self) -> None:
        """Keep what has not been kept yet; raises StoreError."""
        for kind, fresh in self.to_keep().items():
            if self.kept is not None:
                some = set(fresh)
                await self.kept.add(self.caller, kind, some)
                fresh.difference_update(some)

    async def _list(self, account: Account, listing: Listing) -> None:
        # The rows reach `saw` on their way, as all listings' do.
        place = (listing.command, *listing.params.items())
        await self._listings.get(place, lambda: account.list(listing.command, **listing.params))


@dataclass(frozen=True, slots=True)
class Directory:
    """One caller's directory, with the account whose keys a listing uses."""

    memory: Memory
    account: Account

    async def resolve(self, kind: str, value: str) -> str:
        """The native id behind an EC2 id or a uuid; raises the kind's NotFound or Malformed."""
        return await self.memory.resolve(self.account, kind, value)

    def seen(self, kind: str, value: str) -> str | None:
        """The native id behind an EC2 id that this process has seen, or behind a uuid; CloudStack is not asked."""
        if is_uuid(value):
            return value.lower()
        return self.memory.known(kind).find(value.rpartition("-")[2]) if KINDS[kind].is_id(value) else None

    async def resolve_all(self, kind: str, values: Iterable[str]) -> list[str]:
        """`resolve` for each; the first that is wrong is named."""
        return [await self.resolve(kind, value) for value in values]

    def remember(self, kind: str, rows: Iterable[Row]) -> None:
        """Take note of rows that did not come from a listing."""
        self.memory.remember(kind, rows)

    def forget(self, kind: str, native_ids: Iterable[str]) -> None:
        """Know nothing any more of objects that are gone: of those in the store, nobody else says that they are."""
        self.memory.known(kind).forget(native_ids)


class Directories:
    """The directories of all callers; sees every listing that passes through the client."""

    def __init__(
        self, cloudstack: CloudStack, miss_ttl: float = MISS_TTL, kept: KeptIds | None = None
    ) -> None:
        self.miss_ttl = miss_ttl
        self.kept = kept
        self._memories: OrderedDict[Any, Memory] = OrderedDict()
        self._keeping: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        cloudstack.row_observers.append(self._saw)

    def __len__(self) -> int:
        return len(self._memories)

    def of(self, account: Account) -> Directory:
        """The caller's directory."""
        return Directory(self._of(account), account)

    async def close(self) -> None:
        """Keep what is to be kept, and end."""
        self._closing.set()
        if self._keeping is not None:
            await self._keeping

    def _of(self, account: Account) -> Memory:
        memory = self._memories.get(account.cache_key)
        if memory is None:
            caller = hashlib.sha256(repr(account.cache_key).encode()).hexdigest()[:32]
            memory = self._memories[account.cache_key] = Memory(self.miss_ttl, caller, self.kept)
            while len(self._memories) > MOST_CALLERS:
                self._memories.popitem(last=False)
        else:
            self._memories.move_to_end(account.cache_key)
        return memory

    def _saw(self, account: Account, command: str, rows: list[dict[str, Any]]) -> None:
        memory = self._of(account)
        memory.saw(command, rows)
        if self.kept is not None and self._keeping is None and memory.to_keep():
            self._keeping = asyncio.get_running_loop().create_task(self._keep(), name="ids")

    async def _keep(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), COLLECTED)
        try:
            for memory in list(self._memories.values()):
                await memory.keep()
        except StoreError as error:
            log.info("ids are not kept in the store: %s", error)
        finally:
            self._keeping = None
