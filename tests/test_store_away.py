"""A store that goes away and comes back: clients hear Unavailable, the log a line a request, and nothing is lost."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.store import Store, StoreError
from tests.conftest import Place
from tests.sockets import free_port

TEMPLATE: dict[str, Any] = {"LaunchTemplateName": "kept", "LaunchTemplateData": {"InstanceType": "t2.micro"}}


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Keep every statement from the store's table, as a disk that fails does, and give it back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE entries RENAME TO away")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE away RENAME TO entries")


def test_a_store_that_is_away_is_unavailable_and_nothing_is_lost(
    make_place: Callable[..., Place], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    ec2.create_launch_template(**TEMPLATE)
    caplog.clear()

    with (
        caplog.at_level(logging.INFO),
        away(tmp_path / "store.sqlite"),
        pytest.raises(ClientError) as refused,
    ):
        ec2.describe_launch_templates()

    error = refused.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("Unavailable", 503)
    assert "sqlite" not in error["Error"]["Message"]  # where the store lies is the operator's business
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in told] == ["ec2bridge.access"]
    assert "does not answer: no such table" in told[0].getMessage()
    assert not any(record.exc_info for record in caplog.records)

    templates = ec2.describe_launch_templates()["LaunchTemplates"]
    assert [template["LaunchTemplateName"] for template in templates] == ["kept"]
    ec2.create_launch_template(**{**TEMPLATE, "LaunchTemplateName": "later"})


async def test_a_postgresql_that_does_not_listen_stops_the_start_with_a_sentence() -> None:
    with pytest.raises(StoreError, match=r"cannot be opened: .*Connect call failed") as refused:
        await Store(f"postgresql://bridge:hunter2@127.0.0.1:{free_port()}/ec2").start()
    assert "hunter2" not in str(refused.value)
