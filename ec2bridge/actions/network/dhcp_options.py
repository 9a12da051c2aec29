"""DHCP options: there are none to make, as CloudStack's routers answer DHCP by their network's own settings.

AWS's word "default" stands for no set of options; that is what every VPC has.
"""

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Request, action
from ec2bridge.ids import KINDS
from ec2bridge.resources.places.networks import resolve_vpc


@action("AssociateDhcpOptions", honours=("VpcId", "DhcpOptionsId"), native=("listVPCs",))
async def associate_dhcp_options(ctx: Context, request: Request) -> None:
    """Accept what every VPC has already; no set of options exists."""
    await resolve_vpc(ctx, request.get("VpcId") or "")
    ident = request.get("DhcpOptionsId") or ""
    if ident != "default":
        kind = KINDS["dhcp-options"]
        raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)
