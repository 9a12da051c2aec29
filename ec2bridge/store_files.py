"""Backup, restore and check of a store that lies in a file, also while bridges use it.

The file of a running bridge is not the whole store: SQLite's write-ahead log beside it holds what was written last. So
a copy is made by SQLite's own backup, which reads both, in one transaction.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ec2bridge.database import is_half
from ec2bridge.store import HALF, Store, StoreError
from ec2bridge.store_tables import NEWER, SCHEMA

PATIENCE = 30
"""Seconds to wait for a bridge that writes."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: the version of its tables, and how many entries of each kind."""

    schema: int
    kinds: dict[str, int]

    def __str__(self) -> str:
        total = sum(self.kinds.values())
        older = ", upgraded at the next start" if self.schema < SCHEMA else ""
        each = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kinds.items()))
        number = f"{total} {'entry' if total == 1 else 'entries'}"
        return f"schema {self.schema}{older}, {number}{f' ({each})' if each else ''}"


def file_of(location: str) -> Path:
    """Return the file of a store; raise StoreError, with what to call instead, where it lies in no file."""
    if location == "memory":
        raise StoreError("The store lies in memory (store = 'memory'): it ends with its bridge.")
    url = Store(location).url
    if not url.drivername.startswith("sqlite"):
        shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
        raise StoreError(
            "The store lies in PostgreSQL, whose own tools do this: back it up with"
            f" pg_dump --format=custom --table=entries --table=schema_version --file=FILE '{shown}',"
            f" restore it with pg_restore --clean --if-exists --dbname='{shown}' FILE."
        )
    if not url.database:
        raise StoreError("The store lies in memory: it ends with its bridge.")
    return Path(url.database)


def look(file: Path) -> Contents:
    """Read the whole file, and say what it holds; raise StoreError if it is no sound store."""
    with _reading(file) as connection:
        return _contents(file, connection)


def backup(store: Path, file: Path) -> Contents:
    """Copy the store, as of one moment, into a new file."""
    with _reading(store) as source:
        _contents(store, source)
        try:
            # What templates hold may be secret: the copy is its owner's alone, too.
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise StoreError(f"The backup {file} cannot be made: {error.strerror}.") from None
        try:
            _copy(source, file)
            return look(file)
        except BaseException:
            file.unlink()
            raise


def restore(file: Path, store: Path, *, over: bool = False) -> Contents:
    """Copy a backup into the store, in one transaction; over one that holds something only if asked to."""
    with _reading(file) as source:
        _contents(file, source)
        if store.exists() and store.stat().st_size and not over and not is_half(store) and look(store).kinds:
            raise StoreError(f"The store {store} holds something already; --over replaces all of it.")
        try:
            store.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The store {store} cannot be made: {error.strerror}.") from None
        _copy(source, store)
    return look(store)


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    if not file.is_file():
        raise StoreError(f"There is no file {file}.")
    try:
        with closing(sqlite3.connect(file, timeout=PATIENCE)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{file} cannot be read: {error}.") from None


def _contents(file: Path, connection: sqlite3.Connection) -> Contents:
    found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{file} is damaged: {found}. Restore a backup.")
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not names:
        raise StoreError(HALF.format(file=file))
    if not {"entries", "schema_version"} <= names:
        raise StoreError(f"{file} is a database, but no store of ec2bridge's.")
    (schema,) = connection.execute("SELECT version FROM schema_version").fetchone() or (0,)
    if schema > SCHEMA:
        raise StoreError(f"{file} cannot be used: {NEWER.format(found=schema, known=SCHEMA)}.")
    alive = "SELECT kind, count(*) FROM entries WHERE expires IS NULL OR expires > unixepoch() GROUP BY kind"
    return Contents(schema, dict(connection.execute(alive).fetchall()))


def _copy(source: sqlite3.Connection, target: Path) -> None:
    try:
        with closing(sqlite3.connect(target, timeout=PATIENCE)) as connection:
            source.backup(connection)
    except sqlite3.Error as error:
        raise StoreError(f"{target} cannot be written: {error}.") from None
