"""A store that goes away and comes back: clients hear Unavailable, the log a line a request, and nothing is lost."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge import database
from ec2bridge.auth.secrets import Identity
from ec2bridge.ec2.own_store import OwnStore, PatientStore
from ec2bridge.store import Change, Store, StoreError, StoreUnavailable
from tests.conftest import Place
from tests.launching import launch, started
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
    assert [record.name for record in told] == ["ec2bridge", "ec2bridge.access"]
    assert all("does not answer: no such table" in record.getMessage() for record in told)
    assert not any(record.exc_info for record in caplog.records)

    templates = ec2.describe_launch_templates()["LaunchTemplates"]
    assert [template["LaunchTemplateName"] for template in templates] == ["kept"]
    ec2.create_launch_template(**{**TEMPLATE, "LaunchTemplateName": "later"})


GO_ON = {
    "describe_addresses",
    "describe_availability_zones",
    "describe_images",
    "describe_instance_credit_specifications",
    "describe_instance_status",
    "describe_instance_types",
    "describe_instances",
    "describe_regions",
    "describe_security_group_rules",
    "describe_security_groups",
    "describe_subnets",
    "describe_volume_status",
    "describe_volumes",
    "describe_vpcs",
}
REFUSED = {
    "describe_customer_gateways",
    "describe_internet_gateways",
    "describe_key_pairs",
    "describe_launch_templates",
    "describe_nat_gateways",
    "describe_network_acls",
    "describe_network_interfaces",
    "describe_placement_groups",
    "describe_route_tables",
    "describe_snapshots",
    "describe_spot_instance_requests",
    "describe_tags",
    "describe_volumes_modifications",
    "describe_vpn_connections",
    "describe_vpn_gateways",
}
"""What lies in the store, or is tagged there alone: an answer without it would tell that it was deleted."""


def test_what_needs_no_store_goes_on_without_it(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    instance = started(ec2)[0]["InstanceId"]
    before = {name: told(ec2, name) for name in GO_ON}

    with away(tmp_path / "store.sqlite"):
        assert {name: told(ec2, name) for name in GO_ON} == before
        assert {name for name in REFUSED if told(ec2, name) != "Unavailable"} == set()
        ec2.reboot_instances(InstanceIds=[instance])
        ec2.stop_instances(InstanceIds=[instance])
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1})
        ec2.start_instances(InstanceIds=[instance])
    assert {name for name in REFUSED if told(ec2, name) == "Unavailable"} == set()


def told(ec2: Any, name: str) -> Any:
    """Return what a Describe answers, or the code of its error."""
    try:
        answer = getattr(ec2, name)()
    except ClientError as error:
        return error.response["Error"]["Code"]
    answer.pop("ResponseMetadata")
    return answer


def test_an_interface_that_this_bridge_has_not_read_is_not_told_under_another_id(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    launch(place.client())
    url, _ = place.another_bridge()
    with away(tmp_path / "store.sqlite"):
        assert told(place.client(endpoint_url=url), "describe_instances") == "Unavailable"


def test_nothing_is_begun_that_cannot_be_written_down(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    ec2.describe_key_pairs()
    with away(tmp_path / "store.sqlite"):
        assert told(ec2, "describe_key_pairs") == "Unavailable"

        def create() -> None:
            with pytest.raises(ClientError, match="Unavailable"):
                ec2.create_key_pair(KeyName="kept")

        assert not {"createSSHKeyPair", "registerSSHKeyPair"} & set(place.commands(create))
    ec2.create_key_pair(KeyName="kept")


def test_what_has_begun_waits_for_the_store(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    with ThreadPoolExecutor() as threads, ExitStack() as outage:
        with place.holding("createVPC"):
            making = threads.submit(ec2.create_vpc, CidrBlock="10.9.0.0/16")
            wait_for(lambda: any(call.command == "createVPC" for call in place.native))
            outage.enter_context(away(tmp_path / "store.sqlite"))
        wait_for(lambda: place.bridge.site.store.outage.since is not None)
        outage.close()
        vpc = making.result()["Vpc"]["VpcId"]
    assert vpc in {found["VpcId"] for found in ec2.describe_vpcs()["Vpcs"]}
    assert place.run(place.bridge.site.store.everywhere("journal")) == []


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_locked_store_is_read(make_place: Callable[..., Place], tmp_path: Path) -> None:
    """Whoever writes waits for the lock; whoever reads goes on meanwhile, however many wait."""
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    ec2.create_launch_template(**TEMPLATE)
    with (
        ThreadPoolExecutor(8) as threads,
        closing(sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)) as connection,
    ):
        connection.execute("BEGIN IMMEDIATE")
        writing = [
            threads.submit(
                place.client().create_launch_template, **{**TEMPLATE, "LaunchTemplateName": f"{number}"}
            )
            for number in ("one", "two", "three", "four", "five")
        ]
        for _ in range(3):
            assert len(ec2.describe_launch_templates()["LaunchTemplates"]) == 1
        assert not any(work.done() for work in writing)
        connection.execute("ROLLBACK")
        for work in writing:
            work.result()
    assert len(ec2.describe_launch_templates()["LaunchTemplates"]) == 6


async def test_a_store_that_cannot_be_written_is_away_until_it_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading goes on, and does not pass for the end: a full disk was told as ready, and told of with each write."""
    monkeypatch.setattr(database, "LOCKED", 0.05)
    store = Store(str(tmp_path / "store.sqlite"))
    await store.start()
    with caplog.at_level(logging.INFO), closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await store.ready()  # nobody has tried to write
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="locked"):
                await store.put("owner", "kind", "key", 1)
            assert await store.get("owner", "kind", "key") is None
            for asked in (store.ready, store.answer):
                with pytest.raises(StoreUnavailable, match="locked"):
                    await asked()
        connection.execute("ROLLBACK")
        await store.ready()
    assert not store.outage.unwritable
    assert await store.everywhere("readiness") == []
    told = [record.getMessage() for record in caplog.records]
    assert ["locked" in told[0], "answers again" in told[1], len(told)] == [True, True, 2]
    await store.close()


async def test_a_write_whose_answer_was_lost_is_seen_to_be_done() -> None:
    """The first attempt is carried out and not answered; the second finds it done, by this writer and by no other."""
    store = Store()
    await store.start()
    own = OwnStore(store, Identity("d", "a", "u", "n"))
    patient = PatientStore(Forgetful(own))  # type: ignore[arg-type]
    version = await patient.put_new("d/a", "k", "x", {"of": 1})
    assert version
    assert await patient.replace("d/a", "k", "x", {"of": 2}, version)
    assert not await patient.replace("d/a", "k", "x", {"of": 3}, version)
    assert await patient.put_new("d/a", "k", "x", {"of": 4}) is None
    assert await patient.together(
        "d/a", Change("k", "x", {"of": 5}, version=version + 1), Change("k", "y", {})
    )
    assert not await patient.together("d/a", Change("k", "x", {"of": 6}, version=version))
    [entry, other] = await store.list("d/a", "k")
    assert (entry.value, other.key) == ({"of": 5}, "y")
    assert await patient.together("d/a", Change("k", "y", version=other.version))
    assert await patient.delete("d/a", "k", "x")
    assert await store.list("d/a", "k") == []
    await store.close()


class Forgetful:
    """A store that carries out each first attempt, and answers the second."""

    def __init__(self, real: OwnStore) -> None:
        self.real = real
        self.lost = False

    def __getattr__(self, name: str) -> Any:
        async def forgets(*arguments: Any, **options: Any) -> Any:
            done = await getattr(self.real, name)(*arguments, **options)
            if name != "entry":
                self.lost = not self.lost
                if self.lost:
                    raise StoreUnavailable("the answer is lost")
            return done

        return forgets


async def test_a_postgresql_that_does_not_listen_stops_the_start_with_a_sentence() -> None:
    with pytest.raises(StoreError, match=r"cannot be opened: .*Connect call failed") as refused:
        await Store(f"postgresql://bridge:hunter2@127.0.0.1:{free_port()}/ec2").start()
    assert "hunter2" not in str(refused.value)
