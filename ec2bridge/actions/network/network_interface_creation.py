"""Network interfaces made and deleted by themselves; kept in the store until they are attached."""

from functools import partial
from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.instances.interface_items import free_items, with_tags
from ec2bridge.resources.interfaces import addresses as interface_addresses
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.places import deletion
from ec2bridge.resources.places.networks import resolve_subnet, subnet_id, vpc_id_of_network
from ec2bridge.resources.places.zones import resolve_zone
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


@action(
    "CreateNetworkInterface",
    honours=(
        "SubnetId",
        "Description",
        "Groups",
        "PrivateIpAddress",
        "PrivateIpAddresses",
        "SecondaryPrivateIpAddressCount",
        "TagSpecifications",
        "ClientToken",
    ),
    defaults={
        "InterfaceType": ("interface",),
        "Ipv6AddressCount": (0,),
        "Ipv6PrefixCount": (0,),
        "Ipv4PrefixCount": (0,),
        "EnablePrimaryIpv6": (False,),
    },
    native=("listNetworks", "listVirtualMachines"),
)
async def create_network_interface(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make an interface in a subnet, to be attached to a machine."""
    if not request.get("SubnetId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter subnetId")
    network = await resolve_subnet(ctx, request["SubnetId"])
    zone = await resolve_zone(ctx, network["zoneid"])
    if zone.basic:
        raise Ec2Error(
            "UnsupportedOperation",
            f"No interfaces can be created in {subnet_id(network)}: a machine of a basic zone has one and keeps it.",
        )
    tags = resource_tags.specified(request, network_interfaces.KIND)
    known = await security_groups.groups(ctx)
    groups = known.chosen(vpc_id_of_network(ctx, network), request.get("Groups") or ())
    description = network_interfaces.description(request.get("Description"))
    await quotas.check(
        ctx,
        network_interfaces.KIND,
        "NetworkInterfaceLimitExceeded",
        "network interfaces",
        network_interfaces.MOST,
    )
    address, secondary = await interface_addresses.chosen(ctx, network, request)
    record = network_interfaces.new(
        network["id"],
        address=address,
        secondary=secondary,
        description=description,
        groups=[group.id for group in groups],
    )
    await network_interfaces.put(ctx, record)
    places = [("subnet", network["id"]), *(("security-group", group.uuid) for group in groups)]
    await deletion.check_all(ctx, places, partial(network_interfaces.drop, ctx, record))
    await resource_tags.attach(ctx, network_interfaces.KIND, record["id"], tags)
    [item] = await free_items(ctx, [record])
    made = {name: value for name, value in with_tags(item, tags).items() if name[0] != "_"}
    return {"NetworkInterface": {**made, "Status": "pending"}}


@action("DeleteNetworkInterface", honours=("NetworkInterfaceId",), native=("listVirtualMachines",))
async def delete_network_interface(ctx: Context, request: dict[str, Any]) -> None:
    """Delete an interface that is attached to nothing."""
    ident = request.get("NetworkInterfaceId") or ""
    record = await network_interfaces.unattached(ctx, ident)
    if record is None:
        raise Ec2Error("InvalidParameterValue", f"Network interface '{ident}' is currently in use.")
    if not await network_interfaces.drop_free(ctx, record):
        # Another request was faster: it was deleted, or is being attached.
        await delete_network_interface(ctx, request)
