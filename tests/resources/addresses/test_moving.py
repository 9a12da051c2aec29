"""An Elastic IP that has to serve another subnet is nobody's for a moment, and still the client's."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.ids import ec2_id
from tests.faults import clock, things
from tests.faults.lab import Lab, Told


@pytest.mark.parametrize("launches", [False, True])
def test_the_accounts_next_request_for_an_address_does_not_get_one_that_is_on_its_way(launches: bool) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as directory:
            lab = Lab(Path(directory))
            await lab.start()
            moving = await things.address(lab)
            interface = await things.interface(lab, (await things.tier(lab))[1])
            wanted = {"AllocationId": moving, "NetworkInterfaceId": interface}
            nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
            launch = await things.launch(lab, NetworkInterfaces=[nic])
            [row] = [
                row for row in lab.sim.cloud.tables["addresses"] if ec2_id("eipalloc", row["id"]) == moving
            ]
            moved = asyncio.create_task(lab.running.answer("AssociateAddress", wanted))
            # CloudStack gives it back, and the bridge has not looked yet.
            for _ in range(10_000):
                if row["state"] == "Free":
                    break
                await asyncio.sleep(0.001)
            request = ("RunInstances", launch) if launches else ("AllocateAddress", {"Domain": "vpc"})
            assert (await lab.running.answer(*request)).ok
            assert (await moved).ok
            await lab.quiet()
            found = (await lab.do("DescribeAddresses"))["Addresses"]
            assert [one.get("NetworkInterfaceId") for one in found if one["AllocationId"] == moving] == [
                interface
            ]
            assert len(found) == (1 if launches else 2)
            await lab.running.stop()
            await lab.close()

    clock.run(story())


TAGS = [{"Key": "Empty", "Value": ""}, {"Key": "Name", "Value": "made"}]


@asynccontextmanager
async def given_back(lab: Lab) -> AsyncIterator[tuple[dict[str, Any], asyncio.Task[Told]]]:
    """An address that CloudStack has just been given back, on its way to an interface; and the request for that."""
    await lab.start()
    moving = (await lab.do("AllocateAddress", **things.tags("elastic-ip")))["AllocationId"]
    interface = await things.interface(lab, (await things.tier(lab))[1])
    request = {"AllocationId": moving, "NetworkInterfaceId": interface}
    [row] = [row for row in lab.sim.cloud.tables["addresses"] if ec2_id("eipalloc", row["id"]) == moving]
    asked = asyncio.create_task(lab.running.answer("AssociateAddress", request))
    lab.mine.add(asked)
    for _ in range(10_000):
        if row["state"] == "Free":
            break
        await asyncio.sleep(0.001)
    yield request, asked
    await lab.running.stop()
    await lab.close()


async def shown(lab: Lab, moving: str) -> tuple[Any, Any]:
    """Where an address is associated, its tags being there in either listing."""
    [address] = (await lab.do("DescribeAddresses", AllocationIds=[moving]))["Addresses"]
    tags = (await lab.do("DescribeTags", Filters=[{"Name": "resource-id", "Values": [moving]}]))["Tags"]
    told = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]
    assert sorted(told, key=lambda tag: str(tag["Key"])) == address["Tags"] == TAGS
    return address["AllocationId"], address.get("NetworkInterfaceId")


def test_an_address_that_is_on_its_way_is_shown_with_its_tags() -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as directory:
            lab = Lab(Path(directory))
            async with given_back(lab) as (request, asked):
                moving = request["AllocationId"]
                while not asked.done():
                    found, interface = await shown(lab, moving)
                    assert found == moving
                    assert interface in (None, request["NetworkInterfaceId"])
                assert asked.result().ok
                assert await shown(lab, moving) == (moving, request["NetworkInterfaceId"])

    clock.run(story())


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("AssociateAddress", {"NetworkInterfaceId": "same"}),
        ("AssociateAddress", {"NetworkInterfaceId": "other"}),
        ("CreateTags", {"Tags": [{"Key": "Name", "Value": "moved"}]}),
        ("DeleteTags", {"Tags": [{"Key": "Name"}]}),
        pytest.param("CreateNatGateway", {"SubnetId": "other"}, marks=pytest.mark.since("4.19")),
        ("ReleaseAddress", {}),
        ("AllocateAddress", {}),
    ],
)
def test_whoever_asks_for_an_address_that_a_dead_bridge_gave_back_finds_it(
    action: str, more: dict[str, Any]
) -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as directory:
            lab = Lab(Path(directory))
            async with given_back(lab) as (request, _):
                moving = request["AllocationId"]
                await lab.running.kill()
                await lab.restart()
                assert await shown(lab, moving) == (moving, None)
                asked = {**await named(lab, more, request), **names(action, moving)}
                told = await lab.running.answer(action, asked)
                assert told.ok, told
                found = (await lab.do("DescribeAddresses"))["Addresses"]
                ids = [address["AllocationId"] for address in found]
                if action == "ReleaseAddress":
                    assert ids == []
                elif action == "AllocateAddress":
                    assert sorted(ids) == sorted({moving, told.answer["AllocationId"]})
                    assert len(ids) == 2
                else:
                    assert ids == [moving]
                if action == "AssociateAddress":
                    assert found[0]["NetworkInterfaceId"] == asked["NetworkInterfaceId"]
                    assert found[0]["AssociationId"] == told.answer["AssociationId"]
                    assert found[0]["Tags"] == TAGS
                if action in ("CreateTags", "DeleteTags"):
                    assert [tag["Value"] for tag in found[0]["Tags"]] == ["", "moved"][
                        : 1 + (action == "CreateTags")
                    ]

    clock.run(story())


def names(action: str, moving: str) -> dict[str, Any]:
    if action == "AllocateAddress":
        return {}
    return {"Resources": [moving]} if action.endswith("Tags") else {"AllocationId": moving}


async def named(lab: Lab, more: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The request with the interface that was asked for, or with what lies in a VPC of its own."""
    found = dict(more)
    if "SubnetId" in more:
        found["SubnetId"] = await things.subnet(lab, await things.vpc(lab, "10.51.0.0/16"), "10.51.1.0/24")
    if more.get("NetworkInterfaceId") == "same":
        found["NetworkInterfaceId"] = request["NetworkInterfaceId"]
    elif "NetworkInterfaceId" in more:
        of = await things.subnet(lab, await things.vpc(lab, "10.51.0.0/16"), "10.51.1.0/24")
        found["NetworkInterfaceId"] = await things.interface(lab, of)
    return found
