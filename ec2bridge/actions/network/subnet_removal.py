"""Subnets deleted, as the journal's steps.

CloudStack keeps a network as long as a machine in it is not expunged, and releases a network's addresses with it.
"""

import asyncio
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import nat_gateways
from ec2bridge.resources.enforcement import tiers
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.machines import lookup as machine_lookup
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.places import deletion, pending_deletion
from ec2bridge.resources.places.networks import networks, resolve_subnet
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import route_tables

Row = dict[str, Any]

PLAN = "DeleteSubnet"
_IN_USE = 530
_DESTROYED = ("Destroyed", "Expunging")


@action("DeleteSubnet", honours=("SubnetId",), native=("deleteNetwork", "listVirtualMachines"))
async def delete_subnet(ctx: Context, request: Request) -> None:
    """Delete a network in which no machine is left."""
    asked = request.get("SubnetId")
    if not asked:
        raise Ec2Error("MissingParameter", "The request must contain the parameter subnetId")
    place = deletion.place_of("subnet", asked)
    if await deletion.was_sent_before(ctx, PLAN, place):
        return
    row = await resolve_subnet(ctx, asked)
    if ctx.dry_run:
        await _check_free(ctx, row["id"])
    kept = {name: row[name] for name in ("id", "vpcid", "aclid", "aclname") if row.get(name)}
    await journal.perform(ctx, PLAN, {"id": row["id"], "place": place, "row": kept}, place=place)


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return deletion.steps(_is_free, _is_gone, _delete, _forget)


async def _is_free(work: Work) -> None:
    await _check_free(work.ctx, work.given["id"])


async def _check_free(ctx: Context, uuid: str) -> None:
    known = await network_interfaces.records(ctx)
    machines, addresses = await asyncio.gather(
        machine_lookup.list_rows(ctx), ctx.account.list("listPublicIpAddresses")
    )
    interfaces = (await network_interfaces.settled(ctx, known, machines)).values()
    waiting = any(record["subnet"] == uuid and not record["nic"] for record in interfaces)
    waiting |= any(gateway.subnet == uuid for gateway in await nat_gateways.known(ctx))
    if waiting or _is_used(uuid, machines) or any(_is_lost(address, uuid) for address in addresses):
        sentence = f"The subnet '{ec2_id('subnet', uuid)}' has dependencies and cannot be deleted."
        raise Ec2Error("DependencyViolation", sentence)


def _is_used(network: str, machines: list[Row]) -> bool:
    return any(
        nic["networkid"] == network
        for row in machines
        if row.get("state") not in _DESTROYED
        for nic in row.get("nic") or ()
    )


def _is_lost(address: Row, network: str) -> bool:
    """Whether CloudStack would release an address with the network, where AWS's outlives the subnet."""
    return address.get("associatednetworkid") == network and not (
        address.get("issourcenat") or address.get("vpcid")
    )


async def _is_gone(work: Work) -> Made | None:
    """Whether EC2 has it no more: CloudStack may hold it for a while."""
    return None if any(row["id"] == work.given["id"] for row in await networks(work.ctx)) else {}


async def _delete(work: Work) -> None:
    ctx, uuid = work.ctx, work.given["id"]
    try:
        await ctx.account.job("deleteNetwork", id=uuid)
    except CloudStackUnavailable:
        raise
    except CloudStackError as error:
        if error.errorcode != _IN_USE or await _is_ending(ctx):
            raise
        # What holds it may have been launched since.
        await _check_free(ctx, uuid)
        await pending_deletion.hide(ctx, "subnet", uuid, work.given["row"].get("vpcid"))


async def _is_ending(ctx: Context) -> bool:
    """Whether a machine is being terminated just now: it may be the one that holds the network."""
    return any(
        data["phase"] == machine_records.ENDING for data in (await machine_records.records(ctx)).values()
    )


async def _forget(work: Work) -> None:
    ctx, uuid = work.ctx, work.given["id"]
    if uuid not in await pending_deletion.hidden(ctx):
        await resource_tags.forget(ctx, "subnet", uuid)
        await tiers.forget(ctx, work.given["row"])
    await route_tables.leave_subnet(ctx, uuid)
