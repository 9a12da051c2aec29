"""What differs between the releases that the simulator plays, as CloudStack's own source and recordings have it."""

from __future__ import annotations

from typing import Any

import pytest

from ec2bridge.simulator import releases
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.errors import ApiError
from ec2bridge.simulator.releases import NAMED
from tests.simulator.test_cloud import ask, deploy

ALL = list(NAMED)


async def settled(cloud: Cloud, answer: dict[str, Any], account: str = "alice") -> dict[str, Any]:
    """The job of an answer, once it is over."""
    await cloud.jobs.settle()
    return ask(cloud, "queryAsyncJobResult", account, jobid=answer["jobid"])


def refused(cloud: Cloud, command: str, account: str = "alice", /, **params: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ask(cloud, command, account, **params)
    return caught.value


@pytest.mark.parametrize("release", ALL)
async def test_each_release_says_which_it_is_and_runs_a_machine(release: str) -> None:
    cloud = Cloud(version=release, job_time=0.01)
    assert ask(cloud, "listCapabilities")["capability"]["cloudstackversion"] == NAMED[release]
    job = await settled(cloud, deploy(cloud, name="one"))
    assert job["jobresult"]["virtualmachine"]["state"] == "Running"
    [machine] = ask(cloud, "listVirtualMachines", "admin", listall="true")["virtualmachine"]
    assert ("deleteprotection" in machine, "arch" in machine, "isos" in machine) == (
        cloud.since("4.20"),
        cloud.since("4.20.1"),
        cloud.since("4.23"),
    )
    await cloud.close()


async def test_what_a_release_does_not_know_it_ignores() -> None:
    cloud = Cloud(version="4.18", job_time=0.01)
    machine = deploy(cloud, name="one")
    await cloud.jobs.settle()
    # 4.18 answers 200 to a protection that it does not have, and destroys.
    ask(cloud, "updateVirtualMachine", id=machine["id"], deleteprotection="true")
    job = await settled(cloud, ask(cloud, "destroyVirtualMachine", id=machine["id"]))
    assert job["jobstatus"] == 1
    await cloud.close()


@pytest.mark.parametrize(
    ("release", "command", "params"),
    [("4.22", "listUserKeys", {}), ("4.18", "copySnapshot", {"id": "x"})],
)
def test_a_command_that_came_later_is_refused_as_one_that_nobody_knows(
    release: str, command: str, params: dict[str, str]
) -> None:
    error = refused(Cloud(version=release), command, **params)
    assert (error.status, error.envelope) == (401, "errorresponse")
    unknown = refused(Cloud(version=release), "neverHeardOf")
    assert (unknown.status, unknown.text) == (error.status, error.text)


def test_the_look_up_of_a_key() -> None:
    for release in ALL:
        cloud = Cloud(version=release)
        user = ask(cloud, "listUsers")["user"][0]["id"]
        keys = ask(cloud, "getUserKeys", "keylookup", id=user)["userkeys"]
        assert keys["secretkey"]
    admin = ask(cloud, "listUsers", "admin", username="admin")["user"][0]["id"]
    # An account with a role of type Admin that may do less than the key's owner reads it all the same before 4.23.
    for release in ("4.18", "4.19", "4.20", "4.22"):
        assert "secretkey" in ask(Cloud(version=release), "getUserKeys", "keylookup", id=admin)["userkeys"]
    assert "secretkey" not in ask(Cloud(version="4.23"), "getUserKeys", "keylookup", id=admin)["userkeys"]


async def test_keys_are_made_at_once_before_4_23_and_in_a_job_since() -> None:
    for release in ("4.22", "4.23"):
        cloud = Cloud(version=release, job_time=0.01)
        user = ask(cloud, "listUsers")["user"][0]["id"]
        answer = ask(cloud, "registerUserKeys", id=user)
        keys = answer if "userkeys" in answer else (await settled(cloud, answer))["jobresult"]
        assert ("jobid" in answer, "secretkey" in keys["userkeys"]) == (release == "4.23", True)
        await cloud.close()


async def test_a_copied_snapshot_shows_its_zones_to_who_asks_from_4_19_on() -> None:
    shown = {}
    for release in ("4.18", "4.19", "4.23"):
        cloud = Cloud(version=release, job_time=0.01)
        machine = deploy(cloud)
        await cloud.jobs.settle()
        volume = ask(cloud, "listVolumes", virtualmachineid=machine["id"])["volume"][0]["id"]
        snapshot = ask(cloud, "createSnapshot", volumeid=volume)["id"]
        await cloud.jobs.settle()
        if cloud.since("4.19"):
            other = ask(cloud, "listZones", name="sim-adv")["zone"][0]["id"]
            ask(cloud, "copySnapshot", id=snapshot, destzoneids=other)
            await cloud.jobs.settle()
        each = ask(cloud, "listSnapshots", showunique="false")["snapshot"]
        shown[release] = (ask(cloud, "listSnapshots")["count"], len({row.get("zoneid") for row in each}))
        await cloud.close()
    assert shown == {"4.18": (1, 1), "4.19": (1, 2), "4.23": (1, 2)}


def test_a_route_of_a_vpc_is_a_private_gateways_before_4_21() -> None:
    old, new = (
        refused(Cloud(version=release), "createStaticRoute", cidr="10.0.0.0/8")
        for release in ("4.20", "4.21")
    )
    assert "missing parameter gatewayid" in old.text
    assert "missing parameter" not in new.text


@pytest.mark.parametrize(
    ("release", "text"),
    [
        ("4.18", "Not all specified keyparis exist"),
        ("4.19", "Not all specified keyparis exist"),
        ("4.20", "Not all specified keypairs exist"),
        ("4.23", "Not all specified keypairs exist"),
    ],
)
def test_a_refusal_is_worded_as_the_release_does(release: str, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        deploy(Cloud(version=release), keypair="nope")
    assert caught.value.text == text


def test_releases_between_have_what_their_line_had_by_then() -> None:
    # 4.20.3 and 4.22.1 speak of instances, 4.21.0 and 4.22.0 in between do not yet.
    newest = "Failed to assign secondary IP to NIC"
    words = {
        text: releases.worded(newest, releases.version_of(text)) for text in ("4.20.3", "4.21.0", "4.22.1")
    }
    assert words == {"4.20.3": newest, "4.21.0": "Failed to assign secondary ip to nic", "4.22.1": newest}


def test_since_when_there_is_what() -> None:
    assert releases.since("listUserKeys") == "4.23"
    assert releases.since("updateVirtualMachine", "deleteprotection") == "4.20"
    assert releases.since("createTemplate", "arch") == "4.20.2"
    assert releases.since("listZones") == releases.since("listZones", "name") == ""


async def test_a_template_in_use_goes_unasked_on_the_oldest() -> None:
    gone = {}
    for release in ("4.18.0.0", "4.18", "4.23"):
        cloud = Cloud(version=release, job_time=0.01)
        deploy(cloud)
        await cloud.jobs.settle()
        [machine] = ask(cloud, "listVirtualMachines")["virtualmachine"]
        answer = ask(cloud, "deleteTemplate", "admin", id=machine["templateid"])
        job = await settled(cloud, answer, "admin")
        gone[release] = job["jobstatus"] == 1
        await cloud.close()
    # deleteTemplate's `forced` was true where it was not given; since 4.18.2 it is false.
    assert gone == {"4.18.0.0": True, "4.18": False, "4.23": False}
