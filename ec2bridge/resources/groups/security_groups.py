"""Security groups as EC2 sees them: per VPC, each VPC with a default group, egress the other way round.

CloudStack's groups are the account's, whatever the VPC; so a group's VPC is a reserved tag on it, and its EC2 name
too where the native name was taken. A VPC's default group exists in CloudStack only once it has rules: until then
it is implied by its VPC with AWS's rule that lets its members in to each other, and always takes the VPC's digits for
its id. A native group without egress rules lets everything out: it is shown with AWS's default rule, and shut by a
hidden rule.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.groups.listed import NONE, Listed, listed
from ec2bridge.resources.groups.rules import DEFAULT_EGRESS, DENY_ALL, Rule, from_native
from ec2bridge.resources.places.networks import default_vpc_id, vpc_rows
from ec2bridge.resources.places.zones import FOREVER, cached
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]
Item = dict[str, Any]

DEFAULT = "default"
# Reserved tags of a group (its VPC's id, its EC2 name, the uuid of the VPC whose default it is) and of a rule.
VPC, NAME, DEFAULT_OF, RULE_ID = "vpc", "name", "default-of", "id"
KINDS_WITH_OTHER_IDS = ("security-group", "security-group-rule")
"""Kinds of which an object may have an id that is not made of its own uuid."""


@dataclass(frozen=True, slots=True)
class Group:
    """A security group; `row` is None while only its VPC implies it.

    `uuid` is what its id is made of: CloudStack's uuid of the group, or of the VPC whose default group it is.
    """

    uuid: str
    name: str
    vpc_id: str
    owner_id: str
    row: Row | None = field(compare=False, repr=False)
    trusting: bool = field(default=False, compare=False)
    """Whether it is implied with a rule that lets its members in to each other."""

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id("sg", self.uuid)

    @property
    def description(self) -> str:
        """The description; CloudStack lets a group have none."""
        return str(self.row.get("description", "")) if self.row else "default VPC security group"


@dataclass(frozen=True, slots=True)
class Groups:
    """All groups of the caller at one moment."""

    default_vpc: str
    by_id: dict[str, Group]
    by_native: dict[tuple[str, str], Group]
    listed: Mapping[str, Listed] = field(default_factory=dict)
    """Group's uuid → what the prefix lists that its rules name come to."""

    def __iter__(self) -> Iterator[Group]:
        return iter(self.by_id.values())

    def named(self, vpc_id: str, name: str) -> Group | None:
        """The group of that very name in a VPC."""
        return next((group for group in self if (group.vpc_id, group.name) == (vpc_id, name)), None)

    def find(self, ident: str | None, name: str | None = None, vpc_id: str | None = None) -> Group:
        """The group of an id, a uuid or a name (by default in the default VPC), or InvalidGroup.NotFound."""
        if ident:
            group = self.by_ident(ident)
            if name and name != group.name:
                sentence = (
                    f"The parameters groupId ({ident}) and groupName ({name}) name two security groups."
                )
                raise Ec2Error("InvalidParameterCombination", sentence)
            return group
        if not name:
            raise Ec2Error("MissingParameter", "The request must contain the parameter GroupName or GroupId")
        vpc = vpc_id or self.default_vpc
        found = self.named(vpc, name)
        if found is None:
            sentence = f"The security group '{name}' does not exist in VPC '{vpc}'"
            raise Ec2Error("InvalidGroup.NotFound", sentence)
        return found

    def by_ident(self, ident: str) -> Group:
        """The group of an id or a uuid; an empty one is malformed, as in lists of ids everywhere."""
        kind = KINDS["security-group"]
        wanted = ec2_id("sg", ident) if is_uuid(ident) else ident
        group = self.by_id.get(wanted)
        if group is None and not (is_uuid(ident) or kind.is_id(ident)):
            raise kind.refused(ident)
        if group is None:
            raise kind.missing(ident)
        return group

    def chosen(self, vpc_id: str, idents: Iterable[str] = (), names: Iterable[str] = ()) -> list[Group]:
        """The groups of a machine or an interface in a VPC, by ids and names; its default one when none is named."""
        found = [self.by_ident(ident) for ident in idents]
        found += [self.find(None, name, vpc_id) for name in names]
        for group in found:
            if group.vpc_id != vpc_id:
                sentence = f"Security group {group.id} and the subnet belong to different networks."
                raise Ec2Error("InvalidParameter", sentence)
        return list(dict.fromkeys(found)) or [self.find(None, DEFAULT, vpc_id)]

    def rules(self, group: Group) -> list[Rule]:
        """The rules that clients see, ingress first."""
        listed = self.listed.get(group.uuid, NONE)
        found = [*(rule for rule in self.effective(group) if not listed.hides(rule)), *listed.rules]
        return sorted(found, key=lambda rule: rule.egress)

    def effective(self, group: Group) -> list[Rule]:
        """The rules that decide what is let through: for a prefix list those of its ranges."""
        egress = [rule for rule in self.native_rules(group, egress=True) if rule != DENY_ALL]
        return [
            *([implied_ingress(group)] if group.trusting else self.native_rules(group, egress=False)),
            *([implied_egress(group)] if is_open(group) else egress),
        ]

    def native_rules(self, group: Group, *, egress: bool) -> list[Rule]:
        """The rules that CloudStack has, the hidden one among them."""
        rows = (group.row or {}).get("egressrule" if egress else "ingressrule") or ()
        return [self.rule(row, egress) for row in rows]

    def rule(self, row: Row, egress: bool) -> Rule:
        """Translate a rule of CloudStack's."""
        marks = resource_tags.hidden(row)
        peer = None
        if row.get("securitygroupname"):
            known = self.by_native.get((row.get("account", ""), row["securitygroupname"].lower()))
            peer = known.id if known else row["securitygroupname"]
        return from_native(row, egress, marks, peer, marks.get(RULE_ID) or rule_id(row))


def rule_id(row: Mapping[str, Any]) -> str:
    """The id of a rule that has not taken over another's."""
    return ec2_id("sgr", row["ruleid"])


def is_open(group: Group) -> bool:
    """Whether the group lets everything out because CloudStack has no egress rule of it."""
    return not (group.row and group.row.get("egressrule"))


def implied_egress(group: Group) -> Rule:
    """AWS's default egress rule, of a group that has it by having none."""
    return Rule(True, "-1", cidr=DEFAULT_EGRESS.cidr, id=ec2_id("sgr", group.uuid))


def implied_ingress(group: Group) -> Rule:
    """AWS's first rule of a VPC's default group: everything from its own members."""
    return Rule(False, "-1", group=group.id, id=ec2_id("sgr", f"{group.uuid}/members"))


async def groups(ctx: Context, *, rules: bool = True) -> Groups:
    """List the caller's groups and the default groups that VPCs imply: two native calls.

    Without `rules` the store is not asked which rules name prefix lists: for who looks at the groups alone.
    """
    rows, vpcs = await asyncio.gather(ctx.account.list("listSecurityGroups"), vpc_rows(ctx))
    lists = await listed(ctx) if rules else {}
    found = [_group(ctx, row) for row in rows]
    taken = {group.vpc_id for group in found if group.name == DEFAULT}
    for vpc in vpcs:
        vpc_id = ec2_id("vpc", vpc["id"])
        if vpc_id not in taken:
            owner = ctx.owner_id if vpc.get("default") else owner_of(vpc)
            # CloudStack's rules name groups by their account: a project's cannot be named.
            trusting = not vpc.get("default") and "account" in vpc
            found.append(Group(vpc["id"], DEFAULT, vpc_id, owner, None, trusting))
    by_native = {(g.row.get("account", ""), g.row["name"].lower()): g for g in found if g.row}
    return Groups(default_vpc_id(ctx), {group.id: group for group in found}, by_native, lists)


async def default_uuid(ctx: Context, network: Row) -> str:
    """Return the `Group.uuid` of the default group of a network's VPC, which stays the same as long as the VPC is."""
    if network.get("vpcid"):
        return str(network["vpcid"])
    cache, key = cached(ctx, "default-groups", FOREVER), ctx.account.cache_key
    found: Group = await cache.get(key, lambda: _fetch_default(ctx))
    if found.row is None:
        cache.forget(key)  # implied: CloudStack makes the account's own later
    return found.uuid


async def _fetch_default(ctx: Context) -> Group:
    return (await groups(ctx, rules=False)).find(None, DEFAULT, default_vpc_id(ctx))


def _group(ctx: Context, row: Row) -> Group:
    marks = resource_tags.hidden(row)
    owner = owner_of(row)
    if DEFAULT_OF in marks:
        return Group(marks[DEFAULT_OF], DEFAULT, ec2_id("vpc", marks[DEFAULT_OF]), owner, row)
    vpc_id = marks.get(VPC) or ec2_id("vpc", owner)
    return Group(row["id"], marks.get(NAME) or row["name"], vpc_id, owner, row)


async def names(ctx: Context) -> dict[str, str]:
    """`Group.uuid` → EC2 name of all the caller's groups, implied ones among them."""
    return {group.uuid: group.name for group in await groups(ctx, rules=False)}


async def native_row(ctx: Context, group: Group, *, trusting: bool = True) -> Row:
    """CloudStack's row of a group; an implied one is made now, with the rule that it was implied with if `trusting`."""
    if group.row is not None:
        return group.row
    name = f"{DEFAULT}-{group.id}"
    row = await _made(ctx, name, group.description)
    try:
        await resource_tags.attach(
            ctx, "security-group", row["id"], {resource_tags.RESERVED + DEFAULT_OF: group.uuid}
        )
        if group.trusting and trusting:
            await ctx.account.job(
                "authorizeSecurityGroupIngress",
                securitygroupid=row["id"],
                protocol="all",
                usersecuritygrouplist=[{"account": row["account"], "group": row["name"]}],
            )
    except BaseException:
        await ctx.account.call("deleteSecurityGroup", id=row["id"])
        raise
    return row


async def _made(ctx: Context, name: str, description: str) -> Row:
    """Make an implied group, or take the one that is left of an attempt whose answer was lost."""
    try:
        answer = await ctx.account.call("createSecurityGroup", name=name, description=description)
        return dict(answer["securitygroup"])
    except CloudStackError as error:
        if not (isinstance(error, CloudStackUnavailable) or "already exists" in error.errortext):
            raise
        rows = await ctx.account.list("listSecurityGroups", securitygroupname=name)
        if not rows:
            raise
        return dict(rows[0])


async def native_rule_id(ctx: Context, value: str) -> str:
    """CloudStack's uuid of a rule, whose id may be that of a rule which it replaced."""
    known = await groups(ctx)
    rules = [rule for group in known for rule in known.rules(group)]
    rule = next((rule for rule in rules if value in (rule.id, rule.uuid)), None)
    if rule is None:
        raise KINDS["security-group-rule"].missing(value)
    if rule.uuid is None:
        sentence = f"The rule '{value}' is the default that CloudStack applies without having a rule; it takes no tags."
        raise Ec2Error("UnsupportedOperation", sentence)
    return rule.uuid
