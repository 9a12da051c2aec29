"""CreateFleet of type `instant`: machines launched once, from the first of several pools that can have them.

CloudStack keeps no fleets, so the types that go on keeping a capacity (`maintain`, `request`) are refused. An instant
fleet is a launch that tries its launch templates and overrides one after the other, and answers what failed beside
what runs. Its id marks the machines, as on AWS; tags for the fleet itself have nothing to stand on and are dropped.
"""

import hashlib
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, to_ec2
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.launches import launch_templates, pools, requirements
from ec2bridge.resources.launches.leases import require
from ec2bridge.resources.launches.pools import CONFIGS, DIRECT, TARGET, WANTED


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
        "TagSpecifications of ResourceType fleet": "CloudStack keeps no fleet that could carry tags",
        "TerminateInstancesWithExpiration": "an instant fleet does not expire",
        "ExcessCapacityTerminationPolicy": "an instant fleet keeps no capacity",
    },
    native=("deployVirtualMachine", "listVirtualMachines", "listTemplates", "listNetworks"),
)
async def create_fleet(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Launch the target capacity from the first pools that have it."""
    wanted = _check(request)
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
    return {"FleetId": fleet, "Instances": launched, "Errors": errors}


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
            if override.get("InstanceType") and override.get(WANTED):
                raise Ec2Error(
                    "InvalidParameterCombination",
                    f"The parameters InstanceType and {WANTED} cannot be used together in one override.",
                )
    return float(total)


async def _error(
    ctx: Context, shown: dict[str, Any], lifecycle: str, error: CloudStackError | Ec2Error
) -> dict[str, Any]:
    if isinstance(error, CloudStackError):
        error = await to_ec2(error, ctx.account, ctx.mappings.errors)
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
