"""Where the secret behind an access key comes from.

EC2's access keys are CloudStack's API keys, and only CloudStack knows their secrets. A provider's bridge asks it with a
look-up account (`CloudStackSecrets`); one person's bridge in front of a cloud that they only use reads the key pairs
from a file (`FileSecrets`). Nothing is registered with the bridge and nothing is written to disk.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from ec2bridge.auth.credentials import Identity, Row, SecretProvider, identify, split_project
from ec2bridge.auth.profiles import FileSecrets
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.cache import Cached
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.errors import Ec2Error

__all__ = ["CloudStackSecrets", "Credentials", "FileSecrets", "Identity", "SecretProvider", "identify"]

log = logging.getLogger(__name__)

MOST_WAITING = 1000
"""Keys that may wait to be looked up: more than that are made up."""

T = TypeVar("T")


class _Shelf(Generic[T]):
    """A bounded memory of values with an end; the one used least recently goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def get(self, key: str, now: float) -> tuple[T] | None:
        """Return the value of a key in a tuple, since a value may be None."""
        entry = self._entries.get(key)
        if entry is None or entry[1] <= now:
            return None
        self._entries.move_to_end(key)
        return entry[:1]

    def holds(self, key: str) -> bool:
        """Whether a key has a value, be it past its end."""
        return key in self._entries

    def put(self, key: str, value: T, until: float) -> None:
        self._entries[key] = (value, until)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)

    def pop(self, key: str) -> None:
        self._entries.pop(key, None)


class CloudStackSecrets:
    """Looks secrets up in CloudStack with the keys of an account that may read them.

    From 4.23 `listUserKeys` finds a key in one call; before, `getUser` names its user and `getUserKeys` the secret.
    Answers live in memory for `ttl` seconds; "unknown" and refusals for `negative_ttl`, so that a new key works soon
    and made-up ones cannot make CloudStack busy.
    """

    def __init__(
        self,
        service_account: Account,
        *,
        ttl: float = 300.0,
        negative_ttl: float = 10.0,
        size: int = 4096,
        parallel: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service_account
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._clock = clock
        # Apart, so that a flood of made-up keys cannot push out those in use.
        self._known: _Shelf[Credentials] = _Shelf(size)
        self._refused: _Shelf[Ec2Error | None] = _Shelf(size)
        self._asking: dict[str, asyncio.Task[Credentials | None]] = {}
        self._slots = asyncio.Semaphore(parallel)
        self._renewals = asyncio.Semaphore(parallel)
        self._identities = Cached(ttl, size)

    async def lookup(self, access_key: str) -> Credentials | None:
        """Return the credentials of an access key, from memory or from CloudStack."""
        parts = split_project(access_key)
        if parts is None:
            return None
        key, project = parts
        credentials = await self._credentials(key)
        if credentials is None or project is None:
            return credentials
        return replace(credentials, access_key=access_key, project_id=project)

    def forget(self, access_key: str) -> None:
        """Have the next look-up ask CloudStack again."""
        key = access_key.partition(":")[0]
        self._known.pop(key)
        self._refused.pop(key)
        self._asking.pop(key, None)
        self._identities.forget(access_key)

    async def identify(self, credentials: Credentials, account: Account) -> Identity:
        """Return whom verified credentials stand for: mostly known since the look-up."""
        return await self._identities.get(credentials.access_key, lambda: identify(account))

    def __len__(self) -> int:
        return len(self._known)

    async def _credentials(self, key: str) -> Credentials | None:
        now = self._clock()
        if known := self._known.get(key, now):
            return known[0]
        if refused := self._refused.get(key, now):
            if refused[0] is not None:
                raise Ec2Error(refused[0].code, refused[0].message)
            return None
        return await asyncio.shield(self._ask_once(key))

    def _ask_once(self, key: str) -> "asyncio.Task[Credentials | None]":
        """Return the look-up that is under way for a key, started if there is none."""
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= MOST_WAITING and not self._known.holds(key):
                raise Ec2Error("RequestLimitExceeded", "Too many access keys are being looked up.")
            task = self._asking[key] = asyncio.create_task(self._ask(key))
            task.add_done_callback(lambda done: self._asked(key, done))
        return task

    def _asked(self, key: str, task: "asyncio.Task[Credentials | None]") -> None:
        if self._asking.get(key) is not task:
            return  # forgotten meanwhile: the answer may be the one that was to be forgotten
        del self._asking[key]
        if task.cancelled():
            return
        now, error = self._clock(), task.exception()
        if error is None and (credentials := task.result()):
            self._known.put(key, credentials, now + self._ttl)
        elif error is None:
            self._refused.put(key, None, now + self._negative_ttl)
        elif isinstance(error, Ec2Error) and error.code == "AuthFailure":
            self._refused.put(key, error, now + self._negative_ttl)

    async def _ask(self, key: str) -> Credentials | None:
        # Those who were known a moment ago need not queue behind whoever sends made-up keys.
        async with self._renewals if self._known.holds(key) else self._slots:
            try:
                row = await self._look_up(key)
            except CloudStackUnavailable as error:
                log.warning("the owner of access key %s could not be looked up: %s", key, error)
                raise Ec2Error(
                    "Unavailable", "CloudStack cannot be reached to check the credentials."
                ) from error
            except CloudStackError as error:
                raise self._refusal(key, error) from error
        return None if row is None else self._accept(key, row)

    async def _look_up(self, key: str) -> Row | None:
        told = await self._has_key_list()
        if told is False:
            return await self._from_user(key)
        try:
            return await self._from_key_list(key)
        except CloudStackError as error:
            # 401 is for a command that the server does not have, too.
            if told or error.errorcode != 401:
                raise
            return await self._from_user(key)

    async def _has_key_list(self) -> bool | None:
        """Whether keys can be found by themselves; None where the look-up account's role may not list commands."""
        try:
            # An unknown parameter would be ignored, and the answer be the look-up account's own keys.
            return await self._service.takes("listUserKeys", "apikeyfilter")
        except CloudStackError as error:
            if error.errorcode != 432:
                raise
            return None

    async def _from_key_list(self, key: str) -> Row | None:
        try:
            answer = await self._service.call("listUserKeys", apikeyfilter=key)
        except CloudStackError as error:
            if error.errorcode == 431:  # "Could not complete request.": its words for a key that nobody has
                return None
            raise
        rows: list[Row] = answer.get("userapikey", [])
        if not rows:
            # A count without rows: the key exists, and its owner may do more than the look-up account.
            return {} if answer.get("count") else None
        # The database compares without regard to case; keys differ by it.
        return next((row for row in rows if row.get("apikey", key) == key), None)

    async def _from_user(self, key: str) -> Row | None:
        try:
            user = (await self._service.call("getUser", userapikey=key)).get("user")
        except CloudStackError as error:
            if error.errorcode == 431:  # "User with specified API key does not exist"
                return None
            raise
        if not user or user.get("apikey", key) != key:
            return None
        try:
            keys = (await self._service.call("getUserKeys", id=user["id"])).get("userkeys", {})
        except CloudStackError as error:
            if error.errorcode != 531:
                raise
            keys = {}  # from 4.19.3 on, to an account of no Admin role: the owner may do more than it
        return {**_owner(user), **keys}

    def _accept(self, key: str, row: Row) -> Credentials:
        if not row.get("secretkey"):
            log.warning(
                "CloudStack does not show the secret of access key %s to the look-up account: the key's owner has"
                " rights that the look-up account lacks. Give its role every rule of the owner's role.",
                key,
            )
            raise Ec2Error(
                "AuthFailure", "The credentials could not be validated: ask the operator of this endpoint."
            )
        if str(row.get("state", "enabled")).lower() != "enabled" or row.get("apikeyaccess") is False:
            log.info(
                "access key %s belongs to a user who is %s", key, row.get("state") or "denied API access"
            )
            raise Ec2Error("AuthFailure", "The user of these credentials is disabled or locked.")
        return Credentials(
            access_key=key,
            api_key=key,
            secret_key=row["secretkey"],
            user_id=row.get("userid"),
            user_name=row.get("username"),
            account=row.get("accountname"),
            domain_id=row.get("domainid"),
        )

    def _refusal(self, key: str, error: CloudStackError) -> Ec2Error:
        """What to tell when CloudStack refuses the look-up account itself; the log says why."""
        log.error(
            "the look-up account could not look up access key %s: %s. It needs listUserKeys (from 4.23), or getUser and"
            " getUserKeys, besides the rules of the users' roles.",
            key,
            error,
        )
        if error.errorcode == 429:
            return Ec2Error("RequestLimitExceeded", "Request limit exceeded.")
        return Ec2Error("Unavailable", "The credentials cannot be checked at the moment.")


def _owner(user: Row) -> Row:
    """Name the owner of a key as listUserKeys does, from a user as getUser shows it."""
    return {
        "userid": user["id"],
        "username": user.get("username"),
        "accountname": user.get("account"),
        "domainid": user.get("domainid"),
        "state": user.get("state"),
    }
