"""Writing and removing rules: CloudStack's jobs of one request, run together and undone together.

CloudStack takes one protocol with its ports a call, with several ranges or groups, and checks in the job; EC2 takes
everything at once and all or nothing.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import firewall, list_rules, native_rules, tiers
from ec2bridge.resources.enforcement.native_rules import KIND
from ec2bridge.resources.groups import listed, security_groups
from ec2bridge.resources.groups.items import revoked_item
from ec2bridge.resources.groups.listed import NONE, Key
from ec2bridge.resources.groups.rules import DEFAULT_EGRESS, Rule, duplicate
from ec2bridge.resources.groups.security_groups import Group, Groups
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

Row = dict[str, Any]

PLAN, REVOKE = "AuthorizeSecurityGroup", "RevokeSecurityGroup"


MOST = 1000
"""Rules of a group in either direction: what AWS's quota can be raised to."""


async def check_new(ctx: Context, known: Groups, group: Group, rules: Collection[Rule]) -> None:
    """Refuse a rule that the group has, or too many, before anything is sent: the native call would fail without saying
    which.
    """
    standing = known.rules(group)
    present = {rule.native_key for rule in standing}
    ways = {rule.egress for rule in rules}
    await check_room(ctx, [rule for rule in (*standing, *rules) if rule.egress in ways])
    for rule in rules:
        if rule.native_key in present:
            raise duplicate(rule)


async def check_room(ctx: Context, rules: Collection[Rule], sizes: Mapping[str, int] | None = None) -> None:
    """Refuse more rules of a group than there may be; a prefix list counts as many as it may have entries.

    `sizes` tells of lists whose size is to change.
    """
    names = any(rule.prefix_list for rule in rules)
    counts = {**(await listed.sizes(ctx) if names else {}), **(sizes or {})}
    for egress in (False, True):
        if sum(counts.get(rule.prefix_list or "", 1) for rule in rules if rule.egress is egress) > MOST:
            sentence = f"The maximum number of rules per security group has been reached: {MOST}."
            raise Ec2Error("RulesPerSecurityGroupLimitExceeded", sentence)


async def authorize(
    ctx: Context, known: Groups, group: Group, rules: Sequence[Rule], tags: Mapping[str, str] | None = None
) -> list[Rule]:
    """Write rules of a group that may be deleted at the same moment, and return them as they came to be."""
    place = ("security-group", group.uuid)
    async with deletion.within(ctx, place):
        made = await write(ctx, known, group, rules, tags)
    native = [str(rule.uuid) for rule in made if not rule.prefix_list]
    uuids = [str(rule.uuid) for rule in made]
    await deletion.check(ctx, *place, partial(forget, ctx, group.uuid, uuids, native))
    return made


async def forget(ctx: Context, group: str, rules: Collection[str], tagged: Collection[str]) -> None:
    """Forget what is kept of rules that are gone with their group.

    CloudStack deletes a group's rules with it, and keeps the tags of those.
    """
    await resource_tags.forget(ctx, KIND, *rules)
    await listed.forget(ctx, group)
    if tagged:
        await resource_tags.clear(ctx, KIND, *tagged)


async def write(
    ctx: Context, known: Groups, group: Group, rules: Sequence[Rule], tags: Mapping[str, str] | None = None
) -> list[Rule]:
    """Write rules and return them as they came to be; a rule that has an id keeps it."""
    peers = [known.by_id[rule.group] for rule in rules if rule.group]
    if any(peer.row and "account" not in peer.row for peer in peers):
        sentence = (
            "CloudStack's rules name groups by their account, and a project's group has none: name IP ranges."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    outward = any(rule.egress for rule in rules)
    # The first native egress rule shuts the group: what EC2 shows as the default must stand before it.
    opened = security_groups.is_open(group) and outward and DEFAULT_EGRESS not in rules
    given = {
        "group": group.id,
        "uuid": group.uuid,
        "rules": [_told(rule) for rule in (*rules, *([DEFAULT_EGRESS] if opened else ()))],
    }
    asked = _Asked(known, group, rules, dict(tags or {}))
    await journal.perform(ctx, PLAN, given, place=place_of(group, rules), live=asked)
    return asked.made


@dataclass(slots=True)
class _Asked:
    """What a request has in memory of the rules that it writes."""

    known: Groups
    group: Group
    rules: Sequence[Rule]
    tags: dict[str, str]
    made: list[Rule] = field(default_factory=list)
    left: list[Rule] = field(default_factory=list)
    """What it has written, and what it has no answer for."""


async def is_being_authorized(ctx: Context, group: Group, rules: Sequence[Rule]) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `authorize` goes on with it then."""
    return await journal.claim(ctx, PLAN, place_of(group, rules)) is True


def place_of(group: Group, rules: Iterable[Rule]) -> str:
    """Return what stands for a request to write rules: AuthorizeSecurityGroup… has no client token."""
    return json.dumps([group.id, sorted(map(_told, rules), key=str)])


def _told(rule: Rule) -> list[Any]:
    return list(rule.native_key)


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [Step("rules", _find, _authorize, _undo)]


async def _find(work: Work) -> Made | None:
    """Rules are looked for one by one when they are written again."""
    return {} if work.is_undone else None


async def _authorize(work: Work) -> Made:
    ctx, asked = work.ctx, work.live
    known, group, rules = asked.known, asked.group, asked.rules
    standing: dict[Key, Rule] = {}
    if work.again:
        known = await security_groups.groups(ctx)
        group = known.by_id[group.id]
        standing = _standing(known, group)
    # A rule that the group was implied with and that is among these is written with these.
    own = await security_groups.native_row(
        ctx, group, trusting=security_groups.implied_ingress(group) not in rules
    )
    rows = {group.id: own}
    for peer in (known.by_id[rule.group] for rule in rules if rule.group):
        rows[peer.id] = own if peer.id == group.id else await security_groups.native_row(ctx, peer)
    # Whether it was open when this was first asked: by now a rule without an answer may have shut it.
    opened = DEFAULT_EGRESS not in rules and _told(DEFAULT_EGRESS) in work.given["rules"]
    if opened and DEFAULT_EGRESS.native_key not in standing:
        await native_rules.write(ctx, known, rows, group, [DEFAULT_EGRESS], asked.left)
    missing = [rule for rule in rules if rule.native_key not in standing]
    made = await list_rules.take_over(ctx, known, group, missing)
    asked.left += made
    done = set(made)
    new = [rule for rule in missing if not rule.prefix_list and rule not in done]
    made += await native_rules.write(ctx, known, rows, group, new, asked.left)
    made += [
        native_rules.made_of(rule, standing[key]) for rule in rules if (key := rule.native_key) in standing
    ]
    await native_rules.mark(ctx, [rule for rule in made if not rule.prefix_list], asked.tags)
    if any(rule.prefix_list for rule in rules):
        made += await _name_lists(ctx, group, [rule for rule in missing if rule.prefix_list], asked)
    await _enforce(ctx, known, group, rules)
    by_key = {rule.native_key: rule for rule in made}
    asked.made[:] = [by_key[rule.native_key] for rule in rules if rule.native_key in by_key]
    return {}


async def _name_lists(ctx: Context, group: Group, rules: Sequence[Rule], asked: _Asked) -> list[Rule]:
    """Keep rules that name prefix lists, and write what the lists say."""
    made = await listed.add(ctx, group.uuid, rules)
    asked.left += made
    for rule in made:
        await resource_tags.attach(ctx, KIND, str(rule.uuid), asked.tags)
    await list_rules.settle(ctx, group.id)
    return made


def _standing(known: Groups, group: Group) -> dict[Key, Rule]:
    """A group's own rules by what CloudStack takes for the same, the hidden one among them."""
    of = known.listed.get(group.uuid, NONE)
    there = {key: rule for key, rule in native_rules.all_of(known, group).items() if not of.hides(rule)}
    return {**there, **{rule.native_key: rule for rule in of.rules}}


async def _undo(work: Work, made: Made) -> None:
    """Take back what a request that failed has written.

    Who takes up what a bridge that died has left knows only what was to be written, none of which stood before.
    """
    ctx, rules = work.ctx, work.given["rules"]
    if work.live and not work.again:
        rules = [_told(rule) for rule in work.live.left]
    known = await security_groups.groups(ctx)
    group = known.by_id.get(work.given["group"])
    if group is None:
        await _undo_without_group(work)
        return
    gone = [rule for rule in _standing(known, group).values() if _told(rule) in rules]
    _, failed = await list_rules.take(ctx, group, await list_rules.leaving(ctx, known, group, gone))
    if failed is not None:
        raise failed
    await resource_tags.forget(ctx, KIND, *(str(rule.uuid) for rule in gone))
    if work.live is None:
        await _forget_lost(ctx, group)
    if gone:
        # One tier, or address, may have taken the rules before another refused them.
        with suppress(CloudStackError, Ec2Error):
            await _enforce(ctx, known, group, gone)


async def _undo_without_group(work: Work) -> None:
    """What CloudStack had of the rules went with the group; what is kept of them goes now."""
    left = work.live.left if work.live else ()
    uuids = [str(rule.uuid) for rule in left if rule.uuid]
    native = [str(rule.uuid) for rule in left if rule.uuid and not rule.prefix_list]
    if "uuid" in work.given:
        await forget(work.ctx, work.given["uuid"], uuids, native)


async def _forget_lost(ctx: Context, group: Group) -> None:
    """Whoever takes a record up comes so late that what has not come by then does not come any more."""
    known = await security_groups.groups(ctx)
    if group.id in known.by_id:
        await list_rules.forget_lost(ctx, known, known.by_id[group.id])


async def revoke(ctx: Context, known: Groups, group: Group, rules: Sequence[Rule]) -> list[Row]:
    """Remove rules, and return them as EC2 tells them; in place of the last egress rule a hidden one keeps all shut."""
    given = {
        "group": group.id,
        "rules": [_told(rule) for rule in rules],
        "uuids": [rule.uuid for rule in rules if rule.uuid],
        "items": [revoked_item(group, rule) for rule in rules],
    }
    asked = _Asked(known, group, rules, {})
    made = await journal.perform(ctx, REVOKE, given, place=place_of(group, rules), live=asked)
    return list(made["rules"]["items"])


async def is_being_revoked(ctx: Context, group: Group, rules: Sequence[Rule]) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `revoke` goes on with it then."""
    return bool(rules) and await journal.claim(ctx, REVOKE, place_of(group, rules)) is True


@journal.plan(REVOKE, forward=True, later=True)
def _revocation(given: Given) -> list[Step]:
    return [
        Step("rules", journal.unseen, _take_off, journal.nothing),
        Step("enforced", journal.unseen, _let_go, journal.nothing),
    ]


async def _standing_now(work: Work) -> tuple[Groups, Group, Sequence[Rule]] | None:
    """The groups, the one in question and which of its rules are to go; None where the group has gone."""
    if work.live and not work.again:
        return work.live.known, work.live.group, work.live.rules
    known = await security_groups.groups(work.ctx)
    group = known.by_id.get(work.given["group"])
    if group is None:
        return None
    return known, group, [rule for rule in known.rules(group) if _told(rule) in work.given["rules"]]


async def _take_off(work: Work) -> Made:
    found = await _standing_now(work)
    if found is not None:
        await _take_rules_off(work.ctx, *found)
        if work.live is None:
            await _forget_lost(work.ctx, found[1])
    return {"items": work.given["items"]}


async def _take_rules_off(ctx: Context, known: Groups, group: Group, rules: Sequence[Rule]) -> None:
    leaving = await list_rules.leaving(ctx, known, group, rules)
    idents = {rule.uuid for rule in leaving}
    egress = [rule for rule in known.native_rules(group, egress=True) if rule.uuid not in idents]
    implied = any(rule.uuid is None and not rule.egress for rule in rules)
    outward = any(rule.egress and not rule.prefix_list for rule in (*rules, *leaving))
    if implied or (outward and not egress):
        row = await security_groups.native_row(ctx, group, trusting=not implied)
    if outward and not egress:
        await list_rules.shut(ctx, known, group, row)
    _, failed = await list_rules.take(ctx, group, leaving)
    if failed is None:
        return
    if not isinstance(failed, CloudStackUnavailable):
        await _bring_back(ctx, group, rules)
    raise failed


async def _bring_back(ctx: Context, group: Group, rules: Sequence[Rule]) -> None:
    """Write rules again that were taken off before a refusal: they keep their ids, descriptions and tags."""
    known = await security_groups.groups(ctx)
    group = known.by_id[group.id]
    standing = _standing(known, group)
    held = await resource_tags.stored(ctx, KIND)
    alike: dict[tuple[tuple[str, str], ...], list[Rule]] = {}
    for rule in rules:
        if rule.uuid and rule.native_key not in standing:
            tags = {tag["Key"]: tag["Value"] for tag in resource_tags.visible(rule.row)}
            alike.setdefault(tuple(sorted({**tags, **held.get(rule.uuid, {})}.items())), []).append(rule)
    for tagged, some in alike.items():
        try:
            await write(ctx, known, group, some, dict(tagged))
        except (CloudStackError, Ec2Error) as error:
            log.error("rules of %s are off, though CloudStack refused to revoke them: %s", group.id, error)
        else:
            # What is written again has another uuid, but for rules that name lists.
            await resource_tags.forget(ctx, KIND, *(str(rule.uuid) for rule in some if not rule.prefix_list))


async def _let_go(work: Work) -> Made:
    """Have tiers and addresses no longer let in what was revoked; where one refuses, the rules are back."""
    ctx, found = work.ctx, await _standing_now(work)
    if found is not None:
        known, group, rules = found
        try:
            if work.live and not work.again:
                await _enforce(ctx, known, group, rules)
            else:
                await settled(ctx, known, group)
        except CloudStackUnavailable:
            raise
        except CloudStackError:
            await _bring_back(ctx, group, rules)
            raise
    await resource_tags.forget(ctx, KIND, *work.given.get("uuids", ()))
    return {}


async def settled(ctx: Context, known: Groups, group: Group) -> None:
    """Bring whatever rules a group has to where CloudStack applies none by itself."""
    if group.vpc_id != known.default_vpc:
        await tiers.settle_group(ctx, group)
    else:
        await firewall.settle(ctx, groups=[group.uuid])


async def _enforce(ctx: Context, known: Groups, group: Group, rules: Iterable[Rule]) -> None:
    """Bring changed rules to where CloudStack applies none by itself."""
    if group.vpc_id != known.default_vpc:
        await tiers.settle_group(ctx, group)
    elif not all(rule.egress for rule in rules):
        await firewall.settle(ctx, groups=[group.uuid])
