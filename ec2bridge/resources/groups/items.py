"""Security groups and their rules in EC2's members.

EC2 shows a rule in two ways: nested in permissions by protocol and ports, and one by one with an id.
"""

from collections.abc import Iterable
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Item
from ec2bridge.resources.groups.rules import Rule
from ec2bridge.resources.groups.security_groups import Group, Groups


def group_item(ctx: Context, known: Groups, group: Group, tags: list[dict[str, str]]) -> Item:
    """A group as DescribeSecurityGroups shows it."""
    rules = known.rules(group)
    ingress = [rule for rule in rules if not rule.egress]
    egress = [rule for rule in rules if rule.egress]
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": group.owner_id,
        "VpcId": group.vpc_id,
        "SecurityGroupArn": arn(ctx, group),
        "IpPermissions": permissions(known, ingress),
        "IpPermissionsEgress": permissions(known, egress),
        "Tags": tags,
        "_DefaultVpcNames": [group.name, group.id] if group.vpc_id == known.default_vpc else [],
        "_IpPermissionsPeers": _peer_names(known, ingress),
        "_IpPermissionsEgressPeers": _peer_names(known, egress),
    }


def arn(ctx: Context, group: Group) -> str:
    """The group's name in AWS's notation."""
    return f"arn:aws:ec2:{ctx.settings.region}:{group.owner_id}:security-group/{group.id}"


def permissions(known: Groups, rules: Iterable[Rule]) -> list[Item]:
    """Rules as EC2 nests them: one permission for all peers of the same protocol and ports."""
    found: dict[Any, Item] = {}
    for rule in rules:
        permission = found.get(rule.span)
        if permission is None:
            permission = found[rule.span] = _permission(rule)
        member, peer = _peer(known, rule)
        if rule.description:
            peer["Description"] = rule.description
        permission[member].append(peer)
    return list(found.values())


def _permission(rule: Rule) -> Item:
    ports = {"FromPort": rule.from_port, "ToPort": rule.to_port} if rule.from_port is not None else {}
    lists: Item = {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    return {"IpProtocol": rule.protocol, **ports, **lists}


def _peer(known: Groups, rule: Rule) -> tuple[str, Item]:
    if rule.prefix_list:
        return "PrefixListIds", {"PrefixListId": rule.prefix_list}
    if rule.cidr:
        return (
            ("Ipv6Ranges", {"CidrIpv6": rule.cidr})
            if ":" in rule.cidr
            else ("IpRanges", {"CidrIp": rule.cidr})
        )
    group = known.by_id.get(rule.group or "")
    # AWS gives a name only where there is no id; Terraform takes a pair with a name for one of EC2-Classic.
    pair = {"GroupId": group.id, "UserId": group.owner_id} if group else {"GroupName": rule.group}
    return "UserIdGroupPairs", dict(pair)


def _peer_names(known: Groups, rules: Iterable[Rule]) -> list[str]:
    return [known.by_id[rule.group].name for rule in rules if rule.group in known.by_id]


def rule_item(ctx: Context, known: Groups, group: Group, rule: Rule, tags: list[dict[str, str]]) -> Item:
    """A rule as DescribeSecurityGroupRules shows it; a port that means nothing is -1 here."""
    place = f"arn:aws:ec2:{ctx.settings.region}:{group.owner_id}"
    found: Item = {
        "SecurityGroupRuleId": rule.id,
        "GroupId": group.id,
        "GroupOwnerId": group.owner_id,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        "Tags": tags,
        "SecurityGroupRuleArn": f"{place}:security-group-rule/{rule.id}",
    }
    if rule.prefix_list:
        found["PrefixListId"] = rule.prefix_list
    elif rule.cidr:
        found["CidrIpv6" if ":" in rule.cidr else "CidrIpv4"] = rule.cidr
    elif peer := known.by_id.get(rule.group or ""):
        found["ReferencedGroupInfo"] = {"GroupId": peer.id, "UserId": peer.owner_id, "VpcId": peer.vpc_id}
    if rule.description:
        found["Description"] = rule.description
    return found


def revoked_item(group: Group, rule: Rule) -> Item:
    """A rule in the answer of a revocation."""
    found = {
        "SecurityGroupRuleId": rule.id,
        "GroupId": group.id,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        "ReferencedGroupId": rule.group,
        "PrefixListId": rule.prefix_list,
        "Description": rule.description or None,
        "CidrIpv6" if ":" in (rule.cidr or "") else "CidrIpv4": rule.cidr,
    }
    return {name: value for name, value in found.items() if value is not None}
