"""Spot instances: machines with a lease.

AWS sells spare capacity for as long as nobody pays more. CloudStack has no prices, but from 4.21 on, where the
operator has turned leases on, machines that are stopped or destroyed when their time is over: that is the spot
instance a cloud of this kind can have. Without leases a spot request is refused; a machine that stays for ever would
be another thing than what was asked for.
"""

import math
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2 import releases
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error

DAYS = 7
"""A lease's length when the request sets no end."""
_ACTIONS = {"terminate": "DESTROY", "stop": "STOP"}


async def lease(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the lease that InstanceMarketOptions asks for, as deployVirtualMachine takes it; {} for none."""
    market = request.get("InstanceMarketOptions") or {}
    if market.get("MarketType", "on-demand") != "spot":
        return {}
    await require(ctx)
    options = market.get("SpotOptions") or {}
    behaviour = options.get("InstanceInterruptionBehavior") or "terminate"
    if behaviour not in _ACTIONS:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter InstanceInterruptionBehavior with the value '{behaviour}' is not supported: a lease ends"
            " with stop or terminate.",
        )
    return {"leaseduration": days(options), "leaseexpiryaction": _ACTIONS[behaviour]}


def days(options: dict[str, Any]) -> int:
    """Return the lease in whole days, which is how CloudStack counts, never shorter than asked for."""
    until = options.get("ValidUntil")
    if isinstance(until, datetime):
        seconds = (until - datetime.now(UTC)).total_seconds()
        if seconds <= 0:
            raise Ec2Error("InvalidParameterValue", "The parameter validUntil must be in the future.")
        return max(1, math.ceil(seconds / 86400))
    if options.get("BlockDurationMinutes"):
        return max(1, math.ceil(int(options["BlockDurationMinutes"]) / 1440))
    return DAYS


async def require(ctx: Context) -> None:
    """Refuse where CloudStack has no leases: it would ignore the parameters in silence."""
    await releases.require(ctx, releases.LEASE)
    if not (await ctx.account.capabilities()).get("instanceleaseenabled"):
        raise Ec2Error(
            "UnsupportedOperation",
            "Spot instances are not supported: they rest on CloudStack's instance leases, which this cloud lacks (its"
            " operator has not turned them on).",
        )
