"""Elastic IP addresses: allocating, associating, releasing and describing them.

Associating is static NAT. AWS allocates an address before anyone knows which machine it will serve; CloudStack wants
the network or VPC. So an address is acquired for the account's default network (or, without one, its oldest VPC) of a
zone, and moves when it is associated elsewhere (`elastic_ips.move`). NetworkBorderGroup chooses the zone.
"""

from functools import partial
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.addresses import acquisition, association, elastic_ips, nat_gateways, nat_items
from ec2bridge.resources.addresses.elastic_ips import Row
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import default_network, has_static_nat, networks, vpc_rows
from ec2bridge.resources.places.zones import Zone, resolve_zone, zones
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import source_nat
from ec2bridge.resources.vpcs.default_subnets import make_network


@action(
    "AllocateAddress",
    honours=("Address", "Domain", "NetworkBorderGroup", "TagSpecifications"),
    defaults={"PublicIpv4Pool": ("amazon",)},
    native=("associateIpAddress", "listNetworks"),
)
async def allocate_address(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Acquire a public address; `Address` asks for a certain one.

    Whatever Domain says, the address is a VPC's, as on AWS since EC2-Classic ended; fog sends `standard` unasked.
    """
    tags = resource_tags.specified(request, "allocation")
    zone, named = await _zone(ctx, request.get("NetworkBorderGroup"))
    wanted = request.get("Address")
    if named:
        tags[resource_tags.RESERVED + elastic_ips.BORDER_MARK] = zone.name
    try:
        row = await _allocated(ctx, zone, wanted, tags)
    except CloudStackError as error:
        if error.errorcode == 533 and wanted:
            raise Ec2Error(
                "InvalidAddress.NotFound", f"Address '{wanted}' is not free in {zone.name}."
            ) from error
        raise
    return {
        "PublicIp": row["ipaddress"],
        "AllocationId": elastic_ips.allocation_id(row),
        "Domain": "vpc",
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": zone.name if named else ctx.settings.region,
    }


async def _allocated(ctx: Context, zone: Zone, wanted: str | None, tags: dict[str, str]) -> Row:
    """Acquire an address in a zone; where its network goes at the same moment, in another one."""
    while True:
        place = await _place(ctx, zone)
        [uuid] = place.values()
        try:
            await source_nat.ensure(ctx, place)
            return await acquisition.allocate(ctx, wanted, place, tags)
        except (CloudStackError, Ec2Error):
            if await deletion.stays(ctx, uuid):
                raise


async def _zone(ctx: Context, group: str | None) -> tuple[Zone, bool]:
    """Return the zone to allocate in, and whether the client named it."""
    if group and group != ctx.settings.region:
        zone = await resolve_zone(ctx, group)
        if not _has_addresses(zone):
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter NetworkBorderGroup with the value '{group}' is not supported: the zone has no public"
                " addresses to associate.",
            )
        return zone, True
    usable = [zone for zone in await zones(ctx) if _has_addresses(zone)]
    if not usable:
        raise Ec2Error("UnsupportedOperation", "No zone of this cloud has public addresses to associate.")
    rows = await networks(ctx)
    return next((z for z in usable if any(r["zoneid"] == z.uuid for r in rows)), usable[0]), False


def _has_addresses(zone: Zone) -> bool:
    """Static NAT is a service of isolated networks and VPCs; zones with security groups have neither."""
    return not zone.basic and not zone.security_groups


async def _place(ctx: Context, zone: Zone) -> dict[str, str]:
    """Return the parameter of associateIpAddress: default network, else the oldest VPC, else a new network."""
    rows = [row for row in await networks(ctx) if has_static_nat(row)]
    network = await default_network(ctx, zone, rows)
    if network is not None:
        return elastic_ips.scope(network)
    vpcs = [row for row in await vpc_rows(ctx) if row.get("zoneid") == zone.uuid]
    if vpcs:
        return {"vpcid": min(vpcs, key=lambda row: (row.get("created", ""), row["id"]))["id"]}
    return elastic_ips.scope(await make_network(ctx, zone))


@action(
    "AssociateAddress",
    honours=(
        "AllocationId",
        "PublicIp",
        "InstanceId",
        "NetworkInterfaceId",
        "PrivateIpAddress",
        "AllowReassociation",
    ),
    native=("enableStaticNat", "disableStaticNat", "listPublicIpAddresses"),
)
async def associate_address(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Map an Elastic IP to a machine; what it or the machine was mapped to before ends.

    An interface on no machine keeps it until it is attached, and it is mapped then.
    """
    rows = await elastic_ips.at_rest(ctx)
    row = elastic_ips.find(rows, request)
    target = await elastic_ips.target(ctx, request)
    begun = await association.claim(ctx, row, target)
    if begun is None:
        # The request was sent before, and is over now.
        rows = await elastic_ips.held(ctx)
        row = elastic_ips.find(rows, request)
    if begun or not target.is_served_by(row):
        if not begun:
            await _check_free(ctx, request, row)
            await elastic_ips.check_move(ctx, row, target.network)
        async with deletion.while_there(partial(_found, ctx, request)):
            row = await association.associate(ctx, rows, row, target)
    return {"AssociationId": elastic_ips.association_id(row)}


async def _found(ctx: Context, request: dict[str, Any]) -> Row:
    return elastic_ips.find(await elastic_ips.at_rest(ctx), request)


async def _check_free(ctx: Context, request: dict[str, Any], row: Row) -> None:
    # AWS: reassociation is automatic, false makes it fail instead; what a NAT gateway has stays its own.
    again = request.get("AllowReassociation") is not False
    associated = row.get("isstaticnat") or await elastic_ips.who_waits(ctx, [row])
    if (associated and not again) or await nat_gateways.holder(ctx, row):
        raise Ec2Error(
            "Resource.AlreadyAssociated",
            f"resource {elastic_ips.allocation_id(row)} is already associated with associate-id"
            f" {elastic_ips.association_id(row)}",
        )


@action(
    "DisassociateAddress",
    honours=("AssociationId", "PublicIp"),
    native=("disableStaticNat", "listPublicIpAddresses"),
)
async def disassociate_address(ctx: Context, request: dict[str, Any]) -> None:
    """Unmap an Elastic IP from its machine, or from an interface on none; it stays the account's."""
    ident, address = request.get("AssociationId"), request.get("PublicIp")
    if ident and address:
        sentence = "You may specify public IP or association id, but not both"
        raise Ec2Error("InvalidParameterCombination", sentence)
    asked = str(ident or address or "")
    if asked and await association.is_being_ended(ctx, asked):
        await association.finish(ctx, asked)
        return
    rows = [row for row in await elastic_ips.at_rest(ctx) if elastic_ips.is_elastic(row)]
    waiting = await elastic_ips.who_waits(ctx, rows)
    if ident:
        mapped = [
            row
            for row in rows
            if row.get("isstaticnat") or row["id"] in waiting or await nat_gateways.holder(ctx, row)
        ]
        row = elastic_ips.by_id(mapped, elastic_ips.ASSOCIATION, ident)
    elif address:
        row = elastic_ips.by_address(rows, address)
    else:
        raise Ec2Error("MissingParameter", "Either public IP or association id must be specified")
    gateway = await nat_gateways.holder(ctx, row)
    if gateway:
        sentence = (
            f"The address '{row['ipaddress']}' is that of {gateway.id} until the NAT gateway is deleted."
        )
        raise Ec2Error("OperationNotPermitted", sentence)
    if not row.get("isstaticnat") and row["id"] not in waiting:
        raise Ec2Error("InvalidParameterValue", f"The address '{row['ipaddress']}' is not associated.")
    await association.end(ctx, row, asked)


@action(
    "ReleaseAddress",
    honours=("AllocationId", "PublicIp", "NetworkBorderGroup"),
    native=("disassociateIpAddress", "disableStaticNat", "listPublicIpAddresses"),
)
async def release_address(ctx: Context, request: dict[str, Any]) -> None:
    """Give an Elastic IP back to the cloud; in the default VPC it may be associated."""
    row = elastic_ips.find(await elastic_ips.at_rest(ctx), request)
    if request.get("PublicIp"):
        # Every address here is one of a VPC's, which AWS releases by its allocation alone.
        sentence = "You must specify an allocation id when releasing a VPC elastic IP address"
        raise Ec2Error("InvalidParameterValue", sentence)
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
    if row.get("isstaticnat"):
        # AWS: in the default VPC, an address that is released is disassociated by that.
        await ctx.account.job("disableStaticNat", ipaddressid=row["id"])
    try:
        await acquisition.give_up(ctx, row)
    except CloudStackError as error:
        # CloudStack masks from users why: someone else has just released it.
        if error.errorcode == 530 and not error.in_job:
            raise KINDS["allocation"].missing(elastic_ips.allocation_id(row)) from error
        raise


@describe(
    "DescribeAddresses",
    items="Addresses",
    ids={
        "AllocationIds": Ids("AllocationId", "allocation"),
        "PublicIps": Ids("PublicIp", None, "InvalidAddress.NotFound", "Address '{}' not found."),
    },
    filters={
        **TAGS,
        "allocation-id": "AllocationId",
        "association-id": "AssociationId",
        "domain": "Domain",
        "instance-id": "InstanceId",
        "network-border-group": "NetworkBorderGroup",
        "network-interface-id": "NetworkInterfaceId",
        "network-interface-owner-id": "NetworkInterfaceOwnerId",
        "private-ip-address": "PrivateIpAddress",
        "public-ip": "PublicIp",
    },
    native=("listPublicIpAddresses", "listVirtualMachines"),
)
async def describe_addresses(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's Elastic IPs; a network's own address and those that launches acquired are none."""
    for address in request.get("PublicIps") or ():
        elastic_ips.check_address(address)
    rows = [row for row in await elastic_ips.held(ctx) if elastic_ips.is_elastic(row)]
    nics = await elastic_ips.nics_of(ctx, rows)
    tags = await resource_tags.merged(ctx, "allocation", rows)
    waiting = await elastic_ips.who_waits(ctx, rows)
    held = await nat_items.associations(ctx, rows)
    return [
        {
            **elastic_ips.item(ctx, row, tags[row["id"]], nics, waiting.get(row["id"])),
            **held.get(row["id"], {}),
        }
        for row in rows
    ]
