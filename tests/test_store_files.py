"""An operator backs up the store of a running bridge, restores it elsewhere, and hears of a copy that is none."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ec2bridge.__main__ import main
from ec2bridge.store import Store, StoreError
from tests.conftest import Place


def run(*words: str | Path, **environment: str | None) -> Result:
    return CliRunner().invoke(main, ["store", *map(str, words)], env=environment, catch_exceptions=False)


def test_a_backup_of_a_running_bridge_serves_elsewhere(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    file = tmp_path / "store.sqlite"
    ec2 = make_place({"store": str(file)}).client()
    ec2.create_launch_template(LaunchTemplateName="kept", LaunchTemplateData={"InstanceType": "t2.micro"})

    done = run("backup", tmp_path / "backup", EC2BRIDGE_STORE=str(file))
    assert done.exit_code == 0, done.output
    assert "launch-template 1" in done.output
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    settings = tmp_path / "ec2bridge.toml"
    settings.write_text(f'store = "{tmp_path / "elsewhere"}"\n')
    done = run("restore", "--config", settings, tmp_path / "backup", EC2BRIDGE_STORE=None)
    assert done.exit_code == 0, done.output
    checked = run("check", "--store", tmp_path / "elsewhere")
    assert "launch-template 1" in checked.output

    other = make_place({"store": str(tmp_path / "elsewhere")})
    held = other.run(other.bridge.site.store.everywhere("launch-template"))
    assert [entry.value["name"] for _, entry in held] == ["kept"]


async def test_a_backup_under_load_is_of_one_moment(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    await store.start()

    begun = asyncio.Event()

    async def write() -> None:
        for number in range(300):
            await store.put("a", "first", f"{number:03}", number)
            await store.put("a", "second", f"{number:03}", number)
            begun.set()

    writing = asyncio.create_task(write())
    await begun.wait()
    done = await asyncio.to_thread(run, "backup", tmp_path / "backup", "--store", tmp_path / "store")
    await writing
    await store.close()

    assert done.exit_code == 0, done.output
    copy = Store(str(tmp_path / "backup"))
    await copy.start()
    first, second = [[e.value for e in await copy.list("a", kind)] for kind in ("first", "second")]
    await copy.close()
    assert second
    assert first == list(range(len(first)))
    assert len(first) - len(second) in (0, 1)


async def test_a_copy_of_a_running_bridges_file_is_refused_at_the_start(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    await store.start()
    await store.put("a", "k", "x", 1)
    shutil.copy(tmp_path / "store", tmp_path / "copy")
    await store.close()

    with pytest.raises(StoreError, match="has no tables: it looks like a copy"):
        await Store(str(tmp_path / "copy")).start()
    checked = run("check", "--store", tmp_path / "copy")
    assert (checked.exit_code, "has no tables" in checked.output) == (1, True)


async def test_a_store_that_holds_something_is_not_restored_over_unasked(tmp_path: Path) -> None:
    for name in ("store", "other"):
        store = Store(str(tmp_path / name))
        await store.start()
        await store.put("a", "k", name, 1)
        await store.close()
    words = ("restore", tmp_path / "other", "--store", tmp_path / "store")

    refused = run(*words)
    assert (refused.exit_code, "holds something already" in refused.output) == (1, True)
    assert run(*words, "--over").exit_code == 0
    store = Store(str(tmp_path / "store"))
    await store.start()
    assert [entry.key for entry in await store.list("a", "k")] == ["other"]
    await store.close()


def test_what_cannot_be_backed_up_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with sqlite3.connect(tmp_path / "foreign") as connection:
        connection.execute("CREATE TABLE songs (title)")
    connection.close()
    for store, sentence in {
        "postgresql://bridge:hunter2@db/ec2": "pg_dump --format=custom",
        "memory": "lies in memory",
        str(tmp_path / "absent"): "There is no file",
        str(tmp_path / "taken"): "file is not a database",
        str(tmp_path / "foreign"): "no store of ec2bridge's",
    }.items():
        done = run("backup", tmp_path / "backup", "--store", store)
        assert (done.exit_code, sentence in done.output) == (1, True), done.output
        assert "hunter2" not in done.output
        assert not (tmp_path / "backup").exists()


async def test_a_backup_overwrites_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    await store.start()
    await store.close()
    (tmp_path / "mine").write_text("mine")
    done = run("backup", tmp_path / "mine", "--store", tmp_path / "store")
    assert (done.exit_code, "File exists" in done.output) == (1, True)
    assert (tmp_path / "mine").read_text() == "mine"
