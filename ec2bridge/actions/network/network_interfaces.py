"""Network interfaces: the NICs of the caller's machines, and those that are attached to none.

Most exist with their machine; `_interfaces` has the others. EC2 clients (Terraform, before it deletes a security
group) look for them by group, subnet and machine.
"""

from collections.abc import Mapping
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.values import known
from ec2bridge.ids import ec2_id
from ec2bridge.resources.addresses import nat_items
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.instances import facts as instance_facts
from ec2bridge.resources.instances import translation
from ec2bridge.resources.interfaces import network_interfaces
from ec2bridge.resources.interfaces.network_interfaces import Record
from ec2bridge.resources.machines import lookup as machine_lookup
from ec2bridge.resources.places import zones as places
from ec2bridge.resources.places.zones import Zone, zone_names
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

_ADDRESSES = "PrivateIpAddresses"


@describe(
    "DescribeNetworkInterfaces",
    items="NetworkInterfaces",
    ids={"NetworkInterfaceIds": Ids("NetworkInterfaceId", "network-interface")},
    filters={
        **TAGS,
        "tag-key": "TagSet.Key",
        "tag-value": "TagSet.Value",
        "association.allocation-id": "Association.AllocationId",
        "association.association-id": "Association.AssociationId",
        "addresses.association.owner-id": f"{_ADDRESSES}.Association.IpOwnerId",
        "addresses.association.public-ip": f"{_ADDRESSES}.Association.PublicIp",
        "addresses.primary": f"{_ADDRESSES}.Primary",
        "addresses.private-ip-address": f"{_ADDRESSES}.PrivateIpAddress",
        "association.ip-owner-id": "Association.IpOwnerId",
        "association.public-ip": "Association.PublicIp",
        "association.public-dns-name": "Association.PublicDnsName",
        "attachment.attach-time": "Attachment.AttachTime",
        "attachment.attachment-id": "Attachment.AttachmentId",
        "attachment.delete-on-termination": "Attachment.DeleteOnTermination",
        "attachment.device-index": "Attachment.DeviceIndex",
        "attachment.instance-id": "Attachment.InstanceId",
        "attachment.instance-owner-id": "Attachment.InstanceOwnerId",
        "attachment.status": "Attachment.Status",
        "availability-zone": zone_names("AvailabilityZone"),
        "availability-zone-id": zone_names("AvailabilityZoneId"),
        "description": "Description",
        "group-id": "Groups.GroupId",
        "group-name": "Groups.GroupName",  # in AWS's list until 2016
        "ipv6-addresses.ipv6-address": "Ipv6Addresses.Ipv6Address",
        "interface-type": "InterfaceType",
        "mac-address": "MacAddress",
        "network-interface-id": "NetworkInterfaceId",
        "operator.managed": None,
        "operator.principal": None,
        "owner-id": "OwnerId",
        "private-dns-name": "PrivateDnsName",
        "private-ip-address": f"{_ADDRESSES}.PrivateIpAddress",
        "requester-id": None,
        "requester-managed": "RequesterManaged",
        "source-dest-check": "SourceDestCheck",
        "status": "Status",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    },
    ignores={"IncludeManagedResources": "no service manages interfaces of its own here"},
    native=("listVirtualMachines",),
)
async def describe_network_interfaces(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the interfaces of the caller's machines, and those that are attached to none."""
    before = await network_interfaces.records(ctx)
    rows = await machine_lookup.list_rows(ctx)
    records = await network_interfaces.settled(ctx, before, rows)
    rows = [row for row in rows if machine_lookup.state_of(row) != "terminated"]
    facts = await instance_facts.gather_facts(ctx, rows, {})
    held = network_interfaces.by_nic(records)
    found = [item for row in rows for item in interfaces(row, translation.instance(facts, row), held)]
    found += await free_items(ctx, [record for record in records.values() if not record["nic"]])
    found += await nat_items.interfaces(ctx)
    tags = await resource_tags.stored(ctx, network_interfaces.KIND)
    for item in found:
        item["TagSet"] = resource_tags.as_list(tags.get(item["_Uuid"], {}))
    return found


async def free_items(ctx: Context, records: list[Record]) -> list[Item]:
    """Translate interfaces that no machine has (yet), in networks that there are."""
    if not records:
        return []
    networks = {row["id"]: row for row in await places.networks(ctx)}
    zones = {zone.uuid: zone for zone in await places.zones(ctx)}
    names = {group.id: group.name for group in await security_groups.groups(ctx)}
    return [
        _free_item(ctx, record, networks[record["subnet"]], zones, names)
        for record in records
        if record["subnet"] in networks
    ]


def _free_item(
    ctx: Context, record: Record, network: Row, zones: Mapping[str, Zone], names: Mapping[str, str]
) -> Item:
    addresses = [record["address"]] if record["address"] else []
    zone = zones.get(network["zoneid"])
    item = known(
        NetworkInterfaceId=ec2_id("eni", record["id"]),
        SubnetId=places.subnet_id(network),
        VpcId=places.vpc_id_of_network(ctx, network),
        AvailabilityZone=zone.name if zone else None,
        AvailabilityZoneId=zone.id if zone else None,
        OwnerId=ctx.owner_id,
        Status="attaching" if record["machine"] else "available",
        InterfaceType="interface",
        Description=record["description"],
        MacAddress=record["mac"],
        PrivateIpAddress=record["address"],
        PrivateIpAddresses=[
            {"Primary": place == 0, "PrivateIpAddress": address}
            for place, address in enumerate([*addresses, *record["secondary"]])
        ],
        Ipv6Addresses=[],
        Groups=[{"GroupId": ident, "GroupName": names.get(ident, "")} for ident in record["groups"]],
        SourceDestCheck=record["check"],
        RequesterManaged=False,
    )
    return {**item, "_Zone": zone, "_Uuid": record["id"]}


def interfaces(row: Row, machine: Item, held: Mapping[str, Record]) -> list[Item]:
    """Return the interfaces of one machine, with what a machine's own listing of them leaves out."""
    nics = network_interfaces.nics_of(row, held)
    return [
        _interface(nics[item["NetworkInterfaceId"]], row, item, machine, held)
        for item in machine["NetworkInterfaces"]
    ]


def _interface(nic: Row, row: Row, item: Item, machine: Item, held: Mapping[str, Record]) -> Item:
    placement = machine["Placement"]
    attachment = {
        **item["Attachment"],
        "InstanceId": machine["InstanceId"],
        "InstanceOwnerId": machine["_Owner"],
    }
    found: Item = {
        **item,
        "Attachment": attachment,
        "RequesterManaged": False,
        "_Zone": machine["_Zone"],
        "_Uuid": held.get(nic["id"], nic)["id"],
    }
    found |= {key: placement[key] for key in ("AvailabilityZone", "AvailabilityZoneId") if key in placement}
    address = nic.get("publicipid") or (row.get("publicipid") if nic.get("isdefault") else None)
    if address and "Association" in found:
        found["Association"] = {
            **found["Association"],
            "AllocationId": ec2_id("eipalloc", address),
            "AssociationId": ec2_id("eipassoc", address),
        }
    return found
