"""Elastic IPs given back, as the journal's steps.

CloudStack releases an address that is mapped to a machine, or that a tag says is a NAT gateway's. AWS refuses it, but
in the default VPC.
"""

from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.addresses import elastic_ips, nat_gateways
from ec2bridge.resources.addresses.listing import KIND, addresses
from ec2bridge.resources.places import deletion
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN = "ReleaseAddress"


async def give_up(ctx: Context, row: Row) -> None:
    """Give an Elastic IP back to the cloud, with what the store has of it."""
    await journal.perform(ctx, PLAN, {"id": row["id"], "place": row["id"]}, place=row["id"])


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return deletion.steps(_is_free, _is_released, _release, _forget)


async def _is_free(work: Work) -> Made:
    rows = await elastic_ips.at_rest(work.ctx)
    row = next((row for row in rows if row["id"] == work.given["id"]), None)
    if row is None:
        raise KINDS[KIND].missing(elastic_ips.allocation_id(work.given))
    await check_free(work.ctx, row)
    return {"mapped": bool(row.get("isstaticnat"))}


async def check_free(ctx: Context, row: Row) -> None:
    """Refuse to give back what is in use; in the default VPC an address may be associated."""
    waits_for = (await elastic_ips.who_waits(ctx, [row])).get(row["id"])
    if row.get("vpcid") and (row.get("isstaticnat") or waits_for):
        holder = ec2_id("eni", waits_for["id"]) if waits_for else "an instance"
        raise Ec2Error(
            "InvalidIPAddress.InUse",
            f"The address '{row['ipaddress']}' is associated with {holder}: disassociate it first.",
        )
    gateway = await nat_gateways.holder(ctx, row)
    if gateway:
        sentence = f"The address '{row['ipaddress']}' is that of {gateway.id}: delete the NAT gateway first."
        raise Ec2Error("InvalidIPAddress.InUse", sentence)


async def _is_released(work: Work) -> Made | None:
    return None if any(row["id"] == work.given["id"] for row in await addresses(work.ctx)) else {}


async def _release(work: Work) -> None:
    if work.made["free"]["mapped"]:
        # AWS: in the default VPC, an address that is released is disassociated by that.
        await work.ctx.account.job("disableStaticNat", ipaddressid=work.given["id"])
    await work.ctx.account.job("disassociateIpAddress", id=work.given["id"])


async def _forget(work: Work) -> None:
    await resource_tags.forget(work.ctx, KIND, work.given["id"])
