"""TerminateInstances, and the release of what a machine held.

On AWS a terminated instance holds nothing: its groups, subnet and key can be deleted at once. A machine that
CloudStack has only destroyed keeps groups, networks, addresses and its name until it is expunged, a day later by
default, and by default its owner may neither expunge it nor see it. So the caller destroys and, where the owner may
not, the look-up account expunges; where neither may, the machine is stopped and taken out of its groups before it is
destroyed. It shows as shutting-down until all of that is done, and as terminated for an hour after.
"""

from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.batches import for_each
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.machines.lookup import Machine, machines, volumes_of
from ec2bridge.resources.machines.records import ENDED, ENDING, Record, carry_on, supersede
from ec2bridge.resources.machines.states import moving, state_item
from ec2bridge.resources.termination.process import destroy, end, ending

Row = dict[str, Any]


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
    for machine in found:
        if machine.row.get("deleteprotection"):
            raise Ec2Error(
                "OperationNotPermitted",
                f"The instance '{machine.id}' may not be terminated. Modify its 'disableApiTermination' instance"
                " attribute and try again.",
            )
    ending = [machine for machine in found if _is_alive(machine)]
    volumes = await volumes_of(ctx, [machine.row for machine in ending]) if ending else {}
    await for_each(ending, lambda machine: _begin(ctx, machine, volumes.get(machine.uuid, [])))
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


def _is_alive(machine: Machine) -> bool:
    if machine.record is not None:
        return machine.record["phase"] not in (ENDING, ENDED)
    return machine.state not in ("terminated", "shutting-down") or machine.row.get("state") == "Error"


async def _begin(ctx: Context, machine: Machine, volumes: list[Row]) -> None:
    """Have CloudStack accept the end of a machine, so that a refusal reaches the client, and go on from there."""
    launch = await supersede(ctx.site, machine.uuid) or machine.record
    data = await ending(ctx, machine.row, volumes, launch)
    record = Record(ctx, machine.uuid, data)
    record.launch = launch
    await record.save()
    if machine.record is None and not data["careful"]:
        try:
            data["job"], data["destroying"] = (await destroy(ctx, machine.uuid, data))["jobid"], True
        except CloudStackUnavailable:
            # Whether it goes already or not yet: the record sees to its end.
            record.again = True
        except CloudStackError:
            await record.close()
            raise
        await record.save()
    moving(ctx).pop(machine.uuid, None)
    carry_on(record, end)
