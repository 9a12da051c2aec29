"""VPCs as EC2 describes them, and their attributes."""

from typing import Any

from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.describe import Item
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places.networks import default_vpc_id
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

NO_OPTIONS = "default"
"""AWS's word for no set of DHCP options of one's own, which stands where their id would, once it was associated."""


def vpc_owner(ctx: Context, row: Row) -> str:
    """Return the account that a VPC is of."""
    return ctx.owner_id if row.get("default") else owner_of(row)


def vpc_item(ctx: Context, row: Row, tags: list[dict[str, str]], options: str) -> Item:
    """Return a VPC; `default` in the row marks the one that only the bridge knows, `options` is its set's key."""
    default = bool(row.get("default"))
    return {
        "VpcId": default_vpc_id(ctx) if default else ec2_id("vpc", row["id"]),
        "OwnerId": vpc_owner(ctx, row),
        "State": "available" if row["state"] == "Enabled" else "pending",
        "CidrBlock": row["cidr"],
        "CidrBlockAssociationSet": [
            {
                "AssociationId": ec2_id("vpc-cidr-assoc", row["id"]),
                "CidrBlock": row["cidr"],
                "CidrBlockState": {"State": "associated"},
            }
        ],
        "Ipv6CidrBlockAssociationSet": [],
        "DhcpOptionsId": options if options == NO_OPTIONS else ec2_id("dopt", options),
        "InstanceTenancy": "default",
        "IsDefault": default,
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
        "Tags": tags,
    }


ATTRIBUTES = {
    "enableDnsSupport": "EnableDnsSupport",
    "enableDnsHostnames": "EnableDnsHostnames",
    "enableNetworkAddressUsageMetrics": "EnableNetworkAddressUsageMetrics",
}

FIXED = {
    "enableDnsSupport": "whether a VPC's router answers names is said by its offering",
    "enableNetworkAddressUsageMetrics": "CloudStack does not measure the use of addresses",
}
"""Why an attribute is as it is."""


def attribute_value(row: Row, attribute: str) -> bool:
    """Return whether a VPC has an attribute: names for public addresses as was chosen, the others as CloudStack does.

    A router with the Dns service answers names, whatever anybody would like, and nothing measures the use of addresses.
    """
    if attribute == "enableDnsHostnames":
        # On in every default VPC of AWS's, where Terraform's aws_default_vpc wants it.
        return bool(row.get("default")) or resource_tags.hidden(row).get(attribute) == "true"
    services = {service["name"] for service in row.get("service") or ()}
    return attribute == "enableDnsSupport" and (bool(row.get("default")) or "Dns" in services)
