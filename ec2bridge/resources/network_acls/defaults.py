"""The lists behind network ACLs made through EC2, and the one that a VPC's default ACL gets when it is changed."""

from collections.abc import Mapping

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.locks import account_lock
from ec2bridge.resources.network_acls import lists as acl_lists
from ec2bridge.resources.network_acls.lists import LAST, MADE_DEFAULT, Acl
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags

PLAN = "CreateNetworkAcl"

DEFAULT_RULE = 100
"""The number of the rules by which AWS's default ACL lets everything pass."""


async def make(
    ctx: Context,
    vpc: str,
    description: str,
    tags: Mapping[str, str],
    token: str | None = None,
    place: str | None = None,
) -> str:
    """Make a list that lets nothing pass, as AWS's ACLs do, and return its uuid.

    `token` is the client's; a `place` stands for a request that has none.
    """
    name = "default" if description == MADE_DEFAULT else tags.get("Name") or "acl"
    given = {"vpc": vpc, "description": description, "name": name[:200], "tags": dict(tags)}
    return str((await journal.perform(ctx, PLAN, given, token, place=place))["list"]["id"])


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [
        Step("list", _find, _make, _delete),
        Step("vpc", journal.unseen, _check_vpc, journal.nothing),
        Step("rules", journal.unseen, _write, journal.nothing),
        Step("tags", journal.unseen, _tag, journal.nothing),
    ]


def _name(work: Work) -> str:
    """A name of its own, by which a list is found again when the answer is lost."""
    return f"{work.given['name']}-{work.stem}"


async def _find(work: Work) -> Made | None:
    rows = await work.ctx.account.list("listNetworkACLLists", vpcid=work.given["vpc"])
    row = next((row for row in rows if row["name"] == _name(work)), None)
    return row and {"id": row["id"]}


async def _make(work: Work) -> Made:
    async with deletion.within(work.ctx, ("vpc", work.given["vpc"])):
        row = await work.ctx.account.job(
            "createNetworkACLList",
            name=_name(work),
            description=work.given["description"],
            vpcid=work.given["vpc"],
        )
    return {"id": row["id"]}


async def _check_vpc(work: Work) -> Made:
    # CloudStack deletes the list with the VPC, unasked.
    await deletion.check(work.ctx, "vpc", work.given["vpc"])
    return {}


async def _delete(work: Work, made: Made) -> None:
    await journal.unless_gone(work, _find, work.ctx.account.job("deleteNetworkACLList", id=made["id"]))
    await resource_tags.forget(work.ctx, acl_lists.ACL, made["id"])


async def _write(work: Work) -> Made:
    uuid = work.made["list"]["id"]
    rules = await work.ctx.account.list("listNetworkACLs", aclid=uuid) if work.again else []
    present = {(int(rule["number"]), acl_lists.is_egress(rule)) for rule in rules}
    # What a list does not name comes not in, but goes out; AWS denies both.
    wanted = [(LAST, "Deny")]
    if work.given["description"] == MADE_DEFAULT:
        wanted.append((DEFAULT_RULE, "Allow"))
    for number, action in wanted:
        for direction, egress in (("Ingress", False), ("Egress", True)):
            native = acl_lists.native_number(number, egress)
            if (native, egress) not in present:
                await work.ctx.account.job(
                    "createNetworkACL",
                    aclid=uuid,
                    traffictype=direction,
                    action=action,
                    protocol="all",
                    number=native,
                )
    return {}


async def _tag(work: Work) -> Made:
    if work.given["tags"]:
        await resource_tags.attach(work.ctx, acl_lists.ACL, work.made["list"]["id"], work.given["tags"])
    return {}


async def own(ctx: Context, acl: Acl) -> Acl:
    """Return the ACL with a list of its VPC's own behind it, which a VPC's default ACL gets here.

    The VPC's tiers get that list when the VPC is settled, after the change; it lets all pass until then.
    """
    if not acl.default or acl.vpc.get("default"):
        return acl
    vpc = acl.vpc["id"]
    async with account_lock(ctx, "default-acl", vpc):
        # Half a list, whose bridge died over it, is finished first.
        claimed = await journal.claim(ctx, PLAN, vpc)
        if claimed is False and acl.own:
            return acl
        found = acl_lists.find(await acl_lists.acls(ctx), acl.id)
        if found.own and not claimed:
            return found
        await make(ctx, vpc, MADE_DEFAULT, {}, place=vpc)
        return acl_lists.find(await acl_lists.acls(ctx), acl.id)
