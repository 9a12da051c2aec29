"""Taking a group away.

CloudStack refuses one that a rule names, even a rule of its own; for AWS that is no use of it.
"""

from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import native_rules, rule_jobs
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.listed import NONE
from ec2bridge.resources.groups.security_groups import DEFAULT, Group, Groups
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

_IN_USE = 536


async def delete(ctx: Context, known: Groups, group: Group) -> bool:
    """Delete a group that CloudStack has; False when something uses it."""
    return await _delete(ctx, group) or await _delete_with_own_rules(ctx, known, group)


def belongings(known: Groups, group: Group) -> Row:
    """Return what is to be forgotten with a group, as JSON has it."""
    rules = [*native_rules.all_of(known, group).values(), *known.listed.get(group.uuid, NONE).rules]
    return {
        "group": group.uuid,
        # A VPC's default group goes by the VPC's id, and is tagged by its own.
        "own": sorted({group.uuid, group.row["id"] if group.row else group.uuid}),
        "rules": [str(rule.uuid) for rule in rules],
        "tagged": [
            str(rule.uuid) for rule in rules if not rule.prefix_list and resource_tags.native(rule.row)
        ],
    }


async def forget(ctx: Context, belonging: Row) -> None:
    """Forget what is kept of a group that is gone, and of its rules."""
    await resource_tags.forget(ctx, "security-group", *belonging["own"])
    await rule_jobs.forget(ctx, belonging["group"], belonging["rules"], belonging["tagged"])


async def check_vpc(ctx: Context, vpc_id: str) -> None:
    """Raise DependencyViolation while a VPC has another group than its default one, or a rule elsewhere names that."""
    known = await security_groups.groups(ctx)
    of_vpc = {group.id: group for group in known if group.vpc_id == vpc_id}
    named = any(
        rule.group in of_vpc for other in known if other.id not in of_vpc for rule in known.rules(other)
    )
    if named or any(group.name != DEFAULT for group in of_vpc.values()):
        sentence = f"The vpc '{vpc_id}' has dependencies and cannot be deleted."
        raise Ec2Error("DependencyViolation", sentence)


async def leave_vpc(ctx: Context, vpc_id: str) -> None:
    """Delete the default group of a VPC that is gone; raises CloudStackUnavailable while something uses it."""
    known = await security_groups.groups(ctx)
    for group in known:
        if group.vpc_id == vpc_id and group.row is not None:
            if not await delete(ctx, known, group):
                sentence = f"The default group of {vpc_id}, which is deleted, is still in use"
                raise CloudStackUnavailable("deleteSecurityGroup", sentence)
            await forget(ctx, belongings(known, group))


async def _delete(ctx: Context, group: Group) -> bool:
    """Delete a group in CloudStack; False when something uses it."""
    assert group.row is not None
    try:
        await ctx.account.call("deleteSecurityGroup", id=group.row["id"])
    except CloudStackError as error:
        if error.errorcode == _IN_USE:
            return False
        raise
    return True


async def _delete_with_own_rules(ctx: Context, known: Groups, group: Group) -> bool:
    """Delete a group whose own rules name it: for CloudStack those use it, for AWS they do not."""
    naming = [(other.id, rule) for other in known for rule in known.rules(other) if rule.group == group.id]
    own = [rule for owner, rule in naming if owner == group.id]
    if not own or len(own) < len(naming) or (group.row or {}).get("virtualmachineids"):
        return False
    await rule_jobs.revoke(ctx, known, group, own)
    if await _delete(ctx, group):
        return True
    await rule_jobs.write(ctx, known, group, own)
    return False
