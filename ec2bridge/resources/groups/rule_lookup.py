"""The rules and groups that a request names: by id, by what they let through, by the name of a group."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Request
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources import prefix_lists
from ec2bridge.resources.groups.rules import Rule
from ec2bridge.resources.groups.security_groups import Group, Groups

Row = dict[str, Any]


def peer_finder(ctx: Context, known: Groups, group: Group) -> Callable[[Request], str]:
    """A function that finds the id of the group that an entry of UserIdGroupPairs names."""
    return partial(_peer_id, ctx, known, group)


def _peer_id(ctx: Context, known: Groups, group: Group, pair: Request) -> str:
    owner = pair.get("UserId")
    if owner not in (None, "", group.owner_id, ctx.owner_id):
        named = pair.get("GroupId") or pair.get("GroupName")
        sentence = f"The security group '{named}' of account '{owner}' cannot be seen from this account."
        raise Ec2Error("InvalidGroup.NotFound", sentence)
    return known.find(pair.get("GroupId"), pair.get("GroupName"), group.vpc_id).id


async def list_finder(ctx: Context, permissions: Iterable[Request]) -> Callable[[Request], str]:
    """A function that finds the id of the prefix list that an entry of PrefixListIds names."""
    named = any(permission.get("PrefixListIds") for permission in permissions)
    lists = await prefix_lists.prefix_lists(ctx) if named else []
    known = {name: ec2_id("pl", one["id"]) for one in lists for name in (one["id"], ec2_id("pl", one["id"]))}

    def find(entry: Request) -> str:
        ident = entry.get("PrefixListId") or ""
        if ident not in known:
            raise KINDS[prefix_lists.KIND].refused(ident)
        return known[ident]

    return find


def by_id(present: list[Rule], ident: str) -> Rule:
    """The rule of an id, or InvalidSecurityGroupRuleId.NotFound."""
    kind = KINDS["security-group-rule"]
    found = next((rule for rule in present if ident in (rule.id, rule.uuid)), None)
    if found is None:
        raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)
    return found


def by_key(present: list[Rule], asked: Rule) -> Rule:
    """The rule that lets the same through, or InvalidPermission.NotFound."""
    found = next((rule for rule in present if rule == asked), None)
    if found is None:
        sentence = "The specified rule does not exist in this security group."
        raise Ec2Error("InvalidPermission.NotFound", sentence)
    return found
