"""DHCP options: one set for each VPC, which says what CloudStack's router tells the VPC's machines.

On AWS sets are objects of their own that VPCs share. In CloudStack domain name and name servers are the VPC's own,
given when it is made and never changed after that (`updateVPC` takes neither). So each VPC has a set with its digits,
which cannot be deleted, nor another be associated; AWS's word "default" stands for it too.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.places.networks import resolve_vpc, vpc_rows
from ec2bridge.resources.vpcs.items import dhcp_options_id, vpc_owner

Row = dict[str, Any]

ROUTER = "AmazonProvidedDNS"
"""AWS's word for a VPC's own name server; the machines are told their router's address."""


@describe(
    "DescribeDhcpOptions",
    items="DhcpOptions",
    ids={"DhcpOptionsIds": Ids("DhcpOptionsId", "dhcp-options")},
    filters={
        **TAGS,
        "dhcp-options-id": "DhcpOptionsId",
        "key": "DhcpConfigurations.Key",
        "value": "DhcpConfigurations.Values.Value",
        "owner-id": "OwnerId",
    },
    native=("listVPCs",),
)
async def describe_dhcp_options(ctx: Context, request: Request) -> list[Item]:
    """Return the set of each of the caller's VPCs."""
    return [_item(ctx, row) for row in await vpc_rows(ctx)]


def _item(ctx: Context, row: Row) -> Item:
    servers = [row[name] for name in ("dns1", "dns2") if row.get(name)]
    told = {"domain-name": [row.get("networkdomain")], "domain-name-servers": servers or [ROUTER]}
    return {
        "DhcpOptionsId": dhcp_options_id(row),
        "OwnerId": vpc_owner(ctx, row),
        "DhcpConfigurations": [
            {"Key": key, "Values": [{"Value": value} for value in values]}
            for key, values in told.items()
            if all(values)
        ],
        "Tags": [],
    }


@action("AssociateDhcpOptions", honours=("VpcId", "DhcpOptionsId"), native=("listVPCs",))
async def associate_dhcp_options(ctx: Context, request: Request) -> None:
    """Accept the set that the VPC has; CloudStack gives a VPC no other once it is made."""
    row = await resolve_vpc(ctx, request.get("VpcId") or "")
    ident = request.get("DhcpOptionsId") or ""
    if ident in ("default", dhcp_options_id(row)):
        return
    kind = KINDS["dhcp-options"]
    if ident not in {dhcp_options_id(other) for other in await vpc_rows(ctx)}:
        raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)
    raise Ec2Error(
        "UnsupportedOperation",
        f"{ident} cannot be associated with {ec2_id('vpc', row['id'])}: CloudStack takes a VPC's domain name and name"
        " servers when it is made, and changes neither.",
    )
