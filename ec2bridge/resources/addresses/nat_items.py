"""NAT gateways as EC2 describes them, and what else is shown of them: their interface and their address."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import known
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import elastic_ips, nat_gateways
from ec2bridge.resources.addresses.nat_gateways import Gateway
from ec2bridge.resources.places import zones as places
from ec2bridge.resources.places.networks import networks as list_networks
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.vpcs.host_names import named_vpcs, public_name

Row = dict[str, Any]
Item = dict[str, Any]

_STATUS = {nat_gateways.PENDING: "associating", nat_gateways.AVAILABLE: "succeeded"}


async def networks(ctx: Context) -> dict[str, Row]:
    """Return the networks that gateways can be in, by uuid."""
    return {row["id"]: row for row in await list_networks(ctx)}


def item(gateway: Gateway, rows: Mapping[str, Row], tags: list[dict[str, str]]) -> Item:
    """Return a gateway that is there; in its subnet it has the router's address."""
    address = known(
        AllocationId=elastic_ips.allocation_id(gateway.row),
        AssociationId=elastic_ips.association_id(gateway.row),
        PublicIp=gateway.row["ipaddress"],
        PrivateIp=rows.get(gateway.subnet, {}).get("gateway"),
        NetworkInterfaceId=interface_id(gateway),
        IsPrimary=True,
        Status=_STATUS.get(gateway.state, "disassociating"),
    )
    return {
        **_common(gateway.key, gateway.record, gateway.state),
        "NatGatewayAddresses": [address],
        "Tags": tags,
    }


def past(key: str, record: Row) -> Item:
    """Return a gateway that was deleted, or failed, a short while ago."""
    address = {"AllocationId": ec2_id("eipalloc", record["address"]), "PublicIp": record["ip"]}
    return {
        **_common(key, record, nat_gateways.FAILED if record.get("failure") else "deleted"),
        "DeleteTime": _time(record["gone"]),
        "NatGatewayAddresses": [address],
        "Tags": [],
    }


def _common(key: str, record: Row, state: str) -> Item:
    failure = record.get("failure") or None
    return known(
        NatGatewayId=ec2_id("nat", key),
        VpcId=ec2_id("vpc", record["vpc"]),
        SubnetId=ec2_id("subnet", record["subnet"]),
        State=state,
        CreateTime=_time(record["created"]),
        ConnectivityType="public",
        AvailabilityMode="zonal",
        FailureCode="InternalError" if failure else None,
        FailureMessage=failure,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def interface_id(gateway: Gateway) -> str:
    """Return the id of a gateway's network interface, which has the gateway's digits."""
    return ec2_id("eni", gateway.key)


async def associations(ctx: Context, rows: Iterable[Row]) -> dict[str, Item]:
    """Return what DescribeAddresses tells of Elastic IPs that gateways have, by the addresses' uuids."""
    if not any(elastic_ips.nat_mark(row) for row in rows):
        return {}
    found, subnets = await nat_gateways.gateways(ctx), await networks(ctx)
    return {gateway.row["id"]: _association(ctx, gateway, subnets) for gateway in found}


def _association(ctx: Context, gateway: Gateway, subnets: Mapping[str, Row]) -> Item:
    return known(
        AssociationId=elastic_ips.association_id(gateway.row),
        NetworkInterfaceId=interface_id(gateway),
        NetworkInterfaceOwnerId=ctx.owner_id,
        PrivateIpAddress=subnets.get(gateway.subnet, {}).get("gateway"),
        SubnetId=ec2_id("subnet", gateway.subnet),
    )


async def interfaces(ctx: Context) -> list[Item]:
    """Return the gateways' network interfaces as DescribeNetworkInterfaces has them."""
    found = await nat_gateways.known(ctx)
    subnets = await networks(ctx) if found else {}
    zones = {zone.uuid: zone for zone in await places.zones(ctx)} if found else {}
    named = await named_vpcs(ctx, [ec2_id("vpc", gateway.vpc) for gateway in found])
    return [_interface(ctx, gateway, subnets.get(gateway.subnet, {}), zones, named) for gateway in found]


def _interface(
    ctx: Context, gateway: Gateway, subnet: Row, zones: Mapping[str, Zone], named: Collection[str]
) -> Item:
    name = public_name(gateway.row["ipaddress"], named=ec2_id("vpc", gateway.vpc) in named)
    association = known(
        PublicIp=gateway.row["ipaddress"],
        AllocationId=elastic_ips.allocation_id(gateway.row),
        AssociationId=elastic_ips.association_id(gateway.row),
        IpOwnerId=ctx.owner_id,
        PublicDnsName=name,
    )
    private, zone = subnet.get("gateway"), zones.get(subnet.get("zoneid", ""))
    item = known(
        NetworkInterfaceId=interface_id(gateway),
        InterfaceType="nat_gateway",
        Description=f"Interface for NAT Gateway {gateway.id}",
        Status="in-use",
        SubnetId=ec2_id("subnet", gateway.subnet),
        VpcId=ec2_id("vpc", gateway.vpc),
        AvailabilityZone=zone.name if zone else None,
        AvailabilityZoneId=zone.id if zone else None,
        OwnerId=ctx.owner_id,
        PrivateIpAddress=private,
        PrivateIpAddresses=[
            known(Primary=True, PrivateIpAddress=private, Association=association),
        ],
        Association=association,
        PublicDnsName=name or None,
        Ipv6Addresses=[],
        Groups=[],
        SourceDestCheck=False,
        RequesterManaged=True,
    )
    return {**item, "_Zone": zone, "_Uuid": gateway.key}
