"""ClassicLink: off in every VPC, as EC2-Classic never existed here; clients of its time ask all the same."""

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request
from ec2bridge.ids import ec2_id
from ec2bridge.resources.places.networks import vpc_rows
from ec2bridge.resources.tags import resource_tags


@describe(
    "DescribeVpcClassicLink",
    items="Vpcs",
    ids={"VpcIds": Ids("VpcId", "vpc")},
    filters={**TAGS, "is-classic-link-enabled": "ClassicLinkEnabled"},
    native=("listVPCs",),
)
async def describe_vpc_classic_link(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's VPCs, none of which is linked."""
    rows = await vpc_rows(ctx)
    tags = await resource_tags.merged(ctx, "vpc", rows)
    return [
        {"VpcId": ec2_id("vpc", row["id"]), "ClassicLinkEnabled": False, "Tags": tags[row["id"]]}
        for row in rows
    ]


@describe(
    "DescribeVpcClassicLinkDnsSupport",
    items="Vpcs",
    ids={"VpcIds": Ids("VpcId", "vpc")},
    native=("listVPCs",),
)
async def describe_vpc_classic_link_dns_support(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's VPCs, none of which is linked."""
    rows = await vpc_rows(ctx)
    return [{"VpcId": ec2_id("vpc", row["id"]), "ClassicLinkDnsSupported": False} for row in rows]
