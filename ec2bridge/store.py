"""A small store for what CloudStack has no place for: launch templates, tokens, tags of untaggable kinds.

CloudStack holds machines, volumes, images and their tags, so what is lost here costs none of those. One table
of JSON values under (account, kind, key): SQLite in a file by default, in memory without a path, PostgreSQL
when several bridges run side by side. The primary key is what makes replicas exclude each other (`put_new`), the
version what makes a change rest on the value that was read (`replace`). A version is drawn by lot where a value begins:
who slept while a key was removed and used again does not meet the version that it knows.
"""

import asyncio
import json
import os
import secrets
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import (
    Connection,
    Delete,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from ec2bridge import store_tables
from ec2bridge.database import Database, NotOpenError, UnansweredError, is_half
from ec2bridge.store_outage import Outage
from ec2bridge.store_tables import TablesError
from ec2bridge.store_tables import entries as _entries

R = TypeVar("R")
Rows = list[Mapping[Any, Any]]

_READINESS = "readiness"
MOST_LISTS = 4096
"""Listings kept in memory."""
AGE = 600.0
"""Seconds for which a listing is what was known last: others may have changed it since."""
MOST_KEYS = 500
"""Keys that one query names."""
MOST_PASSING = 10_000
"""Values of an account and kind that end by themselves, as tokens of requests do."""

HALF = (
    "The store {file} has no tables: it looks like a copy of a running bridge's file, which lacks what was"
    " written last. Copy with `ec2bridge store backup`, or with the -wal file beside it;"
    " to begin an empty store, remove the file."
)


class StoreError(Exception):
    """The store cannot be used; the message is a sentence for the operator."""


class StoreUnavailable(StoreError):
    """The store does not answer now; what it was asked to write may be written or not."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value with what is known of it; `created` and `expires` in seconds since the epoch."""

    key: str
    value: Any
    version: int
    created: float
    expires: float | None


def fresh() -> int:
    """Return a version that nobody knows: positive, and with room for a billion more in an SQL INTEGER."""
    return secrets.randbits(30) + 1


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is set, or removed where it is None, together with others; `ttl` in seconds."""

    kind: str
    key: str
    value: Any = None
    ttl: float | None = None
    version: int | None = None
    """The version that is to be replaced, 0 where there must be none; None: whatever there is, if anything."""
    becomes: int = field(default_factory=fresh)


class _OutrunError(Exception):
    """A value has another version by now."""


class Store:
    """Values under (account, kind, key); an expired entry is as good as absent.

    `location` is None (in memory), a path (SQLite) or a URL (`postgresql://…`).
    """

    def __init__(self, location: str | None = None) -> None:
        self.database = Database(_url(location))
        self.url = self.database.url
        self.outage = Outage(repr(self.url), alone=not self.database.is_sqlite)
        self._writes = 0
        self._lists: OrderedDict[tuple[str, str], tuple[Any, Rows]] = OrderedDict()
        self._heads: OrderedDict[tuple[str, str], tuple[Any, Rows, float]] = OrderedDict()
        self._watched: OrderedDict[tuple[str, str], tuple[Rows, dict[str, Entry], Sequence[Entry]]] = (
            OrderedDict()
        )
        self._listed: OrderedDict[tuple[str, str], float] = OrderedDict()

    @property
    def is_shared(self) -> bool:
        """Whether other processes may have the same store open."""
        return not self.database.is_sqlite or bool(self.url.database)

    async def start(self, prepare: Callable[[Connection], Any] = store_tables.prepare) -> None:
        """Open the store and make its tables, or bring them to this version; raises StoreError with a sentence.

        With `prepare` it can be only looked at: `store_tables.check` changes nothing.
        """
        if (
            self.database.is_sqlite
            and (file := self.url.database)
            and await asyncio.to_thread(is_half, Path(file))
        ):
            raise StoreError(HALF.format(file=file))
        try:
            await self.database.start(prepare)
        except (SQLAlchemyError, UnansweredError, TablesError, sqlite3.Error, OSError, ImportError) as error:
            await self.close()
            reason = getattr(error, "orig", None) or error
            if isinstance(error, ModuleNotFoundError):
                reason = f"the Python package {error.name} is not installed"
                if error.name in ("asyncpg", "greenlet"):
                    reason += " (pip install 'ec2bridge[postgres]')"
            raise StoreError(f"The store {self.url!r} cannot be opened: {reason}.") from error

    async def close(self) -> None:
        """Close all connections; what lies in memory is gone."""
        await self.database.close()

    async def get(self, account: str, kind: str, key: str) -> Any:
        """The value, or None."""
        entry = await self.entry(account, kind, key)
        return None if entry is None else entry.value

    async def entry(self, account: str, kind: str, key: str) -> Entry | None:
        """The value with its version, for `replace`."""
        query = select(_entries).where(_at(account, kind, key), _alive())
        rows = await self._rows(query)
        return _entry(rows[0]) if rows else None

    async def some(self, account: str, kind: str, keys: Sequence[str]) -> dict[str, Any]:
        """The values of those keys that there are, up to MOST_KEYS."""
        named = (_of(account, kind), _alive(), _entries.c.key.in_(keys))
        return {row["key"]: _entry(row).value for row in await self._rows(select(_entries).where(*named))}

    async def list(self, account: str, kind: str) -> list[Entry]:
        """All entries of a kind, in the order in which they were made."""
        stamp = self._stamp()
        known = self._lists.get((account, kind))
        if known is not None and stamp is not None and known[0] == stamp:
            rows = known[1]
        else:
            rows = await self._list(account, kind)
            self._lists[account, kind] = stamp, rows
            if len(self._lists) > MOST_LISTS:
                self._lists.popitem(last=False)
        self._note(account, kind)
        now = time.time()
        return [_entry(row) for row in rows if row["expires"] is None or row["expires"] > now]

    async def watch(self, account: str, kind: str) -> Sequence[Entry]:
        """`list`, for what is asked again and again and not changed by who asked.

        An entry that is as it was the last time is the same object: neither read nor parsed again. So is the list
        where nothing has been written.
        """
        stamp, now = self._stamp(), time.time()
        known = self._heads.get((account, kind))
        if known is None or stamp is None or known[0] != stamp or known[2] <= now:
            until = func.min(_entries.c.expires).over().label("until")
            head = select(_entries.c.key, _entries.c.version, _entries.c.created, until)
            place = (_of(account, kind), _alive())
            heads = await self._rows(head.where(*place).order_by("created", "key"))
            soonest = heads[0]["until"] if heads else None
            known = self._heads[account, kind] = stamp, heads, soonest or float("inf")
        seen, before, told = self._watched.get((account, kind), (None, {}, ()))
        if seen == known[1]:
            self._remember(account, kind)
            return told
        same = {h["key"]: e for h in known[1] if (e := before.get(h["key"])) and _is_as(e, h)}
        fresh = [head["key"] for head in known[1] if head["key"] not in same]
        for start in range(0, len(fresh), MOST_KEYS):
            some = _entries.c.key.in_(fresh[start : start + MOST_KEYS])
            rows = await self._rows(select(_entries).where(_of(account, kind), _alive(), some))
            same |= {row["key"]: _entry(row) for row in rows}
        told = [same[head["key"]] for head in known[1] if head["key"] in same]
        self._watched[account, kind] = known[1], same, told
        self._remember(account, kind)
        return told

    def _remember(self, account: str, kind: str) -> None:
        self._note(account, kind)
        for memory in (self._heads, self._watched):
            memory.move_to_end((account, kind))
            if len(memory) > MOST_LISTS:
                memory.popitem(last=False)

    def _note(self, account: str, kind: str) -> None:
        self._listed[account, kind] = time.monotonic()
        self._listed.move_to_end((account, kind))
        if len(self._listed) > MOST_LISTS:
            self._listed.popitem(last=False)

    async def _list(self, account: str, kind: str) -> Rows:
        return await self._rows(
            select(_entries).where(_of(account, kind), _alive()).order_by("created", "key")
        )

    async def _rows(self, query: Any) -> Rows:
        def read(connection: Connection) -> Rows:
            return [dict(row) for row in connection.execute(query).mappings()]

        return await self._run(read, reads=True)

    async def _run(self, work: Callable[[Connection], R], *, reads: bool = False) -> R:
        if not self.outage.may_ask():
            raise StoreUnavailable(f"The store {self.url!r} does not answer: {self.outage.reason}")
        begun = time.monotonic()
        try:
            done = await self.database.run(work, reads=reads)
        except NotOpenError:
            raise StoreError("The store has not been opened.") from None
        except UnansweredError as error:
            self.outage.failed(_line(error), time.monotonic() - begun, reads=reads)
            raise StoreUnavailable(f"The store {self.url!r} does not answer: {_line(error)}") from error
        except BaseException:
            self.outage.broken_off()
            raise
        self.outage.answered(reads=reads)
        return done

    async def ready(self) -> None:
        """Ask whether the store answers and, as far as is known, takes what is written; raise StoreUnavailable."""
        await self.entry("", _READINESS, "")
        await self.answer()

    async def answer(self) -> None:
        """Return at once if the store was there when it was last asked; else ask, and raise StoreUnavailable.

        One that could not be written is asked by a write: of a row that is gone again when it ends.
        """
        if self.outage.unwritable:
            key = uuid4().hex
            await self.together("", Change(_READINESS, key, {}), Change(_READINESS, key))
        elif self.outage.since is not None:
            await self.entry("", _READINESS, "")

    def last_known(self, account: str, kind: str) -> Sequence[Entry] | None:
        """What the last listing of a kind found; None if it was not listed within AGE of now, or of the outage."""
        now = self.outage.since or time.monotonic()
        at = self._listed.get((account, kind))
        if at is None or now - at > AGE:
            return None
        if (account, kind) in self._watched:
            return self._watched[account, kind][2]
        return (
            [_entry(row) for row in self._lists[account, kind][1]] if (account, kind) in self._lists else None
        )

    def _stamp(self) -> Any:
        """What changes with every write; None where others may write unseen.

        A query costs a millisecond, and every listing of machines makes several whose answer hardly ever changes.
        SQLite appends each commit, of whichever process, to its log file; PostgreSQL is always asked.
        """
        if not self.database.is_sqlite:
            return None
        if not self.url.database:
            return self._writes
        return self._writes, _file_stamp(self.url.database), _file_stamp(f"{self.url.database}-wal")

    async def put(self, account: str, kind: str, key: str, value: Any, ttl: float | None = None) -> None:
        """Set a value, whether there was one or not; `ttl` in seconds."""
        now = time.time()
        expired = _entries.c.expires <= now
        row = _value(value, ttl, now)
        await self._insert(
            (account, kind, key),
            row,
            version=case((expired, row["version"]), else_=_entries.c.version + 1),
            created=case((expired, now), else_=_entries.c.created),
        )

    async def put_new(
        self,
        account: str,
        kind: str,
        key: str,
        value: Any,
        ttl: float | None = None,
        *,
        becomes: int | None = None,
    ) -> int | None:
        """Set a value where there is none, and return its version; None when the key is taken, by whichever replica.

        `becomes` is the version that it is to have, for who has to know his own write again.
        """
        now = time.time()
        row = _value(value, ttl, now)
        row["version"] = becomes or row["version"]
        written = await self._insert((account, kind, key), row, only_if=_entries.c.expires <= now)
        return int(row["version"]) if written else None

    async def together(self, account: str, *changes: Change) -> bool:
        """Make all these changes or, where one of them comes too late for its version, none: False then."""
        now = time.time()

        def write(connection: Connection) -> None:
            for change in changes:
                done = connection.execute(_statement(connection, account, change, now))
                if change.version is not None and not done.rowcount:
                    raise _OutrunError

        try:
            await self._run(write)
        except _OutrunError:
            return False
        self._writes += 1
        return True

    async def _insert(
        self,
        place: tuple[str, str, str],
        row: Mapping[str, Any],
        only_if: ColumnElement[bool] | None = None,
        **otherwise: Any,
    ) -> bool:
        """Insert a row; over one that is there only under a condition, and with some values of its own."""
        primary = dict(zip(("account", "kind", "key"), place, strict=True))

        def write(connection: Connection) -> bool:
            statement = _insert_of(connection)(_entries).values(**primary, **row)
            statement = statement.on_conflict_do_update(
                index_elements=list(primary), set_={**row, **otherwise}, where=only_if
            )
            return bool(connection.execute(statement).rowcount > 0)

        written = await self._run(write)
        self._writes += 1
        return written

    async def replace(
        self, account: str, kind: str, key: str, value: Any, version: int, ttl: float | None = None
    ) -> bool:
        """Set a value only if it is still the one with `version`; False when someone was faster."""
        change = _changed(value, ttl).where(_at(account, kind, key), _alive(), _entries.c.version == version)
        return await self._execute(change)

    async def delete(self, account: str, kind: str, key: str, version: int | None = None) -> bool:
        """Remove a value, only the one with `version` if that is given; False when there was none."""
        statement = delete(_entries).where(_at(account, kind, key))
        if version is not None:
            statement = statement.where(_entries.c.version == version)
        return await self._execute(statement)

    async def everywhere(self, kind: str) -> Sequence[tuple[str, Entry]]:
        """All entries of a kind that do not end by themselves, of all accounts, each with its account."""
        lasting = (_entries.c.kind == kind) & _entries.c.expires.is_(None)
        rows = await self._rows(select(_entries).where(lasting).order_by("created"))
        return [(row["account"], _entry(row)) for row in rows]

    async def count_kinds(self) -> dict[str, int]:
        """How many entries there are of each kind, of all accounts together."""
        query = select(_entries.c.kind, func.count()).where(_alive()).group_by(_entries.c.kind)
        counted = await self._run(lambda connection: connection.execute(query).all(), reads=True)
        return {str(kind): int(count) for kind, count in counted}

    async def newest(self) -> float | None:
        """When the youngest of all accounts' entries was made, in seconds since the epoch; None where there is none."""
        query = select(func.max(_entries.c.created)).where(_entries.c.account != "")
        return await self._run(lambda connection: connection.execute(query).scalar(), reads=True)

    async def purge(self, most: int = MOST_PASSING) -> int:
        """Remove what has expired, and of what will the oldest where there is too much; return how many that were."""

        def remove(connection: Connection) -> int:
            removed = connection.execute(_expired()).rowcount
            for account, kind in connection.execute(_crowded(most)).all():
                removed += connection.execute(_oldest(account, kind, most)).rowcount
            return removed

        removed = await self._run(remove)
        self._writes += 1
        return removed

    async def _execute(self, statement: Any) -> bool:
        rows = await self._run(lambda connection: connection.execute(statement).rowcount)
        self._writes += 1
        return rows > 0


def _is_as(entry: Entry, head: Mapping[Any, Any]) -> bool:
    return (entry.version, entry.created) == (head["version"], head["created"])


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _file_stamp(path: str) -> tuple[int, int]:
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


def _url(location: str | None) -> URL:
    if not location:
        return make_url("sqlite://")
    if "://" not in location:
        return URL.create("sqlite", database=location)
    try:
        url = make_url(location)
    except ArgumentError as error:
        raise StoreError(f"The store's URL cannot be read: {error}.") from error
    drivers = {
        "postgresql": "postgresql+asyncpg",
        "postgres": "postgresql+asyncpg",
        "sqlite+aiosqlite": "sqlite",
    }
    url = url.set(drivername=drivers.get(url.drivername, url.drivername))
    if url.drivername not in drivers.values():
        raise StoreError(
            f"The store can be a file or a PostgreSQL (postgresql+asyncpg://user:password@host/database), and no"
            f" {url.drivername}."
        )
    return url


def _insert_of(connection: Connection) -> Any:
    """The insert of the database's own dialect, which can say what happens to a row that is there."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite as dialect
    else:
        from sqlalchemy.dialects import postgresql as dialect  # type: ignore[no-redef]
    return dialect.insert


def _value(value: Any, ttl: float | None, now: float) -> dict[str, Any]:
    return {"value": json.dumps(value), "version": fresh(), "created": now, "expires": ttl and now + ttl}


def _statement(connection: Connection, account: str, change: Change, now: float) -> Any:
    """The SQL of one change."""
    at = _at(account, change.kind, change.key)
    if change.version:
        at &= (_entries.c.version == change.version) & _alive()
    if change.value is None:
        return delete(_entries).where(at)
    row = {**_value(change.value, change.ttl, now), "version": change.becomes}
    if change.version:
        del row["created"]
        return update(_entries).where(at).values(**row)
    place = {"account": account, "kind": change.kind, "key": change.key}
    created = case((_entries.c.expires <= now, now), else_=_entries.c.created)
    statement = _insert_of(connection)(_entries).values(**place, **row)
    only_if = None if change.version is None else _entries.c.expires <= now
    return statement.on_conflict_do_update(
        index_elements=list(place), set_={**row, "created": created}, where=only_if
    )


def _of(account: str, kind: str) -> ColumnElement[bool]:
    return (_entries.c.account == account) & (_entries.c.kind == kind)


def _at(account: str, kind: str, key: str) -> ColumnElement[bool]:
    return _of(account, kind) & (_entries.c.key == key)


def _alive() -> ColumnElement[bool]:
    return or_(_entries.c.expires.is_(None), _entries.c.expires > time.time())


def _expired() -> Delete:
    return delete(_entries).where(_entries.c.expires <= time.time())


def _crowded(most: int) -> Any:
    """The accounts and kinds of which too many values that will expire are kept."""
    place = _entries.c.account, _entries.c.kind
    return select(*place).where(_entries.c.expires.is_not(None)).group_by(*place).having(func.count() > most)


def _oldest(account: str, kind: str, most: int) -> Delete:
    """Leave the newest of the values that will expire."""
    passing = _of(account, kind) & _entries.c.expires.is_not(None)
    kept = select(_entries.c.key).where(passing).order_by(_entries.c.created.desc()).limit(most)
    return delete(_entries).where(passing, _entries.c.key.not_in(kept.scalar_subquery()))


def _changed(value: Any, ttl: float | None) -> Any:
    expires = None if ttl is None else time.time() + ttl
    return update(_entries).values(value=json.dumps(value), version=_entries.c.version + 1, expires=expires)


def _entry(row: Mapping[Any, Any]) -> Entry:
    return Entry(row["key"], json.loads(row["value"]), row["version"], row["created"], row["expires"])
