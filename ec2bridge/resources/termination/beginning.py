"""The beginning of a machine's end: what CloudStack has to accept before a client is told that it goes."""

from contextlib import suppress
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.batches import for_each
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.leases import LostError
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.machines.lookup import Machine, volumes_of
from ec2bridge.resources.machines.records import ENDED, ENDING, Record, carry_on, supersede
from ec2bridge.resources.machines.states import moving
from ec2bridge.resources.termination.process import destroy, end, ending

Row = dict[str, Any]


async def terminate(ctx: Context, found: list[Machine]) -> list[Machine]:
    """Begin the end of all machines that are alive, and return these; none ends if one is protected."""
    for machine in found:
        if machine.row.get("deleteprotection"):
            raise Ec2Error(
                "OperationNotPermitted",
                f"The instance '{machine.id}' may not be terminated. Modify its 'disableApiTermination' instance"
                " attribute and try again.",
            )
    alive = [machine for machine in found if is_alive(machine)]
    volumes = await volumes_of(ctx, [machine.row for machine in alive]) if alive else {}
    await for_each(
        alive,
        lambda machine: _begin(ctx, machine, volumes.get(machine.uuid, [])),
        lambda machine: machine.id,
    )
    return alive


def is_alive(machine: Machine) -> bool:
    """Whether a machine is there, and its end has not begun."""
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
            with suppress(LostError):
                await record.close()
            raise
        try:
            await record.save()
        except LostError:
            # Somebody ends it at the same time, and their record has taken this one's place: they go on with it.
            return
    moving(ctx).pop(machine.uuid, None)
    carry_on(record, end)
