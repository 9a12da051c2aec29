"""What EC2's nouns have for members, and where each of them comes from here.

Every member that botocore's model has of the nouns that clients look at most is decided once: told from CloudStack (or
from what the bridge keeps), AWS's constant, or left out with the reason. A member that AWS adds fails a test until it
is decided, and so does an answer that says anything else than this table. `docs/members.md` is made from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2 import registry

TOLD, CONSTANT, ABSENT = "told", "constant", "left out"


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun: the shape of AWS's model, the action that lists it, and each member's path with what becomes of it.

    A path stands for all that lies below it, but for longer ones. `constant` gives the value, and why it is true.
    """

    shape: str
    action: str
    told: Mapping[str, str]
    constant: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def decisions(self) -> dict[str, str]:
        """Return path → told, constant or left out."""
        return {
            path: word
            for word, paths in ((TOLD, self.told), (CONSTANT, self.constant), (ABSENT, self.absent))
            for path in paths
        }

    def decided(self, path: str) -> tuple[str, str] | None:
        """Return what is decided of a member, and the path that decides it; None for one that nobody decided."""
        decisions, covering = self.decisions(), path
        while covering:
            if covering in decisions:
                return decisions[covering], covering
            covering = covering.rpartition(".")[0]
        return None


_ARN = "made of region, account and id"
_TAGS = "CloudStack's tags, or the store's where CloudStack has none of the kind"
_ZONE = "the zone; its name is the region's with a letter, or the operator's"
_OWNER = "the account or project, as twelve digits"
_OPERATOR = "no service of AWS's manages anything here"
_OUTPOST = "there are no Outposts"
_CARRIER = "there are no carriers and no addresses of the customer's own"
_CARD = "CloudStack's machines have network cards of no such kind"
_EBS_CARD = "CloudStack has no cards for disks"
_KMS = "CloudStack keeps the keys of encrypted disks to itself"
_INFERENCE = "CloudStack has no such hardware"
_PRODUCTS = "there is no marketplace"
_PREFIXES = "CloudStack gives interfaces single addresses"
_TRACKING = "CloudStack does not tell how long it keeps connections"
_BLOCK_ACCESS = "CloudStack has no such switch"
_DNS = "the address itself, in a VPC with EnableDnsHostnames: CloudStack makes no names for public addresses"
_NAME = (
    "the machine's name, which the network's router answers; of an interface in a VPC with EnableDnsHostnames"
)
_XEN = "`ovm` where CloudStack says Ovm; else `xen`, as AWS says of its KVM too"
_WINDOWS = "the operating system's name has Windows in it"
_NOT_ENA = "CloudStack's machines have network cards of other makes"

_ASSOCIATION = {
    "CarrierIp": _CARRIER,
    "CustomerOwnedIp": _CARRIER,
}


def _below(prefix: str, paths: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{path}": value for path, value in paths.items()}


_NIC_ABSENT = {
    **_below("Association", _ASSOCIATION),
    **_below("PrivateIpAddresses.Association", _ASSOCIATION),
    "Attachment.EnaSrdSpecification": _CARD,
    "Attachment.EnaQueueCount": _CARD,
    "Ipv6Addresses.IsPrimaryIpv6": "CloudStack gives an interface one IPv6 address at most",
    "Ipv4Prefixes": _PREFIXES,
    "Ipv6Prefixes": _PREFIXES,
    "ConnectionTrackingConfiguration": _TRACKING,
    "Operator": _OPERATOR,
}

INSTANCE = Noun(
    "Instance",
    "DescribeInstances",
    told={
        "AmiLaunchIndex": "a detail of the machine, written at launch",
        "Architecture": "the image's",
        "BlockDeviceMappings": "the machine's volumes: device number, name, and when each was attached",
        "CapacityReservationSpecification.CapacityReservationPreference": "what was chosen, kept in a hidden tag",
        "ClientToken": "a detail of the machine, written at launch",
        "CpuOptions.CoreCount": "the processors",
        "CpuOptions.ThreadsPerCore": "one, unless the detail `cpu.threadspercore` says more",
        "EbsOptimized": "what was chosen, kept in a hidden tag",
        "Hypervisor": _XEN,
        "IamInstanceProfile": "what was named, kept in a hidden tag, where `iam_instance_profiles` is `ignore`",
        "ImageId": "the template",
        "InstanceId": "the machine's uuid",
        "InstanceLifecycle": "`spot` for a machine with a lease",
        "InstanceType": "the type that was asked for, while the machine has its size; else its offering's name",
        "Ipv6Address": "of the default NIC",
        "KeyName": "the key pair",
        "LaunchTime": "when it was made",
        "MaintenanceOptions.AutoRecovery": "`disabled` where that was asked for and the offering does not recover",
        "MetadataOptions": "what was chosen, kept in a hidden tag",
        "Monitoring.State": "what was chosen, kept in a hidden tag; CloudStack measures every minute anyway",
        "NetworkInterfaces": "the NICs, and what the store keeps of their interfaces",
        "NetworkInterfaces.Association.PublicDnsName": _DNS,
        "NetworkInterfaces.PrivateIpAddresses.Association.PublicDnsName": _DNS,
        "NetworkInterfaces.PrivateDnsName": _NAME,
        "NetworkInterfaces.PrivateIpAddresses.PrivateDnsName": _NAME,
        "Placement.AvailabilityZone": _ZONE,
        "Placement.AvailabilityZoneId": _ZONE,
        "Placement.GroupId": "the affinity group",
        "Placement.GroupName": "the affinity group",
        "Platform": _WINDOWS,
        "PlatformDetails": _WINDOWS,
        "PrivateDnsName": "the machine's name, which the network's router answers",
        "PrivateIpAddress": "of the default NIC",
        "PublicDnsName": _DNS,
        "PublicIpAddress": "the address with static NAT to the machine",
        "SecurityGroups": "CloudStack's groups, or those kept in a hidden tag where the bridge enforces them",
        "SourceDestCheck": "what was chosen, kept in a hidden tag",
        "State": "CloudStack's state, or a launch, a switch or a termination that is under way",
        "StateReason": "why a launch, a start or a stop failed, or who stopped or ended it",
        "StateTransitionReason": "as StateReason",
        "SubnetId": "the default NIC's network",
        "Tags": _TAGS,
        "UsageOperation": _WINDOWS,
        "VirtualizationType": "the image's: only XenServer has anything but `hvm`",
        "VpcId": "the network's VPC, else the default one",
    },
    constant={
        "EnaSupport": (False, _NOT_ENA),
        "EnclaveOptions.Enabled": (False, "CloudStack has no enclaves"),
        "HibernationOptions.Configured": (False, "CloudStack does not hibernate machines"),
        "MaintenanceOptions.RebootMigration": ("default", "nothing can be chosen"),
        "NetworkInterfaces.Attachment.NetworkCardIndex": (0, "a machine has one network card in EC2's sense"),
        "NetworkInterfaces.InterfaceType": ("interface", "CloudStack's NICs are of one kind"),
        "Placement.Tenancy": ("default", "hosts are dedicated by the administrator alone"),
        "PrivateDnsNameOptions.HostnameType": ("ip-name", "nothing about CloudStack's names can be chosen"),
        "PrivateDnsNameOptions.EnableResourceNameDnsARecord": (False, "as HostnameType"),
        "PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord": (False, "as HostnameType"),
        "ProductCodes": ([], _PRODUCTS),
        "RootDeviceName": ("/dev/sda1", "AWS's usual name; CloudStack's root is device 0"),
        "RootDeviceType": ("ebs", "every root is a volume"),
    },
    absent={
        **_below("NetworkInterfaces", _NIC_ABSENT),
        "BlockDeviceMappings.Ebs.AssociatedResource": _OPERATOR,
        "BlockDeviceMappings.Ebs.EbsCardIndex": _EBS_CARD,
        "BlockDeviceMappings.Ebs.Operator": _OPERATOR,
        "BlockDeviceMappings.Ebs.VolumeOwnerId": "AWS tells it of volumes that its services attach",
        "BootMode": "CloudStack tells users nothing of a template's boot mode",
        "CapacityBlockId": "there are no capacity reservations",
        "CapacityReservationId": "there are no capacity reservations",
        "CapacityReservationSpecification.CapacityReservationTarget": "there are no capacity reservations",
        "CpuOptions.AmdSevSnp": _INFERENCE,
        "CpuOptions.NestedVirtualization": "CloudStack does not tell whether a host allows it",
        "CurrentInstanceBootMode": "CloudStack tells users nothing of a machine's firmware for certain",
        "ElasticGpuAssociations": _INFERENCE,
        "ElasticInferenceAcceleratorAssociations": _INFERENCE,
        "KernelId": "images have their own kernel",
        "Licenses": "there is no license manager",
        "Monitoring.MetricCategoryIds": "metrics have no categories",
        "NetworkPerformanceOptions": "bandwidth is the offering's",
        "Operator": _OPERATOR,
        "OutpostArn": _OUTPOST,
        "Placement.Affinity": "it goes with dedicated hosts",
        "Placement.HostId": "hosts are the administrator's to see",
        "Placement.HostResourceGroupArn": "it goes with dedicated hosts",
        "Placement.PartitionNumber": "CloudStack has no partitions",
        "Placement.SpreadDomain": "AWS has no use for it",
        "RamdiskId": "images have their own",
        "SecondaryInterfaces": "CloudStack has no secondary networks",
        "SpotInstanceRequestId": "a request is found by its machine, and the machine does not name it",
        "SriovNetSupport": _NOT_ENA,
        "TpmSupport": "CloudStack does not tell users whether a machine has a TPM",
        "UsageOperationUpdateTime": "the operation never changes",
    },
)

IMAGE = Noun(
    "Image",
    "DescribeImages",
    told={
        "Architecture": "the template's; before 4.20 its OS type's",
        "BlockDeviceMappings.Ebs.SnapshotId": "of an image that was made of a snapshot, kept in a hidden tag",
        "BlockDeviceMappings.Ebs.VolumeSize": "the template's size",
        "BlockDeviceMappings.Ebs.VolumeType": "what the image was registered with; else that of roots whose offering"
        " no table names",
        "CreationDate": "the template's",
        "DeprecationTime": "what was chosen, kept in a hidden tag",
        "DeregistrationProtection": "what was chosen, kept in a hidden tag",
        "Description": "the display text, where it is not the name",
        "EnaSupport": "what the image was registered with, kept in a hidden tag; else false",
        "Hypervisor": _XEN,
        "ImageId": "the template's uuid",
        "ImageLocation": "made of the owner's alias, else its id, and the name, as AWS does",
        "ImageOwnerAlias": "`amazon` for what the operator features",
        "ImageType": "`machine`; `iso` for an ISO that the filter image-type asks for",
        "Name": "the template's",
        "OwnerId": _OWNER,
        "Platform": _WINDOWS,
        "PlatformDetails": _WINDOWS,
        "Public": "whether the template is",
        "SourceImageId": "the template that it was made of, where CloudStack tells",
        "SourceImageRegion": "with SourceImageId: the one region",
        "SourceInstanceId": "kept in a hidden tag",
        "SriovNetSupport": "what the image was registered with, kept in a hidden tag",
        "State": "whether the template is ready, else its status",
        "StateReason": "CloudStack's status, where the making failed",
        "Tags": _TAGS,
        "UsageOperation": _WINDOWS,
        "VirtualizationType": "only XenServer has anything but `hvm`",
    },
    constant={
        "BlockDeviceMappings.DeviceName": ("/dev/sda1", "a template has one disk, the root"),
        "BlockDeviceMappings.Ebs.DeleteOnTermination": (True, "a root goes with its machine by default"),
        "BlockDeviceMappings.Ebs.Encrypted": (False, "CloudStack's templates are not encrypted"),
        "RootDeviceName": ("/dev/sda1", "AWS's usual name; CloudStack's root is device 0"),
        "RootDeviceType": ("ebs", "every root is a volume"),
    },
    absent={
        "BlockDeviceMappings.Ebs": "a root's speed and place are its machine's offering's",
        "BlockDeviceMappings.NoDevice": "it belongs to requests",
        "BlockDeviceMappings.VirtualName": "machines have no instance store volumes",
        "BootMode": "CloudStack tells users nothing of a template's boot mode",
        "FreeTierEligible": "there are no prices",
        "ImageAllowed": "CloudStack has no list of allowed images",
        "ImageWatermarks": "CloudStack has no watermarks",
        "ImdsSupport": "nothing about metadata can be chosen by an image",
        "InstanceTypeSpecification": "CloudStack does not tell which offerings suit a template",
        "KernelId": "images have their own kernel",
        "LastLaunchedTime": "CloudStack does not tell when a template was used last",
        "ProductCodes": _PRODUCTS,
        "PublicSsmParameterName": "there is no Systems Manager",
        "RamdiskId": "images have their own",
        "ScanResults": "nothing scans templates",
        "TpmSupport": "CloudStack tells users nothing of a template's TPM",
    },
)

VOLUME = Noun(
    "Volume",
    "DescribeVolumes",
    told={
        "Attachments": "the machine, the device, and when it was attached",
        "AvailabilityZone": _ZONE,
        "AvailabilityZoneId": _ZONE,
        "CreateTime": "the volume's",
        "Encrypted": "the format, or what the offering will make it",
        "Iops": "the offering's, else what AWS says of the type and size",
        "Size": "the volume's, in GiB",
        "SnapshotId": "kept in a hidden tag; empty for a volume that no snapshot made",
        "State": "CloudStack's state",
        "Tags": _TAGS,
        "Throughput": "what AWS says of gp3",
        "VolumeId": "the volume's uuid",
        "VolumeType": "what was asked for, else what `volume-types.yaml` makes of the offering",
    },
    constant={"MultiAttachEnabled": (False, "a volume is attached to one machine at a time")},
    absent={
        "Attachments.AssociatedResource": _OPERATOR,
        "Attachments.EbsCardIndex": _EBS_CARD,
        "Attachments.InstanceOwningService": _OPERATOR,
        "FastRestored": "CloudStack has no fast restore",
        "KmsKeyId": _KMS,
        "Operator": _OPERATOR,
        "OutpostArn": _OUTPOST,
        "OwnerId": "AWS's DescribeVolumes does not tell it",
        "SourceVolumeId": "CloudStack does not copy volumes without a snapshot",
        "SseType": _KMS,
        "VolumeArn": "AWS's DescribeVolumes does not tell it",
        "VolumeInitializationRate": "a volume is whole when it is there",
    },
)

SNAPSHOT = Noun(
    "Snapshot",
    "DescribeSnapshots",
    told={
        "AvailabilityZone": "the zone that it lies in",
        "Description": "kept in a hidden tag; else the snapshot's name",
        "FullSnapshotSizeInBytes": "the physical size",
        "OwnerId": _OWNER,
        "Progress": "`100%` once it is backed up, `0%` before: CloudStack tells nothing between",
        "SnapshotId": "the snapshot's uuid",
        "StartTime": "when it was made",
        "State": "CloudStack's state",
        "StateMessage": "where it failed",
        "Tags": _TAGS,
        "VolumeId": "the volume; AWS's `vol-ffffffff` where it is not known",
        "VolumeSize": "the volume's size, in GiB",
    },
    constant={
        "Encrypted": (False, "CloudStack makes no snapshots of encrypted disks that it would call so"),
        "StorageTier": ("standard", "there is one tier"),
    },
    absent={
        "AssociatedKmsKeys": _KMS,
        "CompletionDurationMinutes": "CloudStack does not tell how long it took",
        "CompletionTime": "CloudStack does not tell when it was whole",
        "DataEncryptionKeyId": _KMS,
        "KmsKeyId": _KMS,
        "OutpostArn": _OUTPOST,
        "OwnerAlias": "CloudStack has no snapshots of others",
        "RestoreExpiryTime": "there is one tier",
        "SseType": _KMS,
        "TransferType": "CloudStack promises no time for a copy",
    },
)

VPC = Noun(
    "Vpc",
    "DescribeVpcs",
    told={
        "CidrBlock": "the VPC's; the default one's is a setting",
        "CidrBlockAssociationSet": "the one range",
        "DhcpOptionsId": "the set that is associated, or `default` once that was, else the account's default one,"
        " or one of its own where CloudStack was told a domain name or name servers",
        "IsDefault": "true for the one that holds the networks outside any VPC",
        "OwnerId": _OWNER,
        "State": "CloudStack's state",
        "Tags": _TAGS,
        "VpcId": "the VPC's uuid; the default one's is made of the account",
    },
    constant={
        "BlockPublicAccessStates.InternetGatewayBlockMode": ("off", _BLOCK_ACCESS),
        "InstanceTenancy": ("default", "hosts are dedicated by the administrator alone"),
        "Ipv6CidrBlockAssociationSet": ([], "CloudStack's VPCs have IPv4 ranges alone"),
    },
    absent={
        "CidrBlockAssociationSet.CidrBlockState.StatusMessage": "the range never fails",
        "EncryptionControl": "CloudStack has no such switch",
    },
)

SUBNET = Noun(
    "Subnet",
    "DescribeSubnets",
    told={
        "AssignIpv6AddressOnCreation": "whether the network has an IPv6 range",
        "AvailabilityZone": _ZONE,
        "AvailabilityZoneId": _ZONE,
        "AvailableIpAddressCount": "the range without what the caller can see taken",
        "CidrBlock": "the network's range",
        "DefaultForAz": "the network that a launch without a subnet uses",
        "Ipv6CidrBlockAssociationSet": "the network's IPv6 range",
        "MapPublicIpOnLaunch": "what was chosen, kept in a hidden tag",
        "OwnerId": _OWNER,
        "State": "CloudStack's state",
        "SubnetArn": _ARN,
        "SubnetId": "the network's uuid",
        "Tags": _TAGS,
        "VpcId": "the network's VPC, else the default one",
    },
    constant={
        "BlockPublicAccessStates.InternetGatewayBlockMode": ("off", _BLOCK_ACCESS),
        "EnableDns64": (False, "CloudStack has no DNS64"),
        "Ipv6Native": (False, "CloudStack's networks for machines have IPv4"),
        "MapCustomerOwnedIpOnLaunch": (False, _CARRIER),
        "PrivateDnsNameOptionsOnLaunch.HostnameType": ("ip-name", "nothing about names can be chosen"),
        "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord": (False, "as HostnameType"),
        "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord": (False, "as HostnameType"),
    },
    absent={
        "CustomerOwnedIpv4Pool": _CARRIER,
        "EnableLniAtDeviceIndex": _OUTPOST,
        "Ipv6CidrBlockAssociationSet.IpSource": "CloudStack does not tell where a range comes from",
        "Ipv6CidrBlockAssociationSet.Ipv6AddressAttribute": "CloudStack does not tell whether it is routed outside",
        "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.StatusMessage": "the range never fails",
        "OutpostArn": _OUTPOST,
        "Type": "there are no subnets of another kind",
    },
)

_RULE = {
    "IpProtocol": "the rule's protocol",
    "FromPort": "the rule's ports or ICMP type",
    "ToPort": "the rule's ports or ICMP code",
    "UserIdGroupPairs": "the rule's group",
    "IpRanges": "the rule's ranges",
    "Ipv6Ranges": "the rule's ranges",
    "PrefixListIds": "the rule's prefix list, kept in the store",
}
_RULE_ABSENT = {
    "UserIdGroupPairs.PeeringStatus": "CloudStack has no peering",
    "UserIdGroupPairs.VpcId": "AWS tells it of peered VPCs alone",
    "UserIdGroupPairs.VpcPeeringConnectionId": "CloudStack has no peering",
}

SECURITY_GROUP = Noun(
    "SecurityGroup",
    "DescribeSecurityGroups",
    told={
        "Description": "the group's",
        "GroupId": "the group's uuid",
        "GroupName": "the group's",
        **_below("IpPermissions", _RULE),
        **_below("IpPermissionsEgress", _RULE),
        "OwnerId": _OWNER,
        "SecurityGroupArn": _ARN,
        "Tags": _TAGS,
        "VpcId": "the VPC that the group was made for, else the default one",
    },
    absent={**_below("IpPermissions", _RULE_ABSENT), **_below("IpPermissionsEgress", _RULE_ABSENT)},
)

NETWORK_INTERFACE = Noun(
    "NetworkInterface",
    "DescribeNetworkInterfaces",
    told={
        "Association": "the address with static NAT to the NIC, or a NAT gateway's",
        "Association.PublicDnsName": _DNS,
        "Attachment": "the machine, and what the store keeps of the attachment",
        "AvailabilityZone": _ZONE,
        "AvailabilityZoneId": _ZONE,
        "Description": "kept in the store",
        "Groups": "the machine's groups, or those kept in the store",
        "InterfaceType": "`interface`, or `nat_gateway`",
        "Ipv6Addresses.Ipv6Address": "the NIC's",
        "MacAddress": "the NIC's",
        "NetworkInterfaceId": "the NIC's uuid, or that of the store's record",
        "OwnerId": _OWNER,
        "PrivateDnsName": _NAME,
        "PrivateIpAddress": "the NIC's",
        "PrivateIpAddresses": "the NIC's, with its secondary ones",
        "PrivateIpAddresses.PrivateDnsName": _NAME,
        "PrivateIpAddresses.Association.PublicDnsName": _DNS,
        "PublicDnsName": _DNS,
        "RequesterManaged": "true for a NAT gateway's",
        "SourceDestCheck": "what was chosen, kept in a hidden tag or in the store",
        "Status": "whether a machine has it",
        "SubnetId": "the NIC's network",
        "TagSet": _TAGS,
        "VpcId": "the network's VPC, else the default one",
    },
    constant={
        "Attachment.NetworkCardIndex": (0, "a machine has one network card in EC2's sense"),
    },
    absent={
        **_NIC_ABSENT,
        "AssociatedSubnets": "an interface is in one subnet",
        "DenyAllIgwTraffic": _BLOCK_ACCESS,
        "Ipv6Address": "Ipv6Addresses tells it",
        "Ipv6Addresses.PublicIpv6DnsName": "CloudStack makes no names for public addresses",
        "Ipv6Native": "CloudStack's networks for machines have IPv4",
        "OutpostArn": _OUTPOST,
        "PublicIpDnsNameOptions": "CloudStack makes no names for public addresses that could be chosen",
        "RequesterId": _OPERATOR,
    },
)

ADDRESS = Noun(
    "Address",
    "DescribeAddresses",
    told={
        "AllocationId": "the address's uuid",
        "AssociationId": "kept in a hidden tag: another one each time",
        "InstanceId": "the machine with static NAT",
        "NetworkBorderGroup": "the zone that was asked for, else the region",
        "NetworkInterfaceId": "the machine's NIC, or a NAT gateway's",
        "NetworkInterfaceOwnerId": _OWNER,
        "PrivateIpAddress": "the NIC's address that static NAT leads to",
        "PublicIp": "the address",
        "SubnetId": "the NIC's network",
        "Tags": _TAGS,
    },
    constant={
        "Domain": ("vpc", "EC2-Classic never existed here"),
        "PublicIpv4Pool": ("amazon", "addresses are the provider's"),
    },
    absent={
        "CarrierIp": _CARRIER,
        "CustomerOwnedIp": _CARRIER,
        "CustomerOwnedIpv4Pool": _CARRIER,
        "ServiceManaged": _OPERATOR,
    },
)

ROUTE_TABLE = Noun(
    "RouteTable",
    "DescribeRouteTables",
    told={
        "Associations": "kept in the store",
        "OwnerId": _OWNER,
        "PropagatingVgws": "kept in the store",
        "RouteTableId": "kept in the store; a VPC's first one has its digits",
        "Routes": "kept in the store, and the way within the VPC",
        "Tags": _TAGS,
        "VpcId": "the VPC",
    },
    constant={"Associations.AssociationState.State": ("associated", "an association is there at once")},
    absent={
        "Associations.AssociationState.StatusMessage": "an association never fails",
        "Associations.GatewayId": "CloudStack does not route what comes in by a gateway",
        "Associations.PublicIpv4Pool": "addresses are the provider's",
        "Routes.CarrierGatewayId": _CARRIER,
        "Routes.CoreNetworkArn": "CloudStack has no gateways of this kind",
        "Routes.DestinationIpv6CidrBlock": "CloudStack's VPCs have IPv4 ranges alone",
        "Routes.EgressOnlyInternetGatewayId": "CloudStack has no gateways of this kind",
        "Routes.IpAddress": "CloudStack has no route servers",
        "Routes.LocalGatewayId": "CloudStack has no gateways of this kind",
        "Routes.OdbNetworkArn": "CloudStack has no gateways of this kind",
        "Routes.TransitGatewayId": "CloudStack has no gateways of this kind",
        "Routes.VpcPeeringConnectionId": "CloudStack has no peering",
    },
)

INSTANCE_TYPE = Noun(
    "InstanceTypeInfo",
    "DescribeInstanceTypes",
    told={
        "AutoRecoverySupported": "whether the offering has its machines started again when their host fails",
        "BurstablePerformanceSupported": "whether AWS's family is, and a CreditSpecification is taken",
        "CurrentGeneration": "whether the type can be launched, and AWS does not call its family previous",
        "EbsInfo.EncryptionSupport": "whether any disk offering encrypts",
        "GpuInfo.Gpus.Count": "the offering's",
        "GpuInfo.Gpus.Name": "the offering's",
        "InstanceType": "AWS's name where an offering has the size, and the offering's own",
        "MemoryInfo.SizeInMiB": "the offering's",
        "NetworkInfo.NetworkPerformance": "the offering's rate",
        "PlacementGroupInfo.SupportedStrategies": "the kinds of affinity groups that users choose",
        "ProcessorInfo.SupportedArchitectures": "those of the cloud's images that the family has",
        "ProcessorInfo.SustainedClockSpeedInGhz": "the offering's",
        "VCpuInfo.DefaultCores": "the offering's processors: each is a core of one thread",
        "VCpuInfo.DefaultVCpus": "the offering's processors",
        "VCpuInfo.ValidCores": "all of them",
    },
    constant={
        "BareMetal": (False, "offerings are of virtual machines"),
        "DedicatedHostsSupported": (False, "hosts are dedicated by the administrator alone"),
        "EbsInfo.EbsOptimizedSupport": ("supported", "a launch takes EbsOptimized, which is kept and told"),
        "EbsInfo.NvmeSupport": ("unsupported", "CloudStack's disks are virtio or SCSI"),
        "FreeTierEligible": (False, "there are no prices"),
        "HibernationSupported": (False, "CloudStack does not hibernate machines"),
        "InstanceStorageSupported": (False, "machines have no instance store volumes"),
        "NetworkInfo.EfaSupported": (False, _CARD),
        "NetworkInfo.EnaSupport": ("unsupported", _NOT_ENA),
        "NetworkInfo.EncryptionInTransitSupported": (False, _CARD),
        "NitroEnclavesSupport": ("unsupported", "it rests on AWS's own hypervisor"),
        "NitroTpmSupport": ("unsupported", "it rests on AWS's own hypervisor"),
        "SupportedRootDeviceTypes": (["ebs"], "every root is a volume"),
        "SupportedUsageClasses": (
            ["on-demand"],
            "leases need a release that has them; the machine is the same",
        ),
        "SupportedVirtualizationTypes": (["hvm"], "what all hypervisors have"),
        "VCpuInfo.DefaultThreadsPerCore": (1, "CloudStack gives cores of one thread unless told otherwise"),
        "VCpuInfo.ValidThreadsPerCore": ([1], "as DefaultThreadsPerCore"),
    },
    absent={
        "EbsInfo": "how fast disks are is said by their own offerings, and how many by the hypervisor",
        "FpgaInfo": _INFERENCE,
        "GpuInfo": "CloudStack tells users the card's name and number",
        "Hypervisor": "an offering runs on any hypervisor",
        "InferenceAcceleratorInfo": _INFERENCE,
        "InstanceStorageInfo": "machines have no instance store volumes",
        "MediaAcceleratorInfo": _INFERENCE,
        "NetworkInfo": "CloudStack does not tell how many interfaces and addresses a machine may have",
        "NeuronInfo": _INFERENCE,
        "NitroTpmInfo": "it rests on AWS's own hypervisor",
        "PhcSupport": _INFERENCE,
        "ProcessorInfo.Manufacturer": "hosts are the administrator's to see",
        "ProcessorInfo.SupportedFeatures": "hosts are the administrator's to see",
        "RebootMigrationSupport": "nothing can be chosen",
        "SupportedBootModes": "CloudStack tells users nothing of it",
        "SupportedInRegion": "AWS tells it to who asks for types of other regions",
    },
)

NOUNS = (
    INSTANCE,
    IMAGE,
    VOLUME,
    SNAPSHOT,
    VPC,
    SUBNET,
    SECURITY_GROUP,
    NETWORK_INTERFACE,
    ADDRESS,
    ROUTE_TABLE,
    INSTANCE_TYPE,
)


def silent_filters(noun: Noun) -> list[str]:
    """Return the filters of a noun's listing that match nothing, because CloudStack lacks the data."""
    entry = registry.find(noun.action)
    assert entry is not None, noun.action
    return sorted(name for name, getter in entry.filters.items() if getter is None and name != "tag:*")


def markdown() -> str:
    """Return the page of the documentation."""
    registry.load()
    lines = [
        "# Members",
        "",
        "Where the members of EC2's nouns come from, made from `ec2bridge/members.py` (`make docs`). Tests hold it:",
        "each member of AWS's model is decided, and answers say neither more nor less. A path stands for all below it.",
        "",
    ]
    for noun in NOUNS:
        lines += [f"## {noun.shape} ({noun.action})", "", *_table(noun), ""]
        if silent := silent_filters(noun):
            names = ", ".join(f"`{name}`" for name in silent)
            lines += [f"Filters that match nothing, since CloudStack lacks the data: {names}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(noun: Noun) -> Iterator[str]:
    yield "| member | | from, or why |"
    yield "| --- | --- | --- |"
    for path, word in sorted(noun.decisions().items()):
        if word == CONSTANT:
            value, why = noun.constant[path]
            yield f"| `{path}` | always `{registry.as_sent(value)}` | {why} |"
        else:
            yield f"| `{path}` | {word} | {noun.told.get(path) or noun.absent[path]} |"
