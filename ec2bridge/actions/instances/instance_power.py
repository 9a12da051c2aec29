"""Starting, stopping and rebooting instances.

These are jobs in CloudStack, which lists the old state until a job has begun and says only in the job that a machine
was not in the right state. EC2 answers at once with the state that the machine is on its way to, so that state is
shown until the job ends, and what can be refused is refused before.
"""

import logging
from collections.abc import Awaitable
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import background
from ec2bridge.ec2.batches import for_each
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.machines import stops
from ec2bridge.resources.machines.devices import ROOT_DEVICE
from ec2bridge.resources.machines.lookup import Machine, machines, refuse_unless, volumes_of
from ec2bridge.resources.machines.states import STOP_LOCK, moving, state_item
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)


@action("StartInstances", honours=("InstanceIds",), native=("startVirtualMachine", "listVolumes"))
async def start_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Start stopped instances; those that run already are left alone, as on AWS."""
    found = await machines(ctx, request["InstanceIds"])
    refuse_unless(found, ("stopped", "pending", "running"), "started")
    idle = [machine for machine in found if machine.state == "stopped"]
    await _require_roots(ctx, idle)
    await _submit_all(ctx, "startVirtualMachine", idle, "pending")
    return {"StartingInstances": [_change(machine, idle, "pending") for machine in found]}


async def _require_roots(ctx: Context, found: list[Machine]) -> None:
    """Refuse a start that can only fail: of a machine whose root volume is attached to nothing, or to another."""
    volumes = await volumes_of(ctx, [machine.row for machine in found])
    for machine in found:
        if not any(volume.get("deviceid") == 0 for volume in volumes.get(machine.uuid, ())):
            raise Ec2Error(
                "IncorrectInstanceState",
                f"Invalid value '{machine.id}' for instanceId. Instance does not have a volume attached at root"
                f" ({ROOT_DEVICE})",
            )


@action(
    "StopInstances",
    honours=("InstanceIds", "Force"),
    defaults={"Hibernate": (False,), "SkipOsShutdown": (False,)},
    native=("stopVirtualMachine",),
)
async def stop_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Stop running instances, with Force without asking their systems."""
    found = await machines(ctx, request["InstanceIds"])
    refuse_unless(found, ("running", "stopping", "stopped"), "stopped")
    for machine in found:
        if resource_tags.hidden(machine.row).get(STOP_LOCK) == "true":
            raise Ec2Error(
                "OperationNotPermitted",
                f"The instance '{machine.id}' may not be stopped. Modify its 'disableApiStop' instance attribute"
                " and try again.",
            )
    busy = [machine for machine in found if machine.state == "running"]
    forced = {"forced": True} if request.get("Force") else {}

    async def stop(machine: Machine) -> None:
        _show(ctx, machine, "stopping", await stops.stop(ctx, machine.uuid, **forced))

    await for_each(busy, stop)
    return {"StoppingInstances": [_change(machine, busy, "stopping") for machine in found]}


@action("RebootInstances", honours=("InstanceIds",), native=("rebootVirtualMachine",))
async def reboot_instances(ctx: Context, request: dict[str, Any]) -> None:
    """Reboot running instances; they show as running all the while, as on AWS."""
    found = await machines(ctx, request["InstanceIds"])
    refuse_unless(found, ("pending", "running"), "rebooted")
    await _submit_all(ctx, "rebootVirtualMachine", found, "running")


def _change(machine: Machine, changed: list[Machine], state: str) -> dict[str, Any]:
    return {
        "InstanceId": machine.id,
        # In AWS's order: libcloud takes the first state that it finds.
        "CurrentState": state_item(state if machine in changed else machine.state),
        "PreviousState": state_item(machine.state),
    }


async def _submit_all(ctx: Context, command: str, found: list[Machine], state: str) -> None:
    """Start a job for each machine and show `state` until it ends."""

    async def submit(machine: Machine) -> None:
        answer = await ctx.account.submit(command, id=machine.uuid)
        _show(ctx, machine, state, _follow(ctx, machine, answer["jobid"], state))

    await for_each(found, submit, lambda machine: machine.id)


def _show(ctx: Context, machine: Machine, state: str, until: Awaitable[None]) -> None:
    """Show a machine in a state until that work ends, which goes on in the background."""
    moving(ctx)[machine.uuid] = state

    async def show() -> None:
        try:
            await until
        finally:
            if moving(ctx).get(machine.uuid) == state:
                del moving(ctx)[machine.uuid]

    background.leave(ctx.site, show(), f"{state} {machine.id}")


async def _follow(ctx: Context, machine: Machine, jobid: str, state: str) -> None:
    try:
        await ctx.account.wait(jobid)
    except CloudStackError as error:
        # The machine shows its old state again, and why: AWS tells it of a start that failed, too.
        log.warning("%s: %s", machine.id, error)
        if state == "pending" and error.in_job:
            await stops.tell_failed_start(ctx, machine.uuid, error)
