"""Volume types and disk offerings.

EC2 names a volume's type and takes any size; a CloudStack operator names offerings freely, and most have one size.
`mappings/volume-types.yaml` says which offerings are of which type.
"""

from typing import Any

from ec2bridge.actions import _tags
from ec2bridge.actions._context import Context
from ec2bridge.actions._places import cached
from ec2bridge.errors import Ec2Error

Row = dict[str, Any]

TYPE_MARK = "volume-type"
"""Reserved tag on a volume: the type it was created as, where several share an offering."""

# Types that promise nothing but space may stand for one another; io1 or st1 need an offering of their own.
GENERAL = ("gp2", "gp3", "standard")


async def disk_offerings(ctx: Context) -> list[Row]:
    """Return the caller's disk offerings, asked of CloudStack about once a minute."""
    rows: list[Row] = await cached(ctx, "disk-offerings").get(
        ctx.account.cache_key, lambda: ctx.account.list("listDiskOfferings")
    )
    return [row for row in rows if row.get("state", "Active") == "Active"]


def volume_type(ctx: Context, row: Row, offerings: list[Row]) -> str:
    """Return a volume's type: the one it was created as, else what the mapping makes of its disk offering."""
    chosen = _tags.hidden(row).get(TYPE_MARK)
    if chosen:
        return chosen
    offering = next((entry for entry in offerings if entry["id"] == row.get("diskofferingid")), None)
    # A root disk has its machine's offering, and a removed one is known by its name alone.
    name = row.get("diskofferingname") or row.get("serviceofferingname") or ""
    return ctx.mappings.volume_types.type_of(offering or {"diskofferingname": name})


def choose_offering(
    ctx: Context, offerings: list[Row], wanted: str | None, size: int | None, zone: str
) -> tuple[Row, int | None]:
    """Return (disk offering, GiB to ask for) that serves a volume type and size in a zone (its uuid).

    Among the type's offerings a fixed one of that size comes first, then a customised one, which alone is asked for
    a size. General types fall back on one another's. Always the oldest of several.
    """
    table = ctx.mappings.volume_types
    kind = wanted or table.default
    if kind not in table.types:
        raise Ec2Error("InvalidParameterValue", f"Invalid volume type '{kind}'.")
    here = sorted((row for row in offerings if _is_in(row, zone)), key=_age)
    of_type = [row for row in here if table.type_of(row) == kind]
    plain = [row for row in here if kind in GENERAL and table.type_of(row) in GENERAL]
    for suits in (of_type, plain):
        for row in suits:
            if not row.get("iscustomized") and row.get("disksize") == size:
                return row, None
        for row in suits:
            if row.get("iscustomized") and size is not None and not row.get("encrypt"):
                return row, size
    raise Ec2Error(
        "InvalidParameterValue",
        f"No disk offering of this cloud serves a volume of type {kind} with {size} GiB.",
    )


def _age(row: Row) -> tuple[str, str]:
    return row.get("created", ""), row["id"]


def _is_in(row: Row, zone: str) -> bool:
    return not row.get("zoneid") or zone in str(row["zoneid"]).split(",")
