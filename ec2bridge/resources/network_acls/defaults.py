"""The lists behind network ACLs made through EC2, and the one that a VPC's default ACL gets when it is changed."""

import uuid

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.locks import account_lock
from ec2bridge.resources.network_acls import lists as acl_lists
from ec2bridge.resources.network_acls.lists import LAST, MADE_DEFAULT, Acl

DEFAULT_RULE = 100
"""The number of the rules by which AWS's default ACL lets everything pass."""


async def make(ctx: Context, vpc: str, description: str, name: str = "") -> str:
    """Make a list that lets nothing pass, as AWS's ACLs do, and return its uuid; half a list is taken away."""
    row = await ctx.account.job(
        "createNetworkACLList",
        # A name of its own, by which it is found again when the answer is lost.
        name=f"{name or 'acl'}-{uuid.uuid4().hex[:8]}",
        description=description,
        vpcid=vpc,
    )
    try:
        # What a list does not name comes not in, but goes out; AWS denies both.
        await _rules(ctx, row["id"], LAST, "Deny")
        if description == MADE_DEFAULT:
            await _rules(ctx, row["id"], DEFAULT_RULE, "Allow")
    except BaseException:
        await ctx.account.job("deleteNetworkACLList", id=row["id"])
        raise
    return str(row["id"])


async def _rules(ctx: Context, uuid: str, number: int, action: str) -> None:
    for direction, egress in (("Ingress", False), ("Egress", True)):
        await ctx.account.job(
            "createNetworkACL",
            aclid=uuid,
            traffictype=direction,
            action=action,
            protocol="all",
            number=acl_lists.native_number(number, egress),
        )


async def own(ctx: Context, acl: Acl) -> Acl:
    """Return the ACL with a list of its VPC's own behind it, which a VPC's default ACL gets here.

    The VPC's tiers get that list when the VPC is settled, after the change; it lets all pass until then.
    """
    if acl.own or not acl.default or acl.vpc.get("default"):
        return acl
    async with account_lock(ctx, "default-acl", acl.vpc["id"]):
        found = acl_lists.find(await acl_lists.acls(ctx), acl.id)
        if found.own:
            return found
        await make(ctx, acl.vpc["id"], MADE_DEFAULT, "default")
        return acl_lists.find(await acl_lists.acls(ctx), acl.id)
