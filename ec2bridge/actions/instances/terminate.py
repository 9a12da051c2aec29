"""TerminateInstances, and the release of what a machine held.

On AWS a terminated instance holds nothing: its groups, subnet and key can be deleted at once. A machine that
CloudStack has only destroyed keeps groups, networks, addresses and its name until it is expunged, a day later by
default, and by default its owner may neither expunge it nor see it. So the caller destroys and, where the owner may
not, the look-up account expunges; where neither may, the machine is stopped and taken out of its groups before it is
destroyed. It shows as shutting-down until all of that is done, and as terminated for an hour after.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.resources.machines.lookup import machines
from ec2bridge.resources.machines.states import state_item
from ec2bridge.resources.termination.beginning import terminate


@action(
    "TerminateInstances",
    honours=("InstanceIds",),
    ignores={
        "Force": "a machine is destroyed whatever its system does",
        "SkipOsShutdown": "a machine is destroyed whatever its system does",
    },
    native=("destroyVirtualMachine", "listVolumes"),
)
async def terminate_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Destroy machines and release what they hold; those that are gone already stay so."""
    found = await machines(ctx, request["InstanceIds"])
    ending = await terminate(ctx, found)
    return {
        "TerminatingInstances": [
            {
                "InstanceId": machine.id,
                # In AWS's order: libcloud takes the first state that it finds.
                "CurrentState": state_item("shutting-down" if machine in ending else machine.state),
                "PreviousState": state_item(machine.state),
            }
            for machine in found
        ]
    }
