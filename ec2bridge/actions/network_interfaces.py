"""Network interfaces: the NICs of the caller's machines.

CloudStack's NIC exists with its machine alone, so every interface is in use; EC2 clients (Terraform, before it
deletes a security group) look for them by group, subnet and machine.
"""

from typing import Any

from ec2bridge.actions import _instance_facts, _instances, _machines, _tags
from ec2bridge.actions._context import Context
from ec2bridge.actions._describe import Ids, Item, describe
from ec2bridge.actions._filters import TAGS
from ec2bridge.actions._places import zone_names
from ec2bridge.ids import ec2_id

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
        "availability-zone-id": "AvailabilityZoneId",
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
    """Return the interfaces of the caller's machines."""
    rows = await _machines.list_rows(ctx)
    rows = [row for row in rows if _machines.state_of(row) != "terminated"]
    facts = await _instance_facts.gather_facts(ctx, rows, {})
    found = [item for row in rows for item in interfaces(row, _instances.instance(facts, row))]
    tags = await _tags.stored(ctx, "network-interface")
    for item in found:
        item["TagSet"] = _tags.as_list(tags.get(item["_Uuid"], {}))
    return found


def interfaces(row: Row, machine: Item) -> list[Item]:
    """Return the interfaces of one machine, with what a machine's own listing of them leaves out."""
    nics = {ec2_id("eni", nic["id"]): nic for nic in row.get("nic") or ()}
    return [
        _interface(nics[item["NetworkInterfaceId"]], row, item, machine)
        for item in machine["NetworkInterfaces"]
    ]


def _interface(nic: Row, row: Row, item: Item, machine: Item) -> Item:
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
        "_Uuid": nic["id"],
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
