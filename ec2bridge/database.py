"""Where the store's table lies: SQLite or PostgreSQL, opened, prepared, and worked with in transactions.

A transaction is a function of a connection, and the same for both. SQLite's runs as a whole in a thread, for each hop
between threads costs more than a query does; PostgreSQL's in the event loop, through its asynchronous driver.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.pool import StaticPool
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

R = TypeVar("R")

THREADS = 4
"""Transactions of a file that run beside one another, and as many that only read: these wait for nobody who writes."""
LOCKED = 10.0
"""Seconds that a file may be locked by others before it counts as away."""
CONNECT, ANSWER = 5.0, 15.0
"""Seconds that PostgreSQL has to take a connection, and to answer a statement."""


class UnansweredError(Exception):
    """The database is away, or locked for too long; whether it has done what was asked is unknown."""


class NotOpenError(Exception):
    """The database has not been opened, or has been closed."""


class Database:
    """One database; raises SQLAlchemy's and SQLite's errors."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.running: set[asyncio.Future[Any]] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._engine: Engine | AsyncEngine | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, of which each commit can be seen in a file."""
        return self.url.drivername.startswith("sqlite")

    async def start(self, prepare: Callable[[Connection], Any]) -> None:
        """Open it; `prepare` makes what is missing, in one process after another."""
        if self.is_sqlite:
            self._threads = ThreadPoolExecutor(THREADS if self.url.database else 1, "store")
            # What lies in memory lies in one connection, for one thread at a time.
            self._readers = ThreadPoolExecutor(THREADS, "store-reads") if self.url.database else self._threads
            self._engine = _sqlite(self.url)
        else:
            # Only here: it costs every start a tenth of a second.
            from sqlalchemy.ext.asyncio import create_async_engine

            self._engine = create_async_engine(
                self.url,
                pool_pre_ping=True,
                pool_timeout=ANSWER,
                connect_args={"timeout": CONNECT, "command_timeout": ANSWER},
            )

        def alone(connection: Connection) -> None:
            connection.exec_driver_sql(_ALONE[connection.dialect.name])
            prepare(connection)

        await self.run(alone)

    async def close(self) -> None:
        """Close all connections; what lies in memory is gone."""
        await asyncio.gather(*self.running, return_exceptions=True)
        engine, self._engine = self._engine, None
        if isinstance(engine, Engine):
            engine.dispose()
        elif engine is not None:
            await engine.dispose()
        for threads in (self._threads, self._readers):
            if threads is not None:
                threads.shutdown()

    async def run(self, work: Callable[[Connection], R], *, reads: bool = False) -> R:
        """Do the work in a transaction (`reads` if it only reads), and see it through even when the caller goes away.

        What is broken off costs its connection, and what lies in memory lies in the one connection that there is.
        """
        task = asyncio.ensure_future(self._run(work, reads))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return await asyncio.shield(task)

    async def _run(self, work: Callable[[Connection], R], reads: bool) -> R:
        engine = self._engine
        if engine is None:
            raise NotOpenError
        try:
            return await self._transact(engine, work, self._readers if reads else self._threads)
        except Exception as error:
            if _is_outage(error):
                raise UnansweredError(
                    str(getattr(error, "orig", None) or error) or type(error).__name__
                ) from error
            raise

    async def _transact(
        self,
        engine: "Engine | AsyncEngine",
        work: Callable[[Connection], R],
        threads: ThreadPoolExecutor | None,
    ) -> R:
        if isinstance(engine, Engine):
            return await asyncio.get_running_loop().run_in_executor(threads, _transaction, engine, work)
        async with engine.begin() as connection:
            return await connection.run_sync(work)


def _is_outage(error: Exception) -> bool:
    """Whether the database is the cause, and not the statement.

    While it connects, asyncpg raises its own errors and the system's, which SQLAlchemy does not translate; of a
    connection that breaks, SQLAlchemy makes the bare DBAPIError where asyncpg's class says no more.
    """
    if isinstance(error, DBAPIError):
        return type(error) in (DBAPIError, InterfaceError, OperationalError) or error.connection_invalidated
    return isinstance(error, OSError | NoConnectionFree) or type(error).__module__.startswith("asyncpg.")


def _transaction(engine: Engine, work: Callable[[Connection], R]) -> R:
    with engine.begin() as connection:
        return work(connection)


def is_half(file: Path) -> bool:
    """Whether a file is one half of a store: SQLite wrote its first page, and all else into a log that is not there.

    So looks what `cp` makes of a running bridge's file. A store that is being made looks so for an instant, too, until
    its log is there, so a second look decides.
    """
    for _ in range(10):
        if not _looks_half(file):
            return False
        time.sleep(0.05)
    return True


def _looks_half(file: Path) -> bool:
    if not file.is_file() or not file.stat().st_size or Path(f"{file}-wal").exists():
        return False
    # Immutable: it makes no log, which is what the next one looks for.
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))
    except sqlite3.Error:
        return False  # whatever is wrong with it, opening it tells


def _sqlite(url: URL) -> Engine:
    if not url.database:
        # Each connection to a database in memory is a database of its own, so there is one.
        return create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    # User data in launch templates may hold secrets: the file is its owner's alone.
    Path(url.database).touch(mode=0o600, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": LOCKED, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_file)
    return engine


# A file becomes WAL once, and SQLite answers "database is locked" without waiting to those that come at that moment.
@retry(
    retry=retry_if_exception_type(sqlite3.OperationalError),
    wait=wait_random(0.01, 0.05),
    stop=stop_after_delay(10),
    reraise=True,
)
def _prepare_file(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # Readers and one writer at a time, in several processes, and nothing half-written after a crash.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


# Replicas that start together make the tables one after another; each lock ends with its transaction.
_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(3141592653)"}
