"""A small store for what CloudStack has no place for: launch templates, tokens, tags of untaggable kinds.

CloudStack holds machines, volumes, images and their tags, so what is lost here costs none of those. One table
of JSON values under (account, kind, key): SQLite in a file by default, in memory without a path, PostgreSQL
when several bridges run side by side. The primary key is what makes replicas exclude each other (`put_new`), the
version what makes a change rest on the value that was read (`replace`).
"""

import asyncio
import json
import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Column as C
from sqlalchemy import (
    CursorResult,
    Delete,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    event,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.sql.elements import ColumnElement
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

Rows = list[Mapping[Any, Any]]
P = ParamSpec("P")
R = TypeVar("R")

SCHEMA = 1
MOST_LISTS = 4096
"""Listings kept in memory."""
MOST_PASSING = 10_000
"""Values of an account and kind that end by themselves, as tokens of requests do."""

_metadata = MetaData()
_entries = Table(
    "entries",
    _metadata,
    C("account", Text, primary_key=True),
    C("kind", Text, primary_key=True),
    C("key", Text, primary_key=True),
    C("value", Text, nullable=False),
    C("version", Integer, nullable=False),
    C("created", Float, nullable=False),
    C("expires", Float, index=True),
)
_schema = Table("schema_version", _metadata, C("version", Integer, primary_key=True))


class StoreError(Exception):
    """The store cannot be used; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value with what is known of it; `created` and `expires` in seconds since the epoch."""

    key: str
    value: Any
    version: int
    created: float
    expires: float | None


def _whole(
    work: Callable[Concatenate["Store", P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["Store", P], Coroutine[Any, Any, R]]:
    """See a query through even when its caller goes away.

    One that is broken off costs its connection, and what lies in memory lies in the one connection that there is.
    """

    async def seen_through(store: "Store", /, *args: P.args, **kwargs: P.kwargs) -> R:
        task = asyncio.ensure_future(work(store, *args, **kwargs))
        store.running.add(task)
        task.add_done_callback(store.running.discard)
        return await asyncio.shield(task)

    return seen_through


class Store:
    """Values under (account, kind, key); an expired entry is as good as absent.

    `location` is None (in memory), a path (SQLite) or a URL (`postgresql://…`).
    """

    def __init__(self, location: str | None = None) -> None:
        self.url = _url(location)
        self._engine: AsyncEngine | None = None
        self._writes = 0
        self.running: set[asyncio.Future[Any]] = set()
        self._lists: OrderedDict[tuple[str, str], tuple[Any, Rows]] = OrderedDict()

    @property
    def engine(self) -> AsyncEngine:
        """The open engine."""
        if self._engine is None:
            raise StoreError("The store has not been opened.")
        return self._engine

    async def start(self) -> None:
        """Open the store and make its table; raises StoreError with a sentence when that cannot be."""
        try:
            self._engine = _engine(self.url)
            await _prepare(self._engine)
        except (SQLAlchemyError, OSError, ImportError) as error:
            await self.close()
            reason = getattr(error, "orig", None) or error
            if isinstance(error, ModuleNotFoundError):
                reason = f"the Python package {error.name} is not installed"
                if error.name == "asyncpg":
                    reason += " (pip install asyncpg)"
            raise StoreError(f"The store {self.url!r} cannot be opened: {reason}.") from error
        except StoreError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all connections; what lies in memory is gone."""
        await asyncio.gather(*self.running, return_exceptions=True)
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    async def get(self, account: str, kind: str, key: str) -> Any:
        """The value, or None."""
        entry = await self.entry(account, kind, key)
        return None if entry is None else entry.value

    @_whole
    async def entry(self, account: str, kind: str, key: str) -> Entry | None:
        """The value with its version, for `replace`."""
        query = select(_entries).where(_at(account, kind, key), _alive())
        async with self.engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _entry(row)

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
        now = time.time()
        return [_entry(row) for row in rows if row["expires"] is None or row["expires"] > now]

    @_whole
    async def _list(self, account: str, kind: str) -> Rows:
        query = select(_entries).where(_of(account, kind), _alive()).order_by("created", "key")
        async with self.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    def _stamp(self) -> Any:
        """What changes with every write; None where others may write unseen.

        A query costs a millisecond, and every listing of machines makes several whose answer hardly ever changes.
        SQLite appends each commit, of whichever process, to its log file; PostgreSQL is always asked.
        """
        if not self.url.drivername.startswith("sqlite"):
            return None
        if not self.url.database:
            return self._writes
        return self._writes, _file_stamp(self.url.database), _file_stamp(f"{self.url.database}-wal")

    async def put(self, account: str, kind: str, key: str, value: Any, ttl: float | None = None) -> None:
        """Set a value, whether there was one or not; `ttl` in seconds."""
        while not await self.put_new(account, kind, key, value, ttl):
            change = _changed(value, ttl).where(_at(account, kind, key))
            if await self._execute(change):
                return

    @_whole
    async def put_new(self, account: str, kind: str, key: str, value: Any, ttl: float | None = None) -> bool:
        """Set a value where there is none; False when the key is taken, here or by another replica."""
        now = time.time()
        place = {"account": account, "kind": kind, "key": key}
        row = {"value": json.dumps(value), "version": 1, "created": now, "expires": ttl and now + ttl}
        try:
            async with self.engine.begin() as connection:
                await connection.execute(_expired().where(_at(account, kind, key)))
                await connection.execute(insert(_entries).values(**place, **row))
        except IntegrityError:
            return False
        self._writes += 1
        return True

    async def replace(
        self, account: str, kind: str, key: str, value: Any, version: int, ttl: float | None = None
    ) -> bool:
        """Set a value only if it is still the one with `version`; False when someone was faster."""
        change = _changed(value, ttl).where(_at(account, kind, key), _alive(), _entries.c.version == version)
        return await self._execute(change)

    async def delete(self, account: str, kind: str, key: str) -> bool:
        """Remove a value; False when there was none."""
        return await self._execute(delete(_entries).where(_at(account, kind, key)))

    @_whole
    async def purge(self, most: int = MOST_PASSING) -> int:
        """Remove what has expired, and of what will the oldest where there is too much; return how many that were."""
        async with self.engine.begin() as connection:
            result = await connection.execute(_expired())
            removed = result.rowcount
            for account, kind in (await connection.execute(_crowded(most))).all():
                removed += (await connection.execute(_oldest(account, kind, most))).rowcount
        self._writes += 1
        return removed

    @_whole
    async def _execute(self, statement: Any) -> bool:
        async with self.engine.begin() as connection:
            result: CursorResult[Any] = await connection.execute(statement)
        self._writes += 1
        return result.rowcount > 0


def _file_stamp(path: str) -> tuple[int, int]:
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


def _url(location: str | None) -> URL:
    if not location:
        return make_url("sqlite+aiosqlite://")
    if "://" not in location:
        return URL.create("sqlite+aiosqlite", database=location)
    try:
        url = make_url(location)
    except ArgumentError as error:
        raise StoreError(f"The store's URL cannot be read: {error}.") from error
    drivers = {
        "postgresql": "postgresql+asyncpg",
        "postgres": "postgresql+asyncpg",
        "sqlite": "sqlite+aiosqlite",
    }
    return url.set(drivername=drivers.get(url.drivername, url.drivername))


def _engine(url: URL) -> AsyncEngine:
    if not url.drivername.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True)
    if not url.database:
        # Each connection to a database in memory is a database of its own, so there is one, taken in turns.
        return create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0)
    # User data in launch templates may hold secrets: the file is its owner's alone.
    Path(url.database).touch(mode=0o600, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": 30})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


# A file becomes WAL once, and SQLite answers "database is locked" without waiting to those that come at that moment.
@retry(
    retry=retry_if_exception_type(sqlite3.OperationalError),
    wait=wait_random(0.01, 0.05),
    stop=stop_after_delay(10),
    reraise=True,
)
def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # Readers and one writer at a time, in several processes, and nothing half-written after a crash.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


# Replicas that start together make the tables one after another; each lock ends with its transaction.
_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(3141592653)"}


async def _prepare(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        if alone := _ALONE.get(engine.dialect.name):
            await connection.exec_driver_sql(alone)
        await connection.run_sync(_metadata.create_all)
        await _check_schema(connection)


async def _check_schema(connection: AsyncConnection) -> None:
    found = (await connection.execute(select(_schema.c.version))).scalars().all()
    if not found:
        await connection.execute(insert(_schema).values(version=SCHEMA))
    elif found != [SCHEMA]:
        raise StoreError(
            f"The store was written by another version (schema {found[0]}, this one reads {SCHEMA})."
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
