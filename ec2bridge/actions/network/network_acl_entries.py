"""The entries of network ACLs: rules of CloudStack's ACL lists, found by direction and number.

A subnet with machines has a list made of its ACL's entries and their groups' rules, which a change makes anew.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.network_acls import defaults as acl_defaults
from ec2bridge.resources.network_acls import lists as acl_lists
from ec2bridge.resources.network_acls.lists import LAST, Acl, Row

_WHERE = ("NetworkAclId", "RuleNumber", "Egress")
_WHAT = ("Protocol", "RuleAction", "CidrBlock", "Ipv6CidrBlock", "IcmpTypeCode", "PortRange")


@action(
    "CreateNetworkAclEntry", honours=(*_WHERE, *_WHAT), native=("createNetworkACL", "createNetworkACLList")
)
async def create_network_acl_entry(ctx: Context, request: Request) -> None:
    """Add an entry under a number that is free in its direction."""
    acl, number, egress = await _place(ctx, request)
    params = acl_lists.rule_params(request)
    if _rules(acl, number, egress):
        sentence = f"The network acl entry identified by {number} already exists."
        raise Ec2Error("NetworkAclEntryAlreadyExists", sentence)
    made: list[str] = []

    async def create() -> None:
        made.append(await _create(ctx, acl, number, egress, params))

    async def take_back() -> None:
        for ident in made:
            await ctx.account.job("deleteNetworkACL", id=ident)

    try:
        await _change(ctx, acl, create)
    except BaseException:
        with suppress(CloudStackError, Ec2Error):
            await _change(ctx, acl, take_back)
        raise


@action(
    "ReplaceNetworkAclEntry",
    honours=(*_WHERE, *_WHAT),
    native=("updateNetworkACLItem", "createNetworkACLList", "createNetworkACL", "deleteNetworkACL"),
)
async def replace_network_acl_entry(ctx: Context, request: Request) -> None:
    """Put another entry in the place of one."""
    acl, number, egress = await _place(ctx, request)
    params = acl_lists.rule_params(request)
    first, *rest = _found(acl, number, egress)

    async def replace() -> None:
        # In one call, so that no moment is without the entry, and no refusal leaves none.
        await ctx.account.job(
            "updateNetworkACLItem",
            id=first["id"],
            partialupgrade=False,  # what is not named goes: ports, a type of ICMP
            traffictype=_direction(egress),
            reason=first.get("reason"),
            **params,
        )
        for rule in rest:
            await ctx.account.job("deleteNetworkACL", id=rule["id"])

    await _change(ctx, acl, replace)


@action("DeleteNetworkAclEntry", honours=_WHERE, native=("deleteNetworkACL", "createNetworkACLList"))
async def delete_network_acl_entry(ctx: Context, request: Request) -> None:
    """Remove an entry."""
    acl, number, egress = await _place(ctx, request)
    found = _found(acl, number, egress)

    async def remove() -> None:
        for rule in found:
            await ctx.account.job("deleteNetworkACL", id=rule["id"])

    await _change(ctx, acl, remove)


async def _change(ctx: Context, acl: Acl, change: Callable[[], Awaitable[None]]) -> None:
    """Change an ACL's entries, and the lists of the tiers that have it."""
    await (tiers.changed(ctx, acl.vpc["id"], change) if acl.subnets else change())


async def _place(ctx: Context, request: Request) -> tuple[Acl, int, bool]:
    acl = acl_lists.find(await acl_lists.acls(ctx), request.get("NetworkAclId") or "")
    number = int(request.get("RuleNumber") or 0)
    if not 1 <= number < LAST:
        sentence = f"Value ({number}) for parameter ruleNumber is invalid. Must be between 1 and {LAST - 1}."
        raise Ec2Error("InvalidParameterValue", sentence)
    acl = await acl_defaults.own(ctx, acl)
    acl_lists.changeable(acl)
    return acl, number, bool(request.get("Egress"))


def _rules(acl: Acl, number: int, egress: bool) -> list[Row]:
    return [
        rule
        for rule in acl.rules
        if acl_lists.is_egress(rule) == egress and acl_lists.number_of(acl, rule) == number
    ]


async def _create(ctx: Context, acl: Acl, number: int, egress: bool, params: Request) -> str:
    made = await ctx.account.job(
        "createNetworkACL",
        aclid=acl_lists.changeable(acl),
        traffictype=_direction(egress),
        number=acl_lists.native_number(number, egress) if acl.made_here else number,
        **params,
    )
    return str(made["id"])


def _direction(egress: bool) -> str:
    return "Egress" if egress else "Ingress"


def _found(acl: Acl, number: int, egress: bool) -> list[Row]:
    """Return the rules behind an entry, of which there is at least one."""
    found = _rules(acl, number, egress)
    if not found:
        sentence = f"The {_direction(egress).lower()} entry with the rule number {number} does not exist in {acl.id}."
        raise Ec2Error("InvalidNetworkAclEntry.NotFound", sentence)
    return found
