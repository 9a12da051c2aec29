"""InstanceRequirements: the types that have what a fleet asks for, instead of a type's name.

AWS chooses by price among the types that match. CloudStack has no prices, so the smallest comes first: it is what
the lowest price would be. What CloudStack cannot tell of a type (whose processors, how fast its disks and its
network) is refused when it restricts; what it has not (local disks, bare metal) leaves no type when it is required.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ec2bridge.ec2 import registry
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.filters import matcher
from ec2bridge.errors import Ec2Error
from ec2bridge.mapping import Size
from ec2bridge.resources.instance_types import Entry, entries, has_gpu, type_table

Wanted = Mapping[str, Any]

_HONOURED = (
    "VCpuCount",
    "MemoryMiB",
    "MemoryGiBPerVCpu",
    "ExcludedInstanceTypes",
    "AllowedInstanceTypes",
    "InstanceGenerations",
    "BareMetal",
    "BurstablePerformance",
    "RequireHibernateSupport",
    "LocalStorage",
    "LocalStorageTypes",
    "TotalLocalStorageGB",
    "AcceleratorTypes",
    "AcceleratorCount",
    "RequireEncryptionInTransit",
)
_PRICED = (
    "SpotMaxPricePercentageOverLowestPrice",
    "OnDemandMaxPricePercentageOverLowestPrice",
    "MaxSpotPriceAsPercentageOfOptimalOnDemandPrice",
)
# Every machine has an interface; the rest of their bounds CloudStack cannot tell.
_NO_BOUND = {
    "NetworkInterfaceCount.Min": (0, 1),
    "BaselineEbsBandwidthMbps.Min": (0,),
    "AcceleratorTotalMemoryMiB.Min": (0,),
    "NetworkBandwidthGbps.Min": (0,),
}


def honours(at: str) -> tuple[str, ...]:
    """Return the members that an action honours which takes requirements at a path."""
    return tuple(f"{at}.{name}" for name in _HONOURED)


def ignores(at: str) -> dict[str, str]:
    """Return the members that do no harm."""
    return {f"{at}.{name}": "CloudStack has no prices, so no type is dearer than another" for name in _PRICED}


def defaults(at: str) -> dict[str, tuple[Any, ...]]:
    """Return the values that restrict nothing, of members that would."""
    return {f"{at}.{name}": values for name, values in _NO_BOUND.items()}


def check(ctx: Context, wanted: Wanted, action: str) -> None:
    """Refuse requirements that were kept in a launch template as those of a request are."""
    entry = registry.find("GetInstanceTypesFromInstanceRequirements")
    if entry is not None and not ctx.settings.lenient:
        registry.check_members(replace(entry, name=action), {"InstanceRequirements": dict(wanted)})


async def matching(ctx: Context, wanted: Wanted, architectures: Collection[str]) -> list[Entry]:
    """Return the types that have all that is wanted, the smallest first, those with a GPU last."""
    for name in ("VCpuCount", "MemoryMiB"):
        if (wanted.get(name) or {}).get("Min") is None:
            raise Ec2Error(
                "MissingParameter", f"The request must contain the parameter InstanceRequirements.{name}.Min"
            )
    if wanted.get("ExcludedInstanceTypes") and wanted.get("AllowedInstanceTypes"):
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameters ExcludedInstanceTypes and AllowedInstanceTypes cannot be used together.",
        )
    if any(wanted.get(name) for name in ("RequireHibernateSupport", "RequireEncryptionInTransit")):
        return []
    if wanted.get("BareMetal") == "required" or not _has_disks_enough(wanted):
        return []
    table = await type_table(ctx)
    found = [
        (entry.size, entry)
        for entry in entries(table)
        if entry.size
        and not set(architectures).isdisjoint(
            table.architectures_of(ctx.mappings.instance_types.family(entry.name))
        )
        and all(_answers(ctx, entry, entry.size, wanted))
    ]
    found.sort(key=lambda pair: (has_gpu(pair[1].offering), pair[0].cpus, pair[0].memory))
    return [entry for _, entry in found]


def _has_disks_enough(wanted: Wanted) -> bool:
    """Whether no local disk is enough, which is what every type has."""
    types = wanted.get("LocalStorageTypes")
    return (
        wanted.get("LocalStorage") != "required"
        and (not types or {"hdd", "ssd"} <= set(types))
        and _is_within(0, wanted.get("TotalLocalStorageGB"))
    )


def _answers(ctx: Context, entry: Entry, size: Size, wanted: Wanted) -> Iterator[bool]:
    """Yield for one requirement after another whether a type meets it."""
    family = ctx.mappings.instance_types.family(entry.name)
    yield _is_within(size.cpus, wanted["VCpuCount"])
    yield _is_within(size.memory, wanted["MemoryMiB"])
    yield _is_within(size.memory / 1024 / size.cpus, wanted.get("MemoryGiBPerVCpu"))
    if wanted.get("AllowedInstanceTypes"):
        yield matcher(wanted["AllowedInstanceTypes"])(entry.name)
    if wanted.get("ExcludedInstanceTypes"):
        yield not matcher(wanted["ExcludedInstanceTypes"])(entry.name)
    generation = "previous" if family and family.previous else "current"
    yield generation in (wanted.get("InstanceGenerations") or (generation,))
    burstable = bool(family and family.burstable)
    yield wanted.get("BurstablePerformance", "excluded") in (
        "included",
        "required" if burstable else "excluded",
    )
    offering = entry.offering
    gpus = int(offering.get("gpucount") or 1) if has_gpu(offering) else 0
    yield _is_within(gpus, wanted.get("AcceleratorCount"))
    if wanted.get("AcceleratorTypes"):
        yield bool(gpus) and "gpu" in wanted["AcceleratorTypes"]


def _is_within(value: float, bounds: Mapping[str, float] | None) -> bool:
    low, high = ((bounds or {}).get(name) for name in ("Min", "Max"))
    return (low is None or value >= low) and (high is None or value <= high)
