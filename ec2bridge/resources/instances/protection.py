"""What keeps a machine from being ended: CloudStack's protection from deletion, and what its shutdown means."""

from typing import Any

from ec2bridge.ec2 import releases
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error

Row = dict[str, Any]


def shutdown_behaviour(value: str) -> str:
    """Return a shutdown behaviour that EC2 knows, or refuse it."""
    if value not in ("stop", "terminate"):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({value}) for parameter instanceInitiatedShutdownBehavior is invalid.",
        )
    return value


async def require_protection(ctx: Context) -> None:
    """Refuse protection from termination where CloudStack lacks it: it would ignore the parameter in silence."""
    await releases.require(ctx, releases.PROTECTION)


def unrecovered(asked: str | None, *, recovers: bool) -> bool:
    """Return whether a machine is asked not to be recovered, refusing that where its offering has it recovered.

    CloudStack starts a machine whose host fails on another one if its offering says so (`offerha`), and in no other
    case. AWS's `default` asks for nothing.
    """
    if asked in (None, "", "default"):
        return False
    if asked != "disabled":
        raise Ec2Error("InvalidParameterValue", f"Value ({asked}) for parameter autoRecovery is invalid.")
    if recovers:
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter AutoRecovery with the value 'disabled' is not supported: the service offering of this"
            " instance type has its machines started again when their host fails. Choose another type.",
        )
    return True
