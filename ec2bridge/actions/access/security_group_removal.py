"""Security groups deleted, as the journal's steps.

CloudStack refuses to delete a group that a machine of its own zones or a rule has; it knows neither the machines of
other zones that are in it, by a reserved tag, nor the interfaces that lie in the store.
"""

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.enforcement import firewall, group_removal
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.security_groups import DEFAULT, Group, Groups
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.places import deletion

PLAN = "DeleteSecurityGroup"


@action("DeleteSecurityGroup", honours=("GroupId", "GroupName"), native=("deleteSecurityGroup",))
async def delete_security_group(ctx: Context, request: Request) -> Answer:
    """Delete a group that no machine and no other group's rule uses."""
    place = deletion.place_of("security-group", request.get("GroupId") or "")
    if place and await deletion.was_sent_before(ctx, PLAN, place):
        return {"Return": True, "GroupId": place}
    known = await security_groups.groups(ctx)
    group = known.find(request.get("GroupId"), request.get("GroupName"))
    if group.name == DEFAULT or group.row is None:
        sentence = f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user'
        raise Ec2Error("CannotDelete", sentence)
    if ctx.dry_run:
        await _check_free(ctx, group)
    await journal.perform(ctx, PLAN, {"id": group.uuid, "place": group.id}, place=group.id)
    return {"Return": True, "GroupId": group.id}


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return deletion.steps(_is_free, _is_gone, _delete, _forget)


async def _found(work: Work) -> tuple[Groups, Group]:
    known = await security_groups.groups(work.ctx)
    return known, known.find(work.given["place"])


async def _is_free(work: Work) -> Made:
    known, group = await _found(work)
    await _check_free(work.ctx, group)
    return group_removal.belongings(known, group)


async def _check_free(ctx: Context, group: Group) -> None:
    interfaces = (await network_interfaces.records(ctx)).values()
    if any(group.id in record["groups"] and not record["nic"] for record in interfaces):
        raise _in_use(group)
    if await _has_marked_members(ctx, group):
        raise _in_use(group)


def _in_use(group: Group) -> Ec2Error:
    return Ec2Error("DependencyViolation", f"resource {group.id} has a dependent object")


async def _has_marked_members(ctx: Context, group: Group) -> bool:
    """Whether a machine in a zone without groups is in this one; a machine that is gone may keep its tag a while."""
    holders = {machine for machine, of in (await firewall.members(ctx)).items() if group.uuid in of}
    if not holders:
        return False
    rows = await ctx.account.list("listVirtualMachines", details="min")
    return any(
        row["id"] in holders and row["state"] not in ("Destroyed", "Expunging", "Error") for row in rows
    )


async def _is_gone(work: Work) -> Made | None:
    known = await security_groups.groups(work.ctx)
    return None if work.given["place"] in known.by_id else {}


async def _delete(work: Work) -> None:
    known, group = await _found(work)
    if not await group_removal.delete(work.ctx, known, group):
        raise _in_use(group)


async def _forget(work: Work) -> None:
    await group_removal.forget(work.ctx, work.made["free"])
