"""Volume types and disk offerings.

EC2 names a volume's type and takes any size; a CloudStack operator names offerings freely, and most have one size.
`mappings/volume-types.yaml` says which offerings are of which type.
"""

from typing import Any

from ec2bridge.cloudstack.errors import unless_forbidden
from ec2bridge.ec2 import releases
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.gently import gently
from ec2bridge.resources.places.zones import cached
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

TYPE_MARK = "volume-type"
"""Reserved tag on a volume: the type it was created as, where several share an offering."""

SNAPSHOT_MARK = "snapshot"
"""Reserved tag on a volume: the uuid of the snapshot that it was made of, which no listing tells."""

# Types that promise nothing but space may stand for one another; io1 or st1 need an offering of their own.
GENERAL = ("gp2", "gp3", "standard")


async def disk_offerings(ctx: Context) -> list[Row]:
    """Return the caller's disk offerings, asked of CloudStack about once a minute."""
    rows: list[Row] = await cached(ctx, "disk-offerings").get(
        ctx.account.cache_key, lambda: ctx.account.list("listDiskOfferings")
    )
    return [row for row in rows if row.get("state", "Active") == "Active"]


async def known_offerings(ctx: Context) -> list[Row]:
    """Return the disk offerings for who only tells of volumes: none where the caller's role cannot list them.

    A volume's row has its offering's name, and from 4.19.1 on its format.
    """
    return await unless_forbidden(disk_offerings(ctx)) or []


async def with_encryption(ctx: Context, rows: list[Row], offerings: list[Row]) -> list[Row]:
    """Return the rows of volumes with `encrypted`.

    CloudStack tells the format once a disk is made, and not at all before 4.19.1; the offering tells what it will be.
    """
    encrypting = {row["id"] for row in offerings if row.get("encrypt")}
    if await releases.is_before(ctx, "4.19.1"):
        encrypting |= await cached(ctx, "root-encryption").get(ctx.account.cache_key, lambda: _for_roots(ctx))
    return [
        {**row, "encrypted": _is_encrypted(row, encrypting)} async for some in gently(rows) for row in some
    ]


async def _for_roots(ctx: Context) -> set[str]:
    rows = await ctx.account.list("listServiceOfferings")
    return {row["id"] for row in rows if row.get("encryptroot")}


def _is_encrypted(row: Row, encrypting: set[str]) -> bool:
    offering = row.get("diskofferingid") or row.get("serviceofferingid")
    return bool(row.get("encryptformat")) or offering in encrypting


def volume_type(ctx: Context, row: Row, offerings: list[Row]) -> str:
    """Return a volume's type: the one it was created as, else what the mapping makes of its disk offering."""
    table = ctx.mappings.volume_types
    offering = offering_of(row, offerings)
    # A root disk has its machine's offering, and a removed one is known by its name alone.
    name = row.get("diskofferingname") or row.get("serviceofferingname") or ""
    mapped = table.type_of(offering or {"diskofferingname": name})
    chosen = resource_tags.hidden(row).get(TYPE_MARK)
    # What was asked for counts as long as the offering, which may have changed since, can stand for it.
    return chosen if chosen in GENERAL and mapped in GENERAL else mapped


def offering_of(row: Row, offerings: list[Row]) -> Row | None:
    """Return the disk offering of a volume; None for a root disk's, and for one that is gone."""
    return next((entry for entry in offerings if entry["id"] == row.get("diskofferingid")), None)


def check_type(ctx: Context, kind: str | None) -> str:
    """Return the type that is meant, or raise for one that no table knows."""
    table = ctx.mappings.volume_types
    kind = kind or table.default
    if kind not in table.types:
        raise Ec2Error("InvalidParameterValue", f"Invalid volume type '{kind}'.")
    return kind


def check_root_type(ctx: Context, kind: str, offering: Row | None = None) -> str:
    """Return the type of a root disk, or refuse one that promises more than a machine's offering gives."""
    mapped = ctx.mappings.volume_types.type_of({"diskofferingname": (offering or {}).get("name", "")})
    if check_type(ctx, kind) not in (*GENERAL, mapped):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter VolumeType with the value '{kind}' is not supported for a root volume: the instance type's"
            f" offering decides what it lies on, and promises {' or '.join(GENERAL)}.",
        )
    return kind


def choose_offering(
    ctx: Context,
    offerings: list[Row],
    wanted: str | None,
    size: int | None,
    zone: str,
    *,
    encrypted: bool = False,
) -> tuple[Row, int | None]:
    """Return (disk offering, GiB to ask for) that serves a volume type and size in a zone (its uuid).

    Among the type's offerings a fixed one of that size comes first, then a customised one, which alone is asked for
    a size. General types fall back on one another's. Always the oldest of several. What is to be encrypted needs an
    offering that encrypts, and nothing else is put on one.
    """
    table, kind = ctx.mappings.volume_types, check_type(ctx, wanted)
    suitable = [row for row in offerings if _is_in(row, zone) and bool(row.get("encrypt")) == encrypted]
    if encrypted and not suitable:
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter Encrypted with the value 'True' is not supported: no disk offering of this cloud encrypts.",
        )
    here = sorted(suitable, key=_age)
    of_type = [row for row in here if table.type_of(row) == kind]
    plain = [row for row in here if kind in GENERAL and table.type_of(row) in GENERAL]
    for suits in (of_type, plain):
        for row in suits:
            if not row.get("iscustomized") and row.get("disksize") == size:
                return row, None
        for row in suits:
            if row.get("iscustomized") and size is not None:
                return row, size
    raise Ec2Error(
        "InvalidParameterValue",
        f"No disk offering of this cloud serves a volume of type {kind} with {size} GiB.",
    )


FREE_IOPS, FREE_THROUGHPUT = 3000, 125
PLAIN_SPEED: dict[str, tuple[int, ...]] = {"Throughput": (0, FREE_THROUGHPUT)}
"""What AWS gives a gp3 volume without asking; Terraform's provider sends 0 for what it was not told."""


def nominal(kind: str, size: int, row: Row) -> dict[str, int]:
    """Return the speed that a volume is said to have: its offering's, else what AWS says of the type and size (GiB).

    CloudStack's offerings need not say any; clients that ask for what AWS gives anyway look for it in the answer.
    """
    iops = row.get("maxiops")
    if kind == "gp2":
        return {"Iops": iops or max(100, min(3 * size, 16000))}
    if kind == "gp3":
        return {"Iops": iops or FREE_IOPS, "Throughput": FREE_THROUGHPUT}
    return {"Iops": iops} if iops else {}


def performance(kind: str, offering: Row | None, iops: int | None) -> dict[str, int]:
    """Return what CloudStack is told of the operations a second that are asked for, if its offering lets it choose."""
    offered = offering or {}
    # Terraform's provider sends 0 for what it was not told.
    if not iops or iops == offered.get("maxiops") or (kind == "gp3" and iops == FREE_IOPS):
        return {}
    if offered.get("iscustomizediops"):
        return {"miniops": iops, "maxiops": iops}
    raise Ec2Error(
        "UnsupportedOperation",
        f"The parameter Iops with the value '{iops}' is not supported: the offering of a {kind} volume sets its own.",
    )


def _age(row: Row) -> tuple[str, str]:
    return row.get("created", ""), row["id"]


def _is_in(row: Row, zone: str) -> bool:
    return not row.get("zoneid") or zone in str(row["zoneid"]).split(",")


async def check_size(ctx: Context, params: Row) -> None:
    """Refuse at once a size beyond the limits that CloudStack has for customised offerings, as it tells them."""
    size = params.get("size")
    if size is None:
        return
    limits = await ctx.account.capabilities()
    least, most = (limits.get(f"customdiskoffering{end}size") for end in ("min", "max"))
    if size < int(least or 1) or (most and size > int(most)):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Volume of {size}GiB is out of range: the size must be between {least or 1} and {most or '…'} GiB.",
        )
