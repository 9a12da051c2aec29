"""Changing a rule: its description, or what it lets through.

CloudStack cannot change a rule. A description is a reserved tag and can; for the rest the new rule is written, takes
over the old one's id and tags, and the old one goes.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import native_rules, rule_jobs
from ec2bridge.resources.groups import listed, security_groups
from ec2bridge.resources.groups.rule_lookup import by_id, by_key, list_finder, peer_finder
from ec2bridge.resources.groups.rules import (
    PERMISSIONS,
    FindPeer,
    Rule,
    cidr_of,
    description,
    duplicate,
    protocol_and_ports,
    wanted,
)
from ec2bridge.resources.groups.security_groups import Group, Groups
from ec2bridge.resources.tags import resource_tags

_PEERS = "cidrIp, cidrIpv6, prefixListId, or referencedGroupId"
_HONOURED = ("GroupId", "GroupName", *PERMISSIONS, "SecurityGroupRuleDescriptions")
_GIVEN = {"IpPermissions.UserIdGroupPairs.VpcId": "a group's id says its VPC"}


@action(
    "UpdateSecurityGroupRuleDescriptionsIngress",
    honours=_HONOURED,
    ignores=_GIVEN,
    native=("createTags", "deleteTags"),
)
async def describe_ingress(ctx: Context, request: Request) -> Answer:
    """Set or remove the descriptions of rules that let traffic in."""
    return await _redescribe(ctx, request, egress=False)


@action(
    "UpdateSecurityGroupRuleDescriptionsEgress",
    honours=_HONOURED,
    ignores=_GIVEN,
    native=("createTags", "deleteTags"),
)
async def describe_egress(ctx: Context, request: Request) -> Answer:
    """Set or remove the descriptions of rules that let traffic out."""
    return await _redescribe(ctx, request, egress=True)


async def _redescribe(ctx: Context, request: Request, *, egress: bool) -> Answer:
    known = await security_groups.groups(ctx)
    group = known.find(request.get("GroupId"), request.get("GroupName"))
    present = [rule for rule in known.rules(group) if rule.egress == egress]
    permissions = request.get("IpPermissions") or ()
    lists = await list_finder(ctx, permissions)
    asked = wanted(permissions, egress, peer_finder(ctx, known, group), lists)
    chosen = [(by_key(present, rule), rule.description) for rule in asked]
    for entry in request.get("SecurityGroupRuleDescriptions") or ():
        found = by_id(present, entry.get("SecurityGroupRuleId") or "")
        chosen.append((found, description(entry.get("Description"))))
    if not chosen:
        raise Ec2Error("MissingParameter", "The request must contain the parameter ipPermissions")
    await asyncio.gather(*(_set_description(ctx, known, group, rule, text) for rule, text in chosen))
    return {"Return": True}


async def _set_description(ctx: Context, known: Groups, group: Group, rule: Rule, text: str) -> None:
    if text == rule.description:
        return
    if rule.uuid is None:
        # The implied default rule has no place for a description until CloudStack has it.
        await rule_jobs.authorize(ctx, known, group, [replace(rule, description=text)])
    elif rule.prefix_list:
        await listed.describe(ctx, group.uuid, rule, text)
    else:
        await resource_tags.mark(ctx, native_rules.KIND, rule.row, {"description": text})


@action(
    "ModifySecurityGroupRules",
    honours=(
        "GroupId",
        "SecurityGroupRules.SecurityGroupRuleId",
        *(
            f"SecurityGroupRules.SecurityGroupRule.{member}"
            for member in (
                *("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"),
                *("Description", "FromPort", "IpProtocol", "ToPort"),
            )
        ),
    ),
    native=("authorizeSecurityGroupIngress", "revokeSecurityGroupIngress", "createTags"),
)
async def modify_security_group_rules(ctx: Context, request: Request) -> Answer:
    """Replace rules by others that keep their ids."""
    known = await security_groups.groups(ctx)
    group = known.find(request.get("GroupId"))
    updates = request.get("SecurityGroupRules") or []
    if not updates:
        raise Ec2Error("MissingParameter", "The request must contain the parameter SecurityGroupRule")
    present = known.rules(group)
    lists = await list_finder(
        ctx, [{"PrefixListIds": [one.get("SecurityGroupRule") or {}]} for one in updates]
    )
    changes = [_change(known, present, update, lists) for update in updates]
    _check(present, changes)
    after = {rule.id: rule for rule in (*present, *(new for _, new in changes))}
    await rule_jobs.check_room(ctx, after.values())
    for old, new in changes:
        if new.native_key == old.native_key:
            await _set_description(ctx, known, group, old, new.description)
        else:
            await _replace(ctx, group, old, new)
    return {"Return": True}


def _change(
    known: Groups, present: Sequence[Rule], update: Mapping[str, Any], find_list: FindPeer
) -> tuple[Rule, Rule]:
    """The rule that is there, and the one to be there: what the request leaves out of a rule is gone from it."""
    old = by_id(list(present), update.get("SecurityGroupRuleId") or "")
    asked = update.get("SecurityGroupRule") or {}
    _check_peers(asked)
    peer = asked.get("ReferencedGroupId")
    group, cidr = known.find(peer).id if peer else None, cidr_of(asked)
    span = protocol_and_ports(asked)
    prefix_list = find_list(asked) if asked.get("PrefixListId") else None
    told = description(asked.get("Description"))
    new = Rule(old.egress, *span, cidr, group, told, id=old.id, prefix_list=prefix_list)
    # A request whose bridge died over it has left both: the same id, and the old one to be removed.
    both = (rule for rule in present if rule.id == old.id and rule.native_key != new.native_key)
    return next(both, old), new


def _check_peers(asked: Mapping[str, Any]) -> None:
    """Refuse a rule that names no peer, or more than one."""
    peers = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId")
    named = [name for name in peers if asked.get(name)]
    if not named:
        raise Ec2Error("MissingParameter", f"The request must contain exactly one of: {_PEERS}")
    if len(named) > 1:
        raise Ec2Error("InvalidParameterCombination", f"Only one of {_PEERS} can be specified")


def _check(present: Iterable[Rule], changes: Iterable[tuple[Rule, Rule]]) -> None:
    """Refuse a change that would leave two rules alike."""
    taken = {rule.native_key: rule.id for rule in present}
    for old, new in changes:
        if taken.get(new.native_key, old.id) != old.id:
            raise duplicate(new)
        taken[new.native_key] = new.id


async def _replace(ctx: Context, group: Group, old: Rule, new: Rule) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in resource_tags.visible(old.row)}
    held = (await resource_tags.stored(ctx, native_rules.KIND)).get(old.uuid or "", {})
    if old.uuid is None:
        # The implied rule stands for no rule that could be removed; written beside another it would become one.
        await rule_jobs.revoke(ctx, *await _now(ctx, group), [old])
    begun = await rule_jobs.is_being_authorized(ctx, group, [new])
    known, group = await _now(ctx, group)
    if begun or not any(
        (rule.id, rule.native_key) == (new.id, new.native_key) for rule in known.rules(group)
    ):
        await rule_jobs.authorize(ctx, known, group, [new], {**tags, **held})
    if old.uuid is None:
        return
    try:
        await rule_jobs.revoke(ctx, *await _now(ctx, group), [old])
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        known, group = await _now(ctx, group)
        made = [rule for rule in known.rules(group) if (rule.id, rule.native_key) == (new.id, new.native_key)]
        with suppress(CloudStackError, Ec2Error):
            await rule_jobs.revoke(ctx, known, group, made)
        raise


async def _now(ctx: Context, group: Group) -> tuple[Groups, Group]:
    """The group as it is after an earlier change of the same request."""
    known = await security_groups.groups(ctx)
    return known, known.by_id[group.id]
