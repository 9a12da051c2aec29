"""Taking a group away.

CloudStack refuses one that a rule names, even a rule of its own; for AWS that is no use of it.
"""

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import native_rules, rule_jobs
from ec2bridge.resources.groups import listed, security_groups
from ec2bridge.resources.groups.listed import NONE
from ec2bridge.resources.groups.security_groups import DEFAULT, Group, Groups
from ec2bridge.resources.tags import resource_tags

_IN_USE = 536


async def remove(ctx: Context, known: Groups, group: Group) -> bool:
    """Delete a group that CloudStack has, and what is kept of it and of its rules; False when something uses it."""
    if not await _delete(ctx, group) and not await _delete_with_own_rules(ctx, known, group):
        return False
    # A VPC's default group goes by the VPC's id, and is tagged by its own.
    own = {group.uuid, group.row["id"] if group.row else group.uuid}
    await resource_tags.forget(ctx, "security-group", *own)
    rules = list(native_rules.all_of(known, group).values())
    named = known.listed.get(group.uuid, NONE).rules
    await resource_tags.forget(ctx, native_rules.KIND, *(str(rule.uuid) for rule in (*rules, *named)))
    await listed.forget(ctx, group.uuid)
    # CloudStack deletes a group's rules with it, and keeps the tags of those.
    tagged = [str(rule.uuid) for rule in rules if resource_tags.native(rule.row)]
    if tagged:
        await resource_tags.clear(ctx, native_rules.KIND, *tagged)
    return True


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
        if group.vpc_id == vpc_id and group.row is not None and not await remove(ctx, known, group):
            sentence = f"The default group of {vpc_id}, which is deleted, is still in use"
            raise CloudStackUnavailable("deleteSecurityGroup", sentence)


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
    await rule_jobs.authorize(ctx, known, group, own)
    return False
