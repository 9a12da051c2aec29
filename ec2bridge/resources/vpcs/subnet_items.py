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
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


TAKEN_BY_NETWORK = 3
"""The network's own address, its gateway's and its broadcast."""


def subnet_item(
    ctx: Context, row: Row, zone: Zone | None, tags: list[dict[str, str]], *, taken: int, default: bool
) -> Item:
    """Return a network as a subnet; `taken` addresses are known to be in use."""
    ident = subnet_id(row)
    # Networks of a whole domain have no owner; they are the default VPC's, and so is everything in it.
    owner = owner_of(row) if row.get("account") or row.get("projectid") else ctx.owner_id
    block = cidr(row)
    return known(
        SubnetId=ident,
        SubnetArn=f"arn:aws:ec2:{ctx.settings.region}:{owner}:subnet/{ident}",
        OwnerId=owner,
        VpcId=vpc_id_of_network(ctx, row),
        AvailabilityZone=zone.name if zone else None,
        AvailabilityZoneId=zone.id if zone else None,
        State="pending" if row.get("state") == "Implementing" else "available",
        CidrBlock=block,
        AvailableIpAddressCount=free_addresses(row, taken) if block else None,
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


def cidr(row: Row) -> str | None:
    """Return a network's IPv4 range; a layer-2 network has none, and a shared one may have several (the first)."""
    text = row.get("networkcidr") or row.get("cidr")
    return str(text).split(",")[0].strip() if text else None


def free_addresses(row: Row, taken: int) -> int:
    """Return how many addresses are left for machines.

    In a network that several accounts share this is an upper bound: a user cannot see what others have taken.
    Clients that choose the emptiest subnet (Packer, Karpenter) need the number.
    """
    # With a reserved range `cidr` is the part that machines get their addresses from.
    size = ipaddress.ip_network(
        str(row.get("cidr") or cidr(row)).split(",")[0].strip(), strict=False
    ).num_addresses
    return max(0, size - TAKEN_BY_NETWORK - taken)


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
    if not row.get("ip6cidr"):
        return []
    return [
        {
            "AssociationId": ec2_id("subnet-cidr-assoc", row["id"]),
            "Ipv6CidrBlock": row["ip6cidr"],
            "Ipv6CidrBlockState": {"State": "associated"},
        }
    ]
