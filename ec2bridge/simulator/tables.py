"""The cloud's memory: plain tables of dict rows, written through to SQLite when a path is given.

A row is a dict of CloudStack's own field names; keys that start with `_` are the simulator's and never leave it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

Row = dict[str, Any]


def now() -> str:
    """The time as rows write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


# Fields that rows are looked up by often enough to keep them by value.
INDEXED = frozenset(
    (
        "_machine",
        "_group",
        "account",
        "apikey",
        "name",
        "networkid",
        "resourceid",
        "userid",
        "virtualmachineid",
        "volumeid",
    )
)


class Journal:
    """JSON documents in one SQLite table, one a row of the cloud."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS row (kind TEXT, id TEXT, doc TEXT, PRIMARY KEY (kind, id))"
        )
        self._dirty = False

    def load(self) -> Iterator[tuple[str, Row]]:
        for kind, document in self._db.execute("SELECT kind, doc FROM row ORDER BY rowid"):
            yield kind, json.loads(document)

    def write(self, kind: str, row: Row) -> None:
        # An UPSERT keeps the rowid and with it the order of creation, which REPLACE would lose.
        self._db.execute(
            "INSERT INTO row VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET doc = excluded.doc",
            (kind, row["id"], json.dumps(row)),
        )
        self._dirty = True

    def erase(self, kind: str, row_id: str) -> None:
        self._db.execute("DELETE FROM row WHERE kind = ? AND id = ?", (kind, row_id))
        self._dirty = True

    def commit(self) -> None:
        if self._dirty:
            self._db.commit()
            self._dirty = False

    def close(self) -> None:
        self.commit()
        self._db.close()


class Table:
    """Rows of one kind by id, in order of creation. Iterating yields the live ones."""

    def __init__(self, name: str, journal: Journal | None) -> None:
        self.name = name
        self.version = 0
        self._journal = journal
        self._live: dict[str, Row] = {}
        self._removed: dict[str, Row] = {}
        self._last_number = 0
        self._index: dict[str, dict[Any, dict[str, Row]]] = {}
        self._indexed_as: dict[str, dict[str, Any]] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, row_id: object) -> bool:
        return row_id in self._live

    def get(self, row_id: str | None) -> Row | None:
        """The live row, or None."""
        return self._live.get(row_id or "")

    def known(self, row_id: str) -> Row | None:
        """The row even when it was removed: CloudStack keeps ids of removed objects and knows them."""
        return self._live.get(row_id) or self._removed.get(row_id)

    def some(self, row_ids: Iterable[str]) -> list[Row]:
        """The live rows of those ids."""
        return [self._live[row_id] for row_id in row_ids if row_id in self._live]

    def where(self, **fields: Any) -> list[Row]:
        """Live rows whose fields equal all those given."""
        wanted = fields.items()
        return [
            row for row in self._candidates(fields) if all(row.get(key) == value for key, value in wanted)
        ]

    def _candidates(self, fields: Row) -> list[Row]:
        """The rows that may match: the shortest of the indexed fields' lists, else all."""
        found = [self._by(field).get(value, {}) for field, value in fields.items() if field in INDEXED]
        rows = min(found, key=len) if found else self._live
        return list(rows.values())

    def _by(self, field: str) -> dict[Any, dict[str, Row]]:
        if field not in self._index:
            self._index[field], self._indexed_as[field] = {}, {}
            for row in self._live.values():
                self._place(field, row)
        return self._index[field]

    def _place(self, field: str, row: Row) -> None:
        """Put the row where its value says, and take it from where it was."""
        values, row_id, value = self._indexed_as[field], row["id"], row.get(field)
        if row_id in values and (values[row_id] != value or row_id not in self._live):
            self._index[field][values.pop(row_id)].pop(row_id, None)
        if row_id in self._live and row_id not in values:
            values[row_id] = value
            self._index[field].setdefault(value, {})[row_id] = row

    def first(self, **fields: Any) -> Row | None:
        return next(iter(self.where(**fields)), None)

    def add(self, row: Row) -> Row:
        """A new row; it gets an `id` when it has none, and `_number`, the database id that some texts show."""
        row.setdefault("id", str(uuid4()))
        self._last_number += 1
        row.setdefault("_number", self._last_number)
        self._live[row["id"]] = row
        return self.save(row)

    def update(self, row: Row, **fields: Any) -> Row:
        row.update(fields)
        return self.save(row)

    def save(self, row: Row) -> Row:
        """Write a row that was changed in place."""
        self._changed(row)
        if self._journal:
            self._journal.write(self.name, row)
        return row

    def _changed(self, row: Row) -> None:
        self.version += 1
        for field in self._index:
            self._place(field, row)

    def remove(self, row: Row) -> None:
        """Remove it from every listing; its id stays known (listing it answers an empty list, not an error)."""
        self._live.pop(row["id"], None)
        self._removed[row["id"]] = row
        self.update(row, _removed=True)

    def erase(self, row: Row) -> None:
        """Forget it wholly: its id is unknown from now on."""
        self._live.pop(row["id"], None)
        self._removed.pop(row["id"], None)
        self._changed(row)
        if self._journal:
            self._journal.erase(self.name, row["id"])

    def restore(self, row: Row) -> None:
        """A row read back from the journal."""
        self._last_number = max(self._last_number, row.get("_number", 0))
        (self._removed if row.get("_removed") else self._live)[row["id"]] = row


class Tables:
    """All tables by name, made on first use: `tables["machines"]`."""

    def __init__(self, path: str | None = None) -> None:
        self.journal = Journal(path) if path else None
        self._tables: dict[str, Table] = {}
        self.loaded = False
        for kind, row in self.journal.load() if self.journal else ():
            self[kind].restore(row)
            self.loaded = True

    def __getitem__(self, name: str) -> Table:
        if name not in self._tables:
            self._tables[name] = Table(name, self.journal)
        return self._tables[name]

    def __iter__(self) -> Iterator[Table]:
        return iter(list(self._tables.values()))

    @property
    def version(self) -> int:
        """Grows with every change of any row."""
        return sum(table.version for table in self._tables.values())

    def known(self, row_id: str) -> tuple[str, Row] | None:
        """Any row of any kind with that id, removed ones included."""
        for table in self._tables.values():
            row = table.known(row_id)
            if row is not None:
                return table.name, row
        return None

    def commit(self) -> None:
        if self.journal:
            self.journal.commit()

    def close(self) -> None:
        if self.journal:
            self.journal.close()
