"""The embedded CloudStack has planned faults happen, and only those, over its real HTTP API."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.simulator.server import Simulator


@pytest.fixture
async def sim() -> Any:
    async with Simulator(job_time=0.01) as running:
        yield running


@pytest.fixture
async def alice(sim: Simulator) -> Any:
    cloud = CloudStack(sim.url, job_timeout=0.5)
    await cloud.start()
    keys = sim.accounts["alice"]
    yield Account(cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key))
    await cloud.close()


async def groups(alice: Account) -> list[str]:
    return [row["name"] for row in await alice.list("listSecurityGroups")]


async def make(alice: Account, name: str) -> Any:
    """The bare call: an account would look for what became of it."""
    return await alice.cloudstack.send("createSecurityGroup", {"name": name}, alice.credentials)


async def test_a_refused_call_has_no_effect(sim: Simulator, alice: Account) -> None:
    sim.faults.add("refused", "createSecurityGroup")
    with pytest.raises(CloudStackError) as refusal:
        await make(alice, "web")
    assert refusal.value.errorcode == 531
    assert "web" not in await groups(alice)
    await make(alice, "web")


@pytest.mark.parametrize(
    ("mode", "there"), [("dropped", False), ("lost", True), ("page", False), ("garbled", True)]
)
async def test_an_answer_that_does_not_come_tells_nothing(
    sim: Simulator, alice: Account, mode: str, there: bool
) -> None:
    sim.faults.add(mode, "createSecurityGroup")
    with pytest.raises(CloudStackUnavailable):
        await make(alice, "web")
    assert ("web" in await groups(alice)) is there


async def test_without_a_command_the_writes_are_counted(sim: Simulator, alice: Account) -> None:
    sim.faults.add("lost", number=2)
    await make(alice, "one")
    await groups(alice)
    with pytest.raises(CloudStackUnavailable):
        await make(alice, "two")
    await make(alice, "three")
    assert {"one", "two", "three"} <= set(await groups(alice))


async def test_a_fault_may_be_meant_for_one_account(sim: Simulator, alice: Account) -> None:
    sim.faults.add("refused", "*", account="bob")
    await make(alice, "web")
    assert sim.faults.faults, "bob has not called"


async def volume(alice: Account) -> Any:
    zone = (await alice.list("listZones", name="sim-adv"))[0]["id"]
    offerings = await alice.list("listDiskOfferings")
    offering = next(row["id"] for row in offerings if not row["iscustomized"])
    return await alice.submit("createVolume", name="data", zoneid=zone, diskofferingid=offering)


async def test_a_job_that_fails_leaves_no_volume(sim: Simulator, alice: Account) -> None:
    sim.faults.add("job-fails", "createVolume")
    answer = await volume(alice)
    with pytest.raises(CloudStackError) as failure:
        await alice.wait(answer["jobid"])
    assert failure.value.in_job
    assert await alice.list("listVolumes", id=answer["id"]) == []


async def test_a_failed_snapshot_is_left_in_error_and_can_be_deleted(sim: Simulator, alice: Account) -> None:
    made = await volume(alice)
    await alice.wait(made["jobid"])
    sim.cloud.tables["volumes"].update(sim.cloud.tables["volumes"].known(made["id"]), state="Ready")
    sim.faults.add("job-fails", "createSnapshot")
    answer = await alice.submit("createSnapshot", volumeid=made["id"])
    with pytest.raises(CloudStackError):
        await alice.wait(answer["jobid"])
    [row] = await alice.list("listSnapshots", id=answer["id"])
    assert row["state"] == "Error"
    await alice.job("deleteSnapshot", id=answer["id"])
    assert await alice.list("listSnapshots", id=answer["id"]) == []


async def test_a_failed_deploy_leaves_a_machine_in_error(sim: Simulator, alice: Account) -> None:
    sim.faults.add("job-fails", "deployVirtualMachine")
    zone = (await alice.list("listZones", name="sim-basic"))[0]["id"]
    template = (await alice.list("listTemplates", templatefilter="featured"))[0]["id"]
    offering = (await alice.list("listServiceOfferings"))[0]["id"]
    answer = await alice.submit(
        "deployVirtualMachine", zoneid=zone, templateid=template, serviceofferingid=offering
    )
    with pytest.raises(CloudStackError):
        await alice.wait(answer["jobid"])
    [row] = await alice.list("listVirtualMachines", id=answer["id"])
    assert row["state"] == "Error"


async def test_a_job_that_hangs_ends_later(sim: Simulator, alice: Account) -> None:
    sim.faults.add("job-hangs", "createVolume", seconds=0.8)
    answer = await volume(alice)
    with pytest.raises(CloudStackUnavailable):
        await alice.wait(answer["jobid"])
    await asyncio.wait_for(sim.settle(), 30)
    assert (await alice.wait(answer["jobid"]))["volume"]["id"] == answer["id"]


async def test_a_file_plans_faults(sim: Simulator, alice: Account, tmp_path: Path) -> None:
    plan = tmp_path / "faults.toml"
    plan.write_text('[[fault]]\nmode = "refused"\ncommand = "createSecurityGroup"\nerrorcode = 530\n')
    sim.faults.read(plan)
    with pytest.raises(CloudStackError) as refusal:
        await make(alice, "web")
    assert refusal.value.errorcode == 530


async def test_there_are_no_other_faults(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="there is no fault 'eaten'"):
        sim.faults.add("eaten")
