"""What a fleet may be launched from: its launch templates, each with one override after another.

An override names a type, or says what a type must have; of those that have it each that is an offering or a size of
its own is a pool, too.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.instance_types import Entry, architecture
from ec2bridge.resources.launches import launch_templates, requirements
from ec2bridge.resources.launches.launch import launch_marked
from ec2bridge.resources.launches.plan import image_rows

Row = dict[str, Any]

CONFIGS = "LaunchTemplateConfigs"
TARGET = "TargetCapacitySpecification"
WANTED = "InstanceRequirements"
DIRECT = ("ImageId", "InstanceType", "SubnetId", "BlockDeviceMappings")
"""Members of an override that stand in a launch under the same name."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One launch template with one of its overrides."""

    template: Row
    override: Row
    weight: float
    """How much of the target capacity one machine is."""

    def shown(self, named: Row) -> Row:
        """Return the pool as an answer names it."""
        return {"LaunchTemplateSpecification": named, "Overrides": shown(self.override)}


def shown(override: Row) -> Row:
    """Return an override as answers have it: AWS's tell nothing of a placement but the group."""
    group = (override.get("Placement") or {}).get("GroupName")
    rest = {name: value for name, value in override.items() if name != "Placement"}
    return {**rest, "Placement": {"GroupName": group}} if group else rest


def lifecycle(request: Row) -> str:
    """Return what all machines of the fleet are: spot (with a lease) or on-demand; a mixture is refused."""
    target = request.get(TARGET) or {}
    if target.get("DefaultTargetCapacityType") != "spot":
        return "on-demand"
    if target.get("OnDemandTargetCapacity"):
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter OnDemandTargetCapacity is not supported beside a default of spot: a fleet is of one kind.",
        )
    return "spot"


def wanted(request: Row) -> Iterator[Pool]:
    """Yield the pools, those of a lower Priority first, as AWS orders them."""
    pools = [
        Pool(
            config.get("LaunchTemplateSpecification") or {},
            override,
            float(override.get("WeightedCapacity") or 1),
        )
        for config in request[CONFIGS]
        for override in config.get("Overrides") or [{}]
    ]
    yield from sorted(pools, key=lambda pool: pool.override.get("Priority", float("inf")))


async def choices(ctx: Context, request: Row, pool: Pool) -> list[Pool]:
    """Return the pool, or one for each type that has what the pool wants of a type, the smallest first."""
    data = {} if pool.override.get("InstanceType") else await _data(ctx, pool)
    asked: Mapping[str, Any] = pool.override.get(WANTED) or data.get(WANTED) or {}
    requirements.check(ctx, asked, "CreateFleet")
    unit = (request.get(TARGET) or {}).get("TargetCapacityUnitType") or "units"
    if not asked and unit != "units":
        raise Ec2Error(
            "InvalidParameterCombination",
            f"The parameter TargetCapacityUnitType with the value '{unit}' needs {WANTED} to be used.",
        )
    if not asked:
        return [pool]
    image = await image_rows(ctx, pool.override.get("ImageId") or data.get("ImageId"))
    found = await requirements.matching(ctx, asked, {architecture(row) for row in image})
    if not found:
        raise Ec2Error("InvalidParameterValue", f"No instance type of this cloud has what {WANTED} asks for.")
    # Many types are one size: tried once, it is the same machine under any name.
    alike = {(entry.offering["id"], entry.size): entry for entry in reversed(found)}
    return [
        replace(
            pool,
            override={**pool.override, "InstanceType": entry.name},
            weight=_weight(unit, entry, pool.weight),
        )
        for entry in found
        if alike[entry.offering["id"], entry.size] is entry
    ]


def _weight(unit: str, entry: Entry, weight: float) -> float:
    if entry.size is None or unit == "units":
        return weight
    return float(entry.size.cpus if unit == "vcpu" else entry.size.memory)


async def _data(ctx: Context, pool: Pool) -> Row:
    template = await launch_templates.find(ctx, pool.template)
    data: Row = launch_templates.version_of(template, pool.template.get("Version"))["data"]
    return data


async def launch(
    ctx: Context, request: Row, pool: Pool, capacity: float, token: str, fleet: str
) -> list[Row]:
    """Launch as many machines of a pool as the capacity takes; they are marked as the fleet's."""
    override = pool.override
    asked: Row = {
        "LaunchTemplate": pool.template,
        "MinCount": 1,
        "MaxCount": int(-(-capacity // pool.weight)),
        "ClientToken": hashlib.sha256(token.encode()).hexdigest(),
        "TagSpecifications": [
            entry for entry in request.get("TagSpecifications") or () if entry.get("ResourceType") != "fleet"
        ],
        WANTED: None,
        **{name: override[name] for name in DIRECT if override.get(name)},
    }
    if override.get("SubnetId"):
        asked |= await _placed(ctx, pool)
    zone = {name: override[name] for name in ("AvailabilityZone", "AvailabilityZoneId") if override.get(name)}
    if zone or override.get("Placement"):
        asked["Placement"] = {**(override.get("Placement") or {}), **zone}
    if lifecycle(request) == "spot":
        asked["InstanceMarketOptions"] = {"MarketType": "spot"}
    answer = await launch_marked(ctx, asked, {"aws:ec2:fleet-id": fleet})
    machines: list[Row] = answer["Instances"]
    return machines


async def _placed(ctx: Context, pool: Pool) -> Row:
    """Return where the override's subnet goes: to the template's first network interface, if it has any."""
    subnet = pool.override["SubnetId"]
    nics = sorted(
        (await _data(ctx, pool)).get("NetworkInterfaces") or (),
        key=lambda nic: int(nic.get("DeviceIndex") or 0),
    )
    if not nics:
        return {"SubnetId": subnet}
    return {"SubnetId": None, "NetworkInterfaces": [{**nics[0], "SubnetId": subnet}, *nics[1:]]}
