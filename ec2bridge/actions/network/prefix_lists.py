"""Managed prefix lists: create, describe, change, go back to an earlier version, delete.

They lie in the store alone, and what changes is there when it is answered, in the rules and routes that name a list as
well: only answers to changes tell that one is under way, as AWS's do.
"""

import json
from collections.abc import Callable
from functools import partial

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources import prefix_lists
from ec2bridge.resources.prefix_lists import KIND, PrefixList
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import prefix_list_uses

_MOST_PAGE = 100


def _item(ctx: Context, found: PrefixList, tags: list[dict[str, str]], state: str = "") -> Item:
    ident = ec2_id("pl", found["id"])
    return {
        "PrefixListId": ident,
        "AddressFamily": found["family"],
        "State": state or found["state"],
        **({"StateMessage": found["message"]} if found.get("message") and not state else {}),
        "PrefixListArn": f"arn:aws:ec2:{ctx.settings.region}:{ctx.owner_id}:prefix-list/{ident}",
        "PrefixListName": found["name"],
        "MaxEntries": found["most"],
        "Version": found["version"],
        "Tags": tags,
        "OwnerId": ctx.owner_id,
    }


async def _tagged(ctx: Context, found: PrefixList, state: str) -> Answer:
    tags = (await resource_tags.merged(ctx, KIND, [found]))[found["id"]]
    return {"PrefixList": _item(ctx, found, tags, state)}


@action(
    "CreateManagedPrefixList",
    honours=(
        "PrefixListName",
        "Entries.Cidr",
        "Entries.Description",
        "MaxEntries",
        "AddressFamily",
        "TagSpecifications",
        "ClientToken",
    ),
)
async def create_managed_prefix_list(ctx: Context, request: Request) -> Answer:
    """Keep a list with its first version."""
    tags = resource_tags.specified(request, KIND)
    found = await prefix_lists.create(
        ctx,
        request.get("PrefixListName"),
        request.get("AddressFamily"),
        request.get("MaxEntries"),
        request.get("Entries"),
    )
    await resource_tags.attach(ctx, KIND, found["id"], tags)
    return {"PrefixList": _item(ctx, found, resource_tags.as_list(tags), "create-in-progress")}


@describe(
    "DescribeManagedPrefixLists",
    items="PrefixLists",
    ids={"PrefixListIds": Ids("PrefixListId", KIND)},
    filters={
        "owner-id": "OwnerId",
        "prefix-list-id": "PrefixListId",
        "prefix-list-name": "PrefixListName",
        **TAGS,
    },
    least=1,
    most=_MOST_PAGE,
)
async def describe_managed_prefix_lists(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's lists; AWS's own, of its services, do not exist here."""
    found = await prefix_lists.prefix_lists(ctx)
    tags = await resource_tags.merged(ctx, KIND, found)
    return [_item(ctx, one, tags[one["id"]]) for one in found]


@describe(
    "GetManagedPrefixListEntries",
    items="Entries",
    key="Cidr",
    honours=("PrefixListId", "TargetVersion"),
    least=1,
    most=_MOST_PAGE,
)
async def get_managed_prefix_list_entries(ctx: Context, request: Request) -> list[Item]:
    """Return the entries of a list, of its newest version unless another is named."""
    found = await prefix_lists.find(ctx, request.get("PrefixListId") or "")
    number = request.get("TargetVersion")
    entries = prefix_lists.version_of(found, found["version"] if number is None else number)
    return [{"Cidr": one["cidr"], "Description": one["description"]} for one in entries]


@describe(
    "GetManagedPrefixListAssociations",
    items="PrefixListAssociations",
    key="ResourceId",
    honours=("PrefixListId",),
    most=255,
    native=("listSecurityGroups", "listVPCs"),
)
async def get_managed_prefix_list_associations(ctx: Context, request: Request) -> list[Item]:
    """Return the groups and route tables that name a list."""
    found = await prefix_lists.find(ctx, request.get("PrefixListId") or "")
    return await prefix_list_uses.associations(ctx, ec2_id("pl", found["id"]))


@action(
    "ModifyManagedPrefixList",
    honours=(
        "PrefixListId",
        "CurrentVersion",
        "PrefixListName",
        "AddEntries.Cidr",
        "AddEntries.Description",
        "RemoveEntries.Cidr",
        "MaxEntries",
    ),
    defaults={"IpamPrefixListResolverSyncEnabled": (False,)},
)
async def modify_managed_prefix_list(ctx: Context, request: Request) -> Answer:
    """Change a list's name, its size or its entries; other entries are a new version."""
    added, removed = request.get("AddEntries") or [], request.get("RemoveEntries") or []
    if (added or removed) and request.get("MaxEntries") is not None:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The entries of a prefix list and its MaxEntries cannot be modified at the same time.",
        )

    def alter(found: PrefixList) -> None:
        prefix_lists.check_version(found, request.get("CurrentVersion"))
        if request.get("PrefixListName"):
            found["name"] = prefix_lists.checked_name(request["PrefixListName"])
        if request.get("MaxEntries") is not None:
            found["most"] = prefix_lists.checked_most(request["MaxEntries"])
        if added or removed:
            gone = [prefix_lists.cidr(entry.get("Cidr"), found["family"]) for entry in removed]
            new = prefix_lists.ranges(added, found["family"])
            prefix_lists.add_version(found, prefix_lists.edited(found, new, gone))
        _is_now(found, "modify-complete")

    found = await _changed(ctx, request, alter)
    return await _tagged(ctx, found, "modify-in-progress")


def _is_now(found: PrefixList, state: str, message: str = "") -> None:
    found.update(state=state, message=message)


async def _changed(ctx: Context, request: Request, alter: Callable[[PrefixList], None]) -> PrefixList:
    """Change a list, and have the rules that name it follow."""
    asked = json.dumps({name: value for name, value in request.items() if name != "DryRun"}, sort_keys=True)
    return await prefix_list_uses.change(ctx, request.get("PrefixListId") or "", alter, asked)


@action("RestoreManagedPrefixListVersion", honours=("PrefixListId", "PreviousVersion", "CurrentVersion"))
async def restore_managed_prefix_list_version(ctx: Context, request: Request) -> Answer:
    """Make the entries of an earlier version those of a new one."""
    for name in ("PreviousVersion", "CurrentVersion"):
        if request.get(name) is None:
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")

    def alter(found: PrefixList) -> None:
        prefix_lists.check_version(found, request["CurrentVersion"])
        prefix_lists.add_version(found, prefix_lists.version_of(found, request["PreviousVersion"]))
        _is_now(found, "restore-complete")

    found = await _changed(ctx, request, alter)
    return await _tagged(ctx, found, "restore-in-progress")


@action("DeleteManagedPrefixList", honours=("PrefixListId",))
async def delete_managed_prefix_list(ctx: Context, request: Request) -> Answer:
    """Forget a list with all its versions; one that is in use tells afterwards why it is still there, as on AWS."""
    gone = False
    while not gone:
        # Read first: what comes to name it meanwhile gives it another version.
        entry = await prefix_lists.entry(ctx, request.get("PrefixListId") or "")
        used = await prefix_list_uses.associations(ctx, ec2_id("pl", entry.key))
        if used:
            names = ", ".join(one["ResourceId"] for one in used)
            why = f"The prefix list is in use by {names}."
            failed = partial(_is_now, state="delete-failed", message=why)
            found = await prefix_lists.change(ctx, entry.key, failed)
            return await _tagged(ctx, found, "delete-in-progress")
        answer = await _tagged(ctx, entry.value, "delete-in-progress")
        gone = await ctx.store.delete(ctx.owner_id, KIND, entry.key, entry.version)
    await resource_tags.forget(ctx, KIND, entry.key)
    return answer
