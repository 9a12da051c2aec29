"""Instance types and where they are offered.

A client asks for what AWS sells; CloudStack has offerings. Listed here are the AWS types that an offering of this
cloud can serve, and the offerings under their own names; all with the size that a machine really gets.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from ec2bridge.cloudstack.errors import unless_forbidden
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.values import known
from ec2bridge.errors import Ec2Error
from ec2bridge.mapping import Size
from ec2bridge.resources.instance_types import (
    Entry,
    TypeTable,
    entries,
    has_gpu,
    size_of,
    type_of,
    type_table,
)
from ec2bridge.resources.launches import requirements
from ec2bridge.resources.placement_groups import STRATEGIES
from ec2bridge.resources.places.zones import zones
from ec2bridge.resources.volumes.types import disk_offerings

Row = dict[str, Any]

_EBS, _NET = "EbsInfo", "NetworkInfo"


@describe(
    "DescribeInstanceTypes",
    items="InstanceTypes",
    ids={
        "InstanceTypes": Ids(
            "_Names",
            code="InvalidInstanceType",
            sentence="The following supplied instance types do not exist: [{}]",
        )
    },
    key="InstanceType",
    filters={
        "auto-recovery-supported": "AutoRecoverySupported",
        "bare-metal": "BareMetal",
        "burstable-performance-supported": "BurstablePerformanceSupported",
        "current-generation": "CurrentGeneration",
        "dedicated-hosts-supported": "DedicatedHostsSupported",
        "ebs-info.attachment-limit-type": None,
        "ebs-info.maximum-ebs-attachments": None,
        "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps": None,
        "ebs-info.ebs-optimized-info.baseline-iops": None,
        "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps": None,
        "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps": None,
        "ebs-info.ebs-optimized-info.maximum-iops": None,
        "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps": None,
        "ebs-info.ebs-optimized-support": f"{_EBS}.EbsOptimizedSupport",
        "ebs-info.encryption-support": f"{_EBS}.EncryptionSupport",
        "ebs-info.nvme-support": f"{_EBS}.NvmeSupport",
        "free-tier-eligible": "FreeTierEligible",
        "hibernation-supported": "HibernationSupported",
        "hypervisor": None,
        "instance-storage-info.disk.count": None,
        "instance-storage-info.disk.size-in-gb": None,
        "instance-storage-info.disk.type": None,
        "instance-storage-info.encryption-support": None,
        "instance-storage-info.nvme-support": None,
        "instance-storage-info.total-size-in-gb": None,
        "instance-storage-supported": "InstanceStorageSupported",
        "instance-type": "_Names",
        "memory-info.size-in-mib": "MemoryInfo.SizeInMiB",
        "network-info.bandwidth-weightings": None,
        "network-info.efa-info.maximum-efa-interfaces": None,
        "network-info.efa-supported": f"{_NET}.EfaSupported",
        "network-info.ena-support": f"{_NET}.EnaSupport",
        "network-info.flexible-ena-queues-support": None,
        "network-info.encryption-in-transit-supported": f"{_NET}.EncryptionInTransitSupported",
        "network-info.ipv4-addresses-per-interface": None,
        "network-info.ipv6-addresses-per-interface": None,
        "network-info.ipv6-supported": None,
        "network-info.maximum-network-cards": None,
        "network-info.maximum-network-interfaces": None,
        "network-info.network-performance": f"{_NET}.NetworkPerformance",
        "nitro-enclaves-support": "NitroEnclavesSupport",
        "nitro-tpm-support": "NitroTpmSupport",
        "nitro-tpm-info.supported-versions": None,
        "processor-info.supported-architecture": "ProcessorInfo.SupportedArchitectures",
        "processor-info.sustained-clock-speed-in-ghz": "ProcessorInfo.SustainedClockSpeedInGhz",
        "processor-info.supported-features": None,
        "reboot-migration-support": None,
        "supported-boot-mode": None,
        "supported-root-device-type": "SupportedRootDeviceTypes",
        "supported-usage-class": "SupportedUsageClasses",
        "supported-virtualization-type": "SupportedVirtualizationTypes",
        "vcpu-info.default-cores": "VCpuInfo.DefaultCores",
        "vcpu-info.default-threads-per-core": "VCpuInfo.DefaultThreadsPerCore",
        "vcpu-info.default-vcpus": "VCpuInfo.DefaultVCpus",
        "vcpu-info.valid-cores": "VCpuInfo.ValidCores",
        "vcpu-info.valid-threads-per-core": "VCpuInfo.ValidThreadsPerCore",
    },
    ignores={"IncludeUnsupportedInRegion": "there is one region, and what it cannot serve has no offering"},
    native=("listServiceOfferings", "listTemplates"),
    most=100,
)
async def describe_instance_types(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the types that a launch may name, and whatever else one of the caller's machines is of."""
    table = await type_table(ctx)
    disks = await unless_forbidden(disk_offerings(ctx))
    encrypts = None if disks is None else any(row.get("encrypt") for row in disks)
    found = [type_item(ctx, table, entry, encrypts=encrypts) for entry in entries(table)]
    names = {name for item in found for name in item["_Names"]}
    if set(request.get("InstanceTypes") or ()) - names:
        found += [
            type_item(ctx, table, entry, encrypts=encrypts) for entry in await _of_machines(ctx, table, names)
        ]
    return found


async def _of_machines(ctx: Context, table: TypeTable, names: set[str]) -> list[Entry]:
    """Return types that exist on machines alone: their offering was removed, or takes any size."""
    rows = await ctx.account.list("listVirtualMachines", details=["servoff"])
    found: dict[str, Entry] = {}
    for row in rows:
        name = type_of(table, row)
        if name and name not in names:
            offering = table.offering(row.get("serviceofferingid"))
            found.setdefault(name, Entry(name, size_of(row), offering or row, current=offering is not None))
    return list(found.values())


def _processors(size: Size) -> Item:
    """A machine's processors are cores of one thread each, and all of them."""
    return {
        "DefaultVCpus": size.cpus,
        "DefaultCores": size.cpus,
        "DefaultThreadsPerCore": 1,
        "ValidCores": [size.cpus],
        "ValidThreadsPerCore": [1],
    }


def type_item(ctx: Context, table: TypeTable, entry: Entry, *, encrypts: bool | None) -> Item:
    """Return one type. What is said of hardware that CloudStack has not is a no, not a guess."""
    family = ctx.mappings.instance_types.family(entry.name)
    offering, size = entry.offering, entry.size
    speed = offering.get("cpuspeed")
    return known(
        InstanceType=entry.name,
        CurrentGeneration=entry.current and not (family and family.previous),
        FreeTierEligible=False,
        SupportedUsageClasses=["on-demand"],
        SupportedRootDeviceTypes=["ebs"],
        SupportedVirtualizationTypes=["hvm"],
        BareMetal=False,
        ProcessorInfo=known(
            SupportedArchitectures=table.architectures_of(family),
            SustainedClockSpeedInGhz=int(speed) / 1000 if speed else None,
        ),
        VCpuInfo=_processors(size) if size else None,
        MemoryInfo={"SizeInMiB": size.memory} if size else None,
        InstanceStorageSupported=False,
        EbsInfo={
            # A launch takes EbsOptimized either way: it is kept and told.
            "EbsOptimizedSupport": "supported",
            **({} if encrypts is None else {"EncryptionSupport": "supported" if encrypts else "unsupported"}),
            "NvmeSupport": "unsupported",
        },
        NetworkInfo=_network(offering),
        GpuInfo=_graphics(offering),
        # Terraform reads the structure without looking whether it is there.
        PlacementGroupInfo={"SupportedStrategies": sorted(set(STRATEGIES.values()))},
        HibernationSupported=False,
        # What may be given a CreditSpecification; no credits are counted, a machine has its processors all the time.
        BurstablePerformanceSupported=bool(family and family.burstable),
        DedicatedHostsSupported=False,
        AutoRecoverySupported=bool(offering.get("offerha")),
        NitroEnclavesSupport="unsupported",
        NitroTpmSupport="unsupported",
        _Names=_names(entry),
    )


def _names(entry: Entry) -> list[str]:
    """What a launch may call a type: an offering's uuid stands for the type of its own name."""
    offering = entry.offering
    return [entry.name, offering["id"] if offering.get("name") == entry.name else entry.name]


def _network(offering: Row) -> dict[str, Any]:
    rate = offering.get("networkrate")
    return known(
        NetworkPerformance=f"{rate} Megabit" if rate else None,
        EnaSupport="unsupported",
        EfaSupported=False,
        EncryptionInTransitSupported=False,
    )


def _graphics(offering: Row) -> dict[str, Any] | None:
    if not has_gpu(offering):
        return None
    details = offering.get("serviceofferingdetails") or {}
    name = offering.get("gpucardname") or details.get("vgpuType") or details.get("pciDevice")
    return {"Gpus": [known(Name=name, Count=int(offering.get("gpucount") or 1))]}


@describe(
    "DescribeInstanceTypeOfferings",
    items="InstanceTypeOfferings",
    key="_Key",
    filters={"instance-type": "_Names", "location": "_Locations"},
    honours=("LocationType",),
    native=("listServiceOfferings", "listTemplates", "listZones"),
)
async def describe_instance_type_offerings(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return which types can be launched in the region, or in each of its zones."""
    kind = request.get("LocationType") or "region"
    if kind not in ("region", "availability-zone", "availability-zone-id", "outpost"):
        raise Ec2Error("InvalidParameterValue", f"Value ({kind}) for parameter locationType is invalid.")
    table, places = await asyncio.gather(type_table(ctx), zones(ctx))
    if kind == "region":
        return list(_offered(table, kind, None, [ctx.settings.region]))
    found: list[Item] = []
    for zone in places:
        first = zone.id if kind == "availability-zone-id" else zone.name
        names = [first, *(name for name in zone.names if name != first)]
        if kind != "outpost":
            found += _offered(table, kind, zone.uuid, names)
    return found


def _offered(table: TypeTable, kind: str, zone: str | None, names: list[str]) -> Iterable[Item]:
    for entry in entries(table, zone):
        yield {
            "InstanceType": entry.name,
            "LocationType": kind,
            "Location": names[0],
            "_Locations": names,
            "_Names": _names(entry),
            "_Key": f"{entry.name} {names[0]}",
        }


_WANTED = "InstanceRequirements"


@describe(
    "GetInstanceTypesFromInstanceRequirements",
    items="InstanceTypes",
    key="InstanceType",
    honours=("ArchitectureTypes", "VirtualizationTypes", *requirements.honours(_WANTED)),
    ignores=requirements.ignores(_WANTED),
    defaults=requirements.defaults(_WANTED),
    native=("listServiceOfferings", "listTemplates"),
    least=1,
)
async def get_instance_types_from_instance_requirements(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the types of which a fleet with these requirements would be made."""
    for name in ("ArchitectureTypes", "VirtualizationTypes", _WANTED):
        if not request.get(name):
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
    if "hvm" not in request["VirtualizationTypes"]:
        return []
    found = await requirements.matching(ctx, request[_WANTED], request["ArchitectureTypes"])
    return [{"InstanceType": entry.name} for entry in found]
