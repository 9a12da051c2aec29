"""CreateFleet of type `instant`: machines launched once, from the first of several pools that can have them.

CloudStack keeps no fleets, so the types that go on keeping a capacity (`maintain`, `request`) are refused. An instant
fleet is a launch that tries its launch templates and overrides one after the other, and answers what failed beside
what runs. Its id marks the machines, as on AWS; tags for the fleet itself have nothing to stand on and are dropped.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, to_ec2
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.launches import launch_templates
from ec2bridge.resources.launches.launch import launch_marked
from ec2bridge.resources.launches.leases import require

_CONFIGS = "LaunchTemplateConfigs"
_TARGET = "TargetCapacitySpecification"
_DIRECT = ("ImageId", "InstanceType", "SubnetId", "BlockDeviceMappings")


@dataclass(frozen=True, slots=True)
class Pool:
    """One launch template with one of its overrides."""

    template: dict[str, Any]
    override: dict[str, Any]

    @property
    def weight(self) -> float:
        """How much of the target capacity one machine is."""
        return float(self.override.get("WeightedCapacity") or 1)

    def shown(self, named: dict[str, Any]) -> dict[str, Any]:
        """Return the pool as an answer names it."""
        group = (self.override.get("Placement") or {}).get("GroupName")
        shown = {name: value for name, value in self.override.items() if name != "Placement"}
        # AWS's answer tells nothing of a placement but the group.
        return {
            "LaunchTemplateSpecification": named,
            "Overrides": {**shown, "Placement": {"GroupName": group}} if group else shown,
        }


@action(
    "CreateFleet",
    honours=(
        "Type",
        "ClientToken",
        *(
            f"{_CONFIGS}.LaunchTemplateSpecification.{name}"
            for name in ("LaunchTemplateId", "LaunchTemplateName", "Version")
        ),
        *(f"{_CONFIGS}.Overrides.{name}" for name in _DIRECT),
        f"{_CONFIGS}.Overrides.AvailabilityZone",
        f"{_CONFIGS}.Overrides.AvailabilityZoneId",
        f"{_CONFIGS}.Overrides.Placement.AvailabilityZone",
        f"{_CONFIGS}.Overrides.Placement.GroupName",
        f"{_CONFIGS}.Overrides.Priority",
        f"{_CONFIGS}.Overrides.WeightedCapacity",
        f"{_TARGET}.TotalTargetCapacity",
        f"{_TARGET}.OnDemandTargetCapacity",
        f"{_TARGET}.DefaultTargetCapacityType",
        "TagSpecifications",
    ),
    defaults={
        f"{_CONFIGS}.Overrides.Placement.Tenancy": ("default",),
        f"{_TARGET}.SpotTargetCapacity": (0,),
        f"{_TARGET}.TargetCapacityUnitType": ("units",),
    },
    ignores={
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
    if _lifecycle(request) == "spot":
        await require(ctx)
    token = request.get("ClientToken") or ctx.request_id
    digits = hashlib.sha256(f"fleet/{ctx.owner_id}/{token}".encode()).hexdigest()
    fleet = f"fleet-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
    launched: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for place, pool in enumerate(_pools(request)):
        if wanted <= 0:
            break
        template = await launch_templates.find(ctx, pool.template)
        number = launch_templates.number_of(template, pool.template.get("Version"))
        shown = pool.shown({"LaunchTemplateId": ec2_id("lt", template["id"]), "Version": str(number)})
        try:
            machines = await _launch(ctx, request, pool, wanted, f"{fleet}/{place}", fleet)
        except (CloudStackError, Ec2Error) as error:
            errors.append(await _error(ctx, shown, _lifecycle(request), error))
            continue
        wanted -= len(machines) * pool.weight
        launched.append(_launched(shown, _lifecycle(request), machines))
    return {"FleetId": fleet, "Instances": launched, "Errors": errors}


def _check(request: dict[str, Any]) -> float:
    """Return the capacity to launch."""
    if request.get("Type", "maintain") != "instant":
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Type with the value '{request.get('Type', 'maintain')}' is not supported: only instant"
            " fleets are, which keep no capacity.",
        )
    target = request.get(_TARGET) or {}
    total = target.get("TotalTargetCapacity") or 0
    if total < 1:
        raise Ec2Error(
            "InvalidParameterValue", f"Value ({total}) for parameter totalTargetCapacity is invalid."
        )
    if not request.get(_CONFIGS):
        raise Ec2Error("MissingParameter", f"The request must contain the parameter {_CONFIGS}")
    return float(total)


def _lifecycle(request: dict[str, Any]) -> str:
    """Return what all machines of the fleet are: spot (with a lease) or on-demand; a mixture is refused."""
    target = request.get(_TARGET) or {}
    if target.get("DefaultTargetCapacityType") != "spot":
        return "on-demand"
    if target.get("OnDemandTargetCapacity"):
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter OnDemandTargetCapacity is not supported beside a default of spot: a fleet is of one kind.",
        )
    return "spot"


def _pools(request: dict[str, Any]) -> Iterator[Pool]:
    """Yield the pools, those of a lower Priority first, as AWS orders them."""
    pools = [
        Pool(config.get("LaunchTemplateSpecification") or {}, override)
        for config in request[_CONFIGS]
        for override in config.get("Overrides") or [{}]
    ]
    yield from sorted(pools, key=lambda pool: pool.override.get("Priority", float("inf")))


async def _launch(
    ctx: Context, request: dict[str, Any], pool: Pool, wanted: float, token: str, fleet: str
) -> list[dict[str, Any]]:
    count = int(-(-wanted // pool.weight))
    override = pool.override
    launch: dict[str, Any] = {
        "LaunchTemplate": pool.template,
        "MinCount": 1,
        "MaxCount": count,
        "ClientToken": hashlib.sha256(token.encode()).hexdigest(),
        "TagSpecifications": [
            entry for entry in request.get("TagSpecifications") or () if entry.get("ResourceType") != "fleet"
        ],
        **{name: override[name] for name in _DIRECT if override.get(name)},
    }
    if override.get("SubnetId"):
        launch |= await _placed(ctx, pool)
    zone = {name: override[name] for name in ("AvailabilityZone", "AvailabilityZoneId") if override.get(name)}
    if zone or override.get("Placement"):
        launch["Placement"] = {**(override.get("Placement") or {}), **zone}
    if _lifecycle(request) == "spot":
        launch["InstanceMarketOptions"] = {"MarketType": "spot"}
    answer = await launch_marked(ctx, launch, {"aws:ec2:fleet-id": fleet})
    machines: list[dict[str, Any]] = answer["Instances"]
    return machines


async def _placed(ctx: Context, pool: Pool) -> dict[str, Any]:
    """Return where the override's subnet goes: to the template's first network interface, if it has any."""
    subnet = pool.override["SubnetId"]
    template = await launch_templates.find(ctx, pool.template)
    version = launch_templates.version_of(template, pool.template.get("Version"))
    nics = sorted(
        version["data"].get("NetworkInterfaces") or (), key=lambda nic: int(nic.get("DeviceIndex") or 0)
    )
    if not nics:
        return {"SubnetId": subnet}
    return {"SubnetId": None, "NetworkInterfaces": [{**nics[0], "SubnetId": subnet}, *nics[1:]]}


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
