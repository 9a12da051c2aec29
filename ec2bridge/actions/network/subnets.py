"""Subnets: the tiers of CloudStack's VPCs, and every other network as a subnet of the default VPC."""

import asyncio
from typing import Any

from ec2bridge.cloudstack.errors import unless_forbidden
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS, Filters
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.machines.states import host_name_filters
from ec2bridge.resources.places.networks import default_network, networks
from ec2bridge.resources.places.zones import zone_names, zones
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs.default_subnets import make_sought
from ec2bridge.resources.vpcs.subnet_items import addresses_held, addresses_taken, subnet_item

Row = dict[str, Any]


_FILTERS: Filters = {
    **TAGS,
    "availability-zone": zone_names("AvailabilityZone"),
    "availabilityZone": zone_names("AvailabilityZone"),
    "availability-zone-id": zone_names("AvailabilityZoneId"),
    "availabilityZoneId": zone_names("AvailabilityZoneId"),
    "available-ip-address-count": "AvailableIpAddressCount",
    "cidr-block": "CidrBlock",
    "cidr": "CidrBlock",
    "cidrBlock": "CidrBlock",
    "customer-owned-ipv4-pool": None,
    "default-for-az": "DefaultForAz",
    "defaultForAz": "DefaultForAz",
    "enable-dns64": "EnableDns64",
    "enable-lni-at-device-index": None,
    "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
    "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet.AssociationId",
    "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State",
    "ipv6-native": "Ipv6Native",
    "map-customer-owned-ip-on-launch": "MapCustomerOwnedIpOnLaunch",
    "map-public-ip-on-launch": "MapPublicIpOnLaunch",
    "outpost-arn": None,
    "owner-id": "OwnerId",
    **host_name_filters("private-dns-name-options-on-launch", "PrivateDnsNameOptionsOnLaunch"),
    "state": "State",
    "subnet-arn": "SubnetArn",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}


@describe(
    "DescribeSubnets",
    items="Subnets",
    ids={"SubnetIds": Ids("SubnetId", "subnet")},
    filters=_FILTERS,
    native=("listNetworks", "listZones"),
)
async def describe_subnets(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the networks that the caller's machines can be in."""
    rows, places, machines = await asyncio.gather(
        networks(ctx),
        zones(ctx),
        unless_forbidden(ctx.account.list("listVirtualMachines", details=["nics"])),
    )
    rows = await make_sought(ctx, request, _FILTERS, rows)
    tags = await resource_tags.merged(ctx, "subnet", rows)
    defaults = [await default_network(ctx, zone, rows) for zone in places]
    default_ids = {row["id"] for row in defaults if row}
    taken = addresses_taken(machines or ()) + addresses_held(await network_interfaces.records(ctx))
    by_uuid = {zone.uuid: zone for zone in places}
    return [
        subnet_item(
            ctx,
            row,
            by_uuid.get(row["zoneid"]),
            tags[row["id"]],
            taken=None if machines is None else taken[row["id"]],
            default=row["id"] in default_ids,
        )
        for row in rows
    ]
