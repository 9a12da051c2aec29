"""Tags: read from CloudStack's rows and the store, written to whichever can hold them.

EC2 lets everything be tagged, overwrites a key that exists, takes empty values and tells "name" from "Name".
CloudStack tags only some kinds, refuses a key that exists, an empty value and characters beyond the basic plane, and
takes keys that differ by case, accent or trailing space for one. A tag that it cannot hold lies in the store, one
entry an object. What the bridge itself has to remember of an object is a tag under `RESERVED`, which clients neither
see nor set.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.gently import gently
from ec2bridge.resources.tags.tagging import NATIVE, STORE_KIND, assign, clear, forget, held_natively, remove
from ec2bridge.store import Change

RESERVED = "ec2bridge:"
HELD = "_stored_tags"
"""Where a row that comes with its tags in the store has them."""
MOST = 50

# EC2's resource types are the names of the kinds, but for these.
_RESOURCE_TYPES = MappingProxyType({"allocation": "elastic-ip", "nat-gateway": "natgateway"})

Row = Mapping[str, Any]
Tags = Mapping[str, str]

__all__ = [
    "HELD",
    "RESERVED",
    "as_list",
    "assign",
    "attach",
    "check_key",
    "clear",
    "forget",
    "held_natively",
    "hidden",
    "kept",
    "limit_exceeded",
    "mark",
    "marked",
    "merged",
    "native",
    "native_id",
    "remove",
    "requested",
    "resource_type",
    "specifications",
    "specified",
    "stored",
    "visible",
    "with_stored",
]


def resource_type(kind: str) -> str:
    """EC2's word for a kind in TagSpecifications and DescribeTags."""
    return _RESOURCE_TYPES.get(kind, kind)


# --- reading -------------------------------------------------------------------------------------------------


def native(row: Row) -> dict[str, str]:
    """All tags that CloudStack holds of an object, reserved ones among them."""
    return {tag["key"]: tag.get("value") or "" for tag in row.get("tags") or ()}


def as_list(tags: Tags) -> list[dict[str, str]]:
    """Tags as EC2 lists them, without the reserved ones."""
    return [
        {"Key": key, "Value": value} for key, value in sorted(tags.items()) if not key.startswith(RESERVED)
    ]


def visible(row: Row) -> list[dict[str, str]]:
    """The tags on a CloudStack row that clients see; `merged` adds those in the store."""
    return as_list(native(row))


def hidden(row: Row) -> dict[str, str]:
    """The reserved tags of a CloudStack row, without their prefix: on it, or with it from the store."""
    tags = {**row.get(HELD, {}), **native(row)}
    return {key.removeprefix(RESERVED): value for key, value in tags.items() if key.startswith(RESERVED)}


def marked(row: Row, name: str) -> str:
    """The value of one reserved tag (without prefix) on a CloudStack row; "" without it."""
    key = RESERVED + name
    return next((tag.get("value") or "" for tag in row.get("tags") or () if tag["key"] == key), "")


def native_id(row: Row) -> str:
    """The id by which an object is tagged; a security group's rule has it under another name."""
    return str(row["id"] if "id" in row else row["ruleid"])


async def merged(ctx: Context, kind: str, rows: Iterable[Row]) -> dict[str, list[dict[str, str]]]:
    """Native id → everything that clients see as the object's tags; one read of the store for all rows."""
    held = await stored(ctx, kind)
    return {
        native_id(row): as_list({**native(row), **held.get(native_id(row), {})})
        async for some in gently(list(rows))
        for row in some
    }


async def with_stored(ctx: Context, kind: str, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows, those with tags in the store with these under HELD, so that marks there are read, too."""
    held = await stored(ctx, kind)
    return [{**row, HELD: held[row["id"]]} if row["id"] in held else row for row in rows]


async def stored(ctx: Context, kind: str | None = None) -> dict[str, dict[str, str]]:
    """Native id → tags in the store, of one kind; without a kind under "kind/native id", of all."""
    # Of what CloudStack can tag, hardly a tag lies here; of all else, all do.
    store = ctx.store if kind in NATIVE else ctx.store.needed
    entries = await store.list(ctx.owner_id, STORE_KIND)
    start = f"{kind}/" if kind else ""
    return {entry.key[len(start) :]: entry.value for entry in entries if entry.key.startswith(start)}


# --- what clients ask for --------------------------------------------------------------------------------------


def specified(request: Mapping[str, Any], kind: str) -> dict[str, str]:
    """The tags of TagSpecifications in an action that makes one kind of object."""
    return specifications(request, kind)[kind]


def specifications(request: Mapping[str, Any], *kinds: str) -> dict[str, dict[str, str]]:
    """Kind → tags of TagSpecifications, for each of the kinds that the action makes; {} where none are given."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
    by_type = {resource_type(kind): kind for kind in kinds}
    for specification in request.get("TagSpecifications") or ():
        wanted = specification.get("ResourceType")
        if not wanted:
            raise Ec2Error("InvalidParameter", "Tag specification resource type must have a value")
        if wanted not in by_type:
            sentence = f"'{wanted}' is not a valid taggable resource type for this operation."
            raise Ec2Error("InvalidParameterValue", sentence)
        if found[by_type[wanted]]:
            raise Ec2Error(
                "InvalidParameterValue", f"The resource type '{wanted}' is specified more than once."
            )
        if not specification.get("Tags"):
            raise Ec2Error("InvalidParameterValue", "Tag specification must have at least one tag")
        found[by_type[wanted]] = requested(specification["Tags"])
    return found


def requested(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Check a request's tags against AWS's limits and return them as key → value."""
    found: dict[str, str] = {}
    for tag in tags or ():
        key, value = tag.get("Key") or "", tag.get("Value")
        check_key(key)
        if value is None:
            raise Ec2Error("InvalidParameterValue", "Tag value cannot be null. Use empty string instead.")
        if len(value) > 256:
            sentence = f"Tag value exceeds the maximum length of 256 characters: '{value[:40]}…'"
            raise Ec2Error("InvalidParameterValue", sentence)
        if key in found:
            raise Ec2Error("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        found[key] = value
    if len(found) > MOST:
        raise limit_exceeded()
    return found


def check_key(key: str) -> None:
    """Refuse a key that is empty, too long or reserved."""
    if not key:
        raise Ec2Error("InvalidParameterValue", "Tag key cannot be null or empty.")
    if len(key) > 128:
        sentence = f"Tag key exceeds the maximum length of 128 characters: '{key[:40]}…'"
        raise Ec2Error("InvalidParameterValue", sentence)
    for prefix in ("aws:", RESERVED):
        if key.lower().startswith(prefix):
            sentence = f"Tag keys starting with '{prefix}' are reserved for internal use"
            raise Ec2Error("InvalidParameterValue", sentence)


def limit_exceeded() -> Ec2Error:
    """The error for more tags than an object may have."""
    return Ec2Error("TagLimitExceeded", f"A resource can have at most {MOST} tags.")


# --- writing -------------------------------------------------------------------------------------------------


async def attach(ctx: Context, kind: str, native_id: str, tags: Tags) -> None:
    """Give a new object its tags; keys under RESERVED are welcome here."""
    await assign(ctx, kind, {native_id: {}}, tags)


def kept(kind: str, native_id: str, tags: Tags) -> Change:
    """Return the change by which a new object, of a kind that CloudStack does not tag, has its tags."""
    return Change(STORE_KIND, f"{kind}/{native_id}", dict(tags))


async def mark(ctx: Context, kind: str, row: Row, marks: Mapping[str, str | None]) -> None:
    """Set reserved tags (named without prefix) on an object that CloudStack tags; None or "" takes one off."""
    now, named = native(row), {RESERVED + name: value for name, value in marks.items()}
    present = {**now, **row.get(HELD, {})}
    gone = {key: None for key, value in named.items() if not value and key in present}
    wanted = {key: value for key, value in named.items() if value}
    if gone:
        await remove(ctx, kind, {native_id(row): now}, gone)
    if wanted:
        await assign(ctx, kind, {native_id(row): now}, wanted)
