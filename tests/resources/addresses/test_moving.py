"""An Elastic IP that has to serve another subnet is nobody's for a moment, and still the client's."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from ec2bridge.ids import ec2_id
from tests.faults import clock, things
from tests.faults.lab import Lab


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
