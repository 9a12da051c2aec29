"""Security groups: made and described.

EC2's names are unique within a VPC and tell case apart, CloudStack's are unique within the account whatever their
case; so a name that is taken natively gets a suffix there, and its EC2 spelling a reserved tag. Where a zone does not
apply groups, CloudStack knows no members either: a machine then names its groups in a reserved tag.
"""

import re
import uuid
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.groups import creation, security_groups
from ec2bridge.resources.groups.items import arn, group_item
from ec2bridge.resources.groups.security_groups import DEFAULT, Group, Groups
from ec2bridge.resources.places.networks import resolve_vpc
from ec2bridge.resources.tags import resource_tags

_ALLOWED = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")


def _rule_filters(prefix: str, member: str) -> dict[str, Any]:
    """The filters on a group's rules of one direction."""
    return {
        f"{prefix}.cidr": f"{member}.IpRanges.CidrIp",
        f"{prefix}.from-port": f"{member}.FromPort",
        f"{prefix}.group-id": f"{member}.UserIdGroupPairs.GroupId",
        f"{prefix}.group-name": f"_{member}Peers",
        f"{prefix}.ipv6-cidr": f"{member}.Ipv6Ranges.CidrIpv6",
        f"{prefix}.prefix-list-id": f"{member}.PrefixListIds.PrefixListId",
        f"{prefix}.protocol": f"{member}.IpProtocol",
        f"{prefix}.to-port": f"{member}.ToPort",
        f"{prefix}.user-id": f"{member}.UserIdGroupPairs.UserId",
    }


@describe(
    "DescribeSecurityGroups",
    items="SecurityGroups",
    ids={
        "GroupIds": Ids("GroupId", "security-group"),
        # AWS: for groups of the default VPC only, and "either the security group name or the security group ID".
        "GroupNames": Ids(
            "_DefaultVpcNames",
            code="InvalidGroup.NotFound",
            sentence="The security group '{}' does not exist in the default VPC",
        ),
    },
    filters={
        **TAGS,
        **_rule_filters("ip-permission", "IpPermissions"),
        **_rule_filters("egress.ip-permission", "IpPermissionsEgress"),
        "description": "Description",
        "group-id": "GroupId",
        "group-name": "GroupName",
        "owner-id": "OwnerId",
        "vpc-id": "VpcId",
    },
    native=("listSecurityGroups",),
)
async def describe_security_groups(ctx: Context, request: Request) -> list[Item]:
    """List the caller's groups with their rules."""
    known = await security_groups.groups(ctx)
    tags = await resource_tags.merged(ctx, "security-group", [group.row for group in known if group.row])
    return [
        group_item(ctx, known, group, tags.get(group.row["id"], []) if group.row else []) for group in known
    ]


@describe(
    "GetSecurityGroupsForVpc",
    items="SecurityGroupForVpcs",
    key="GroupId",
    honours=("VpcId",),
    filters={
        "description": "Description",
        "group-id": "GroupId",
        "group-name": "GroupName",
        "owner-id": "OwnerId",
        "primary-vpc-id": "PrimaryVpcId",
    },
    native=("listSecurityGroups",),
)
async def get_security_groups_for_vpc(ctx: Context, request: Request) -> list[Item]:
    """List the groups that machines in a VPC can be in: its own, as no VPC shares a group with another here."""
    vpc_id = ec2_id("vpc", (await resolve_vpc(ctx, request.get("VpcId") or ""))["id"])
    known = await security_groups.groups(ctx)
    tags = await resource_tags.merged(ctx, "security-group", [group.row for group in known if group.row])
    return [
        {
            "GroupId": group.id,
            "GroupName": group.name,
            "Description": group.description,
            "OwnerId": group.owner_id,
            "PrimaryVpcId": group.vpc_id,
            "Tags": tags.get(group.row["id"], []) if group.row else [],
        }
        for group in known
        if group.vpc_id == vpc_id
    ]


@action(
    "CreateSecurityGroup",
    honours=("GroupName", "Description", "VpcId", "TagSpecifications"),
    native=("createSecurityGroup",),
)
async def create_security_group(ctx: Context, request: Request) -> Answer:
    """Make an empty group in a VPC (by default the default one)."""
    name = _checked(request, "GroupName")
    description = _checked(request, "Description", "GroupDescription")
    if name.startswith("sg-"):
        sentence = "invalid value for parameter groupName. Group names may not be in the format sg-*"
        raise Ec2Error("InvalidParameterValue", sentence)
    if name == DEFAULT:
        raise Ec2Error("InvalidParameterValue", f"Cannot use reserved security group name: {name}")
    tags = resource_tags.specified(request, "security-group")
    vpc = await resolve_vpc(ctx, request["VpcId"]) if request.get("VpcId") else {"id": ctx.owner_id}
    vpc_id = ec2_id("vpc", vpc["id"])
    # One of that name that this very request has left, sent before, is taken for its own.
    begun = await journal.claim(ctx, creation.PLAN, _place(name, vpc_id))
    known = await security_groups.groups(ctx)
    if known.named(vpc_id, name) and not begun:
        raise _duplicate(name, vpc_id)
    group = await _create(ctx, known, name, description, vpc["id"], tags)
    return {"GroupId": group.id, "SecurityGroupArn": arn(ctx, group), "Tags": resource_tags.as_list(tags)}


def _checked(request: Request, member: str, wire_name: str = "") -> str:
    text = str(request.get(member) or "")
    if not text.strip():
        sentence = f"The request must contain the parameter {wire_name or member}"
        raise Ec2Error("MissingParameter", sentence)
    if not _ALLOWED.fullmatch(text):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({text[:64]}) for parameter {wire_name or member} is invalid. Up to 255 characters from the "
            "following set are allowed: a-zA-Z0-9 ._-:/()#,@[]+=&;{}!$*",
        )
    # AWS takes the spaces around a name away, and keeps those of a description.
    return text.strip() if member == "GroupName" else text


def _duplicate(name: str, vpc_id: str) -> Ec2Error:
    return Ec2Error(
        "InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc_id}'"
    )


async def _create(
    ctx: Context, known: Groups, name: str, description: str, vpc: str, tags: dict[str, str]
) -> Group:
    vpc_id = ec2_id("vpc", vpc)
    taken = {native for _, native in known.by_native}
    native = f"{name[:240]}~{uuid.uuid4().hex[:8]}" if name.lower() in taken else name
    marks = {
        security_groups.NAME: name if native != name else "",
        security_groups.VPC: vpc_id if vpc_id != known.default_vpc else "",
    }
    reserved = {resource_tags.RESERVED + mark: value for mark, value in marks.items() if value}
    given = {"name": native, "description": description, "tags": {**tags, **reserved}, "vpc": vpc}
    try:
        row = await creation.make(ctx, given, _place(name, vpc_id))
    except CloudStackError as error:
        if "already exists" in error.errortext:
            raise _duplicate(name, vpc_id) from error
        raise
    return Group(row["id"], name, vpc_id, ctx.owner_id, row)


def _place(name: str, vpc_id: str) -> str:
    """Return what stands for a request to make a group: CreateSecurityGroup has no client token."""
    return f"{vpc_id} {name}"
