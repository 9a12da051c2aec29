"""VPCs deleted, as the journal's steps.

CloudStack deletes a VPC with its addresses and its ACL lists, which on AWS keep it from being deleted.
"""

import asyncio
import itertools
from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.enforcement import group_removal
from ec2bridge.resources.network_acls import tier_lists
from ec2bridge.resources.network_acls.lists import MADE_DEFAULT
from ec2bridge.resources.places import deletion, pending_deletion
from ec2bridge.resources.places.networks import networks, resolve_vpc, vpc_rows
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import dhcp_options, route_tables
from ec2bridge.resources.vpn import objects as vpn

Row = dict[str, Any]

PLAN = "DeleteVpc"


@action("DeleteVpc", honours=("VpcId",), native=("deleteVPC", "listNetworks"))
async def delete_vpc(ctx: Context, request: Request) -> None:
    """Delete a VPC in which nothing is left."""
    asked = request.get("VpcId")
    if not asked:
        raise Ec2Error("MissingParameter", "The request must contain the parameter vpcId")
    place = deletion.place_of("vpc", asked)
    if await deletion.was_sent_before(ctx, PLAN, place):
        return
    vpc = await resolve_vpc(ctx, asked)
    if vpc.get("default"):
        sentence = (
            f"The vpc '{place}' is the default VPC: it holds what lies in no VPC, and cannot be deleted."
        )
        raise Ec2Error("OperationNotPermitted", sentence)
    if ctx.dry_run:
        await _check_free(ctx, vpc["id"])
    tiers = [tier["id"] for tier in vpc.get("network") or ()]
    await journal.perform(ctx, PLAN, {"id": vpc["id"], "place": place, "tiers": tiers}, place=place)


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return deletion.steps(_is_free, _is_gone, _delete, _forget)


async def _is_free(work: Work) -> None:
    await _check_free(work.ctx, work.given["id"])


async def _check_free(ctx: Context, uuid: str) -> None:
    rows, addresses, gateways, lists = await asyncio.gather(
        networks(ctx),
        ctx.account.list("listPublicIpAddresses", vpcid=uuid),
        vpn.gateways(ctx),
        ctx.account.list("listNetworkACLLists", vpcid=uuid),
    )
    within = any(
        row.get("vpcid") == uuid and not _goes_along(row) for row in itertools.chain(rows, lists)
    ) or any(uuid in (gateway.vpc, gateway.record.get("vpc")) for gateway in gateways)
    # CloudStack would release the addresses with the VPC, where AWS's outlive it.
    lost = any(not row.get("issourcenat") for row in addresses)
    if within or lost or await route_tables.holds(ctx, uuid):
        sentence = f"The vpc '{ec2_id('vpc', uuid)}' has dependencies and cannot be deleted."
        raise Ec2Error("DependencyViolation", sentence)
    await group_removal.check_vpc(ctx, ec2_id("vpc", uuid))


def _goes_along(row: Row) -> bool:
    """Whether CloudStack deletes with the VPC what on AWS is a part of it: the default ACL, and lists of tiers."""
    return bool(tier_lists.read(row)) or row.get("description") == MADE_DEFAULT


async def _is_gone(work: Work) -> Made | None:
    return None if any(row["id"] == work.given["id"] for row in await vpc_rows(work.ctx)) else {}


async def _delete(work: Work) -> None:
    ctx, uuid = work.ctx, work.given["id"]
    if set(work.given["tiers"]) & set(await pending_deletion.hidden(ctx)):
        await pending_deletion.hide(ctx, "vpc", uuid)
    else:
        await ctx.account.job("deleteVPC", id=uuid)


async def _forget(work: Work) -> None:
    ctx, uuid = work.ctx, work.given["id"]
    if uuid not in await pending_deletion.hidden(ctx):
        await resource_tags.forget(ctx, "vpc", uuid)
    await route_tables.leave_vpc(ctx, uuid)
    await dhcp_options.leave_vpc(ctx, uuid)
    # Not before: CloudStack may refuse to delete the VPC, which then keeps its group.
    await group_removal.leave_vpc(ctx, ec2_id("vpc", uuid))
