"""The store keeps what it is given, excludes replicas from each other and says why it cannot be opened."""

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.dialects import postgresql

from ec2bridge.store import Change, Store, StoreError, _entries, _insert_of

KINDS = ["memory", "file", *(["postgresql"] if "EC2BRIDGE_TEST_POSTGRESQL" in os.environ else [])]


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    places = {
        "memory": None,
        "file": str(tmp_path / "store.db"),
        "postgresql": os.environ.get("EC2BRIDGE_TEST_POSTGRESQL"),
    }
    store = Store(places[request.param])
    await store.start()
    yield store
    await store.close()


@pytest.fixture
def account() -> str:
    return uuid4().hex


async def test_a_value_is_kept(store: Store, account: str) -> None:
    value = {"Name": "wéb \U0001f600", "Versions": [1, 2], "Default": None}
    await store.put(account, "launch-template", "lt-1", value)
    assert await store.get(account, "launch-template", "lt-1") == value
    assert await store.get(account, "launch-template", "lt-2") is None
    assert await store.get(account, "token", "lt-1") is None
    assert await store.get("other", "launch-template", "lt-1") is None


async def test_a_value_is_replaced_and_deleted(store: Store, account: str) -> None:
    await store.put(account, "k", "a", 1)
    before = await store.entry(account, "k", "a")
    await store.put(account, "k", "a", 2)
    entry = await store.entry(account, "k", "a")
    assert before is not None
    assert entry is not None
    assert (entry.value, entry.version) == (2, before.version + 1)
    assert await store.delete(account, "k", "a")
    assert not await store.delete(account, "k", "a")
    assert await store.entry(account, "k", "a") is None


async def test_a_caller_that_goes_away_costs_nothing(store: Store, account: str) -> None:
    await store.put(account, "k", "kept", 1)
    await store.list(account, "k")
    for number in range(100):
        task = asyncio.create_task(store.put_new(account, "k", f"late-{number:02}", number))
        await asyncio.sleep(number / 20_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.put(account, "k", "last", 2)
    await asyncio.gather(*store.database.running)

    keys = [entry.key for entry in await store.list(account, "k")]

    assert {"kept", "last"} <= set(keys)
    assert keys == [key for key in keys if await store.get(account, "k", key) is not None]


async def test_the_first_one_wins(store: Store, account: str) -> None:
    won = await asyncio.gather(*(store.put_new(account, "token", "t", number) for number in range(10)))
    [version] = [one for one in won if one is not None]
    assert await store.get(account, "token", "t") == won.index(version)


async def test_a_change_rests_on_what_was_read(store: Store, account: str) -> None:
    version = await store.put_new(account, "k", "a", "first")
    assert version is not None
    assert await store.replace(account, "k", "a", "second", version)
    assert not await store.replace(account, "k", "a", "lost", version)
    assert await store.get(account, "k", "a") == "second"
    assert not await store.replace(account, "k", "absent", "x", version=1)


async def test_entries_are_listed_in_the_order_they_were_made(store: Store, account: str) -> None:
    for key in ("z", "a", "m"):
        await store.put(account, "k", key, key.upper())
        await asyncio.sleep(0.002)
    await store.put(account, "other", "q", "Q")
    assert [(entry.key, entry.value) for entry in await store.list(account, "k")] == [
        ("z", "Z"),
        ("a", "A"),
        ("m", "M"),
    ]


async def test_what_has_expired_is_absent(store: Store, account: str) -> None:
    version = await store.put_new(account, "k", "short", 1, ttl=0.01)
    assert version is not None
    await store.put(account, "k", "long", 2, ttl=60)
    await asyncio.sleep(0.03)
    assert await store.get(account, "k", "short") is None
    assert [entry.key for entry in await store.list(account, "k")] == ["long"]
    assert not await store.replace(account, "k", "short", 3, version)
    assert await store.put_new(account, "k", "short", 4)
    past = await store.put_new(account, "k", "again", 1, ttl=0.01)
    await store.put(account, "k", "later", 2)
    await asyncio.sleep(0.03)
    await store.put(account, "k", "again", 3)
    entries = await store.list(account, "k")
    assert [entry.key for entry in entries][-2:] == ["later", "again"]
    # Its second life: who knows the version of the first does not meet it again.
    assert past is not None
    assert abs(entries[-1].version - past) > 1
    assert not await store.put_new(account, "k", "long", 5)


async def test_what_has_expired_can_be_purged(store: Store, account: str) -> None:
    await store.purge()
    await store.put(account, "k", "a", 1, ttl=0.01)
    await store.put(account, "k", "b", 1)
    await asyncio.sleep(0.03)
    assert await store.purge() == 1


async def test_of_what_passes_only_the_newest_is_kept(store: Store, account: str) -> None:
    await store.purge()
    for key in "abc":
        await store.put(account, "k", key, 1, ttl=60)
        await store.put(account, "lasting", key, 1)
    await store.put(account, "few", "a", 1, ttl=60)
    assert await store.purge(2) == 1
    assert [entry.key for entry in await store.list(account, "k")] == ["b", "c"]
    assert len(await store.list(account, "lasting")) == 3
    assert len(await store.list(account, "few")) == 1


async def test_many_at_once_do_not_disturb_each_other(store: Store, account: str) -> None:
    async def work(number: int) -> None:
        await store.put(account, "k", str(number), number)
        await store.put_new(account, "k", "contended", number)
        assert await store.get(account, "k", str(number)) == number

    await asyncio.gather(*(work(number) for number in range(30)))
    assert len(await store.list(account, "k")) == 31


def race(path: str, name: str, results: "multiprocessing.Queue[tuple[str, int]]") -> None:
    """In a process of its own: claim as many of 50 tokens as possible, and report how many that were."""

    async def claim() -> int:
        store = Store(path)
        await store.start()
        won = sum([bool(await store.put_new("a", "token", str(number), name)) for number in range(50)])
        await store.close()
        return won

    results.put((name, asyncio.run(claim())))


def begin(path: str, together: Any, results: "multiprocessing.Queue[str]") -> None:
    """In a process of its own: open the store at the same moment as the others, and report what came of it."""

    async def opened() -> str:
        store = Store(path)
        together.wait(60)
        try:
            await store.start()
        except StoreError as error:
            return str(error)
        await store.close()
        return ""

    results.put(asyncio.run(opened()))


def test_replicas_that_start_at_once_make_one_store(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    together, results = spawn.Barrier(6), spawn.Queue()
    for number in range(3):
        path = str(tmp_path / f"{number}.db")
        processes = [spawn.Process(target=begin, args=(path, together, results)) for _ in range(6)]
        for process in processes:
            process.start()
        assert [results.get(timeout=90) for _ in processes] == [""] * 6
        for process in processes:
            process.join()


async def test_two_processes_never_both_win(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    processes = [spawn.Process(target=race, args=(path, name, results)) for name in ("one", "two")]
    for process in processes:
        process.start()
    won = dict(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert sum(won.values()) == 50
    store = Store(path)
    await store.start()
    holders = [entry.value for entry in await store.list("a", "token")]
    assert {name: holders.count(name) for name in won} == won
    await store.close()


async def test_a_restart_finds_everything(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    for number in range(2):
        store = Store(path)
        await store.start()
        assert await store.get("a", "k", "x") == (1 if number else None)
        await store.put("a", "k", "x", 1)
        await store.close()


async def test_a_store_that_cannot_be_opened_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"The store .*absent/store.db.* cannot be opened: .*No such file"):
        await Store(str(tmp_path / "absent" / "store.db")).start()
    (tmp_path / "text.db").write_text(
        "this is no database, but a text that is long enough to be looked at\n" * 20
    )
    with pytest.raises(StoreError, match="cannot be opened: file is not a database"):
        await Store(str(tmp_path / "text.db")).start()


def modes(directory: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in directory.iterdir()}


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.db"))
    await store.start()
    await store.put("a", "k", "x", 1)
    assert modes(tmp_path) == {0o600}
    await store.close()


def test_another_database_is_refused_before_its_driver_is_missed() -> None:
    with pytest.raises(StoreError, match=r"can be a file or a PostgreSQL .*, and no mysql"):
        Store("mysql://u:geheim@db.example/ec2bridge")


def test_a_urls_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Store("postgresql://bridge:hunter2@db/ec2").url)
    with pytest.raises(StoreError, match="cannot be read"):
        Store("not a url://")


async def test_a_store_must_be_started() -> None:
    with pytest.raises(StoreError, match="not been opened"):
        await Store().get("a", "k", "x")


async def test_a_listing_kept_in_memory_sees_every_write(tmp_path: Path) -> None:
    path = str(tmp_path / "store.sqlite")
    one, other = Store(path), Store(path)
    await one.start()
    await other.start()
    try:
        for number in range(5):
            await one.put("a", "k", f"x{number}", number)
            assert [entry.value for entry in await one.list("a", "k")] == list(range(number + 1))
            assert [entry.value for entry in await other.list("a", "k")] == list(range(number + 1))
        await other.delete("a", "k", "x0")
        assert len(await one.list("a", "k")) == 4
        await one.put("a", "k", "brief", "v", ttl=2)
        assert len(await other.list("a", "k")) == 5
        await asyncio.sleep(2)
        assert len(await other.list("a", "k")) == 4
    finally:
        await one.close()
        await other.close()


async def test_what_is_as_it_was_is_the_same_object(store: Store, account: str) -> None:
    for key in "abc":
        await store.put(account, "k", key, {"key": key})
    before = await store.watch(account, "k")
    assert [entry.value for entry in before] == [{"key": key} for key in "abc"]
    await store.put(account, "other", "x", 1)
    assert await store.watch(account, "k") is before
    await store.put(account, "k", "b", {"key": "new"})
    after = await store.watch(account, "k")
    assert (after[0].value is before[0].value, after[2].value is before[2].value) == (True, True)
    assert after[1].value == {"key": "new"}
    await store.delete(account, "k", "a")
    await store.put(account, "k", "a", {"key": "again"})
    assert [entry.value["key"] for entry in await store.watch(account, "k")] == ["new", "c", "again"]


async def test_what_has_expired_is_not_watched(store: Store, account: str) -> None:
    await store.put(account, "k", "a", 1)
    await store.put(account, "k", "b", 2, ttl=0.05)
    assert [entry.key for entry in await store.watch(account, "k")] == ["a", "b"]
    await asyncio.sleep(0.1)
    assert [entry.key for entry in await store.watch(account, "k")] == ["a"]


async def test_only_the_version_that_was_read_is_deleted(store: Store, account: str) -> None:
    version = await store.put_new(account, "k", "a", 1)
    assert version is not None
    await store.put(account, "k", "a", 2)
    assert not await store.delete(account, "k", "a", version=version)
    assert await store.delete(account, "k", "a", version=version + 1)


async def test_changes_are_made_together_or_not_at_all(store: Store, account: str) -> None:
    version = await store.put_new(account, "k", "a", 1)
    await store.put(account, "k", "gone", 1)
    changed = Change("k", "a", 2, version=version)
    assert await store.together(account, changed, Change("k", "b", 3), Change("k", "gone"))
    assert [(one.key, one.value) for one in await store.list(account, "k")] == [("a", 2), ("b", 3)]
    late = Change("k", "a", 4, version=version)
    assert not await store.together(account, Change("k", "b", 5), late)
    assert await store.get(account, "k", "b") == 3
    entry = await store.entry(account, "k", "a")
    assert entry is not None
    assert (entry.value, entry.version) == (2, changed.becomes)
    assert not await store.together(account, Change("k", "a", version=version))
    assert await store.together(account, Change("k", "a", version=changed.becomes))
    assert await store.get(account, "k", "a") is None
    assert await store.together(account, Change("k", "a", 6, ttl=0.01, version=0))
    await asyncio.sleep(0.02)
    assert await store.together(account, Change("k", "a", 7, version=0))
    assert not await store.together(account, Change("k", "c", 8), Change("k", "a", 9, version=0))
    assert [(one.key, one.value) for one in await store.list(account, "k")] == [("b", 3), ("a", 7)]


async def test_a_kind_is_read_of_all_accounts(store: Store, account: str) -> None:
    kind = f"kind-of-{account}"
    await store.put(account, kind, "a", 1)
    await store.put(f"{account}-2", kind, "b", 2)
    await store.put(account, kind, "passing", 3, ttl=60)
    found = [(owner, entry.key, entry.value) for owner, entry in await store.everywhere(kind)]
    assert found == [(account, "a", 1), (f"{account}-2", "b", 2)]


@pytest.mark.parametrize("url", ["postgresql://bridge@db/ec2", "postgres://bridge@db/ec2"])
def test_postgresql_is_spoken_to_in_its_own_words(url: str) -> None:
    store = Store(url)
    assert store.url.drivername == "postgresql+asyncpg"
    assert store.is_shared
    # Others write there unseen: what it told last may not be what it would tell now.
    assert store._stamp() is None
    connection = SimpleNamespace(dialect=postgresql.dialect())
    statement = (
        _insert_of(connection)(_entries).values(account="a", kind="k", key="k").on_conflict_do_nothing()
    )  # type: ignore[arg-type]
    assert "ON CONFLICT DO NOTHING" in str(statement.compile(dialect=connection.dialect))
    assert type(statement) is postgresql.Insert
