"""Writing and removing rules: CloudStack's jobs of one request, run together and undone together.

CloudStack takes one protocol with its ports a call, with several ranges or groups, and checks in the job; EC2 takes
everything at once and all or nothing.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import firewall, tiers
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.items import revoked_item
from ec2bridge.resources.groups.rules import DEFAULT_EGRESS, DENY_ALL, Rule
from ec2bridge.resources.groups.security_groups import RULE_ID, Group, Groups
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

Row = dict[str, Any]

KIND = "security-group-rule"
PLAN, REVOKE = "AuthorizeSecurityGroup", "RevokeSecurityGroup"


MOST = 1000
"""Rules of a group in either direction: what AWS's quota can be raised to."""


def check_new(known: Groups, group: Group, rules: Collection[Rule]) -> None:
    """Refuse a rule that the group has, or too many, before anything is sent: the native call would fail without saying
    which.
    """
    standing = known.rules(group)
    present = {rule.native_key for rule in standing}
    for egress in (False, True):
        new = sum(rule.egress is egress for rule in rules)
        if new and new + sum(rule.egress is egress for rule in standing) > MOST:
            sentence = f"The maximum number of rules per security group has been reached: {MOST}."
            raise Ec2Error("RulesPerSecurityGroupLimitExceeded", sentence)
    for rule in rules:
        if rule.native_key in present:
            raise duplicate(rule)


class _Duplicate(Ec2Error):
    """A rule exists."""


def duplicate(rule: Rule) -> Ec2Error:
    """The error for a rule that exists."""
    return _Duplicate("InvalidPermission.Duplicate", f'the specified rule "{rule}" already exists')


async def authorize(
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
    standing: dict[tuple[Any, ...], Rule] = {}
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
        await _write(ctx, known, rows, group, [DEFAULT_EGRESS], asked.left)
    missing = [rule for rule in rules if rule.native_key not in standing]
    written = {rule.native_key: rule for rule in await _write(ctx, known, rows, group, missing, asked.left)}
    there = {key: _made(rule, standing[key]) for rule in rules if (key := rule.native_key) in standing}
    made = [found for rule in rules if (found := {**there, **written}.get(rule.native_key))]
    await _mark(ctx, made, asked.tags)
    await _enforce(ctx, known, group, rules)
    asked.made[:] = made
    return {}


def _standing(known: Groups, group: Group) -> dict[tuple[Any, ...], Rule]:
    both = [*known.native_rules(group, egress=False), *known.native_rules(group, egress=True)]
    return {rule.native_key: rule for rule in both}


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
        return
    gone = [rule for rule in _standing(known, group).values() if _told(rule) in rules]
    done = await asyncio.gather(*(_revoke(ctx, rule) for rule in gone), return_exceptions=True)
    failed = next((outcome for outcome in done if isinstance(outcome, BaseException)), None)
    if failed is not None:
        raise failed
    await resource_tags.forget(ctx, KIND, *(str(rule.uuid) for rule in gone))
    if gone:
        # One tier, or address, may have taken the rules before another refused them.
        with suppress(CloudStackError, Ec2Error):
            await _enforce(ctx, known, group, gone)


async def revoke(ctx: Context, known: Groups, group: Group, rules: Sequence[Rule]) -> list[Row]:
    """Remove rules, and return them as EC2 tells them; in place of the last egress rule a hidden one keeps all shut."""
    given = {
        "group": group.id,
        "rules": [_told(rule) for rule in rules],
        "items": [revoked_item(group, rule) for rule in rules],
        "uuids": [rule.uuid for rule in rules if rule.uuid],
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
    return {"items": work.given["items"]}


async def _take_rules_off(ctx: Context, known: Groups, group: Group, rules: Sequence[Rule]) -> None:
    gone = {rule.uuid for rule in rules}
    egress = [rule for rule in known.native_rules(group, egress=True) if rule.uuid not in gone]
    implied = any(rule.uuid is None and not rule.egress for rule in rules)
    if implied or (any(rule.egress for rule in rules) and not egress):
        row = await security_groups.native_row(ctx, group, trusting=not implied)
    if any(rule.egress for rule in rules) and not egress:
        # Another request may just have shut it.
        with suppress(_Duplicate):
            await _write(ctx, known, {group.id: row}, group, [DENY_ALL])
    done = await asyncio.gather(*(_revoke(ctx, rule) for rule in rules if rule.uuid), return_exceptions=True)
    removed = [outcome for outcome in done if isinstance(outcome, Rule)]
    failed = next((outcome for outcome in done if isinstance(outcome, BaseException)), None)
    if failed is None:
        return
    if not isinstance(failed, CloudStackUnavailable):
        await _put_back(ctx, known, group, removed)
    raise failed


async def _put_back(ctx: Context, known: Groups, group: Group, rules: Iterable[Rule]) -> None:
    """Write rules again that were taken off before a refusal: they keep their ids, descriptions and tags."""
    held = await resource_tags.stored(ctx, KIND)
    alike: dict[tuple[tuple[str, str], ...], list[Rule]] = {}
    for rule in rules:
        tags = {tag["Key"]: tag["Value"] for tag in resource_tags.visible(rule.row)}
        alike.setdefault(tuple(sorted({**tags, **held.get(str(rule.uuid), {})}.items())), []).append(rule)
    for tagged, some in alike.items():
        try:
            await authorize(ctx, known, group, some, dict(tagged))
        except (CloudStackError, Ec2Error) as error:
            log.error("rules of %s are off, though CloudStack refused to revoke them: %s", group.id, error)
        else:
            await resource_tags.forget(ctx, KIND, *(str(rule.uuid) for rule in some))


async def _let_go(work: Work) -> Made:
    """Have tiers and addresses no longer let in what was revoked; where one refuses, the rules are back."""
    ctx, found = work.ctx, await _standing_now(work)
    if found is not None:
        known, group, rules = found
        try:
            if work.live and not work.again:
                await _enforce(ctx, known, group, rules)
            else:
                await _settled(ctx, known, group)
        except CloudStackUnavailable:
            raise
        except CloudStackError:
            await _put_back(ctx, known, group, [rule for rule in rules if rule.uuid])
            raise
    await resource_tags.forget(ctx, KIND, *work.given.get("uuids", ()))
    return {}


async def _settled(ctx: Context, known: Groups, group: Group) -> None:
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


async def _write(
    ctx: Context,
    known: Groups,
    rows: Mapping[str, Mapping[str, Any]],
    group: Group,
    rules: Iterable[Rule],
    left: list[Rule] | None = None,
) -> list[Rule]:
    """Run the jobs and return what they made; the first refusal is raised when all have ended.

    What they made, or may have, is put into `left` as well.
    """
    batches: dict[Any, list[Rule]] = {}
    for rule in rules:
        batches.setdefault((rule.egress, *rule.native().values(), rule.cidr is None), []).append(rule)
    done = await asyncio.gather(
        *(_job(ctx, known, rows, group, batch) for batch in batches.values()), return_exceptions=True
    )
    if left is not None:
        for batch, outcome in zip(batches.values(), done, strict=True):
            unknown = isinstance(outcome, CloudStackUnavailable)
            left += batch if unknown or not isinstance(outcome, BaseException) else []
    failed = next((outcome for outcome in done if isinstance(outcome, BaseException)), None)
    if failed is not None:
        raise failed
    return [rule for outcome in done if not isinstance(outcome, BaseException) for rule in outcome]


async def _job(
    ctx: Context,
    known: Groups,
    rows: Mapping[str, Mapping[str, Any]],
    group: Group,
    batch: Sequence[Rule],
) -> list[Rule]:
    """Write rules that differ only in the peer, all ranges or all groups."""
    first = batch[0]
    way = "Egress" if first.egress else "Ingress"
    peers = [rows[rule.group] for rule in batch if rule.group]
    try:
        answer = await ctx.account.job(
            f"authorizeSecurityGroup{way}",
            securitygroupid=rows[group.id]["id"],
            **first.native(),
            cidrlist=[rule.cidr for rule in batch if rule.cidr],
            usersecuritygrouplist=[{"account": peer["account"], "group": peer["name"]} for peer in peers],
        )
    except CloudStackUnavailable:
        return await _sought(ctx, group, batch)
    except CloudStackError as error:
        if error.errortext.startswith("Failed to authorize"):
            raise duplicate(first) from error
        raise
    idents = {str(row["name"]).lower(): ident for ident, row in rows.items()}
    made = {}
    for row in answer.get(f"{way.lower()}rule") or ():
        rule = known.rule(row, first.egress)
        peer = idents.get(str(row.get("securitygroupname", "")).lower())
        made[replace(rule, group=peer).native_key] = rule
    return [_made(rule, made[rule.native_key]) for rule in batch if rule.native_key in made]


async def _sought(ctx: Context, group: Group, batch: Sequence[Rule]) -> list[Rule]:
    """Return the rules whose answer was lost; raises CloudStackUnavailable if they do not show."""
    for pause in journal.PAUSES:
        await asyncio.sleep(pause)
        known = await security_groups.groups(ctx)
        standing = _standing(known, known.by_id[group.id])
        if all(rule.native_key in standing for rule in batch):
            return [_made(rule, standing[rule.native_key]) for rule in batch]
    raise CloudStackUnavailable("authorizeSecurityGroup", "CloudStack did not say whether it took the rules")


def _made(asked: Rule, made: Rule) -> Rule:
    return replace(asked, uuid=made.uuid, id=asked.id or made.id, row=made.row)


async def _mark(ctx: Context, made: Sequence[Rule], tags: Mapping[str, str]) -> None:
    """Tag new rules with what CloudStack cannot hold of them, one job for all that are tagged alike."""
    alike: dict[tuple[tuple[str, str], ...], dict[str, dict[str, str]]] = {}
    for rule in made:
        own = {RULE_ID: rule.id} if rule.id != security_groups.rule_id(rule.row) else {}
        wanted = {
            **tags,
            **{resource_tags.RESERVED + name: value for name, value in {**rule.marks(), **own}.items()},
        }
        if wanted:
            alike.setdefault(tuple(sorted(wanted.items())), {})[str(rule.uuid)] = {}
    await asyncio.gather(
        *(resource_tags.assign(ctx, KIND, rules, dict(wanted)) for wanted, rules in alike.items())
    )


async def _revoke(ctx: Context, rule: Rule) -> Rule:
    way = "Egress" if rule.egress else "Ingress"
    try:
        await ctx.account.job(f"revokeSecurityGroup{way}", id=rule.uuid)
    except CloudStackUnavailable:
        if await _is_there(ctx, rule):
            raise
    except CloudStackError as error:
        # Somebody else was faster: it is gone, which is what was asked for.
        if not error.is_unknown_id:
            raise
    return rule


async def _is_there(ctx: Context, rule: Rule) -> bool:
    """Whether a rule still stands whose revocation has no answer; it may be on its way."""
    for pause in journal.PAUSES:
        await asyncio.sleep(pause)
        known = await security_groups.groups(ctx)
        if not any(rule.uuid == other.uuid for group in known for other in known.rules(group)):
            return False
    return True
