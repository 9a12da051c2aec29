"""A PostgreSQL that is stopped and started under load: Describes go on, nothing is lost, nothing is a traceback."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sqlalchemy import text

from ec2bridge.store import Store, StoreError
from ec2bridge.store_tables import SCHEMA
from tests import postgresql
from tests.conftest import Place
from tests.faulty import eventually
from tests.launching import described
from tests.test_store_away import told
from tests.test_store_tables import ALICE, OLDEST

pytestmark = postgresql.needed

CLIENTS = 8
PATIENT = Config(retries={"total_max_attempts": 12, "mode": "standard"})
"""As an SDK that an operator has told to try again for longer than the outage takes."""


@pytest.fixture
def database() -> Iterator[postgresql.Server]:
    with postgresql.server() as running:
        yield running


@dataclass
class Client:
    """One client's round of things, made and kept account of, and what it was told meanwhile."""

    ec2: Any
    impatient: Any
    number: int
    image: str
    done: threading.Event
    instances: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    described: int = 0
    refused: int = 0

    def run(self) -> None:
        """Make things, one after the other, and look at all there is after each."""
        while not self.done.is_set():
            name = f"{self.number}-{len(self.templates)}"
            self.ec2.create_launch_template(
                LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t2.micro"}
            )
            self.templates.append(name)
            self.ec2.create_key_pair(KeyName=name)
            self.keys.append(name)
            made = self.ec2.run_instances(
                ImageId=self.image,
                InstanceType="t2.micro",
                MinCount=1,
                MaxCount=1,
                ClientToken=uuid.uuid4().hex,
                TagSpecifications=[
                    {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]},
                ],
            )
            self.instances.append(made["Instances"][0]["InstanceId"])

    def look(self) -> None:
        """Describe what CloudStack has, which must never be refused, and what the store has, which may."""
        while not self.done.is_set():
            known = set(self.instances)
            found = {instance["InstanceId"] for instance in described(self.impatient)}
            assert known <= found, f"instances that are not told: {known - found}"
            self.impatient.describe_volumes()
            self.impatient.describe_security_groups()
            self.impatient.describe_subnets()
            self.described += 1
            names = set(self.templates)
            found = told(self.impatient, "describe_launch_templates")
            if found == "Unavailable":
                self.refused += 1
            else:
                assert names <= {template["LaunchTemplateName"] for template in found["LaunchTemplates"]}


def all_have_looked(clients: list[Client], before: list[int]) -> bool:
    return all(client.described > looks for client, looks in zip(clients, before, strict=True))


def test_postgresql_stopped_and_started_under_eight_clients(
    database: postgresql.Server, make_place: Callable[..., Place], caplog: pytest.LogCaptureFixture
) -> None:
    place = make_place({"store": database.url})
    first = place.client()
    image = first.describe_images()["Images"][0]["ImageId"]
    done = threading.Event()
    clients = [
        Client(place.client(config=PATIENT), place.client(), number, image, done) for number in range(CLIENTS)
    ]
    with caplog.at_level(logging.INFO), ThreadPoolExecutor(2 * CLIENTS) as threads:
        working = [threads.submit(work) for client in clients for work in (client.run, client.look)]
        time.sleep(2)
        for mode in ("fast", "immediate"):
            database.stop(mode)
            looks = [client.described for client in clients]
            time.sleep(3)
            # Each goes on looking while there is no database.
            eventually(partial(all_have_looked, clients, looks))
            database.start()
            time.sleep(2)
        done.set()
        for work in working:
            work.result()

    assert sum(client.refused for client in clients)
    machines = described(first)
    names = [tag["Value"] for instance in machines for tag in instance["Tags"] if tag["Key"] == "Name"]
    assert len(names) == len(set(names)), "machines that were made twice"
    assert {i["InstanceId"] for i in machines} == {i for client in clients for i in client.instances}
    templates = first.describe_launch_templates()["LaunchTemplates"]
    assert {t["LaunchTemplateName"] for t in templates} == {t for client in clients for t in client.templates}
    keys = first.describe_key_pairs()["KeyPairs"]
    assert {key["KeyName"] for key in keys} == {key for client in clients for key in client.keys}
    assert all(key["KeyType"] == "rsa" for key in keys)
    settled(place)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    lines = [record.getMessage() for record in caplog.records if record.name == "ec2bridge"]
    # Once for each outage; a database that starts may answer for a moment, and not the next.
    gone = sum("does not answer" in line and line.startswith("the store") for line in lines)
    assert 2 <= gone <= 6
    assert sum("the store answers again" in line for line in lines) == gone


def settled(place: Place) -> None:
    """Wait until nothing is under way any more."""
    store, until = place.bridge.site.store, time.monotonic() + 60
    while place.run(store.everywhere("journal")) or place.run(store.everywhere("machine")):
        assert time.monotonic() < until, "something is still under way"
        time.sleep(0.2)


def test_a_silent_postgresql_holds_up_nobody_for_long(
    database: postgresql.Server, make_place: Callable[..., Place]
) -> None:
    place = make_place({"store": database.url})
    ec2 = place.client()
    ec2.describe_instances()
    database.signal("STOP")
    try:
        begun = time.monotonic()
        ec2.describe_instances()
        assert time.monotonic() - begun < 20
        begun = time.monotonic()
        for _ in range(5):
            ec2.describe_instances()
            with pytest.raises(ClientError, match="Unavailable"):
                ec2.describe_launch_templates()
        # One at a time asks again, now and then.
        assert time.monotonic() - begun < 20
    finally:
        database.signal("CONT")
    until = time.monotonic() + 30
    while told(ec2, "describe_launch_templates") == "Unavailable":
        assert time.monotonic() < until
        time.sleep(0.5)


async def test_the_oldest_tables_are_upgraded_there_too(database: postgresql.Server) -> None:
    store = Store(database.url)
    await store.database.start(
        lambda connection: [connection.execute(text(line)) for line in OLDEST.split(";\n")[:-1]]
    )
    await store.close()

    store = Store(database.url)
    await store.start()
    held = {entry.key for entry in await store.list(ALICE, "launch-template")}
    await store.database.run(
        lambda connection: connection.execute(text("UPDATE schema_version SET version = 99"))
    )
    await store.close()

    assert held == {"lt-moved", "lt-both"}
    with pytest.raises(StoreError, match=f"schema 99, this one reads up to {SCHEMA}"):
        await Store(database.url).start()
