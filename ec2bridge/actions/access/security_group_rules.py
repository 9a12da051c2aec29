"""The rules of security groups: authorized, revoked and described.

Clients name rules by permissions that nest ranges and groups, by flat members of EC2's first years, or by ids. All
come down to `Rule`; everything is checked before CloudStack is asked to change anything.
"""

from ec2bridge.ec2 import filters, journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import is_uuid
from ec2bridge.resources.enforcement import rule_jobs
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.items import rule_item
from ec2bridge.resources.groups.rule_lookup import by_id, by_key, list_finder, peer_finder
from ec2bridge.resources.groups.rules import PERMISSIONS, Rule, wanted
from ec2bridge.resources.groups.security_groups import Group, Groups
from ec2bridge.resources.tags import resource_tags

_FLAT = (
    "CidrIp",
    "FromPort",
    "ToPort",
    "IpProtocol",
    "SourceSecurityGroupName",
    "SourceSecurityGroupOwnerId",
)
_GIVEN = {"IpPermissions.UserIdGroupPairs.VpcId": "a group's id says its VPC"}
_HONOURED = ("GroupId", *PERMISSIONS, *_FLAT)
_EVERYTHING = (
    {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535},
    {"IpProtocol": "udp", "FromPort": 0, "ToPort": 65535},
    {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1},
)


@describe(
    "DescribeSecurityGroupRules",
    items="SecurityGroupRules",
    ids={"SecurityGroupRuleIds": Ids("SecurityGroupRuleId", "security-group-rule")},
    filters={**TAGS, "group-id": "GroupId", "security-group-rule-id": "SecurityGroupRuleId"},
    native=("listSecurityGroups",),
)
async def describe_security_group_rules(ctx: Context, request: Request) -> list[Item]:
    """List the rules of the caller's groups, one by one."""
    for ident in (
        value for name, values in filters.wanted(request) if name == "group-id" for value in values
    ):
        if not ident.startswith("sg-") and not is_uuid(ident):
            raise Ec2Error("InvalidGroupId.Malformed", f"The security group ID '{ident}' is malformed")
    known = await security_groups.groups(ctx)
    found = [(group, rule) for group in known for rule in known.rules(group)]
    tags = await resource_tags.merged(ctx, "security-group-rule", [rule.row for _, rule in found if rule.row])
    return [rule_item(ctx, known, group, rule, tags.get(rule.uuid or "", [])) for group, rule in found]


@action(
    "AuthorizeSecurityGroupIngress",
    honours=(*_HONOURED, "GroupName", "TagSpecifications"),
    ignores=_GIVEN,
    native=("authorizeSecurityGroupIngress",),
)
async def authorize_ingress(ctx: Context, request: Request) -> Answer:
    """Let traffic in."""
    return await _authorize(ctx, request, egress=False)


@action(
    "AuthorizeSecurityGroupEgress",
    honours=(*_HONOURED, "TagSpecifications"),
    ignores=_GIVEN,
    native=("authorizeSecurityGroupEgress",),
)
async def authorize_egress(ctx: Context, request: Request) -> Answer:
    """Let traffic out."""
    return await _authorize(ctx, request, egress=True)


async def _authorize(ctx: Context, request: Request, *, egress: bool) -> Answer:
    tags = resource_tags.specified(request, "security-group-rule")
    known = await security_groups.groups(ctx)
    group = known.find(request.get("GroupId"), request.get("GroupName"))
    rules = await requested(ctx, known, group, request, egress)
    if not rules:
        raise Ec2Error("MissingParameter", "The request must contain the parameter ipPermissions")
    # Those that this very request has left, sent before, are taken for its own.
    begun = await journal.claim(ctx, rule_jobs.PLAN, rule_jobs.place_of(group, rules))
    if begun is None:
        known = await security_groups.groups(ctx)
        group = known.find(request.get("GroupId"), request.get("GroupName"))
    if not begun:
        await rule_jobs.check_new(ctx, known, group, rules)
    made = await rule_jobs.authorize(ctx, known, group, rules, tags)
    shown = [rule_item(ctx, known, group, rule, resource_tags.as_list(tags)) for rule in made]
    return {"Return": True, "SecurityGroupRules": shown}


async def requested(ctx: Context, known: Groups, group: Group, request: Request, egress: bool) -> list[Rule]:
    """The rules that a request describes, in either notation."""
    nested = request.get("IpPermissions") or []
    flat = [_flat_permissions(request)] if any(request.get(member) is not None for member in _FLAT) else []
    if nested and flat:
        sentence = "The parameter ipPermissions may not be used together with those of a single rule."
        raise Ec2Error("InvalidParameterCombination", sentence)
    permissions = nested or [p for found in flat for p in found]
    lists = await list_finder(ctx, permissions)
    return wanted(permissions, egress, peer_finder(ctx, known, group), lists)


def _flat_permissions(request: Request) -> list[Request]:
    """The permissions that the members of EC2's first years stand for."""
    ports = {name: request.get(name) for name in ("IpProtocol", "FromPort", "ToPort")}
    name = request.get("SourceSecurityGroupName")
    if not name:
        return [{**ports, "IpRanges": [{"CidrIp": request["CidrIp"]}] if request.get("CidrIp") else []}]
    if request.get("CidrIp"):
        sentence = (
            "The parameters cidrIp and sourceSecurityGroupName cannot be used together: make a rule for each."
        )
        raise Ec2Error("InvalidParameterCombination", sentence)
    pairs = [{"GroupName": name, "UserId": request.get("SourceSecurityGroupOwnerId")}]
    # AWS: a source group without a protocol "grants full ICMP, UDP, and TCP access".
    chosen = [ports] if request.get("IpProtocol") else _EVERYTHING
    return [{**permission, "UserIdGroupPairs": pairs} for permission in chosen]


@action(
    "RevokeSecurityGroupIngress",
    honours=(*_HONOURED, "GroupName", "SecurityGroupRuleIds"),
    ignores=_GIVEN,
    native=("revokeSecurityGroupIngress",),
)
async def revoke_ingress(ctx: Context, request: Request) -> Answer:
    """No longer let traffic in."""
    return await _revoke(ctx, request, egress=False)


@action(
    "RevokeSecurityGroupEgress",
    honours=(*_HONOURED, "SecurityGroupRuleIds"),
    ignores=_GIVEN,
    native=("revokeSecurityGroupEgress",),
)
async def revoke_egress(ctx: Context, request: Request) -> Answer:
    """No longer let traffic out."""
    return await _revoke(ctx, request, egress=True)


async def _revoke(ctx: Context, request: Request, *, egress: bool) -> Answer:
    known = await security_groups.groups(ctx)
    group = known.find(request.get("GroupId"), request.get("GroupName"))
    present = [rule for rule in known.rules(group) if rule.egress == egress]
    idents = request.get("SecurityGroupRuleIds") or []
    described = await requested(ctx, known, group, request, egress)
    if not idents and not described:
        sentence = "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided."
        raise Ec2Error("MissingParameter", sentence)
    if not idents and await rule_jobs.is_being_revoked(ctx, group, described):
        rules = list(described)
    else:
        rules = [by_id(present, ident) for ident in idents] + [by_key(present, rule) for rule in described]
    revoked = await rule_jobs.revoke(ctx, known, group, list(dict.fromkeys(rules)))
    return {"Return": True, "RevokedSecurityGroupRules": revoked}
