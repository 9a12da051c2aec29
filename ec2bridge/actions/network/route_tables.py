"""Route tables, described, made and associated.

CloudStack's VPC router has one table for all tiers: what lies in the VPC is routed to its tier, all else to the
internet. So a table is a record in the store; a route to the internet gateway says what happens anyway.
"""

import uuid
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.addresses import nat_gateways
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import (
    resolve_subnet,
    resolve_vpc,
    subnet_id,
    vpc_id_of_network,
    vpc_rows,
)
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.vpcs import route_tables
from ec2bridge.resources.vpcs.route_tables import MOST_TABLES, OF_SUBNET, OF_VPC, TABLE, Table
from ec2bridge.resources.vpn import routes as vpn_routes

ASSOCIATED = {"State": "associated"}


@describe(
    "DescribeRouteTables",
    items="RouteTables",
    ids={"RouteTableIds": Ids("RouteTableId", TABLE)},
    filters={
        **TAGS,
        "association.gateway-id": None,
        "association.main": "Associations.Main",
        "association.route-table-association-id": "Associations.RouteTableAssociationId",
        "association.route-table-id": "Associations.RouteTableId",
        "association.subnet-id": "Associations.SubnetId",
        "owner-id": "OwnerId",
        "route-table-id": "RouteTableId",
        "route.destination-cidr-block": "Routes.DestinationCidrBlock",
        "route.destination-ipv6-cidr-block": None,
        "route.destination-prefix-list-id": "Routes.DestinationPrefixListId",
        "route.egress-only-internet-gateway-id": None,
        "route.gateway-id": "Routes.GatewayId",
        "route.instance-id": "Routes.InstanceId",
        "route.nat-gateway-id": "Routes.NatGatewayId",
        "route.origin": "Routes.Origin",
        "route.state": "Routes.State",
        "route.transit-gateway-id": None,
        "route.vpc-peering-connection-id": None,
        "vpc-id": "VpcId",
    },
    native=("listVPCs",),
)
async def describe_route_tables(ctx: Context, request: Request) -> list[Item]:
    """Return the caller's tables: every VPC's main one, and those that were made."""
    vpcs = await vpc_rows(ctx)
    found = await route_tables.tables(ctx, vpcs)
    attached = {gateway.key for gateway in await route_tables.gateways(ctx, vpcs) if gateway.vpc}
    if any("nat" in route for table in found for route in table.routes.values()):
        attached |= {gateway.key for gateway in await nat_gateways.gateways(ctx) if gateway.routes}
    vpn, propagated = await vpn_routes.shown(ctx, found)
    tags = await resource_tags.merged(ctx, TABLE, [{"id": table.key} for table in found])
    return [
        _item(ctx, table, attached | vpn, tags[table.key], *propagated.get(table.key, ())) for table in found
    ]


def _item(
    ctx: Context,
    table: Table,
    attached: Collection[str | None],
    tags: list[dict[str, str]],
    propagating: str | None = None,
    propagated: Sequence[Item] = (),
) -> Item:
    local = {"DestinationCidrBlock": table.vpc["cidr"], "GatewayId": "local", "Origin": "CreateRouteTable"}
    return {
        "RouteTableId": table.id,
        "VpcId": ec2_id("vpc", table.vpc["id"]),
        "OwnerId": ctx.owner_id if table.vpc.get("default") else owner_of(table.vpc),
        "Associations": [
            _association(table, ident, subnet) for ident, subnet in route_tables.associations(table)
        ],
        "Routes": [
            {**local, "State": "active"},
            *(route_tables.route_item(to, route, attached) for to, route in table.routes.items()),
            *propagated,
        ],
        "PropagatingVgws": [{"GatewayId": propagating}] if propagating else [],
        "Tags": tags,
    }


def _association(table: Table, ident: str, subnet: str | None) -> Item:
    item: Item = {
        "RouteTableAssociationId": ident,
        "RouteTableId": table.id,
        "Main": subnet is None,
        "AssociationState": ASSOCIATED,
    }
    return item if subnet is None else {**item, "SubnetId": ec2_id("subnet", subnet)}


@action("CreateRouteTable", honours=("VpcId", "TagSpecifications", "ClientToken"), native=("listVPCs",))
async def create_route_table(ctx: Context, request: Request) -> dict[str, Any]:
    """Make a table with the local route alone."""
    tags = resource_tags.specified(request, TABLE)
    vpc = await resolve_vpc(ctx, request.get("VpcId") or "")
    if sum(table.vpc["id"] == vpc["id"] for table in await route_tables.tables(ctx, [vpc])) >= MOST_TABLES:
        raise quotas.exceeded("RouteTableLimitExceeded", MOST_TABLES, "route tables for the VPC")
    table = Table(str(uuid.uuid4()), vpc, {})
    await ctx.store.put(ctx.owner_id, TABLE, table.key, {"vpc": vpc["id"], "routes": {}})
    await deletion.check(ctx, "vpc", vpc["id"], partial(route_tables.drop, ctx, table.key))
    await resource_tags.attach(ctx, TABLE, table.key, tags)
    ctx.directory.remember(TABLE, [{"id": table.key}])
    return {"RouteTable": _item(ctx, table, set(), resource_tags.as_list(tags))}


@action("DeleteRouteTable", honours=("RouteTableId",), native=("listVPCs",))
async def delete_route_table(ctx: Context, request: Request) -> None:
    """Delete a table that no subnet has."""
    gone = False
    while not gone:
        # Read first: what is associated meanwhile gives it another version.
        versions = {entry.key: entry.version for entry in await ctx.store.list(ctx.owner_id, TABLE)}
        table = await route_tables.table(ctx, request.get("RouteTableId") or "")
        if table.main or table.subnets or table.implied:
            sentence = f"The routeTable '{table.id}' has dependencies and cannot be deleted."
            raise Ec2Error("DependencyViolation", sentence)
        gone = await ctx.store.delete(ctx.owner_id, TABLE, table.key, versions.get(table.key, 0))
    await route_tables.drop(ctx, table.key)


@action("AssociateRouteTable", honours=("RouteTableId", "SubnetId"), native=("listVPCs", "listNetworks"))
async def associate_route_table(ctx: Context, request: Request) -> dict[str, Any]:
    """Make a table that of a subnet."""
    table = await route_tables.table(ctx, request.get("RouteTableId") or "")
    if not request.get("SubnetId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter subnetId")
    row = await resolve_subnet(ctx, request["SubnetId"])
    if vpc_id_of_network(ctx, row) != ec2_id("vpc", table.vpc["id"]):
        sentence = f"Route table {table.id} and subnet {subnet_id(row)} belong to different networks"
        raise Ec2Error("InvalidParameterValue", sentence)
    for other in await route_tables.tables(ctx):
        if row["id"] in other.subnets and other.key != table.key:
            sentence = "the specified association for route table conflicts with an existing association"
            raise Ec2Error("Resource.AlreadyAssociated", f"{sentence}: {subnet_id(row)} has {other.id}")
        if row["id"] in other.subnets:
            ident = ec2_id("rtbassoc", other.subnets[row["id"]])
            return {"AssociationId": ident, "AssociationState": ASSOCIATED}
    ident = await route_tables.associate(ctx, table, OF_SUBNET, row["id"])
    await deletion.check(ctx, "subnet", row["id"], partial(route_tables.leave_subnet, ctx, row["id"]))
    return {"AssociationId": ident, "AssociationState": ASSOCIATED}


async def _associated(ctx: Context, ident: str) -> tuple[Table, str | None]:
    """Return the table and the subnet (None for the main table) of an association."""
    for table in await route_tables.tables(ctx):
        for known, subnet in route_tables.associations(table):
            if ident == known:
                return table, subnet
    kind = KINDS["route-table-association"]
    raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)


@action("DisassociateRouteTable", honours=("AssociationId",), native=("listVPCs",))
async def disassociate_route_table(ctx: Context, request: Request) -> None:
    """Give a subnet its VPC's main table again."""
    ident = request.get("AssociationId") or ""
    _, subnet = await _associated(ctx, ident)
    if subnet is None:
        sentence = f"cannot disassociate the main route table association {ident}"
        raise Ec2Error("InvalidParameterValue", sentence)
    await ctx.store.delete(ctx.owner_id, OF_SUBNET, subnet)


@action("ReplaceRouteTableAssociation", honours=("AssociationId", "RouteTableId"), native=("listVPCs",))
async def replace_route_table_association(ctx: Context, request: Request) -> dict[str, Any]:
    """Give a subnet another table, or a VPC another main one; the association gets a new id."""
    old, subnet = await _associated(ctx, request.get("AssociationId") or "")
    table = await route_tables.table(ctx, request.get("RouteTableId") or "")
    if table.vpc["id"] != old.vpc["id"]:
        sentence = (
            f"Route table {table.id} and network {ec2_id('vpc', old.vpc['id'])} belong to different networks"
        )
        raise Ec2Error("InvalidParameterValue", sentence)
    kind, key = (OF_VPC, old.vpc["id"]) if subnet is None else (OF_SUBNET, subnet)
    ident = await route_tables.associate(ctx, table, kind, key)
    place = "vpc" if subnet is None else "subnet"
    await deletion.check(ctx, place, key, partial(ctx.store.delete, ctx.owner_id, kind, key))
    return {"NewAssociationId": ident, "AssociationState": ASSOCIATED}
