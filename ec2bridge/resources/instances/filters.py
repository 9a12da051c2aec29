"""The filters that AWS documents for DescribeInstances, and where an instance has their values.

Filters on data that CloudStack lacks are None: they are known, and match nothing.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from ec2bridge.ec2.filters import TAGS, Filters, walk
from ec2bridge.ids import ec2_id
from ec2bridge.resources.instances import instance_profiles
from ec2bridge.resources.machines.states import host_name_filters
from ec2bridge.resources.places.zones import zone_names

_NIC = "NetworkInterfaces"
_BLOCK = "BlockDeviceMappings"


def _allocations(item: dict[str, Any]) -> list[str]:
    """The ids of a machine's public addresses."""
    return [ec2_id("eipalloc", uuid) for uuid in item.get("_AddressUuids", ())]


def _types(item: dict[str, Any]) -> Iterator[Any]:
    """What a launch may call a machine's type: its name, and its offering's uuid."""
    return chain(walk(item, ["InstanceType"]), walk(item, ["_Offering"]))


ASSOCIATIONS = "_Associations"
"""The member with the ids of a machine's associations, which only their filters look at."""
_ALLOCATION, _ASSOCIATION = _allocations, ASSOCIATIONS

FILTERS: Filters = {
    **TAGS,
    "affinity": None,
    "architecture": "Architecture",
    # Four that stood in AWS's list until 2016, and that euca2ools offers.
    "association.allocation-id": _ALLOCATION,
    "association.association-id": _ASSOCIATION,
    "association.ip-owner-id": f"{_NIC}.Association.IpOwnerId",
    "association.public-ip": f"{_NIC}.Association.PublicIp",
    "availability-zone": zone_names("Placement.AvailabilityZone"),
    "availability-zone-id": zone_names("Placement.AvailabilityZoneId"),
    "block-device-mapping.attach-time": f"{_BLOCK}.Ebs.AttachTime",
    "block-device-mapping.delete-on-termination": f"{_BLOCK}.Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": f"{_BLOCK}.DeviceName",
    "block-device-mapping.status": f"{_BLOCK}.Ebs.Status",
    "block-device-mapping.volume-id": f"{_BLOCK}.Ebs.VolumeId",
    "boot-mode": None,
    "capacity-reservation-id": None,
    "capacity-reservation-specification.capacity-reservation-preference": (
        "CapacityReservationSpecification.CapacityReservationPreference"
    ),
    "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id": None,
    "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn": None,
    "client-token": "ClientToken",
    "current-instance-boot-mode": None,
    "dns-name": "PublicDnsName",
    "ebs-optimized": "EbsOptimized",
    "ena-support": "EnaSupport",
    "enclave-options.enabled": "EnclaveOptions.Enabled",
    "hibernation-options.configured": "HibernationOptions.Configured",
    "host-id": None,
    "hypervisor": "Hypervisor",
    "iam-instance-profile.arn": "IamInstanceProfile.Arn",
    "iam-instance-profile.id": "IamInstanceProfile.Id",
    "iam-instance-profile.name": instance_profiles.names,
    "image-id": "ImageId",
    "instance-id": "InstanceId",
    "instance-lifecycle": "InstanceLifecycle",
    "instance-state-code": "State.Code",
    "instance-state-name": "State.Name",
    "instance-type": _types,
    "instance.group-id": "SecurityGroups.GroupId",
    "instance.group-name": "SecurityGroups.GroupName",
    "group-id": "SecurityGroups.GroupId",
    "group-name": "SecurityGroups.GroupName",
    "ip-address": "PublicIpAddress",
    "ipv6-address": "Ipv6Address",
    "kernel-id": None,
    "key-name": "KeyName",
    "launch-index": "AmiLaunchIndex",
    "launch-time": "LaunchTime",
    "maintenance-options.auto-recovery": "MaintenanceOptions.AutoRecovery",
    "metadata-options.http-endpoint": "MetadataOptions.HttpEndpoint",
    "metadata-options.http-protocol-ipv4": None,
    "metadata-options.http-protocol-ipv6": "MetadataOptions.HttpProtocolIpv6",
    "metadata-options.http-put-response-hop-limit": "MetadataOptions.HttpPutResponseHopLimit",
    "metadata-options.http-tokens": "MetadataOptions.HttpTokens",
    "metadata-options.instance-metadata-tags": "MetadataOptions.InstanceMetadataTags",
    "metadata-options.state": "MetadataOptions.State",
    "monitoring-state": "Monitoring.State",
    "network-interface.addresses.association.allocation-id": _ALLOCATION,
    "network-interface.addresses.association.association-id": _ASSOCIATION,
    "network-interface.addresses.association.carrier-ip": None,
    "network-interface.addresses.association.customer-owned-ip": None,
    "network-interface.addresses.association.ip-owner-id": f"{_NIC}.PrivateIpAddresses.Association.IpOwnerId",
    "network-interface.addresses.association.public-dns-name": f"{_NIC}.PrivateIpAddresses.Association.PublicDnsName",
    "network-interface.addresses.association.public-ip": f"{_NIC}.PrivateIpAddresses.Association.PublicIp",
    "network-interface.addresses.primary": f"{_NIC}.PrivateIpAddresses.Primary",
    "network-interface.addresses.private-dns-name": f"{_NIC}.PrivateIpAddresses.PrivateDnsName",
    "network-interface.addresses.private-ip-address": f"{_NIC}.PrivateIpAddresses.PrivateIpAddress",
    "network-interface.association.allocation-id": _ALLOCATION,
    "network-interface.association.association-id": _ASSOCIATION,
    "network-interface.association.carrier-ip": None,
    "network-interface.association.customer-owned-ip": None,
    "network-interface.association.ip-owner-id": f"{_NIC}.Association.IpOwnerId",
    "network-interface.association.public-dns-name": f"{_NIC}.Association.PublicDnsName",
    "network-interface.association.public-ip": f"{_NIC}.Association.PublicIp",
    "network-interface.attachment.attach-time": f"{_NIC}.Attachment.AttachTime",
    "network-interface.attachment.attachment-id": f"{_NIC}.Attachment.AttachmentId",
    "network-interface.attachment.delete-on-termination": f"{_NIC}.Attachment.DeleteOnTermination",
    "network-interface.attachment.device-index": f"{_NIC}.Attachment.DeviceIndex",
    "network-interface.attachment.instance-id": lambda item: [item["InstanceId"]] if item[_NIC] else (),
    "network-interface.attachment.instance-owner-id": f"{_NIC}.OwnerId",
    "network-interface.attachment.network-card-index": f"{_NIC}.Attachment.NetworkCardIndex",
    "network-interface.attachment.status": f"{_NIC}.Attachment.Status",
    "network-interface.availability-zone": lambda item: (
        [item["_Zone"].name] if item[_NIC] and item["_Zone"] else ()
    ),
    "network-interface.deny-all-igw-traffic": None,
    "network-interface.description": f"{_NIC}.Description",
    "network-interface.group-id": f"{_NIC}.Groups.GroupId",
    "network-interface.group-name": f"{_NIC}.Groups.GroupName",
    "network-interface.ipv4-prefixes.ipv4-prefix": None,
    "network-interface.ipv6-address": f"{_NIC}.Ipv6Addresses.Ipv6Address",
    "network-interface.ipv6-addresses.ipv6-address": f"{_NIC}.Ipv6Addresses.Ipv6Address",
    "network-interface.ipv6-addresses.is-primary-ipv6": None,
    "network-interface.ipv6-native": None,
    "network-interface.ipv6-prefixes.ipv6-prefix": None,
    "network-interface.mac-address": f"{_NIC}.MacAddress",
    "network-interface.network-interface-id": f"{_NIC}.NetworkInterfaceId",
    "network-interface.operator.managed": None,
    "network-interface.operator.principal": None,
    "network-interface.outpost-arn": None,
    "network-interface.owner-id": f"{_NIC}.OwnerId",
    "network-interface.private-dns-name": f"{_NIC}.PrivateDnsName",
    "network-interface.private-ip-address": f"{_NIC}.PrivateIpAddress",
    "network-interface.public-dns-name": f"{_NIC}.Association.PublicDnsName",
    "network-interface.requester-id": None,
    "network-interface.requester-managed": None,
    "network-interface.status": f"{_NIC}.Status",
    "network-interface.source-dest-check": f"{_NIC}.SourceDestCheck",
    "network-interface.subnet-id": f"{_NIC}.SubnetId",
    "network-interface.tag-key": None,
    "network-interface.tag-value": None,
    "network-interface.vpc-id": f"{_NIC}.VpcId",
    "network-performance-options.bandwidth-weighting": None,
    "operator.managed": None,
    "operator.principal": None,
    "outpost-arn": None,
    "owner-id": "_Owner",
    "placement-group-name": "Placement.GroupName",
    "placement-partition-number": None,
    "platform": "Platform",
    "platform-details": "PlatformDetails",
    "private-dns-name": "PrivateDnsName",
    **host_name_filters("private-dns-name-options", "PrivateDnsNameOptions"),
    "private-ip-address": "PrivateIpAddress",
    "product-code": None,
    "product-code.type": None,
    "ramdisk-id": None,
    "reason": "StateTransitionReason",
    "requester-id": None,
    "reservation-id": "_Reservation",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "source-dest-check": "SourceDestCheck",
    "spot-instance-request-id": None,
    "state-reason-code": "StateReason.Code",
    "state-reason-message": "StateReason.Message",
    "subnet-id": "SubnetId",
    "tenancy": "Placement.Tenancy",
    "tpm-support": None,
    "usage-operation": "UsageOperation",
    "usage-operation-update-time": None,
    "virtualization-type": "VirtualizationType",
    "vpc-id": "VpcId",
}
