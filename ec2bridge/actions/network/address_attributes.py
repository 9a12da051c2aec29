"""The one attribute that an Elastic IP has: the name that its number resolves to.

CloudStack knows no reverse DNS, so no address has a name, none can be set, and taking it off changes nothing.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.addresses import elastic_ips

NAME = "domain-name"


def _check(attribute: str | None) -> None:
    if attribute not in (None, "", NAME):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({attribute}) for parameter attribute is invalid. Expected: {NAME}.",
        )


@describe(
    "DescribeAddressesAttribute",
    items="Addresses",
    ids={"AllocationIds": Ids("AllocationId", "allocation")},
    honours=("Attribute",),
    native=("listPublicIpAddresses",),
    least=1,
)
async def describe_addresses_attribute(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the addresses, none of which has a name."""
    _check(request.get("Attribute"))
    return [_nameless(row) for row in await elastic_ips.held(ctx) if elastic_ips.is_elastic(row)]


def _nameless(row: dict[str, Any]) -> Item:
    return {"PublicIp": row["ipaddress"], "AllocationId": elastic_ips.allocation_id(row)}


@action("ModifyAddressAttribute", honours=("AllocationId", "DomainName"), native=("listPublicIpAddresses",))
async def modify_address_attribute(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Refuse a name for an address; setting none is what there is."""
    row = elastic_ips.find(await elastic_ips.held(ctx), request)
    if request.get("DomainName"):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter DomainName with the value '{request['DomainName']}' is not supported: CloudStack has no"
            " reverse DNS.",
        )
    return {"Address": _nameless(row)}


@action("ResetAddressAttribute", honours=("AllocationId", "Attribute"), native=("listPublicIpAddresses",))
async def reset_address_attribute(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the address as it is: it has no name to take off."""
    _check(request.get("Attribute"))
    return {"Address": _nameless(elastic_ips.find(await elastic_ips.held(ctx), request))}
