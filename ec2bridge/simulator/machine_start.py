"""Starting a machine: the steps that a deploy and a start share, inside a job."""

from __future__ import annotations

from ec2bridge.simulator import machines
from ec2bridge.simulator import network_use as networks
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.errors import ApiError, no_capacity
from ec2bridge.simulator.tables import Row, now

# A deploy's mark among the details, which only its end takes away.
UNDEPLOYED = {"deployvm": "true"}


async def power_on(call: Call, machine: Row, *, deploying: bool = False) -> None:
    """Stopped → Starting → Running, or the refusal that fails the job.

    A deploy that finds no host leaves its machine in state Error.
    """
    cloud = call.cloud
    table = cloud.tables["machines"]
    if machines.root_of(cloud, machine) is None:
        raise ApiError(
            530, None, f"Unable to create deployment, no usable volumes found for the VM: {machine['id']}"
        )
    if not _fits(call, machine):
        text = f"No destination found for a deployment for {machines.label(machine)}"
        if deploying:
            table.update(
                machine, state="Error", lastupdated=now(), details={**machine["details"], **UNDEPLOYED}
            )
            for volume in machines.volumes_of(cloud, machine):
                cloud.tables["volumes"].remove(volume)
        raise no_capacity(text)
    table.update(machine, state="Starting", lastupdated=now())
    await cloud.pause(0.6)
    for nic in machines.nics_of(cloud, machine):
        network = cloud.tables["networks"].get(nic["networkid"])
        if network is not None:
            networks.implement(cloud, network)
    for volume in machines.volumes_of(cloud, machine):
        cloud.tables["volumes"].update(volume, state="Ready")
    table.update(machine, state="Running", lastupdated=now(), _placed=True)
    # A machine runs a little before its job is over, as on the real server.
    await cloud.pause(0.1)


def _fits(call: Call, machine: Row) -> bool:
    """One host must hold the machine, and the zone as many running machines as its setting allows."""
    settings = call.cloud.settings
    if machine["cpunumber"] > settings["host.cpus"] or machine["memory"] > settings["host.memory"]:
        return False
    running = call.cloud.tables["machines"].where(zoneid=machine["zoneid"], state="Running")
    most = settings["zone.machines"]
    return not most or len(running) < most
