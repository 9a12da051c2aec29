"""VPCs made and changed.

A CloudStack VPC lies in one zone, AWS's in all of a region's, and AWS's CreateVpc names no zone. So a VPC is made in
the zone that a tag `availability-zone` of the request names, else in the first that can have one, and its subnets
can be there only (docs/adr/0005). Its router starts with its first machine.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.places.networks import resolve_vpc
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import creation, dhcp_options, host_names
from ec2bridge.resources.vpcs.items import ATTRIBUTES, FIXED, attribute_value, vpc_item
from ec2bridge.resources.vpcs.offerings import vpc_offering, vpc_zone
from ec2bridge.resources.vpcs.ranges import cidr_block

Row = dict[str, Any]


@action(
    "CreateVpc",
    honours=("CidrBlock", "TagSpecifications"),
    defaults={"InstanceTenancy": ("default",), "AmazonProvidedIpv6CidrBlock": (False,)},
    native=("createVPC", "listVPCOfferings", "createTags"),
)
async def create_vpc(ctx: Context, request: Request) -> Answer:
    """Make a VPC in one zone."""
    block = cidr_block(request.get("CidrBlock") or "", "InvalidVpc.Range")
    tags = resource_tags.specified(request, "vpc")
    zone = await vpc_zone(ctx, tags)
    offering = await vpc_offering(ctx, zone)
    options, told = await dhcp_options.for_new_vpc(ctx, tags)
    name = tags.get("Name") or "vpc"
    params = {
        "name": name,
        "cidr": str(block),
        "zoneid": zone.uuid,
        "vpcofferingid": offering,
        "start": False,
        **told,
    }
    row = await creation.make(ctx, {"params": params, "tags": tags, "options": options})
    item = vpc_item(ctx, row, resource_tags.as_list(tags), options or dhcp_options.implied_key(ctx, row))
    return {"Vpc": {**item, "State": "pending"}}


@action("CreateDefaultVpc")
async def create_default_vpc(ctx: Context, request: Request) -> Answer:
    """Refuse, since every account has its default VPC from the start."""
    raise Ec2Error("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")


def _required(request: Request) -> str:
    if not request.get("VpcId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter vpcId")
    return str(request["VpcId"])


@action(
    "ModifyVpcAttribute",
    honours=("VpcId", *ATTRIBUTES.values()),
    native=("createTags", "listVPCs"),
)
async def modify_vpc_attribute(ctx: Context, request: Request) -> None:
    """Set one attribute of a VPC: whether its public addresses have names. The others are as CloudStack has them."""
    vpc = await resolve_vpc(ctx, _required(request))
    named = [(name, member) for name, member in ATTRIBUTES.items() if request.get(member)]
    if len(named) != 1:
        raise Ec2Error("InvalidParameterCombination", "Exactly one attribute may be specified.")
    [(attribute, member)] = named
    value = bool(request[member].get("Value"))
    if value == attribute_value(vpc, attribute):
        return
    if vpc.get("default"):
        sentence = (
            f"The attribute {attribute} of the default VPC cannot be changed: CloudStack has no such VPC."
        )
        raise Ec2Error("UnsupportedOperation", sentence)
    if attribute in FIXED:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter {member} with the value '{str(value).lower()}' is not supported: {FIXED[attribute]}.",
        )
    await resource_tags.mark(ctx, "vpc", vpc, {attribute: "true" if value else "false"})
    host_names.forget(ctx)


@action(
    "AssociateVpcCidrBlock",
    honours=("VpcId", "CidrBlock", "AmazonProvidedIpv6CidrBlock"),
    native=("listVPCs",),
)
async def associate_vpc_cidr_block(ctx: Context, request: Request) -> None:
    """Refuse, since a CloudStack VPC has one range for life."""
    await resolve_vpc(ctx, _required(request))
    sentence = "A VPC on this cloud has exactly one CIDR block, which is given when it is created."
    raise Ec2Error("UnsupportedOperation", sentence)
