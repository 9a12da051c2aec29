"""Subnets made and changed: tiers of VPCs, and isolated networks in the default VPC.

AWS's subnet lies in any zone of its VPC's region; a tier lies in its VPC's one zone. AWS lets everything pass between
subnets by default, CloudStack nothing, so a tier gets the list that allows all.
"""

import asyncio
import ipaddress
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places.networks import (
    default_network,
    has_static_nat,
    resolve_subnet,
    resolve_vpc,
    subnet_id,
)
from ec2bridge.resources.places.zones import Zone, asked_zone, zones
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import default_subnets, subnet_creation
from ec2bridge.resources.vpcs.default_subnets import network_offering
from ec2bridge.resources.vpcs.offerings import ZONE_TAG, default_list, has_vpcs, tier_offering
from ec2bridge.resources.vpcs.ranges import cidr_block
from ec2bridge.resources.vpcs.subnet_items import subnet_item

Row = dict[str, Any]


@action(
    "CreateSubnet",
    honours=("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId", "TagSpecifications"),
    defaults={"Ipv6Native": (False,)},
    native=("createNetwork", "listNetworkOfferings", "createTags"),
)
async def create_subnet(ctx: Context, request: Request) -> Answer:
    """Make a tier of a VPC, or a network of one's own in the default VPC."""
    if not request.get("VpcId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter vpcId")
    block = cidr_block(request.get("CidrBlock") or "", "InvalidSubnet.Range")
    tags = resource_tags.specified(request, "subnet")
    vpc = await resolve_vpc(ctx, request["VpcId"])
    if not block.subnet_of(ipaddress.IPv4Network(vpc["cidr"], strict=False)):
        raise Ec2Error("InvalidSubnet.Range", f"The CIDR '{block}' is invalid.")
    zone = await asked_zone(ctx, request, resolve=_named_zone) or await _zone_of(ctx, vpc)
    params = await (_isolated(ctx, zone) if vpc.get("default") else _tier(ctx, vpc, zone))
    name = tags.get("Name") or str(block)
    own = {"gateway": str(block.network_address + 1), "netmask": str(block.netmask)}
    given = {"params": {"name": name, "zoneid": zone.uuid, **own, **params}, "tags": tags}
    row = await subnet_creation.make(
        ctx, given, subnet_creation.place(vpc["id"], str(block), zone.uuid, tags)
    )
    return {"Subnet": _item(ctx, row, zone, tags, default=False)}


def _item(ctx: Context, row: Row, zone: Zone, tags: dict[str, str], *, default: bool) -> Row:
    item = subnet_item(ctx, row, zone, resource_tags.as_list(tags), taken=0, default=default)
    return {name: value for name, value in item.items() if not name.startswith("_")}


async def _named_zone(ctx: Context, name: str) -> Zone:
    """Return the zone of a name; AWS tells which there are."""
    known = await zones(ctx)
    found = next((zone for zone in known if zone.answers_to(name)), None)
    if found is None:
        usable = ", ".join(zone.name for zone in known if has_vpcs(zone))
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({name}) for parameter availabilityZone is invalid. Subnets can currently only be created in the"
            f" following availability zones: {usable}.",
        )
    return found


async def _zone_of(ctx: Context, vpc: Row) -> Zone:
    """Return the zone of a VPC; in the default VPC, the first in which networks can be made."""
    for zone in await zones(ctx):
        if zone.uuid == vpc.get("zoneid") or (vpc.get("default") and has_vpcs(zone)):
            return zone
    raise Ec2Error("InvalidParameterValue", "The request must contain the parameter availabilityZone")


async def _tier(ctx: Context, vpc: Row, zone: Zone) -> Row:
    if zone.uuid != vpc["zoneid"]:
        raise _elsewhere(ec2_id("vpc", vpc["id"]), await _zone_of(ctx, vpc), zone)
    offering, acl = await asyncio.gather(tier_offering(ctx, vpc), default_list(ctx, vpc["id"]))
    return {"networkofferingid": offering, "vpcid": vpc["id"], "aclid": acl}


def _elsewhere(vpc: str, own: Zone, zone: Zone) -> Ec2Error:
    sentence = (
        f"Value ({zone.name}) for parameter availabilityZone is invalid. Subnets of {vpc} can only be created in "
        f"{own.name}, since a CloudStack VPC lies in one zone: name {own.name} for each of them "
        f'(azs = ["{own.name}"] in Terraform\'s VPC module)'
    )
    if has_vpcs(zone):
        sentence += f", or make another VPC, giving CreateVpc the tag {ZONE_TAG} with the value {zone.name}"
    return Ec2Error("InvalidParameterValue", f"{sentence}.")


async def _isolated(ctx: Context, zone: Zone) -> Row:
    if not has_vpcs(zone):
        sentence = (
            f"Subnets cannot be created in {zone.name}: its networks are made by the cloud's administrator."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    return {"networkofferingid": await network_offering(ctx, zone)}


@action(
    "CreateDefaultSubnet",
    honours=("AvailabilityZone", "AvailabilityZoneId"),
    defaults={"Ipv6Native": (False,)},
    native=("createNetwork", "listNetworks"),
)
async def create_default_subnet(ctx: Context, request: Request) -> Answer:
    """Make the network that launches into a zone use, where there is none yet."""
    zone = await asked_zone(ctx, request)
    if zone is None:
        raise Ec2Error("MissingParameter", "The request must contain the parameter availabilityZone")
    unanswered = await default_subnets.is_being_made(ctx, zone)
    existing = await default_network(ctx, zone)
    if existing and not unanswered:
        sentence = f"'{subnet_id(existing)}' is already the default subnet in {zone.name}."
        raise Ec2Error("DefaultSubnetAlreadyExistsInAvailabilityZone", sentence)
    await _isolated(ctx, zone)
    row = await default_subnets.make_network(ctx, zone)
    return {"Subnet": _item(ctx, row, zone, {}, default=True)}


def _required(request: Request) -> str:
    if not request.get("SubnetId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter subnetId")
    return str(request["SubnetId"])


@action(
    "ModifySubnetAttribute",
    honours=("SubnetId", "MapPublicIpOnLaunch"),
    defaults={
        "AssignIpv6AddressOnCreation.Value": (False,),
        "MapCustomerOwnedIpOnLaunch.Value": (False,),
        "EnableDns64.Value": (False,),
        "PrivateDnsHostnameTypeOnLaunch": ("ip-name",),
        "EnableResourceNameDnsARecordOnLaunch.Value": (False,),
        "EnableResourceNameDnsAAAARecordOnLaunch.Value": (False,),
    },
    native=("createTags", "listNetworks"),
)
async def modify_subnet_attribute(ctx: Context, request: Request) -> None:
    """Set whether machines launched into a subnet get a public address."""
    row = await resolve_subnet(ctx, _required(request))
    if not request.get("MapPublicIpOnLaunch"):
        return
    wanted = bool(request["MapPublicIpOnLaunch"].get("Value"))
    if wanted == (resource_tags.hidden(row).get("mapPublicIpOnLaunch") == "true"):
        return
    if wanted and not has_static_nat(row):
        sentence = f"Machines in {subnet_id(row)} cannot be given public addresses: the network maps none."
        raise Ec2Error("UnsupportedOperation", sentence)
    await resource_tags.mark(ctx, "subnet", row, {"mapPublicIpOnLaunch": "true" if wanted else None})
