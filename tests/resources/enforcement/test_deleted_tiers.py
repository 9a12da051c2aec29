"""A subnet that is deleted just when the end of its last machine settles what the tier lets through."""

import tempfile
from pathlib import Path

from tests.faults import clock, things
from tests.faults.lab import Lab


def test_a_subnet_goes_whose_list_of_rules_went_a_moment_before() -> None:
    async def story() -> None:
        with tempfile.TemporaryDirectory() as directory:
            lab = Lab(Path(directory))
            await lab.start()
            _, subnet = await things.tier(lab)
            ident = await things.machine(lab, SubnetId=subnet)
            [written] = [row for row in lab.sim.cloud.tables["acls"] if row["name"].startswith("ec2bridge:")]
            # The tier keeps its list for the time being.
            lab.sim.faults.add("refused", "replaceNetworkACLList")
            await lab.do("TerminateInstances", InstanceIds=[ident])
            await lab.running.idle()
            wire = lab.running.wire

            def settled(after: bool) -> None:
                if after and wire.calls[-1].command == "deleteNetwork":
                    lab.sim.cloud.tables["acls"].erase(written)

            wire.trips = dict.fromkeys(range(len(wire.calls), len(wire.calls) + 100), settled)
            await lab.do("DeleteSubnet", SubnetId=subnet)
            assert written not in list(lab.sim.cloud.tables["acls"])
            await lab.running.stop()
            await lab.close()

    clock.run(story())
