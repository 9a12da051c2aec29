"""What every Describe shares: ids, filters, order and pages.

An action that is registered with `@describe` returns all the items that the caller may see; the ids and filters of
the request, MaxResults and NextToken are applied here, on the translated items, as AWS does. The action still sees the
request, and may ask CloudStack for less where a native filter means the same.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ec2bridge.ec2 import page_tokens
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.filters import Asked, Filters, check, kept, walk, wanted
from ec2bridge.ec2.registry import Action, Request, add
from ec2bridge.errors import Ec2Error
from ec2bridge.gently import gently
from ec2bridge.ids import KINDS, ec2_id, is_uuid

Item = dict[str, Any]
Fetch = Callable[[Context, Request], Awaitable[list[Item]]]
Wrap = Callable[[list[Item]], dict[str, Any]]

LEAST, MOST = 5, 1000  # AWS: "This value can be between 5 and 1000" stands with most Describes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some items of a large listing in its order, each with a number from which `place` tells the place behind it."""

    items: list[tuple[int, Item]]
    more: bool
    place: Callable[[int], str]


class Chunks(Protocol):
    """A listing that may be too large to be held, and that can be gone on with from any place."""

    async def are_many(self, ctx: Context, request: Request) -> bool:
        """Whether the listing is so large that it is answered in chunks."""
        ...

    def at_first(self) -> int | None:
        """How many items a walk's first page has at most, where more would keep the client waiting."""

    def after(self, ctx: Context, place: str, wanted: int | None) -> AsyncIterator[Chunk]:
        """Yield what follows a place, or all where that is empty; `wanted` items are needed, where that is known."""


IN_CHUNKS = "@"
"""What the places of listings in chunks begin with; all others are the key of an item."""

GONE = "_Gone"
"""Marks an item that is not shown, but whose id is no error yet."""


@dataclass(frozen=True, slots=True)
class Ids:
    """A request member that names items: `path` in the item, and the kind in `ids.KINDS` or a name's own error.

    `keyword` is a word that may stand among the names and names nothing; `word` is one that is an id.
    """

    path: str
    kind: str | None = None
    code: str = ""
    sentence: str = ""
    keyword: str | None = None
    word: str | None = None

    def check(self, value: str) -> str:
        """Return the id as items carry it (a CloudStack uuid becomes the id), or raise …Malformed."""
        if self.kind is None:
            if not value:
                # An empty name from an unset variable must not widen the request to everything.
                raise Ec2Error(
                    "InvalidParameterValue", "An empty name is not valid: leave the parameter out instead."
                )
            return value
        if value == self.word:
            return value
        if is_uuid(value):
            return ec2_id(KINDS[self.kind].prefix, value)
        if not KINDS[self.kind].is_id(value):
            raise KINDS[self.kind].refused(value)
        return value

    def missing(self, values: list[str]) -> Ec2Error:
        """Return the NotFound error for ids that no item has."""
        if self.kind is not None:
            return KINDS[self.kind].missing(*values)
        return Ec2Error(self.code, self.sentence.format(", ".join(values)))


def describe(
    name: str,
    *,
    items: str,
    ids: Mapping[str, Ids] | None = None,
    key: str | None = None,
    filters: Filters | None = None,
    honours: tuple[str, ...] = (),
    ignores: Mapping[str, str] | None = None,
    defaults: Mapping[str, tuple[Any, ...]] | None = None,
    native: tuple[str, ...] = (),
    wrap: Wrap | None = None,
    least: int = LEAST,
    most: int = MOST,
    zero_is_none: bool = False,
    may_be_gone: bool = False,
    chunks: Chunks | None = None,
) -> Callable[[Fetch], Fetch]:
    """Register a Describe whose answer is the list member `items`.

    `key` is the path that orders pages (by default that of the first entry of `ids`). Members of an item whose name
    starts with an underscore feed filters and are taken out of the answer. `wrap` turns the page's items into the
    answer, for answers that nest them (reservations). `zero_is_none` lets MaxResults=0 stand for no limit. Where items
    `may_be_gone`, those marked with GONE are not shown. `chunks` serves pages and filters of large listings.
    """
    named = dict(ids or {})
    documented = dict(filters or {})
    order = key or next(iter(named.values())).path

    def register(fetch: Fetch) -> Fetch:
        async def handler(ctx: Context, request: Request) -> dict[str, Any]:
            asked = wanted(request)
            check(documented, asked)
            if zero_is_none and request.get("MaxResults") == 0:
                request = {name: value for name, value in request.items() if name != "MaxResults"}
            size = _page_size(request, named, least, most)
            chosen = {
                member: values
                for member, ids in named.items()
                if (values := [ids.check(v) for v in request.get(member) or () if v != ids.keyword])
            }
            place = _place(ctx, request)
            if chunks and not chosen and await _in_chunks(ctx, request, chunks, place, size, asked):
                limit = size if size or place is None else MOST
                if limit and not place and not asked:
                    # As on AWS a page may have fewer than were asked for.
                    limit = min(limit, chunks.at_first() or limit)
                page, place = await _chunked(ctx, chunks, place, limit, documented, asked)
            else:
                found = await fetch(ctx, request)
                found = _by_ids(found, named, chosen)
                if may_be_gone:
                    found = [item for item in found if not item.get(GONE)]
                found = await kept(found, documented, asked)
                page, place = _page(found, place, order, size)
            token = page_tokens.make(ctx.credentials.secret_key, request, place) if place else None
            answer: dict[str, Any] = wrap(page) if wrap else {items: await _shown(page)}
            if token:
                answer["NextToken"] = token
            return answer

        handler.__doc__, handler.__module__ = fetch.__doc__, fetch.__module__
        add(
            Action(
                name,
                handler,
                honours=frozenset((*honours, *named)),
                ignores=ignores or {},
                defaults=defaults or {},
                native=native,
                filters=documented,
                effect="described",
            )
        )
        return fetch

    return register


async def _shown(page: list[Item]) -> list[Item]:
    """Return items without what is for filters alone."""
    return [_public(item) async for some in gently(page) for item in some]


def _public(item: Item) -> Item:
    return {name: value for name, value in item.items() if name[0] != "_"}


def _page_size(request: Request, named: Mapping[str, Ids], least: int, most: int) -> int | None:
    size = request.get("MaxResults")
    if size is None:
        return None
    for member in named:
        if request.get(member):
            raise Ec2Error(
                "InvalidParameterCombination",
                f"The parameter {member} cannot be used with the parameter maxResults",
            )
    if size < least:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value of at least {least}.",
        )
    return min(int(size), most)


def _by_ids(found: list[Item], named: Mapping[str, Ids], chosen: Mapping[str, list[str]]) -> list[Item]:
    """Return the items that any of the members names: AWS adds up what ids and what names or addresses find."""
    if not chosen:
        return found
    kept: set[int] = set()
    for member, values in chosen.items():
        steps = named[member].path.split(".")
        asked, seen = set(values), set()
        for place, item in enumerate(found):
            hits = asked.intersection(walk(item, steps))
            if hits:
                seen |= hits
                kept.add(place)
        missing = [value for value in dict.fromkeys(values) if value not in seen]
        if missing:
            raise named[member].missing(missing)
    return [item for place, item in enumerate(found) if place in kept]


def _place(ctx: Context, request: Request) -> str | None:
    token = request.get("NextToken")
    return page_tokens.read(ctx.credentials.secret_key, request, token) if token else None


def _page(
    found: list[Item], place: str | None, order: str, size: int | None
) -> tuple[list[Item], str | None]:
    """Return a page of all items, ordered by their ids, and the place behind it if more follow."""
    if size is None and place is None:
        return found, None
    steps = order.split(".")
    keyed = sorted(((str(next(walk(item, steps), "")), item) for item in found), key=lambda pair: pair[0])
    if place is not None:
        keyed = [pair for pair in keyed if pair[0] > place]
    page = keyed[: size or MOST]
    more = len(keyed) > len(page)
    return [item for _, item in page], page[-1][0] if more else None


async def _in_chunks(
    ctx: Context, request: Request, chunks: Chunks, place: str | None, size: int | None, asked: Asked
) -> bool:
    if place is not None:
        # A listing that was begun in one way is gone on with in that.
        return place.startswith(IN_CHUNKS)
    return (size is not None or bool(asked)) and await chunks.are_many(ctx, request)


async def _chunked(
    ctx: Context, chunks: Chunks, place: str | None, size: int | None, filters: Filters, asked: Asked
) -> tuple[list[Item], str | None]:
    """Return a page of a large listing in its own order, and the place behind it if more follow; without size, all."""
    page: list[Item] = []
    last: tuple[Chunk, int] | None = None
    async for chunk in chunks.after(ctx, (place or IN_CHUNKS)[1:], None if asked else size):
        matching = set(map(id, await kept([item for _, item in chunk.items], filters, asked)))
        for number, item in chunk.items:
            if id(item) not in matching:
                continue
            if len(page) == size:
                return page, _behind(last)
            page.append(item)
            last = chunk, number
        if len(page) == size and chunk.more:
            return page, _behind(last)
    return page, None


def _behind(last: tuple[Chunk, int] | None) -> str | None:
    return IN_CHUNKS + last[0].place(last[1]) if last else None
