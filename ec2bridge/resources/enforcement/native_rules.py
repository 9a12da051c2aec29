"""Rules of security groups in CloudStack: its jobs, run together.

CloudStack takes one protocol with its ports a call, with several ranges or groups, and checks in the job.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.listed import Key
from ec2bridge.resources.groups.rules import Rule, duplicate
from ec2bridge.resources.groups.security_groups import RULE_ID, Group, Groups
from ec2bridge.resources.tags import resource_tags

KIND = "security-group-rule"


async def write(
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
    return [made_of(rule, made[rule.native_key]) for rule in batch if rule.native_key in made]


async def _sought(ctx: Context, group: Group, batch: Sequence[Rule]) -> list[Rule]:
    """Return the rules whose answer was lost; raises CloudStackUnavailable if they do not show."""
    for pause in journal.PAUSES:
        await asyncio.sleep(pause)
        known = await security_groups.groups(ctx)
        standing = all_of(known, known.by_id[group.id])
        if all(rule.native_key in standing for rule in batch):
            return [made_of(rule, standing[rule.native_key]) for rule in batch]
    raise CloudStackUnavailable("authorizeSecurityGroup", "CloudStack did not say whether it took the rules")


def all_of(known: Groups, group: Group) -> dict[Key, Rule]:
    """What CloudStack has of a group's rules, by what it takes for the same."""
    both = [*known.native_rules(group, egress=False), *known.native_rules(group, egress=True)]
    return {rule.native_key: rule for rule in both}


def made_of(asked: Rule, made: Rule) -> Rule:
    """A rule as it was asked for, with what CloudStack has given it."""
    return replace(asked, uuid=made.uuid, id=asked.id or made.id, row=made.row)


async def mark(ctx: Context, made: Sequence[Rule], tags: Mapping[str, str]) -> None:
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


async def take(ctx: Context, rule: Rule) -> Rule:
    """Take a rule away, and return it."""
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
        if not any(rule.uuid == other.uuid for group in known for other in known.effective(group)):
            return False
    return True
