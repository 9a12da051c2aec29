"""Instance types and service offerings.

EC2 knows fixed names (t3.small) with a fixed size; a CloudStack operator names offerings freely and sizes them
freely, and a customised offering takes its size at launch. `mappings/instance-types.yaml` says how large an AWS type
is; everything else follows from the cloud's own offerings.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.mapping import Family, Size
from ec2bridge.resources.places.zones import FOREVER, cached
from ec2bridge.resources.tags.resource_tags import RESERVED

Row = dict[str, Any]

TYPE_DETAIL = "ec2bridge.type"
"""The machine detail that keeps the type a launch asked for; CloudStack keeps only the offering."""

TYPE_TAG = RESERVED + "instance-type"
"""The machine's tag that keeps the type it was changed to later."""


GPU_DETAILS = frozenset({"pciDevice", "vgpuType"})
"""Details of an offering that give its machines a GPU."""


@dataclass(frozen=True, slots=True)
class TypeTable:
    """The caller's offerings and the AWS types that they can serve."""

    aws: Mapping[str, Size]
    offerings: tuple[Row, ...]
    """In the order in which they are chosen from."""
    cpu_speed: int
    """MHz asked of a customised offering that leaves the speed to the launch."""
    by_uuid: Mapping[str, Row]
    architectures: frozenset[str]
    """Those of the cloud's images: an offering has none of its own."""

    def offering(self, uuid: str | None) -> Row | None:
        """Return the offering of that uuid; None when it was removed or is not the caller's to see."""
        return self.by_uuid.get(uuid or "")

    def serving(self, name: str, zone: str | None = None) -> tuple[Row, dict[str, Any]] | None:
        """Return the offering, and the details a customised one needs, that a launch of type `name` uses.

        An offering of that name or uuid comes first; then, for an AWS type, one of its size; then a customised one.
        Among several of a kind one that any host can run, then the oldest: the choice never changes by itself.
        `zone` is a zone's uuid, and leaves out offerings that exist elsewhere only.
        """
        rows = [row for row in self.offerings if _is_in(row, zone)]
        size = self.aws.get(name)
        for row in rows:
            if name in (row["name"], row["id"]):
                details = self._details(row, size or smallest(row))
                if details is not None:
                    return row, details
        if size is None:
            return None
        for row in rows:
            if size_of(row) == size and not has_gpu(row):
                return row, {}
        for row in rows:
            details = self._details(row, size) if row.get("iscustomized") and not has_gpu(row) else None
            if details is not None:
                return row, details
        return None

    def _details(self, row: Row, size: Size | None) -> dict[str, Any] | None:
        """Return deploy's details for a size: none for a fixed offering, None where the offering refuses the size."""
        if not row.get("iscustomized"):
            return {}
        if size is None or not _allows(row, size):
            return None
        details: dict[str, Any] = {"cpuNumber": size.cpus, "memory": size.memory}
        if not row.get("cpuspeed"):
            details["cpuSpeed"] = self.cpu_speed
        return details

    def architectures_of(self, family: Family | None) -> list[str]:
        """Return those that a type of that family has here; None is what no AWS type is called like."""
        own = family.architectures if family else self.architectures
        return sorted(self.architectures.intersection(own))

    def alike(self, size: Size) -> str | None:
        """Return the AWS type of exactly that size; the first in the mapping where several have it."""
        return next((name for name, known in self.aws.items() if known == size), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A type under one of its names."""

    name: str
    size: Size | None
    offering: Row
    current: bool = True


def entries(table: TypeTable, zone: str | None = None) -> Iterator[Entry]:
    """Yield the AWS types that an offering can serve (in a zone), then the offerings under other names."""
    for name, size in table.aws.items():
        serving = table.serving(name, zone)
        if serving is not None:
            # An offering that is called like a type has the size that its operator gave it.
            yield Entry(name, size_of(serving[0]) or size, serving[0])
    for name in dict.fromkeys(row["name"] for row in table.offerings if row["name"] not in table.aws):
        serving = table.serving(name, zone)
        if serving is not None:
            yield Entry(name, size_of(serving[0]) or smallest(serving[0]), serving[0])


def bare_table(ctx: Context) -> TypeTable:
    """Return a table of AWS's types alone: for who tells of machines where the caller's role lists no offerings."""
    mapping = ctx.mappings.instance_types
    return TypeTable(dict(mapping.types), (), mapping.cpu_speed, {}, frozenset())


async def type_table(ctx: Context) -> TypeTable:
    """Return the caller's offerings with the AWS types of the mapping; asked of CloudStack about once a minute."""
    table: TypeTable = await cached(ctx, "service-offerings").get(ctx.account.cache_key, lambda: _fetch(ctx))
    return table


async def _fetch(ctx: Context) -> TypeTable:
    rows, architectures = await asyncio.gather(ctx.account.list("listServiceOfferings"), _architectures(ctx))
    active = sorted((row for row in rows if row.get("state", "Active") == "Active"), key=preference)
    mapping = ctx.mappings.instance_types
    # A client that prefers arm64 (Karpenter takes what is cheapest) must not be offered it where nothing runs on it.
    aws = {
        name: size
        for name, size in mapping.types.items()
        if (family := mapping.family(name)) and not architectures.isdisjoint(family.architectures)
    }
    return TypeTable(aws, tuple(active), mapping.cpu_speed, {row["id"]: row for row in active}, architectures)


async def _architectures(ctx: Context) -> frozenset[str]:
    async def fetch() -> frozenset[str]:
        rows = await ctx.account.list("listTemplates", templatefilter="executable")
        return frozenset(architecture(row) for row in rows) or frozenset({"x86_64"})

    found: frozenset[str] = await cached(ctx, "image-architectures", FOREVER).get(
        ctx.account.cache_key, fetch
    )
    return found


ARCHITECTURES = {"aarch64": "arm64", "i686": "i386", "x86_64": "x86_64"}
"""CloudStack's names of architectures, and EC2's."""


def architecture(template: Row) -> str:
    """Return a template's architecture; before 4.20 CloudStack had x86 alone and only its OS type tells 32 bit."""
    told = ARCHITECTURES.get(template.get("arch", ""))
    if told in ("arm64", "i386"):
        return told
    return "i386" if "32-bit" in template.get("ostypename", "") or template.get("bits") == 32 else "x86_64"


def has_gpu(offering: Row) -> bool:
    """Whether the machines of an offering get a GPU; before 4.21 only its details tell."""
    details = offering.get("serviceofferingdetails") or {}
    return bool(offering.get("gpucount") or GPU_DETAILS & details.keys())


_OVM = frozenset({"Ovm", "Ovm3"})


def hypervisor(row: Row) -> str:
    """Return what EC2 calls the hypervisor of a machine or an image.

    AWS knows these two and says "xen" of its KVM too; jclouds reads no instance without one.
    """
    return "ovm" if row.get("hypervisor") in _OVM else "xen"


def virtualization(template: Row) -> str:
    """Return how machines of a template are virtualised: only XenServer has anything but full virtualisation."""
    paravirtual = template.get("hypervisor") == "XenServer" and template.get("requireshvm") is False
    return "paravirtual" if paravirtual else "hvm"


def is_windows(row: Row) -> bool:
    """Whether a machine or an image is said to have Windows in it."""
    return "windows" in str(row.get("osdisplayname") or row.get("ostypename") or "").lower()


def threads_per_core(machine: Row) -> int:
    """Return the threads of each core that a machine sees; KVM gives one unless a detail asks for more."""
    told = str((machine.get("details") or {}).get("cpu.threadspercore") or "1")
    return int(told) if told.isascii() and told.isdigit() and int(told) else 1


def platform(*, windows: bool) -> tuple[str, str]:
    """Return AWS's details of a platform and the operation that it bills for one, which tools read as its name."""
    return ("Windows", "RunInstances:0002") if windows else ("Linux/UNIX", "RunInstances")


def size_of(row: Row) -> Size | None:
    """Return the size of an offering or a machine; None for an offering whose size is chosen at launch."""
    cpus, memory = row.get("cpunumber"), row.get("memory")
    return Size(int(cpus), int(memory)) if cpus and memory else None


def type_of(table: TypeTable, vm_row: Row) -> str:
    """Return a machine's instance type.

    That is what the launch asked for while the machine still has that size; else the name of its offering, or for a
    customised offering, whose name says nothing of the size, the AWS type of the machine's size.
    """
    size, offering = (
        size_of(vm_row),
        str(vm_row.get("serviceofferingname") or vm_row.get("serviceofferingid") or ""),
    )
    asked = asked_type(vm_row)
    if asked and (asked == offering or (size is not None and table.aws.get(asked) == size)):
        return str(asked)
    row = table.offering(vm_row.get("serviceofferingid"))
    if row is not None and row.get("iscustomized") and size is not None:
        return table.alike(size) or offering
    return offering


def asked_type(vm_row: Row) -> str | None:
    """Return the type that the machine was last given through EC2."""
    details, tags = vm_row.get("details") or {}, vm_row.get("tags") or ()
    return next((tag["value"] for tag in tags if tag["key"] == TYPE_TAG), None) or details.get(TYPE_DETAIL)


async def resolve_type(ctx: Context, text: str, zone: str | None = None) -> tuple[Row, dict[str, Any]]:
    """Return (offering row, details of a customised one) for an InstanceType parameter.

    Raises InvalidParameterValue for a name that nothing on this cloud stands for, and Unsupported for a type that no
    offering can serve (in that zone).
    """
    table = await type_table(ctx)
    found = table.serving(text, zone)
    if found is not None:
        return found
    if text not in table.aws and not any(text in (row["name"], row["id"]) for row in table.offerings):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Invalid value '{text}' for InstanceType: no offering has that name or size. DescribeInstanceTypes lists"
            " those that there are.",
        )
    place = " in the requested Availability Zone" if zone else ""
    raise Ec2Error(
        "Unsupported",
        f"The instance type '{text}' is not offered{place}: no service offering has its size, or it is a customised"
        " offering without limits, which an AWS type must give a size.",
    )


def _is_in(row: Row, zone: str | None) -> bool:
    """An offering without zones of its own exists in all; CloudStack joins the uuids of several with commas."""
    return zone is None or not row.get("zoneid") or zone in str(row["zoneid"]).split(",")


def preference(row: Row) -> tuple[bool, str, str]:
    """The order in which offerings are chosen from."""
    return bool(row.get("hosttags")), row.get("created", ""), row["id"]


def _allows(row: Row, size: Size) -> bool:
    """Whether a customised offering takes that size; one without limits takes any."""
    limits = row.get("serviceofferingdetails") or {}
    return _within(size.cpus, limits, "cpunumber", row.get("cpunumber")) and _within(
        size.memory, limits, "memory", row.get("memory")
    )


def _within(value: int, limits: Mapping[str, Any], name: str, fixed: int | None) -> bool:
    if fixed:
        return value == int(fixed)
    low, high = limits.get(f"min{name}"), limits.get(f"max{name}")
    return (low is None or value >= int(low)) and (high is None or value <= int(high))


def smallest(row: Row) -> Size | None:
    """Return the smallest size of a customised offering with limits: what asking for it by name gives."""
    limits = row.get("serviceofferingdetails") or {}
    cpus, memory = limits.get("mincpunumber"), limits.get("minmemory")
    return Size(int(cpus), int(memory)) if cpus and memory else None
