"""A store that an older version wrote is brought to this one when it is opened; a newer version's is left alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from ec2bridge.__main__ import main
from ec2bridge.ec2.context import account_id
from ec2bridge.store import Store, StoreError
from ec2bridge.store_tables import SCHEMA, UPGRADES

OLDEST = (Path(__file__).parent / "store_of_schema_1.sql").read_text(encoding="utf-8")
"""What the first version's code made, with a template in it, one more that was changed since, and two accounts."""
DOMAIN = "d6c50c4e-9a5c-4a71-8d0b-a0f9a4d8b4c1"
ALICE, DIGITS = f"{DOMAIN}/alice", "059936564100"


@pytest.fixture
def oldest(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "store")) as connection:
        connection.executescript(OLDEST)
    return tmp_path / "store"


async def test_the_oldest_store_becomes_one_of_this_version(oldest: Path) -> None:
    assert account_id(DOMAIN, "alice") == DIGITS
    store = Store(str(oldest))
    await store.start()
    held = {entry.key: entry.value["name"] for entry in await store.list(ALICE, "launch-template")}
    left = await store.list(DIGITS, "launch-template")
    shared = await store.list("999999999999", "launch-template")
    await store.close()

    # Of two with one key the younger one counts, which lay under the owner's name already.
    assert held == {"lt-moved": "moved", "lt-both": "younger"}
    assert [entry.value["name"] for entry in left] == ["older"]
    assert [entry.key for entry in shared] == ["lt-whose"]  # digits of several accounts are nobody's
    with closing(sqlite3.connect(oldest)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA,)]
        assert _indexes(connection) == {"ix_entries_expires", "ix_entries_kind"}


async def test_an_upgraded_store_has_what_a_new_one_has(oldest: Path, tmp_path: Path) -> None:
    for path in (oldest, tmp_path / "new"):
        store = Store(str(path))
        await store.start()
        await store.close()
    shapes = []
    for path in (oldest, tmp_path / "new"):
        with closing(sqlite3.connect(path)) as connection:
            columns = connection.execute("SELECT name, type, pk FROM pragma_table_info('entries')").fetchall()
            shapes.append((columns, _indexes(connection)))
    assert shapes[0] == shapes[1]


async def test_an_upgrade_that_fails_leaves_the_store_as_it_was(oldest: Path) -> None:
    with closing(sqlite3.connect(oldest)) as connection:
        connection.execute("UPDATE entries SET value = 'no JSON' WHERE kind = 'account'")
        connection.commit()
        before = list(connection.iterdump())
    with pytest.raises(ValueError, match="Expecting value"):
        await Store(str(oldest)).start()
    with closing(sqlite3.connect(oldest)) as connection:
        assert list(connection.iterdump()) == before


def test_every_older_version_has_an_upgrade() -> None:
    assert sorted(UPGRADES) == list(range(1, SCHEMA))


def test_an_old_backup_is_restored_and_told_to_be_old(oldest: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["store", "restore", str(oldest), "--store", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    assert "schema 1, upgraded at the next start" in done.output


async def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE schema_version (version INTEGER); INSERT INTO schema_version VALUES (99);"
            "CREATE TABLE entries (id INTEGER)"
        )
        before = list(connection.iterdump())

    with pytest.raises(StoreError, match=r"newer version of ec2bridge \(schema 99, this one reads up to 2\)"):
        await Store(str(path)).start()
    checked = CliRunner().invoke(main, ["store", "check", "--store", str(path)])

    assert (checked.exit_code, "restore a backup from before the upgrade" in checked.output) == (1, True)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


def _indexes(connection: sqlite3.Connection) -> set[str]:
    named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    return {name for (name,) in named}
