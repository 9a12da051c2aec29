"""Networks as EC2's subnets, with the number of addresses that are left in them."""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.describe import Item
from ec2bridge.ec2.values import known
from ec2bridge.ids import ec2_id
from ec2bridge.resources.machines.states import HOST_NAMES
from ec2bridge.resources.places.networks import subnet_id, vpc_id_of_network
from ec2bridge.resources.places.ranges import blocks, is_untold, listed
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


TAKEN_BY_NETWORK = 3
"""The network's own address, its gateway's and its broadcast."""


def subnet_item(
    ctx: Context, row: Row, zone: Zone | None, tags: list[dict[str, str]], *, taken: int | None, default: bool
) -> Item:
    """Return a network as a subnet; `taken` addresses are known to be in use, None where nobody can tell."""
    ident = subnet_id(row)
    # Networks of a whole domain have no owner; they are the default VPC's, and so is everything in it.
    owner = owner_of(row) if row.get("account") or row.get("projectid") else ctx.owner_id
    block = cidr(ctx, row)
    return known(
        SubnetId=ident,
        SubnetArn=f"arn:aws:ec2:{ctx.settings.region}:{owner}:subnet/{ident}",
        OwnerId=owner,
        VpcId=vpc_id_of_network(ctx, row),
        AvailabilityZone=zone.name if zone else None,
        AvailabilityZoneId=zone.id if zone else None,
        State="pending" if row.get("state") == "Implementing" else "available",
        CidrBlock=block,
        AvailableIpAddressCount=None if taken is None else free_addresses(row, block, taken),
        DefaultForAz=default,
        MapPublicIpOnLaunch=resource_tags.hidden(row).get("mapPublicIpOnLaunch") == "true",
        MapCustomerOwnedIpOnLaunch=False,
        AssignIpv6AddressOnCreation=bool(row.get("ip6cidr")),
        Ipv6CidrBlockAssociationSet=_ipv6(row),
        Ipv6Native=False,
        EnableDns64=False,
        PrivateDnsNameOptionsOnLaunch={**HOST_NAMES},
        BlockPublicAccessStates={"InternetGatewayBlockMode": "off"},
        Tags=tags,
        _Zone=zone,
    )


def cidr(ctx: Context, row: Row) -> str | None:
    """Return a network's IPv4 range; a layer-2 network has none, and a shared one may have several (the first).

    Of a range that nobody tells, no more is known than that it is in the default VPC, as clients read it unasked.
    """
    found = blocks(row, "networkcidr") or blocks(row)
    if not found and is_untold(row):
        return ctx.settings.default_vpc_cidr
    return str(found[0]) if found else None


def free_addresses(row: Row, block: str | None, taken: int) -> int:
    """Return how many addresses are left for machines; a layer-2 network has none to give.

    In a network that several accounts share this is an upper bound: a user cannot see what others have taken.
    Clients that choose the emptiest subnet (Packer, Karpenter) need the number.
    """
    # With a reserved range `cidr` is the part that machines get their addresses from.
    ranges = blocks(row) or ([ipaddress.IPv4Network(block, strict=False)] if block else [])
    return max(0, sum(range.num_addresses - TAKEN_BY_NETWORK for range in ranges) - taken)


def addresses_taken(machines: Iterable[Row]) -> Counter[str]:
    """Return network uuid → number of addresses that the machines' interfaces have there."""
    taken: Counter[str] = Counter()
    for nic in (nic for row in machines for nic in row.get("nic") or ()):
        taken[nic["networkid"]] += bool(nic.get("ipaddress")) + len(nic.get("secondaryip") or ())
    return taken


def addresses_held(records: Mapping[str, Row]) -> Counter[str]:
    """Return network uuid → number of addresses of interfaces that are not attached."""
    held: Counter[str] = Counter()
    for record in records.values():
        if not record["nic"]:
            held[record["subnet"]] += bool(record["address"]) + len(record["secondary"])
    return held


def _ipv6(row: Row) -> list[dict[str, Any]]:
    """The first of them has the network's digits for its association, and the others digits of their own."""
    return [
        {
            "AssociationId": ec2_id("subnet-cidr-assoc", f"{row['id']}/{block}" if place else row["id"]),
            "Ipv6CidrBlock": block,
            "Ipv6CidrBlockState": {"State": "associated"},
        }
        for place, block in enumerate(listed(row.get("ip6cidr")))
    ]
