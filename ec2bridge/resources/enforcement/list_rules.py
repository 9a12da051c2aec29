"""What CloudStack has for rules that name prefix lists: a rule for each range, brought into step with the lists."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import native_rules
from ec2bridge.resources.groups import listed, security_groups
from ec2bridge.resources.groups.listed import NONE, Key
from ec2bridge.resources.groups.rules import DEFAULT_EGRESS, DENY_ALL, DuplicateError, Rule
from ec2bridge.resources.groups.security_groups import Group, Groups
from ec2bridge.resources.tags import resource_tags

ROUNDS = 3
"""After a change all is compared again: another request may have changed a list, or the group, at the same time."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What a group lacks in CloudStack of what its lists say."""

    new: list[Rule]
    stale: list[Rule]
    lost: set[Key]
    """What is written down as there for a list, and is neither there nor wanted."""


async def settle(ctx: Context, ident: str, *, adding: bool = False) -> None:
    """Make what CloudStack has of a group's rules what the lists that they name say; `adding` takes nothing off."""
    failure: Exception | None = None
    for _ in range(ROUNDS):
        known = await security_groups.groups(ctx)
        group = known.by_id.get(ident)
        change = await _change(ctx, known, group) if group else None
        if group is None or change is None or (adding and not change.new):
            return
        if failure is not None:
            break
        try:
            await _add(ctx, known, group, change.new)
            if not adding:
                await _take_off(ctx, known, group, change)
        except CloudStackUnavailable:
            raise
        except (CloudStackError, Ec2Error) as error:
            failure = error
    if failure is not None:
        raise failure


async def _change(ctx: Context, known: Groups, group: Group) -> _Change | None:
    of = known.listed.get(group.uuid, NONE)
    wanted, there = await listed.wanted(ctx, of), native_rules.all_of(known, group)
    change = _Change(
        [rule for key, rule in wanted.items() if key not in there],
        [rule for key, rule in there.items() if key in of.written and key not in wanted],
        {key for key in of.written if key not in there and key not in wanted},
    )
    return change if change.new or change.stale or change.lost else None


async def _add(ctx: Context, known: Groups, group: Group, new: list[Rule]) -> None:
    if not new:
        return
    await listed.note(ctx, group.uuid, there=(rule.native_key for rule in new))
    rows = {group.id: await security_groups.native_row(ctx, group)}
    if security_groups.is_open(group) and any(rule.egress for rule in new):
        await native_rules.write(ctx, known, rows, group, [DEFAULT_EGRESS])
    left: list[Rule] = []
    try:
        await native_rules.write(ctx, known, rows, group, new, left)
    except DuplicateError:
        # Another request has just written them, for the same list.
        raise
    except (CloudStackError, Ec2Error):
        await listed.note(ctx, group.uuid, gone=(rule.native_key for rule in set(new).difference(left)))
        raise


async def _take_off(ctx: Context, known: Groups, group: Group, change: _Change) -> None:
    egress = [*known.native_rules(group, egress=True), *(rule for rule in change.new if rule.egress)]
    if any(rule.egress for rule in change.stale) and all(rule in change.stale for rule in egress):
        await shut(ctx, known, group, await security_groups.native_row(ctx, group))
    _, failed = await take(ctx, group, change.stale)
    if failed is not None:
        raise failed
    await listed.note(ctx, group.uuid, gone=change.lost)


async def forget_lost(ctx: Context, known: Groups, group: Group) -> None:
    """Forget what was to be written for lists, is not wanted any more, and has not come."""
    change = await _change(ctx, known, group)
    await listed.note(ctx, group.uuid, gone=change.lost if change else ())


async def shut(ctx: Context, known: Groups, group: Group, row: Mapping[str, Any]) -> None:
    """Write the hidden rule that keeps a group without other egress rules shut."""
    # Another request may just have shut it.
    with suppress(DuplicateError):
        await native_rules.write(ctx, known, {group.id: row}, group, [DENY_ALL])


async def take_over(ctx: Context, known: Groups, group: Group, rules: Iterable[Rule]) -> list[Rule]:
    """Make rules of the group's own what is there for its lists alone; return those that it was done with."""
    of, there = known.listed.get(group.uuid, NONE), native_rules.all_of(known, group)
    found = [
        native_rules.made_of(rule, there[rule.native_key])
        for rule in rules
        if rule.native_key in of.written and rule.native_key in there
    ]
    await listed.note(ctx, group.uuid, gone=(rule.native_key for rule in found))
    return found


async def leaving(ctx: Context, known: Groups, group: Group, rules: Iterable[Rule]) -> list[Rule]:
    """What is to go from CloudStack with a group's rules: what no list needs, and what was there for those named."""
    named = [rule for rule in rules if rule.prefix_list]
    if named:
        await listed.drop(ctx, group.uuid, named)
    of = await listed.of_group(ctx, group.uuid)
    wanted = await listed.wanted(ctx, of)
    own = [rule for rule in rules if rule.uuid and not rule.prefix_list]
    await _hand_over(ctx, group, [rule for rule in own if rule.native_key in wanted])
    there = native_rules.all_of(known, group)
    stale = [rule for key, rule in there.items() if key in of.written and key not in wanted]
    return [*(rule for rule in own if rule.native_key not in wanted), *stale]


async def _hand_over(ctx: Context, group: Group, rules: Sequence[Rule]) -> None:
    """Leave the group's own rules to a list that says the same."""
    await listed.note(ctx, group.uuid, there=(rule.native_key for rule in rules))
    for rule in rules:
        tags = resource_tags.native(rule.row)
        await resource_tags.remove(ctx, native_rules.KIND, {str(rule.uuid): tags}, dict.fromkeys(tags))


async def take(ctx: Context, group: Group, rules: Iterable[Rule]) -> tuple[list[Rule], BaseException | None]:
    """Take rules off in CloudStack; return those that are gone, and what the first that is not failed with."""
    done = await asyncio.gather(*(native_rules.take(ctx, rule) for rule in rules), return_exceptions=True)
    gone = [outcome for outcome in done if isinstance(outcome, Rule)]
    await listed.note(ctx, group.uuid, gone=(rule.native_key for rule in gone))
    return gone, next((outcome for outcome in done if isinstance(outcome, BaseException)), None)
