"""The store's tables, and how those of an older version become those of this one.

`schema_version` says which version wrote the tables. Whoever starts upgrades them, one step a version, all in the
transaction in which it looks: either all steps are done or none, and replicas that start together take turns. A newer
version's tables are left alone: what they mean is not known here.
"""

import json
from collections.abc import Callable

from sqlalchemy import Column as C
from sqlalchemy import (
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    exists,
    insert,
    inspect,
    select,
    update,
)

SCHEMA = 2

metadata = MetaData()
entries = Table(
    "entries",
    metadata,
    C("account", Text, primary_key=True),
    C("kind", Text, primary_key=True),
    C("key", Text, primary_key=True),
    C("value", Text, nullable=False),
    C("version", Integer, nullable=False),
    C("created", Float, nullable=False),
    C("expires", Float, index=True),
)
by_kind = Index("ix_entries_kind", entries.c.kind)
"""The sweep for what is left over asks for one kind of all accounts, every few seconds."""
schema = Table("schema_version", metadata, C("version", Integer, primary_key=True))

NEWER = (
    "it was written by a newer version of ec2bridge (schema {found}, this one reads up to {known}): use that version,"
    " or restore a backup from before the upgrade"
)


class TablesError(Exception):
    """The tables are not what they should be; the message is a clause for the operator."""


def check(connection: Connection) -> int:
    """Return the version that wrote the tables; raises TablesError, also where there are none."""
    found: int | None = None
    if inspect(connection).has_table(schema.name):
        found = connection.execute(select(schema.c.version)).scalar()
    if found is None:
        raise TablesError("there is no store of ec2bridge's yet")
    if found > SCHEMA:
        raise TablesError(NEWER.format(found=found, known=SCHEMA))
    return found


def prepare(connection: Connection) -> None:
    """Make the tables, or bring them to this version; raises TablesError."""
    found = None
    if inspect(connection).has_table(schema.name):
        found = connection.execute(select(schema.c.version)).scalar()
    if found is not None and found > SCHEMA:
        raise TablesError(NEWER.format(found=found, known=SCHEMA))
    if found is None:
        metadata.create_all(connection)
        connection.execute(insert(schema).values(version=SCHEMA))
        return
    for version in range(found, SCHEMA):
        UPGRADES[version](connection)
    if found < SCHEMA:
        connection.execute(update(schema).values(version=SCHEMA))


def _from_1(connection: Connection) -> None:
    """What an account has lies under its domain and name, no longer under its 12 digits, which two may share."""
    by_kind.create(connection, checkfirst=True)
    known = select(entries.c.key, entries.c.value).where(entries.c.account == "", entries.c.kind == "account")
    for digits, value in connection.execute(known).all():
        if owner := _owner(value):
            _move(connection, digits, owner)


def _owner(value: str) -> str | None:
    """Return what an account's digits stand for; None if for several accounts."""
    who = json.loads(value)
    return f"{who['domain']}/{who['account']}" if who else None


def _move(connection: Connection, digits: str, owner: str) -> None:
    """Give entries their owner's name, unless there is one of that name, which is younger."""
    other = entries.alias()
    taken = exists().where(
        other.c.account == owner, other.c.kind == entries.c.kind, other.c.key == entries.c.key
    )
    connection.execute(update(entries).where(entries.c.account == digits, ~taken).values(account=owner))


UPGRADES: dict[int, Callable[[Connection], None]] = {1: _from_1}
"""A version → what makes the next one of it."""
