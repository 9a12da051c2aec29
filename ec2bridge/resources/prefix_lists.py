"""Managed prefix lists as the store keeps them: named sets of ranges, with their versions.

CloudStack has nothing like them, so a list with all its versions is one entry of the store, changed only if it is still
the one that was read. What names a list follows it: `resources/vpcs/prefix_list_uses.py`.
"""

import copy
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ec2bridge.ec2 import quotas, values
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.store import Change, Entry

KIND = "prefix-list"
FAMILIES = ("IPv4", "IPv6")
MOST_LISTS, MOST_ENTRIES, MOST_VERSIONS = 100, 1000, 1000
"""Lists of an account, entries of a list, and versions of one: AWS's quotas."""
MOST_OLD = 256 * 1024
"""Characters of a list's versions that are kept beside the newest: the oldest go first."""
MOST_TEXT = 8 * 1024 * 1024
"""Characters of an account's lists with all their versions: a listing reads them all."""
_LONGEST = 255

PrefixList = dict[str, Any]
Range = dict[str, str]


async def prefix_lists(ctx: Context) -> list[PrefixList]:
    """Return the caller's lists, oldest first."""
    return [entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)]


async def find(ctx: Context, ident: str) -> PrefixList:
    """Return the list that an id names, or raise InvalidPrefixListID.NotFound."""
    found: PrefixList = (await entry(ctx, ident)).value
    return found


async def entry(ctx: Context, ident: str) -> Entry:
    """Return `find`'s list with its version."""
    for one in await ctx.store.list(ctx.owner_id, KIND):
        if ident in (one.key, ec2_id("pl", one.key)):
            found: Entry = one
            return found
    raise KINDS[KIND].refused(ident)


async def still_there(ctx: Context, idents: Iterable[str]) -> list[Change]:
    """Return what is to be written together with what names lists; one that is deleted is NotFound.

    Who deletes a list has read it before it looked what names it: its version is another one by now.
    """
    found = [await entry(ctx, ident) for ident in sorted(set(idents))]
    return [Change(KIND, one.key, one.value, version=one.version) for one in found]


async def create(
    ctx: Context, name: str | None, family: str | None, most: int | None, entries: Any
) -> PrefixList:
    """Store a new list with its first version."""
    for member, value in (("PrefixListName", name), ("AddressFamily", family), ("MaxEntries", most)):
        if value in (None, ""):
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {member}")
    if family not in FAMILIES:
        raise _invalid("AddressFamily", family, "It must be IPv4 or IPv6.")
    await quotas.check(ctx, KIND, "ResourceLimitExceeded", "prefix lists", MOST_LISTS)
    found: PrefixList = {
        "id": str(uuid.uuid4()),
        "name": checked_name(name),
        "family": family,
        "most": checked_most(most),
        "state": "create-complete",
        "version": 1,
        "versions": {"1": ranges(entries, str(family))},
    }
    if len({one["cidr"] for one in current(found)}) < len(current(found)):
        raise Ec2Error("InvalidParameterValue", "The same CIDR must not appear multiple times in Entries.")
    _check_size(found)
    await _check_room(ctx, found)
    await ctx.store.put(ctx.owner_id, KIND, found["id"], found)
    return found


async def change(ctx: Context, ident: str, alter: Callable[[PrefixList], None]) -> PrefixList:
    """Alter a list; tried again on the new one when another request was faster."""
    while True:
        before = await entry(ctx, ident)
        found = await altered(ctx, before.value, alter)
        if await ctx.store.replace(ctx.owner_id, KIND, before.key, found, before.version):
            return found


async def altered(ctx: Context, found: PrefixList, alter: Callable[[PrefixList], None]) -> PrefixList:
    """Return a list as it is after a change, or raise what speaks against it."""
    changed = copy.deepcopy(found)
    alter(changed)
    _check_size(changed)
    await _check_room(ctx, changed)
    return changed


def current(found: PrefixList) -> list[Range]:
    """Return the entries of a list's newest version."""
    return version_of(found, found["version"])


def version_of(found: PrefixList, number: int) -> list[Range]:
    """Return the entries of one version that is kept."""
    entries: list[Range] | None = found["versions"].get(str(number))
    if entries is None:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The version {number} of the prefix list {ec2_id('pl', found['id'])} does not exist.",
        )
    return entries


def add_version(found: PrefixList, entries: list[Range]) -> None:
    """Give a list a new version; the oldest go where there are too many."""
    found["version"] += 1
    kept = {**found["versions"], str(found["version"]): entries}
    while len(kept) > MOST_VERSIONS or (
        len(kept) > 1 and len(json.dumps(list(kept.values())[:-1])) > MOST_OLD
    ):
        del kept[min(kept, key=int)]
    found["versions"] = kept


def edited(found: PrefixList, added: list[Range], removed: Iterable[str]) -> list[Range]:
    """Return a list's entries without some and with others, or raise InvalidPrefixListModification."""
    gone, new = list(removed), [one["cidr"] for one in added]
    present = {one["cidr"] for one in current(found)}
    for named, wrong, why in (
        (gone, set(gone) - present, "is not in the prefix list"),
        (new, present.intersection(new) - set(gone), "is in the prefix list already"),
        (new, set(new).intersection(gone), "cannot be added and removed by one request"),
    ):
        if wrong or len(set(named)) < len(named):
            cidr = next((one for one in named if one in wrong), "")
            sentence = f"The CIDR {cidr} {why}." if cidr else "A CIDR must not appear multiple times."
            raise Ec2Error("InvalidPrefixListModification", sentence)
    return [one for one in current(found) if one["cidr"] not in gone] + added


def check_version(found: PrefixList, number: int | None) -> None:
    """Refuse a change of a version that is not the newest any more."""
    if number is not None and number != found["version"]:
        raise Ec2Error("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")


def ranges(entries: Iterable[Mapping[str, Any]] | None, family: str) -> list[Range]:
    """Return a request's entries, checked, with their ranges as EC2 writes them."""
    return [
        {"cidr": cidr(entry.get("Cidr"), family), "description": _description(entry.get("Description"))}
        for entry in entries or ()
    ]


def cidr(text: Any, family: str) -> str:
    """Return a range of the list's family without bits beyond its prefix."""
    found = values.network(IPv6Network, text) if family == "IPv6" else values.network(IPv4Network, text)
    if found is None:
        raise _invalid("Cidr", text, f"It must be a range of {family}.")
    return str(found)


def _description(text: str | None) -> str:
    if text and len(text) > _LONGEST:
        raise _invalid("Description", text, f"It may have {_LONGEST} characters.")
    return text or ""


def checked_name(name: Any) -> str:
    """Return a list's name, or refuse it: AWS's own begin with its domain."""
    if len(str(name)) > _LONGEST or str(name).startswith("com.amazonaws"):
        raise _invalid(
            "PrefixListName", name, f"It may have {_LONGEST} characters and not begin with com.amazonaws."
        )
    return str(name)


def checked_most(most: Any) -> int:
    """Return how many entries a list may have."""
    if not 1 <= most <= MOST_ENTRIES:
        raise _invalid("MaxEntries", most, f"It must be between 1 and {MOST_ENTRIES}.")
    return int(most)


def _check_size(found: PrefixList) -> None:
    if len(current(found)) > found["most"]:
        raise Ec2Error(
            "PrefixListMaxEntriesExceeded",
            f"The prefix list may have {found['most']} entries, not {len(current(found))}.",
        )


async def _check_room(ctx: Context, found: PrefixList) -> None:
    """Refuse what would make an account's lists longer than all of them may be together."""
    others = [other for other in await prefix_lists(ctx) if other["id"] != found["id"]]
    if len(json.dumps([*others, found])) > MOST_TEXT:
        raise Ec2Error(
            "ResourceLimitExceeded",
            f"Your prefix lists with all their versions may have {MOST_TEXT // 2**20} MiB: delete what you no longer"
            " need.",
        )


def _invalid(name: str, value: Any, why: str) -> Ec2Error:
    return Ec2Error("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {why}")
