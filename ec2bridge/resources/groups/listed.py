"""Rules of groups that name prefix lists, as the store keeps them.

CloudStack's rules have a range or a group. So a rule that names a list is a record, and each range of the list is a
rule of CloudStack's. Which of a group's rules are there for lists alone is written before they are made, and until they
are gone; a range that has a rule of its own as well, or stands in two lists, is one rule in CloudStack.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ids import ec2_id, own_uuid
from ec2bridge.resources import prefix_lists
from ec2bridge.resources.groups.rules import DENY_ALL, Rule, duplicate
from ec2bridge.store import Change

KIND = "prefix-list-rules"
"""Store kind: a group's uuid → its rules that name lists, and what is in CloudStack for them."""

Key = tuple[Any, ...]
"""What CloudStack takes for one rule: `Rule.native_key`."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the lists of one group come to."""

    rules: Sequence[Rule] = ()
    written: frozenset[Key] = frozenset()
    """What is in CloudStack, or is about to be, for lists alone."""

    def hides(self, rule: Rule) -> bool:
        """Whether a rule of CloudStack's is there for a list alone, which stands for it."""
        if rule.native_key not in self.written:
            return False
        return any((rule.egress, rule.span) == (named.egress, named.span) for named in self.rules)


NONE = Listed()


async def listed(ctx: Context) -> dict[str, Listed]:
    """Group's uuid → what its lists come to."""
    return {entry.key: _read(entry.value) for entry in await ctx.store.list(ctx.owner_id, KIND)}


async def of_group(ctx: Context, group: str) -> Listed:
    """What the lists of one group come to."""
    value = await ctx.store.get(ctx.owner_id, KIND, group)
    return _read(value) if value else NONE


def _read(value: Mapping[str, Any]) -> Listed:
    rules = tuple(
        Rule(
            one["egress"],
            one["span"][0],
            one["span"][1],
            one["span"][2],
            description=one["description"],
            uuid=one["uuid"],
            id=one["id"],
            row={"ruleid": one["uuid"]},
            prefix_list=ec2_id("pl", one["list"]),
        )
        for one in value["rules"]
    )
    return Listed(rules, frozenset(map(tuple, value["written"])))


async def wanted(ctx: Context, of: Listed) -> dict[Key, Rule]:
    """What CloudStack should have for a group's lists."""
    if not of.rules:
        return {}
    lists = {ec2_id("pl", one["id"]): one for one in await prefix_lists.prefix_lists(ctx)}
    found = (
        replace(rule, prefix_list=None, cidr=entry["cidr"], description="", uuid=None, id="", row={})
        for rule in of.rules
        if rule.prefix_list in lists
        for entry in prefix_lists.current(lists[rule.prefix_list])
    )
    return {rule.native_key: rule for rule in found if rule != DENY_ALL}


async def sizes(ctx: Context) -> dict[str, int]:
    """Prefix list's id → how many entries it may have: so many rules it counts."""
    return {ec2_id("pl", one["id"]): one["most"] for one in await prefix_lists.prefix_lists(ctx)}


async def add(ctx: Context, group: str, rules: Iterable[Rule]) -> list[Rule]:
    """Keep rules that name lists, and return them with their ids; one that has an id keeps it."""
    made = []
    for rule in rules:
        uuid = rule.uuid or own_uuid()
        made.append(replace(rule, uuid=uuid, id=rule.id or ec2_id("sgr", uuid), row={"ruleid": uuid}))
    keys = {
        ident: (await prefix_lists.find(ctx, ident))["id"]
        for ident in {str(rule.prefix_list) for rule in made}
    }

    def alter(value: dict[str, Any]) -> None:
        standing = {rule.native_key for rule in _read(value).rules}
        for rule in made:
            if rule.native_key in standing:
                raise duplicate(rule)
        value["rules"] += [_told(rule, keys[str(rule.prefix_list)]) for rule in made]

    await _change(ctx, group, alter, keys)
    return made


def _told(rule: Rule, key: str) -> dict[str, Any]:
    return {
        "egress": rule.egress,
        "span": list(rule.span),
        "list": key,
        "description": rule.description,
        "uuid": rule.uuid,
        "id": rule.id,
    }


async def drop(ctx: Context, group: str, rules: Iterable[Rule]) -> None:
    """Forget rules that name lists; what CloudStack has for them is to be taken away afterwards."""
    gone = {rule.uuid for rule in rules}

    def alter(value: dict[str, Any]) -> None:
        value["rules"] = [one for one in value["rules"] if one["uuid"] not in gone]

    await _change(ctx, group, alter)


async def describe(ctx: Context, group: str, rule: Rule, text: str) -> None:
    """Give a rule another description."""

    def alter(value: dict[str, Any]) -> None:
        for one in value["rules"]:
            if one["uuid"] == rule.uuid:
                one["description"] = text

    await _change(ctx, group, alter)


async def note(ctx: Context, group: str, there: Iterable[Key] = (), gone: Iterable[Key] = ()) -> None:
    """Write down what CloudStack has for lists alone, or no longer has."""
    there, gone = set(there), set(gone)

    def alter(value: dict[str, Any]) -> None:
        kept = (set(map(tuple, value["written"])) | there) - gone
        value["written"] = sorted(map(list, kept), key=str)

    if there or gone:
        await _change(ctx, group, alter)


async def forget(ctx: Context, group: str) -> None:
    """Forget all that a group which is gone had to do with lists."""
    await ctx.store.delete(ctx.owner_id, KIND, group)


async def _change(
    ctx: Context, group: str, alter: Callable[[dict[str, Any]], None], named: Iterable[str] = ()
) -> None:
    """Change what is kept of a group; tried again when another request was faster.

    `named` are the lists that it comes to name.
    """
    done = False
    while not done:
        entry = await ctx.store.entry(ctx.owner_id, KIND, group)
        before: dict[str, Any] = entry.value if entry else {"rules": [], "written": []}
        value = {name: list(map(_copied, held)) for name, held in before.items()}
        alter(value)
        if value == before:
            return
        kept = value if any(value.values()) else None
        change = Change(KIND, group, kept, version=entry.version if entry else 0)
        done = await ctx.store.together(ctx.owner_id, change, *await prefix_lists.still_there(ctx, named))


def _copied(held: Any) -> Any:
    return dict(held) if isinstance(held, dict) else list(held)
