"""Writing tags: what CloudStack can hold goes there, the rest into the store.

`resource_tags` is what others import; here is how a set of tags is divided between the two, with as few native calls
as the number of objects allows.
"""

import asyncio
import logging
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.unknown import surely
from ec2bridge.ids import is_own

log = logging.getLogger(__name__)

STORE_KIND = "tags"

# The kinds (of ids.KINDS) that CloudStack can tag, under its own names; all others are tagged in the store.
NATIVE = MappingProxyType(
    {
        "instance": "UserVm",
        "image": "Template",
        "volume": "Volume",
        "snapshot": "Snapshot",
        "security-group": "SecurityGroup",
        "security-group-rule": "SecurityGroupRule",
        "vpc": "Vpc",
        "subnet": "Network",
        "allocation": "PublicIpAddress",
    }
)

_OWN = frozenset({"instance"})
"""Kinds of which a caller sees its own alone: of a machine the marks are read where CloudStack holds them."""
_NONE_LEFT = "Failed to delete tags"
"""What deleteTags says where none of the objects has any of the tags."""

WIDEST = 255
"""The longest key and value that CloudStack keeps; it cuts off what is longer and says nothing."""

Tags = Mapping[str, str]


async def assign(
    ctx: Context, kind: str, current: Mapping[str, Tags], tags: Tags, *, again: bool = False
) -> None:
    """Set tags on several objects of one kind, given what CloudStack holds of each now; may be repeated.

    At most one job deletes and one creates natively, whatever the number of objects and tags (more only where the
    objects' other keys decide differently which of the tags CloudStack can hold).
    """
    places = {ident: _natively(ctx, kind, ident, now, tags) for ident, now in current.items()}
    changed = {
        key
        for ident, now in current.items()
        for key, value in tags.items()
        if (now.get(key) != value if key in places[ident] else key in now)
    }
    old = {ident: {key: now[key] for key in changed if key in now} for ident, now in current.items()}
    await _delete(ctx, kind, [ident for ident in old if old[ident]], _with_values(old.values()))
    try:
        await _create(
            ctx, kind, {i: {k: tags[k] for k in keys if k in changed} for i, keys in places.items()}
        )
    except CloudStackError as error:
        if _is_taken(error) and not again:
            # Another request was faster, or this one was, and its answer was lost.
            await assign(ctx, kind, await held_natively(ctx, kind, current), tags, again=True)
            return
        if not (_is_taken(error) or (kind not in _OWN and _is_anothers(error))):
            with suppress(CloudStackError):
                await _create(ctx, kind, old)
            raise
        # A public image: as on AWS, everyone has tags of their own on it, which the owner does not see. Or a key that
        # an earlier holder of an address has left there, and nobody but that account may take off.
        places = {ident: set() for ident in places}
    for ident, keys in places.items():
        rest = {key: value for key, value in tags.items() if key not in keys}
        await _keep(ctx, kind, ident, add=rest, drop=keys)


def shown_on(row: Mapping[str, Any], tags: Tags) -> dict[str, Any]:
    """Return a row that was listed before tags were set on its object as a listing after that has it."""
    others = [tag for tag in row.get("tags") or () if tag["key"] not in tags]
    return {**row, "tags": [*others, *_pairs(tags)]}


async def remove(
    ctx: Context, kind: str, current: Mapping[str, Tags], tags: Mapping[str, str | None]
) -> None:
    """Take tags off several objects of one kind; a value of None takes the key off whatever its value."""
    holders = [i for i, now in current.items() if any(_matches(now, k, v) for k, v in tags.items())]
    present = {k: v for k, v in tags.items() if any(_matches(current[i], k, v) for i in holders)}
    await _delete(ctx, kind, holders, present)
    for ident in current:
        await _keep(ctx, kind, ident, drop=tags)


async def clear(ctx: Context, kind: str, *native_ids: str) -> None:
    """Drop all tags of objects that are gone, of a kind whose tags CloudStack would list on."""
    try:
        held = await held_natively(ctx, kind, native_ids)
        await remove(ctx, kind, held, dict.fromkeys(key for now in held.values() for key in now))
    except CloudStackError as error:
        log.warning("tags of the deleted %s stay in CloudStack: %s", NATIVE[kind], error)
    await forget(ctx, kind, *native_ids)


async def forget(ctx: Context, kind: str, *native_ids: str) -> None:
    """Drop what is known of objects that are gone, of a kind whose tags CloudStack drops itself."""
    ctx.directory.forget(kind, native_ids)
    places = {f"{kind}/{ident}" for ident in native_ids}
    for entry in await ctx.store.list(ctx.owner_id, STORE_KIND):
        if entry.key in places:
            await ctx.store.delete(ctx.owner_id, STORE_KIND, entry.key)


async def held_natively(ctx: Context, kind: str, native_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """What CloudStack holds of objects of one kind, in one listing (of the one object, or of the whole kind)."""
    wanted: dict[str, dict[str, str]] = {ident: {} for ident in native_ids}
    asked = [ident for ident in wanted if _type(ctx, kind, ident)]
    if not asked:
        return wanted
    one = {"resourceid": asked[0]} if len(asked) == 1 else {}
    for tag in await ctx.account.list("listTags", resourcetype=NATIVE[kind], **one):
        if tag["resourceid"] in wanted:
            wanted[tag["resourceid"]][tag["key"]] = tag.get("value") or ""
    return wanted


def _type(ctx: Context, kind: str, ident: str) -> str | None:
    # The default VPC is the account's, and no object of CloudStack's; nor is what the bridge alone has.
    return None if ident == ctx.owner_id or is_own(ident) else NATIVE.get(kind)


def _natively(ctx: Context, kind: str, ident: str, now: Tags, tags: Tags) -> set[str]:
    """The keys of `tags` that CloudStack can hold beside what it holds of the object now."""
    if _type(ctx, kind, ident) is None:
        return set()
    taken = {_collated(key): key for key in now}
    return {
        key
        for key, value in tags.items()
        if _fits(key) and _fits(value) and taken.setdefault(_collated(key), key) == key
    }


def _fits(text: str) -> bool:
    return (
        bool(text.strip())
        and len(text) <= WIDEST
        and all(" " <= char <= "\uffff" and char != "\x7f" for char in text)
    )


def _collated(key: str) -> str:
    """The key as CloudStack's database compares it: without case, accents and trailing spaces."""
    plain = unicodedata.normalize("NFKD", key.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char)).rstrip(" ")


def _matches(now: Tags, key: str, value: str | None) -> bool:
    return key in now and value in (None, now[key])


def _with_values(tags: Iterable[Tags]) -> dict[str, str | None]:
    """Keys with the value that all have (None: they differ): a job that ends late is not to take a newer value off."""
    values: dict[str, set[str]] = {}
    for one in tags:
        for key, value in one.items():
            values.setdefault(key, set()).add(value)
    return {key: next(iter(found)) if len(found) == 1 else None for key, found in values.items()}


async def _delete(ctx: Context, kind: str, idents: Iterable[str], tags: Mapping[str, str | None]) -> None:
    """Take tags off natively; those that somebody else, or this request unheard, has taken off are off."""
    idents = [ident for ident in idents if _type(ctx, kind, ident)]
    if not (idents and tags):
        return

    async def do() -> bool:
        try:
            await ctx.account.job(
                "deleteTags", resourceids=idents, resourcetype=NATIVE[kind], tags=_pairs(tags)
            )
        except CloudStackError as error:
            if _NONE_LEFT not in error.errortext:
                raise
        return True

    async def look() -> bool | None:
        held = await held_natively(ctx, kind, idents)
        left = any(_matches(now, key, value) for now in held.values() for key, value in tags.items())
        return None if left else True

    await surely(do, look)


async def _create(ctx: Context, kind: str, wanted: Mapping[str, Tags]) -> None:
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for ident, tags in wanted.items():
        if tags:
            groups.setdefault(tuple(sorted(tags.items())), []).append(ident)
    done = await asyncio.gather(
        *(_create_alike(ctx, kind, idents, dict(tags)) for tags, idents in groups.items()),
        return_exceptions=True,
    )
    failed = next((outcome for outcome in done if isinstance(outcome, BaseException)), None)
    if failed is not None:
        raise failed


async def _create_alike(ctx: Context, kind: str, idents: list[str], tags: Tags) -> None:
    """Set the same tags on objects; the native call is one transaction, which sets all of them or none."""
    params = {"resourceids": idents, "resourcetype": NATIVE[kind]}

    async def look() -> bool | None:
        held = await held_natively(ctx, kind, idents)
        return all(tags.items() <= held[ident].items() for ident in idents) or None

    await surely(lambda: ctx.account.job("createTags", **params, tags=_pairs(tags)), look)


def _is_taken(error: CloudStackError) -> bool:
    return " already on " in error.errortext


def _is_anothers(error: Exception) -> bool:
    if not isinstance(error, CloudStackError):
        return False
    return error.errorcode == 531 or "have permission" in error.errortext


def _pairs(tags: Mapping[str, str | None]) -> list[dict[str, str | None]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


async def _keep(
    ctx: Context,
    kind: str,
    ident: str,
    *,
    add: Tags = MappingProxyType({}),
    drop: Iterable[str] | Mapping[str, str | None] = (),
) -> None:
    """Change what the store holds of one object; tried again when another request was faster."""
    place = (ctx.owner_id, STORE_KIND, f"{kind}/{ident}")
    values = drop if isinstance(drop, Mapping) else dict.fromkeys(drop)
    while True:
        entry = await ctx.store.entry(*place)
        now: dict[str, str] = entry.value if entry else {}
        kept = {k: v for k, v in now.items() if not (k in values and values[k] in (None, v))} | dict(add)
        if kept == now:
            return
        if entry is None:
            if await ctx.store.put_new(*place, kept):
                return
        elif await ctx.store.replace(*place, kept, entry.version):
            return
