"""CloudStack's own Python client, unmodified, against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cs import CloudStack, CloudStackApiException

from ec2bridge.simulator.server import Simulator


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(job_time=0.02) as simulator:
        yield simulator


def client(sim: Simulator, name: str = "alice") -> CloudStack:
    keys = sim.accounts[name]
    return CloudStack(
        endpoint=sim.url,
        key=keys.api_key,
        secret=keys.secret_key,
        poll_interval=0.02,
        job_timeout=10,
        timeout=10,
    )


async def use(work: Callable[[], Any]) -> Any:
    """The client blocks, the simulator runs in this loop."""
    return await asyncio.to_thread(work)


def deploy(cs: CloudStack, zone: str = "sim-sg", **params: Any) -> dict[str, Any]:
    zone_id = cs.listZones(name=zone)["zone"][0]["id"]
    template = cs.listTemplates(templatefilter="featured", fetch_list=True)[0]["id"]
    offering = cs.listServiceOfferings(name="t2.micro")["serviceoffering"][0]["id"]
    answer = cs.deployVirtualMachine(
        zoneid=zone_id, templateid=template, serviceofferingid=offering, fetch_result=True, **params
    )
    machine: dict[str, Any] = answer["virtualmachine"]
    return machine


async def test_a_machine_lives_and_dies(sim: Simulator) -> None:
    cs = client(sim)
    machine = await use(lambda: deploy(cs, name="one"))
    assert machine["state"] == "Running"
    assert machine["securitygroup"][0]["name"] == "default"

    listed = await use(lambda: cs.listVirtualMachines(id=machine["id"])["virtualmachine"])
    assert [row["name"] for row in listed] == ["one"]
    stopped = await use(lambda: cs.stopVirtualMachine(id=machine["id"], fetch_result=True))
    assert stopped["virtualmachine"]["state"] == "Stopped"
    gone = await use(lambda: cs.destroyVirtualMachine(id=machine["id"], fetch_result=True))
    assert gone["virtualmachine"]["state"] == "Destroyed"
    assert await use(lambda: cs.listVirtualMachines(id=machine["id"])) == {}


async def test_a_destroyed_machine_is_expunged_by_the_look_up_account_only(sim: Simulator) -> None:
    cs = client(sim)
    machine = await use(lambda: deploy(cs, name="one"))
    await use(lambda: cs.destroyVirtualMachine(id=machine["id"], fetch_result=True))
    with pytest.raises(CloudStackApiException, match="can only be done by an Admin"):
        await use(lambda: cs.expungeVirtualMachine(id=machine["id"], fetch_result=True))
    with pytest.raises(CloudStackApiException, match="already exists"):
        await use(lambda: deploy(cs, name="one"))

    keeper = client(sim, "keylookup")
    assert await use(lambda: keeper.expungeVirtualMachine(id=machine["id"], fetch_result=True)) == {
        "success": True
    }
    assert (await use(lambda: deploy(cs, name="one")))["state"] == "Running"


async def test_pages_hold_every_machine_once(sim: Simulator) -> None:
    sim.populate("alice", 7)
    cs = client(sim)
    rows = await use(lambda: cs.listVirtualMachines(fetch_list=True, pagesize=3))
    assert len({row["id"] for row in rows}) == len(rows) == 7
    assert sim.calls["listVirtualMachines"] == 3


async def test_an_account_sees_its_own_machines_only(sim: Simulator) -> None:
    theirs = sim.populate("alice", 1)[0]
    bob = client(sim, "bob")
    assert await use(lambda: bob.listVirtualMachines()) == {}
    with pytest.raises(CloudStackApiException, match="does not have permission"):
        await use(lambda: bob.stopVirtualMachine(id=theirs["id"]))


async def test_a_first_machine_brings_its_own_isolated_network(sim: Simulator) -> None:
    cs = client(sim)
    machine = await use(lambda: deploy(cs, zone="sim-adv"))
    network = (await use(lambda: cs.listNetworks(id=machine["nic"][0]["networkid"])))["network"][0]
    assert (network["type"], network["state"], network["cidr"]) == ("Isolated", "Implemented", "10.1.1.0/24")
