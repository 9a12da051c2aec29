"""VPCs: CloudStack's own, and the default VPC of every account.

CloudStack has VPCs in advanced zones only, and most networks lie in none. EC2 clients insist on one, so an account
has a default VPC that holds those networks; it exists in the bridge alone, reports the CIDR of the settings, and its
subnets may overlap.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places.networks import default_vpc_id, resolve_vpc, vpc_rows
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import dhcp_options
from ec2bridge.resources.vpcs.items import ATTRIBUTES, attribute_value, vpc_item

Row = dict[str, Any]


@describe(
    "DescribeVpcs",
    items="Vpcs",
    ids={"VpcIds": Ids("VpcId", "vpc")},
    filters={
        **TAGS,
        "cidr": "CidrBlock",
        "cidr-block": "CidrBlock",
        "cidrBlock": "CidrBlock",
        "cidr-block-association.cidr-block": "CidrBlockAssociationSet.CidrBlock",
        "cidr-block-association.association-id": "CidrBlockAssociationSet.AssociationId",
        "cidr-block-association.state": "CidrBlockAssociationSet.CidrBlockState.State",
        "dhcp-options-id": "DhcpOptionsId",
        "ipv6-cidr-block-association.ipv6-cidr-block": None,
        "ipv6-cidr-block-association.ipv6-pool": None,
        "ipv6-cidr-block-association.association-id": None,
        "ipv6-cidr-block-association.state": None,
        "is-default": "IsDefault",
        "isDefault": "IsDefault",
        "owner-id": "OwnerId",
        "state": "State",
        "vpc-id": "VpcId",
    },
    native=("listVPCs",),
)
async def describe_vpcs(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's VPCs, the default one first."""
    rows = await vpc_rows(ctx)
    tags = await resource_tags.merged(ctx, "vpc", rows)
    options = await dhcp_options.chosen(ctx, rows)
    return [vpc_item(ctx, row, tags[row["id"]], options[row["id"]]) for row in rows]


@action("DescribeVpcAttribute", honours=("VpcId", "Attribute"), native=("listVPCs",))
async def describe_vpc_attribute(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one attribute of a VPC."""
    attribute, vpc = request.get("Attribute") or "", request.get("VpcId")
    if not vpc:
        raise Ec2Error("MissingParameter", "The request must contain the parameter vpcId")
    if attribute not in ATTRIBUTES:
        raise Ec2Error("InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid.")
    row = await resolve_vpc(ctx, vpc)
    vpc_id = default_vpc_id(ctx) if row.get("default") else ec2_id("vpc", row["id"])
    return {"VpcId": vpc_id, ATTRIBUTES[attribute]: {"Value": attribute_value(row, attribute)}}
