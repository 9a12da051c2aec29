"""Network interfaces: the NICs of the caller's machines, and those that are attached to none.

Most exist with their machine, the others in the store. EC2 clients (Terraform, before it deletes a security
group) look for them by group, subnet and machine.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.resources.instances.interface_items import every
from ec2bridge.resources.places.zones import zone_names

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
    return await every(ctx)
