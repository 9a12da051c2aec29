"""A store that is not this cloud's, or lacks what the cloud's own marks tell of, is told at start and by `check`."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ec2bridge.__main__ import main
from tests.conftest import Place
from tests.launching import ids, started


def checked(place: Place, store: Path) -> Result:
    service = place.sim.accounts["keylookup"]
    environment = {
        "EC2BRIDGE_CLOUDSTACK_URL": place.sim.url,
        "EC2BRIDGE_SERVICE_API_KEY": service.api_key,
        "EC2BRIDGE_SERVICE_SECRET_KEY": service.secret_key,
    }
    return CliRunner().invoke(main, ["store", "check", "--store", str(store)], env=environment)


def told_at_start(place: Place, caplog: pytest.LogCaptureFixture, store: Path) -> list[str]:
    """Start another bridge on the store, in front of the same cloud; return its doubts."""
    caplog.clear()
    changed = place.bridge.site.settings.model_copy(update={"store": str(store)})
    place.bridge.site.settings = changed
    with caplog.at_level(logging.INFO):
        place.another_bridge()
    return [record.getMessage() for record in caplog.records if "doubtful" in record.getMessage()]


def save(store: Path, copy: Path) -> None:
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def test_a_store_that_belongs_is_not_doubted(
    make_place: Callable[..., Place], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = make_place({"store": str(tmp_path / "store")})
    ec2 = place.client()
    started(ec2, 2)
    [gone] = ids(started(ec2))
    ec2.terminate_instances(InstanceIds=[gone])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[gone], WaiterConfig={"Delay": 1})

    assert told_at_start(place, caplog, tmp_path / "store") == []
    done = checked(place, tmp_path / "store")
    assert (done.exit_code, "belongs to the cloud at" in done.output) == (0, True), done.output


def test_an_empty_store_is_told(
    make_place: Callable[..., Place], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = make_place({"store": str(tmp_path / "store")})
    machines = ids(started(place.client(), 2))
    [doubt] = told_at_start(place, caplog, tmp_path / "fresh")
    assert f"it is empty, and of 2 things of this cloud that EC2 made it lacks 2 ({machines[0][:2]}" in doubt
    assert all(machine in doubt for machine in machines)
    assert "restore the last backup" in doubt
    done = checked(place, tmp_path / "fresh")
    assert (done.exit_code, "it is empty" in done.output) == (1, True), done.output


def test_an_old_store_is_told(
    make_place: Callable[..., Place], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = make_place({"store": str(tmp_path / "store")})
    ec2 = place.client()
    [first] = ids(started(ec2))
    save(tmp_path / "store", tmp_path / "old")
    with closing(sqlite3.connect(tmp_path / "old")) as connection:
        connection.execute("UPDATE entries SET created = created - 86400")
        connection.commit()
    [second] = ids(started(ec2))

    [doubt] = told_at_start(place, caplog, tmp_path / "old")
    assert "it is older than they are (" in doubt
    assert f"of 2 things of this cloud that EC2 made it lacks 1 ({second})" in doubt
    assert first not in doubt
    assert checked(place, tmp_path / "old").exit_code == 1


@pytest.mark.since("4.19")
def test_a_store_that_lacks_a_nat_gateway_is_told(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place({"store": str(tmp_path / "store")})
    ec2 = place.client()
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    save(tmp_path / "store", tmp_path / "old")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat], WaiterConfig={"Delay": 1})

    assert checked(place, tmp_path / "store").exit_code == 0
    done = checked(place, tmp_path / "old")
    assert (done.exit_code, nat in done.output) == (1, True), done.output


def test_another_clouds_store_is_told(
    make_place: Callable[..., Place], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = make_place({"store": str(tmp_path / "store")})
    save(tmp_path / "store", tmp_path / "other")
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        changed = connection.execute(
            "UPDATE entries SET value = '[\"3bdf1a3e-0b1c-4d4e-9b8e-6a6a6a6a6a6a\"]' WHERE kind = 'cloud'"
        )
        assert changed.rowcount == 1
        connection.commit()
    [doubt] = told_at_start(place, caplog, tmp_path / "other")
    assert "it was written for another cloud" in doubt
    # Nor does the start make the store this cloud's.
    done = checked(place, tmp_path / "other")
    assert (done.exit_code, "written for another cloud" in done.output) == (1, True), done.output


def test_a_store_that_cannot_be_compared_is_told_so(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place({"store": str(tmp_path / "store")})
    place.run(place.sim.close())
    done = checked(place, tmp_path / "store")
    assert (done.exit_code, "cannot be compared with the cloud" in done.output) == (1, True), done.output


def test_without_a_cloud_in_the_settings_only_the_store_is_checked(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    make_place({"store": str(tmp_path / "store")})
    done = CliRunner().invoke(main, ["store", "check", "--store", str(tmp_path / "store")])
    assert (done.exit_code, "Not compared with a cloud" in done.output) == (0, True), done.output
