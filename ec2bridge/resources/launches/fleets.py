"""Fleets as they are remembered: what was asked for, what was launched, and what failed.

CloudStack keeps no fleets, so they lie in the store alone. Like AWS the bridge lets one go two days after it was
deleted, or after its last machine is gone: some clients make fleets without end and delete none.
"""

from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ids import ec2_id
from ec2bridge.resources.launches.pools import CONFIGS, TARGET, shown
from ec2bridge.resources.machines import lookup
from ec2bridge.store import Change

Row = dict[str, Any]

KIND = "fleet"
KEEP = 2 * 24 * 3600.0
MANY = 100
"""Fleets of an account from which on it is seen which of them are over, whenever one is made."""
_ECHOED = ("ClientToken", "OnDemandOptions", "SpotOptions")
_OVER = ("terminated", "shutting-down")


async def remember(
    ctx: Context, request: Row, fleet: str, tags: list[dict[str, str]], answer: Row, fulfilled: Row
) -> None:
    """Write down a fleet that was launched; one of which there is no machine goes by itself."""
    total = request[TARGET]["TotalTargetCapacity"]
    spot = request[TARGET].get("DefaultTargetCapacityType") == "spot"
    record = {
        **{name: request[name] for name in _ECHOED if request.get(name)},
        **answer,
        **fulfilled,
        "Type": "instant",
        "ExcessCapacityTerminationPolicy": request.get("ExcessCapacityTerminationPolicy") or "termination",
        "ReplaceUnhealthyInstances": bool(request.get("ReplaceUnhealthyInstances")),
        "TerminateInstancesWithExpiration": bool(request.get("TerminateInstancesWithExpiration")),
        TARGET: {
            "DefaultTargetCapacityType": "on-demand",
            **request[TARGET],
            "OnDemandTargetCapacity": 0 if spot else total,
            "SpotTargetCapacity": total if spot else 0,
        },
        CONFIGS: [
            {
                "LaunchTemplateSpecification": config.get("LaunchTemplateSpecification") or {},
                "Overrides": [shown(override) for override in config.get("Overrides") or ()],
            }
            for config in request[CONFIGS]
        ],
        "Tags": tags,
        "_Created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "_Deleted": False,
    }
    await _let_go(ctx)
    kept = Change(KIND, fleet, record, None if answer["Instances"] else KEEP)
    if ctx.ending is None:
        await ctx.store.together(ctx.owner_id, kept)
    else:
        # With the answer: before it the machines may yet be taken back.
        ctx.ending.along.append(kept)


async def _let_go(ctx: Context) -> None:
    lasting = [entry for entry in await ctx.store.list(ctx.owner_id, KIND) if entry.expires is None]
    if len(lasting) < MANY:
        return
    alive = await living(ctx)
    for entry in lasting:
        if alive.isdisjoint(machines_of(entry.value)):
            await ctx.store.put(ctx.owner_id, KIND, entry.key, entry.value, KEEP)


async def living(ctx: Context) -> set[str]:
    """Return the ids of the caller's machines whose end has not begun."""
    rows = await lookup.list_rows(ctx)
    return {ec2_id("i", row["id"]) for row in rows if lookup.state_of(row) not in _OVER}


def machines_of(record: Row) -> set[str]:
    """Return the ids of the machines that a fleet launched."""
    return {ident for entry in record["Instances"] for ident in entry["InstanceIds"]}
