"""CreateTags, DeleteTags, DescribeTags: on objects of any kind, several at once.

EC2 names objects of all kinds in one list of ids; CloudStack wants one kind a call and the kind's name. So the ids are
sorted by kind, everything is checked, and each kind costs one look, and one job that deletes and one that creates,
however many objects and tags there are.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ec2bridge.cloudstack.directory import LISTINGS
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Item, describe
from ec2bridge.ec2.filters import wanted
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, Kind, ec2_id, is_uuid, kind_of
from ec2bridge.resources.addresses import listing as address_listing
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.listed import listed
from ec2bridge.resources.leftovers import left_behind
from ec2bridge.resources.places import deletion
from ec2bridge.resources.snapshots import empty as empty_snapshots
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.tags.tagging import NATIVE

MOST_RESOURCES = 1000  # AWS: "Specify up to 1000 resource IDs"

_KIND_OF_NATIVE = {native: kind for kind, native in NATIVE.items()} | {"ISO": "image"}
# What only describes a link between two objects has an id on AWS, and no tags.
_TAGLESS = frozenset(
    {
        "address-association",
        "iam-instance-profile-association",
        "network-acl-association",
        "network-interface-attachment",
        "reservation",
        "route-table-association",
    }
)

# Objects of CloudStack's whose tags are the store's, under the uuid that CloudStack has for them.
_TAGGED_HERE = ("key-pair", "network-acl", "placement-group")

# Where the store has objects of a kind that CloudStack has others of.
_STORED = {"snapshot": empty_snapshots.KIND}

Current = dict[str, dict[str, str]]


@action("CreateTags", honours=("Resources", "Tags"), native=("createTags", "deleteTags", "listTags"))
async def create_tags(ctx: Context, request: Request) -> None:
    """Set tags on objects; a key that an object has already takes the new value."""
    tags = resource_tags.requested(request.get("Tags"))
    if not tags:
        raise Ec2Error("MissingParameter", "The request must contain the parameter Tags")
    chosen = await _resources(ctx, request)
    current = {kind: await resource_tags.held_natively(ctx, kind, idents) for kind, idents in chosen.items()}
    before = await _with_stored(ctx, current)
    _check_room(before, tags)
    done: list[str] = []
    try:
        for kind, held in current.items():
            await resource_tags.assign(ctx, kind, held, tags)
            done.append(kind)
        await _check_there(ctx, chosen)
    except (CloudStackError, Ec2Error):
        for kind in done:
            await _take_back(ctx, kind, before[kind], tags)
        raise


@action("DeleteTags", honours=("Resources", "Tags"), native=("deleteTags", "listTags"))
async def delete_tags(ctx: Context, request: Request) -> None:
    """Take tags off objects: those of a key, those of a key and value, or all; what is not there counts as gone."""
    asked = _unwanted(request.get("Tags") or ())
    chosen = await _resources(ctx, request)
    current = {kind: await resource_tags.held_natively(ctx, kind, idents) for kind, idents in chosen.items()}
    before = await _with_stored(ctx, current)
    done: list[str] = []
    try:
        for kind, held in current.items():
            await resource_tags.remove(ctx, kind, held, asked or _all_keys(before[kind]))
            done.append(kind)
    except (CloudStackError, Ec2Error):
        for kind in done:
            await _take_back(ctx, kind, before[kind], asked or _all_keys(before[kind]))
        raise


def _flat(items: list[Item]) -> Answer:
    members = ("Key", "ResourceId", "ResourceType", "Value")
    return {"Tags": [{member: item[member] for member in members} for item in items]}


@describe(
    "DescribeTags",
    items="Tags",
    key="_Place",
    filters={
        "key": "Key",
        "resource-id": "ResourceId",
        "resource-type": "ResourceType",
        # What every other listing calls them; scripts, and the tests of OpenStack's bridge, ask so here too.
        "tag-key": "Key",
        "tag-value": "Value",
        "tag:*": None,
        "value": "Value",
    },
    native=(
        "listTags",
        "listSnapshots",
        "listVolumes",
        "listTemplates",
        "listPublicIpAddresses",
        "listSecurityGroups",
    ),
    wrap=_flat,
)
async def describe_tags(ctx: Context, request: Request) -> list[Request]:
    """List the tags of everything the caller has."""
    # Of an address on its way from one network to another CloudStack has no tags: a look before, and one after.
    moving = await address_listing.moving(ctx)
    rows = await ctx.account.list("listTags", **await _narrowed(ctx, dict(wanted(request))))
    moving |= await address_listing.moving(ctx)
    shown = _shown_ids(rows)
    shown |= {str(rule.uuid): rule.id for of in (await listed(ctx)).values() for rule in of.rules}
    told = []
    for tag in rows:
        kind = _KIND_OF_NATIVE.get(tag["resourcetype"])
        if kind and not tag["key"].startswith(resource_tags.RESERVED):
            told.append((kind, tag["resourceid"], tag["key"], tag.get("value") or ""))
    for place, tags in (await resource_tags.stored(ctx)).items():
        kind, _, ident = place.partition("/")
        told += [(kind, ident, key, value) for key, value in tags.items()]
    gone = await left_behind(ctx, {(kind, ident) for kind, ident, _, _ in told}) | {
        (address_listing.KIND, ident) for ident in moving
    }
    told = [one for one in told if one[:2] not in gone]
    for ident, row in moving.items():
        told += [
            (address_listing.KIND, ident, tag["Key"], tag["Value"]) for tag in resource_tags.visible(row)
        ]
    return [_item(shown, KINDS[kind], ident, key, value) for kind, ident, key, value in told]


def _shown_ids(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Native id → EC2 id of the objects whose id does not come from their uuid, as their reserved tags tell."""
    marked = {
        (tag["resourceid"], tag["key"].removeprefix(resource_tags.RESERVED)): tag.get("value") for tag in rows
    }
    rules = {ident: str(value) for (ident, mark), value in marked.items() if mark == security_groups.RULE_ID}
    groups = {
        i: ec2_id("sg", str(vpc)) for (i, mark), vpc in marked.items() if mark == security_groups.DEFAULT_OF
    }
    return {**rules, **groups}


def _item(shown: Mapping[str, str], kind: Kind, ident: str, key: str, value: str) -> Item:
    resource = shown.get(ident) or ec2_id(kind.prefix, ident)
    return {
        "Key": key,
        "ResourceId": resource,
        "ResourceType": resource_tags.resource_type(kind.name),
        "Value": value,
        "Tags": [{"Key": key, "Value": value}],
        "_Place": f"{resource} {key}",
    }


async def _narrowed(ctx: Context, filters: Mapping[str, list[str]]) -> dict[str, str]:
    """What CloudStack may filter for us: one object or one kind."""
    ident, asked = _only(filters.get("resource-id")), _only(filters.get("resource-type"))
    kind = kind_of(ident) if ident else None
    if ident and kind and kind.name in NATIVE and kind.name not in security_groups.KINDS_WITH_OTHER_IDS:
        with suppress(Ec2Error):
            return {"resourceid": await ctx.directory.resolve(kind.name, ident)}
    # Images go by two native names.
    types = {resource_tags.resource_type(name): native for name, native in NATIVE.items() if name != "image"}
    name = resource_tags.resource_type(kind.name) if kind else asked
    return {"resourcetype": types[name]} if name in types else {}


def _only(values: list[str] | None) -> str | None:
    return values[0] if values and len(values) == 1 and not set(values[0]) & set("*?\\") else None


async def _resources(ctx: Context, request: Request) -> dict[str, list[str]]:
    """Kind → native ids of the objects that the request names, or the error of the first that is wrong."""
    values = list(dict.fromkeys(request.get("Resources") or ()))
    if not values:
        raise Ec2Error("MissingParameter", "The request must contain the parameter Resources")
    if len(values) > MOST_RESOURCES:
        raise Ec2Error("InvalidParameterValue", f"At most {MOST_RESOURCES} resources can be tagged at once.")
    if any((kind := kind_of(value)) and kind.name == address_listing.KIND for value in values):
        await address_listing.arrived(ctx)
    chosen: dict[str, list[str]] = {}
    for value in values:
        if is_uuid(value):
            uuid = value.lower()
            chosen.setdefault(await _kind_of_uuid(ctx, uuid), []).append(uuid)
            continue
        kind = kind_of(value)
        if kind is None or kind.name in _TAGLESS:
            raise Ec2Error("InvalidID", f"The ID '{value}' is not valid")
        chosen.setdefault(kind.name, []).append(await _native_id(ctx, kind, value))
    return chosen


async def _kind_of_uuid(ctx: Context, uuid: str) -> str:
    """Return the kind of the caller's object that CloudStack knows by a uuid, which does not tell it by itself."""
    for kind in (*NATIVE, *_TAGGED_HERE):
        for listing in LISTINGS[kind]:
            with suppress(CloudStackError):
                # Another kind's uuid is refused, or finds nothing.
                by_id = {} if listing.within else {"id": uuid}
                rows = await ctx.account.list(listing.command, **listing.params, **by_id)
                if uuid in listing.ids(rows):
                    return kind
    raise Ec2Error("InvalidID", f"The ID '{uuid}' is not valid")


async def _native_id(ctx: Context, kind: Kind, value: str) -> str:
    # The default VPC and what belongs to it are the account's, and go by the account's digits.
    if value == ec2_id(kind.prefix, ctx.owner_id):
        return ctx.owner_id
    if kind.name == "security-group-rule":
        return await security_groups.native_rule_id(ctx, value)
    if kind.name not in NATIVE or kind.name in _STORED:
        # Internet gateways and the like are found in the store, under their kind.
        for entry in await ctx.store.list(ctx.owner_id, _STORED.get(kind.name, kind.name)):
            if entry.expires is None and value in (entry.key, ec2_id(kind.prefix, entry.key)):
                return str(entry.key)
    try:
        return await ctx.directory.resolve(kind.name, value)
    except Ec2Error:
        if kind.name != "security-group":
            raise
        # A VPC's default group goes by the VPC's digits.
        return str(
            (await security_groups.native_row(ctx, (await security_groups.groups(ctx)).find(value)))["id"]
        )


async def _check_there(ctx: Context, chosen: Mapping[str, list[str]]) -> None:
    """Drop the tags in the store of what went while it got them, and raise that it is not there."""
    held = await resource_tags.stored(ctx)
    for kind, idents in chosen.items():
        for ident in idents:
            if f"{kind}/{ident}" in held and not await _is_there(ctx, kind, ident):
                await resource_tags.forget(ctx, kind, ident)
                raise KINDS[kind].missing(ec2_id(KINDS[kind].prefix, ident))


async def _is_there(ctx: Context, kind: str, ident: str) -> bool:
    if not await deletion.stays(ctx, ident):
        return False
    try:
        shown = ec2_id(KINDS[kind].prefix, ident)
        return kind in NATIVE or bool(await _native_id(ctx, KINDS[kind], shown))
    except Ec2Error:
        return False


async def _with_stored(ctx: Context, current: Mapping[str, Current]) -> dict[str, Current]:
    """What objects have in CloudStack and in the store, reserved tags among it."""
    found = {}
    for kind, held in current.items():
        stored = await resource_tags.stored(ctx, kind)
        found[kind] = {ident: {**now, **stored.get(ident, {})} for ident, now in held.items()}
    return found


def _check_room(before: Mapping[str, Current], tags: Mapping[str, str]) -> None:
    """Refuse what would give one of the objects more tags than it may have, before any is changed."""
    for held in before.values():
        for now in held.values():
            keys = {key for key in now if not key.startswith(resource_tags.RESERVED)}
            if len(keys.union(tags)) > resource_tags.MOST:
                raise resource_tags.limit_exceeded()


async def _take_back(ctx: Context, kind: str, held: Current, tags: Iterable[str]) -> None:
    """Give objects back the tags that they had before a request that failed on others."""
    with suppress(CloudStackError, Ec2Error):
        await resource_tags.remove(
            ctx, kind, await resource_tags.held_natively(ctx, kind, held), dict.fromkeys(tags)
        )
        for ident, now in held.items():
            rest = {key: value for key, value in now.items() if key not in tags}
            await resource_tags.assign(
                ctx, kind, {ident: rest}, {key: now[key] for key in tags if key in now}
            )


def _unwanted(tags: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for tag in tags:
        resource_tags.check_key(tag.get("Key") or "")
        found[tag["Key"]] = tag.get("Value")
    return found


def _all_keys(held: Current) -> dict[str, str | None]:
    """Every key that a client can see on one of the objects."""
    keys = {key for now in held.values() for key in now}
    return {key: None for key in sorted(keys) if not key.startswith(resource_tags.RESERVED)}
