"""A change whose answer does not come is looked for, and counts as made only where CloudStack shows it."""

from typing import Any

import pytest

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackUnavailable
from ec2bridge.simulator.server import Simulator

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGw5V2m6VGtcXhWc6YzXJb5VnF2ZcXb2p0bZ1X8vJ3kQ laptop"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL8teQ34QSYZYCkmacseOu9VJhkTIPz8vv64esw/gA7r other"


@pytest.fixture
async def sim() -> Any:
    async with Simulator(job_time=0.01) as running:
        yield running


@pytest.fixture
async def alice(sim: Simulator) -> Any:
    cloud = CloudStack(sim.url, job_timeout=5)
    await cloud.start()
    keys = sim.accounts["alice"]
    yield Account(cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key))
    await cloud.close()


@pytest.mark.parametrize("mode", ["lost", "garbled"])
async def test_a_thing_that_is_gone_was_deleted(sim: Simulator, alice: Account, mode: str) -> None:
    made = (await alice.call("createSecurityGroup", name="web"))["securitygroup"]
    sim.faults.add(mode, "deleteSecurityGroup")
    await alice.call("deleteSecurityGroup", id=made["id"])
    assert [row for row in await alice.list("listSecurityGroups") if row["name"] == "web"] == []


@pytest.mark.parametrize("mode", ["dropped", "page"])
async def test_a_thing_that_is_still_there_may_be_or_not(sim: Simulator, alice: Account, mode: str) -> None:
    made = (await alice.call("createSecurityGroup", name="web"))["securitygroup"]
    sim.faults.add(mode, "deleteSecurityGroup")
    with pytest.raises(CloudStackUnavailable):
        await alice.call("deleteSecurityGroup", id=made["id"])


async def test_a_thing_of_its_name_is_the_one_that_was_made(sim: Simulator, alice: Account) -> None:
    sim.faults.add("lost", "createAffinityGroup")
    made = await alice.job("createAffinityGroup", name="apart", type="host anti-affinity")
    assert [row["id"] for row in await alice.list("listAffinityGroups")] == [made["id"]]


async def test_another_key_of_the_name_is_nobodys_answer(sim: Simulator, alice: Account) -> None:
    await alice.call("registerSSHKeyPair", name="laptop", publickey=OTHER)
    sim.faults.add("dropped", "registerSSHKeyPair")
    with pytest.raises(CloudStackUnavailable):
        await alice.call("registerSSHKeyPair", name="laptop", publickey=LINE)


async def test_a_key_is_told_by_itself(sim: Simulator, alice: Account) -> None:
    sim.faults.add("lost", "registerSSHKeyPair")
    answer = await alice.call("registerSSHKeyPair", name="laptop", publickey=LINE)
    assert answer["keypair"]["name"] == "laptop"


async def test_a_question_that_fails_says_nothing_of_its_job(sim: Simulator, alice: Account) -> None:
    sim.faults.add("refused", "queryAsyncJobResult", errorcode=530)
    await alice.job("createAffinityGroup", name="apart", type="host anti-affinity")
    assert not sim.faults.faults
