"""Network ACLs: CloudStack's ACL lists.

AWS's ACLs are stateless and CloudStack's let the answers of what they allowed through; so every setup that works
with AWS's works here, and rules for answers are merely not needed.
"""

from functools import partial
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.network_acls import defaults as acl_defaults
from ec2bridge.resources.network_acls import lists as acl_lists
from ec2bridge.resources.network_acls.lists import ACL, Acl
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import resolve_vpc
from ec2bridge.resources.tags import resource_tags

PLAN = "DeleteNetworkAcl"


@describe(
    "DescribeNetworkAcls",
    items="NetworkAcls",
    ids={"NetworkAclIds": Ids("NetworkAclId", ACL)},
    filters={
        **TAGS,
        "association.association-id": "Associations.NetworkAclAssociationId",
        "association.network-acl-id": "Associations.NetworkAclId",
        "association.subnet-id": "Associations.SubnetId",
        "default": "IsDefault",
        "entry.cidr": "Entries.CidrBlock",
        "entry.egress": "Entries.Egress",
        "entry.icmp.code": "Entries.IcmpTypeCode.Code",
        "entry.icmp.type": "Entries.IcmpTypeCode.Type",
        "entry.ipv6-cidr": "Entries.Ipv6CidrBlock",
        "entry.port-range.from": "Entries.PortRange.From",
        "entry.port-range.to": "Entries.PortRange.To",
        "entry.protocol": "Entries.Protocol",
        "entry.rule-action": "Entries.RuleAction",
        "entry.rule-number": "Entries.RuleNumber",
        "network-acl-id": "NetworkAclId",
        "owner-id": "OwnerId",
        "vpc-id": "VpcId",
    },
    native=("listVPCs", "listNetworks", "listNetworkACLLists", "listNetworkACLs"),
)
async def describe_network_acls(ctx: Context, request: Request) -> list[Item]:
    """Return the ACLs of the caller's VPCs."""
    found = await acl_lists.acls(ctx)
    tags = await resource_tags.merged(ctx, ACL, [{"id": acl.key} for acl in found])
    return [_item(ctx, acl, tags[acl.key]) for acl in found]


def _item(ctx: Context, acl: Acl, tags: list[dict[str, str]]) -> Item:
    return {
        "NetworkAclId": acl.id,
        "VpcId": ec2_id("vpc", acl.vpc["id"]),
        "OwnerId": ctx.owner_id if acl.vpc.get("default") else owner_of(acl.vpc),
        "IsDefault": acl.default,
        "Associations": [
            {
                "NetworkAclAssociationId": _association(subnet["id"], acl),
                "NetworkAclId": acl.id,
                "SubnetId": ec2_id("subnet", subnet["id"]),
            }
            for subnet in acl.subnets
        ],
        "Entries": acl_lists.entries(acl),
        "Tags": tags,
    }


def _association(subnet: str, acl: Acl) -> str:
    """An association goes by subnet and ACL: a subnet that gets another ACL gets another association."""
    return ec2_id("aclassoc", f"{subnet}/{acl.key}")


@action(
    "CreateNetworkAcl",
    honours=("VpcId", "TagSpecifications", "ClientToken"),
    native=("createNetworkACLList", "createNetworkACL"),
)
async def create_network_acl(ctx: Context, request: Request) -> dict[str, Any]:
    """Make an ACL that lets nothing pass, until it has entries."""
    tags = resource_tags.specified(request, ACL)
    vpc = await resolve_vpc(ctx, request.get("VpcId") or "")
    if vpc.get("default"):
        sentence = "There are no network ACLs in the default VPC: its subnets are networks outside CloudStack's VPCs."
        raise Ec2Error("UnsupportedOperation", sentence)
    made = await acl_defaults.make(
        ctx, vpc["id"], acl_lists.MADE_HERE, tags, token=request.get("ClientToken")
    )
    acl = Acl(made, vpc, made, False, True)
    return {"NetworkAcl": _item(ctx, acl, resource_tags.as_list(tags))}


@action("DeleteNetworkAcl", honours=("NetworkAclId",), native=("deleteNetworkACLList",))
async def delete_network_acl(ctx: Context, request: Request) -> None:
    """Delete an ACL that no subnet has."""
    place = deletion.place_of(ACL, request.get("NetworkAclId") or "")
    if place and await deletion.was_sent_before(ctx, PLAN, place):
        return
    acl = await _acl(ctx, request)
    _check_free(acl)
    given = {"id": acl.key, "place": acl.id, "list": acl_lists.changeable(acl)}
    await journal.perform(ctx, PLAN, given, place=acl.id)


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return deletion.steps(_is_free, _is_gone, _delete, _forget)


async def _is_free(work: Work) -> None:
    _check_free(acl_lists.find(await acl_lists.acls(work.ctx), work.given["place"]))


def _check_free(acl: Acl) -> None:
    if acl.default or acl.subnets:
        sentence = f"The networkAcl '{acl.id}' has dependencies and cannot be deleted."
        raise Ec2Error("InvalidParameterValue" if acl.default else "DependencyViolation", sentence)


async def _is_gone(work: Work) -> Made | None:
    return None if any(acl.key == work.given["id"] for acl in await acl_lists.acls(work.ctx)) else {}


async def _delete(work: Work) -> None:
    await work.ctx.account.job("deleteNetworkACLList", id=work.given["list"])


async def _forget(work: Work) -> None:
    await resource_tags.forget(work.ctx, ACL, work.given["id"])


async def _acl(ctx: Context, request: Request) -> Acl:
    if not request.get("NetworkAclId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter networkAclId")
    return acl_lists.find(await acl_lists.acls(ctx), request["NetworkAclId"])


@action(
    "ReplaceNetworkAclAssociation",
    honours=("AssociationId", "NetworkAclId"),
    native=("replaceNetworkACLList",),
)
async def replace_network_acl_association(ctx: Context, request: Request) -> dict[str, Any]:
    """Give a subnet another ACL of its VPC."""
    found = await acl_lists.acls(ctx)
    ident = request.get("AssociationId") or ""
    named = {_association(subnet["id"], acl): (acl, subnet["id"]) for acl in found for subnet in acl.subnets}
    if ident not in named:
        kind = KINDS["network-acl-association"]
        raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)
    old, subnet = named[ident]
    acl = acl_lists.find(found, request.get("NetworkAclId") or "")
    if acl.vpc["id"] != old.vpc["id"]:
        sentence = f"The network ACL {acl.id} and the subnet belong to different networks."
        raise Ec2Error("InvalidParameterValue", sentence)
    if acl.key != old.key:
        associate = partial(tiers.associate, ctx, acl.vpc["id"], subnet)
        async with deletion.within(ctx, (ACL, acl.key)):
            await associate(str(acl.native))
        await deletion.check(ctx, ACL, acl.key, partial(associate, str(old.native)))
    return {"NewAssociationId": _association(subnet, acl)}
