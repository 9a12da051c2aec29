"""Fleets of type `instant`: machines launched once, from the first of several pools that can have them.

CloudStack keeps no fleets, so the types that go on keeping a capacity (`maintain`, `request`) are refused. An instant
fleet is a launch that tries its launch templates and overrides one after the other, and answers what failed beside
what runs. Its id marks the machines, as on AWS; what it was asked for, and its tags, lie in the store.
"""

import hashlib
from datetime import datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, to_ec2
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.launches import fleets, launch_templates, pools, requirements
from ec2bridge.resources.launches.fleets import KEEP, KIND
from ec2bridge.resources.launches.leases import require
from ec2bridge.resources.launches.plan import KINDS_TAGGED
from ec2bridge.resources.launches.pools import CONFIGS, DIRECT, TARGET, WANTED
from ec2bridge.resources.machines.lookup import machines
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.termination.beginning import terminate

_MISSING = "InvalidFleetId.NotFound"
_ABSENT = "The fleet ID '{}' does not exist"
_MOST_DELETED = 25
"""AWS: "up to 25 instant fleet IDs" in one request."""


@action(
    "CreateFleet",
    honours=(
        "Type",
        "ClientToken",
        *(
            f"{CONFIGS}.LaunchTemplateSpecification.{name}"
            for name in ("LaunchTemplateId", "LaunchTemplateName", "Version")
        ),
        *(f"{CONFIGS}.Overrides.{name}" for name in DIRECT),
        f"{CONFIGS}.Overrides.AvailabilityZone",
        f"{CONFIGS}.Overrides.AvailabilityZoneId",
        f"{CONFIGS}.Overrides.Placement.AvailabilityZone",
        f"{CONFIGS}.Overrides.Placement.GroupId",
        f"{CONFIGS}.Overrides.Placement.GroupName",
        *requirements.honours(f"{CONFIGS}.Overrides.{WANTED}"),
        f"{CONFIGS}.Overrides.Priority",
        f"{CONFIGS}.Overrides.WeightedCapacity",
        f"{TARGET}.TotalTargetCapacity",
        f"{TARGET}.OnDemandTargetCapacity",
        f"{TARGET}.DefaultTargetCapacityType",
        f"{TARGET}.TargetCapacityUnitType",
        "TagSpecifications",
    ),
    defaults={
        f"{CONFIGS}.Overrides.Placement.Tenancy": ("default",),
        f"{TARGET}.SpotTargetCapacity": (0,),
        **requirements.defaults(f"{CONFIGS}.Overrides.{WANTED}"),
    },
    ignores={
        **requirements.ignores(f"{CONFIGS}.Overrides.{WANTED}"),
        "OnDemandOptions.AllocationStrategy": "without prices the order of the overrides is their priority",
        "SpotOptions.AllocationStrategy": "without prices the order of the overrides is their priority",
        "ReplaceUnhealthyInstances": "an instant fleet keeps no capacity",
        "TerminateInstancesWithExpiration": "an instant fleet does not expire",
        "ExcessCapacityTerminationPolicy": "an instant fleet keeps no capacity",
    },
    native=("deployVirtualMachine", "listVirtualMachines", "listTemplates", "listNetworks"),
)
async def create_fleet(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Launch the target capacity from the first pools that have it."""
    wanted = total = _check(request)
    tags = resource_tags.specifications(request, KIND, *KINDS_TAGGED)[KIND]
    if pools.lifecycle(request) == "spot":
        await require(ctx)
    token = request.get("ClientToken") or ctx.request_id
    digits = hashlib.sha256(f"fleet/{ctx.owner_id}/{token}".encode()).hexdigest()
    fleet = f"fleet-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
    launched: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    kind = pools.lifecycle(request)
    for place, pool in enumerate(pools.wanted(request)):
        if wanted <= 0:
            break
        template = await launch_templates.find(ctx, pool.template)
        number = launch_templates.number_of(template, pool.template.get("Version"))
        named = {"LaunchTemplateId": ec2_id("lt", template["id"]), "Version": str(number)}
        try:
            choices = await pools.choices(ctx, request, pool)
        except (CloudStackError, Ec2Error) as error:
            errors.append(await _error(ctx, pool.shown(named), kind, error))
            continue
        for choice in choices:
            if wanted <= 0:
                break
            once = (
                f"{fleet}/{place}" if choice is pool else f"{fleet}/{place}/{choice.override['InstanceType']}"
            )
            try:
                machines = await pools.launch(ctx, request, choice, wanted, once, fleet)
            except (CloudStackError, Ec2Error) as error:
                errors.append(await _error(ctx, choice.shown(named), kind, error))
                continue
            wanted -= len(machines) * choice.weight
            launched.append(_launched(choice.shown(named), kind, machines))
    answer = {"Instances": launched, "Errors": errors}
    done = total - wanted
    fulfilled = {
        "ActivityStatus": "fulfilled" if wanted <= 0 else "error",
        "FulfilledCapacity": done,
        "FulfilledOnDemandCapacity": done if kind == "on-demand" else 0.0,
    }
    await fleets.remember(ctx, request, fleet, resource_tags.as_list(tags), answer, fulfilled)
    return {"FleetId": fleet, **answer}


def _check(request: dict[str, Any]) -> float:
    """Return the capacity to launch."""
    if request.get("Type", "maintain") != "instant":
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Type with the value '{request.get('Type', 'maintain')}' is not supported: only instant"
            " fleets are, which keep no capacity.",
        )
    target = request.get(TARGET) or {}
    total = target.get("TotalTargetCapacity") or 0
    if total < 1:
        raise Ec2Error(
            "InvalidParameterValue", f"Value ({total}) for parameter totalTargetCapacity is invalid."
        )
    if not request.get(CONFIGS):
        raise Ec2Error("MissingParameter", f"The request must contain the parameter {CONFIGS}")
    for config in request[CONFIGS]:
        for override in config.get("Overrides") or ():
            weight = override.get("WeightedCapacity", 1)
            if weight <= 0:
                sentence = (
                    f"Value ({weight:g}) for parameter weightedCapacity is invalid. It must be more than 0."
                )
                raise Ec2Error("InvalidParameterValue", sentence)
            if override.get("InstanceType") and override.get(WANTED):
                raise Ec2Error(
                    "InvalidParameterCombination",
                    f"The parameters InstanceType and {WANTED} cannot be used together in one override.",
                )
    return float(total)


_OPEN = ("Unavailable", "InternalError")


async def _error(
    ctx: Context, shown: dict[str, Any], lifecycle: str, error: CloudStackError | Ec2Error
) -> dict[str, Any]:
    if isinstance(error, CloudStackError):
        error = await to_ec2(error, ctx.account, ctx.mappings.errors)
    if error.code in _OPEN:
        # Nobody knows what has become of it: the request that is sent again with its token finds out.
        raise error
    return {
        "LaunchTemplateAndOverrides": shown,
        "Lifecycle": lifecycle,
        "ErrorCode": error.code,
        "ErrorMessage": error.message,
    }


def _launched(shown: dict[str, Any], lifecycle: str, machines: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "LaunchTemplateAndOverrides": shown,
        "Lifecycle": lifecycle,
        "InstanceIds": [machine["InstanceId"] for machine in machines],
        "InstanceType": machines[0]["InstanceType"],
    }


def _dashed(member: str) -> Any:
    """Return what a filter compares: its words have dashes where the answer's have underscores."""
    return lambda item: [str(item[member]).replace("_", "-")]


@describe(
    "DescribeFleets",
    items="Fleets",
    ids={"FleetIds": Ids("FleetId", None, _MISSING, _ABSENT)},
    filters={
        "activity-status": _dashed("ActivityStatus"),
        "excess-capacity-termination-policy": lambda item: [
            item["ExcessCapacityTerminationPolicy"] == "termination"
        ],
        "fleet-state": _dashed("FleetState"),
        "replace-unhealthy-instances": "ReplaceUnhealthyInstances",
        "type": "Type",
    },
    native=("listVirtualMachines",),
    least=1,
)
async def describe_fleets(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the fleets that are named; as on AWS an instant one is shown to nobody else."""
    if not request.get("FleetIds"):
        return []
    asked = set(request["FleetIds"])
    found = {e.key: e.value for e in await ctx.store.list(ctx.owner_id, KIND) if e.key in asked}
    deleted = any(record["_Deleted"] for record in found.values())
    alive = await fleets.living(ctx) if deleted else set()
    return [_item(fleet, record, alive) for fleet, record in found.items()]


def _item(fleet: str, record: dict[str, Any], alive: set[str]) -> Item:
    ends = not alive.isdisjoint(fleets.machines_of(record))
    return {
        **record,
        "FleetId": fleet,
        "CreateTime": datetime.fromisoformat(record["_Created"]),
        "FleetState": ("deleted_terminating" if ends else "deleted") if record["_Deleted"] else "active",
    }


@describe(
    "DescribeFleetInstances",
    items="ActiveInstances",
    key="InstanceId",
    filters={"instance-type": "InstanceType"},
    honours=("FleetId",),
    least=1,
)
async def describe_fleet_instances(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Refuse as AWS does: of an instant fleet DescribeFleets tells the machines, and there are no others here."""
    fleet = request.get("FleetId") or ""
    if await ctx.store.get(ctx.owner_id, KIND, fleet) is None:
        raise Ec2Error(_MISSING, _ABSENT.format(fleet))
    raise Ec2Error(
        "Unsupported",
        f"Fleet {fleet} is instant fleet. Describe fleet instances is not supported by this type of fleet:"
        " use DescribeFleets, whose Instances tell them, instead",
    )


@action(
    "DeleteFleets",
    honours=("FleetIds", "TerminateInstances"),
    native=("destroyVirtualMachine", "listVirtualMachines", "listVolumes"),
)
async def delete_fleets(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete fleets and terminate their machines, which AWS does with every instant fleet."""
    asked = list(dict.fromkeys(request.get("FleetIds") or ()))
    if not all(asked):
        raise Ec2Error("InvalidParameterValue", "An empty id is not valid: leave the parameter out instead.")
    if not asked or request.get("TerminateInstances") is None:
        name = "TerminateInstances" if asked else "FleetIds"
        raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
    if not request["TerminateInstances"]:
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter TerminateInstances with the value 'false' is not supported: an instant fleet is deleted with"
            " its instances.",
        )
    if len(asked) > _MOST_DELETED:
        raise Ec2Error(
            "InvalidParameterValue", f"At most {_MOST_DELETED} instant fleets can be deleted at once."
        )
    gone: list[Item] = []
    kept: list[Item] = []
    alive = await fleets.living(ctx)
    for fleet in asked:
        record = await ctx.store.get(ctx.owner_id, KIND, fleet)
        if record is None:
            error = {"Code": "fleetIdDoesNotExist", "Message": _ABSENT.format(fleet)}
            kept.append({"FleetId": fleet, "Error": error})
            continue
        before = _item(fleet, record, alive)["FleetState"]
        living = sorted(alive & fleets.machines_of(record))
        try:
            if living:
                await terminate(ctx, await machines(ctx, living))
        except Ec2Error as refused:
            error = {"Code": "unexpectedError", "Message": refused.message}
            kept.append({"FleetId": fleet, "Error": error})
            continue
        await ctx.store.put(ctx.owner_id, KIND, fleet, {**record, "_Deleted": True}, KEEP)
        states = {"PreviousFleetState": before, "CurrentFleetState": "deleted_terminating"}
        gone.append({"FleetId": fleet, **states})
    return {"SuccessfulFleetDeletions": gone, "UnsuccessfulFleetDeletions": kept}
