"""CloudStack's ways of writing values, as EC2 has them: times, sizes, and listings of named objects; and ranges."""

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeVar

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error

GIB = 2**30
Net = TypeVar("Net", IPv4Network, IPv6Network)
MOST_NARROWED = 100
"""More ids than this are looked for in the whole listing: each costs about 40 bytes of a query."""


def moment(text: str | None) -> datetime | None:
    """Return the time that a row has as "2026-11-23T12:36:35+0000", or with the offset of CloudStack's own zone."""
    return datetime.fromisoformat(text) if text else None


def iso(text: str | None) -> str | None:
    """Return a time as the EC2 members that are text have it: "2026-11-23T12:36:35.000Z"."""
    when = moment(text)
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") if when else None


def native_time() -> str:
    """Return the present as CloudStack writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def gib(size: Any) -> int:
    """Return bytes as whole GiB, rounded up: a disk of 12 GB still needs 12 GiB to be copied into."""
    return -(-int(size) // GIB)


def known(**members: Any) -> dict[str, Any]:
    """Return the members that have a value: what CloudStack does not tell is left out of the answer."""
    return {name: value for name, value in members.items() if value is not None}


def network(of: type[Net], text: str | None) -> Net | None:
    """Return a range that a client names, without bits beyond its prefix, as AWS tells it; None for what is none."""
    address, _, length = (text or "").partition("/")
    if not (length.isascii() and length.isdecimal()):
        return None
    try:
        return of(f"{address}/{length}", strict=False)
    except ValueError:
        return None


def cidr_block(of: type[Net], text: str, parameter: str) -> Net:
    """Return the range that a parameter names, or raise AWS's error for what is none of that family."""
    found = network(of, text)
    if found is None:
        sentence = f"Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."
        raise Ec2Error("InvalidParameterValue", sentence)
    return found


async def named(
    ctx: Context, command: str, kind: str, ids: Sequence[str] | None, **params: Any
) -> list[dict[str, Any]]:
    """Return the rows of a listing, narrowed to `ids` where the client named objects and CloudStack can find them."""
    if ids and len(ids) <= MOST_NARROWED:
        uuids = await ctx.directory.resolve_all(kind, ids)
        try:
            return list(await ctx.account.list(command, ids=uuids, **params))
        except CloudStackError as error:
            # One uuid that never was fails the whole listing; the full one tells which.
            if error.errorcode != 431:
                raise
    return list(await ctx.account.list(command, **params))


def keep_description(asked: str | None, present: str | None, what: str) -> None:
    """Refuse another description for a copy that CloudStack takes for the same object, and that keeps its own."""
    if asked and asked != (present or ""):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Description with the value '{asked}' is not supported: a copy in another zone is the same"
            f" {what} in CloudStack and keeps its description, '{present or ''}'.",
        )
