"""Why a member that an action does not honour is refused: what CloudStack lacks, and what to send instead.

The patterns look at the action and the member's path ("RunInstances.Placement.HostId"), and the first that fits says
why. A member that an action honours, or ignores for a reason of its own, never comes here.
"""

import re

_YET = "ec2bridge does not serve it yet"

REASONS = (
    # who owns, pays and is told
    (
        r"\.IamInstanceProfile",
        "CloudStack has no IAM roles; give what runs in the machine an access key of its own instead",
    ),
    (r"\.Operator\.", "no other service manages what an account has here; leave it out"),
    (r"\.(?:AdditionalInfo|Context)$", "AWS keeps it for itself; leave it out"),
    (
        r"\.(?:Organization|OrganizationalUnit)Arns?$",
        "CloudStack has no organizations; share with accounts (UserIds) instead",
    ),
    (
        r"\.(?:BillingProducts|ProductCodes|LicenseSpecifications)",
        "CloudStack has no marketplace, products or licences; leave it out",
    ),
    (
        r"\.(?:Monitoring\.)?MetricCategoryIds",
        "CloudStack has one set of metrics for every machine; leave it out",
    ),
    (r"\.(?:MaxPrice|MaxTotalPrice)$", "CloudStack has no prices; leave it out"),
    # where
    (
        r"OutpostArn|\.(?:LocalGateway|CarrierGateway)Id|CarrierIp|CustomerOwned|LniAtDeviceIndex|\.(?:Snapshot)?Location$",
        "CloudStack has no Outposts, Local Zones or Wavelength Zones; leave it out",
    ),
    (
        r"(?:Placement|Modify\w+)\.(?:Affinity|HostId|HostResourceGroupArn|Tenancy)$|\.InstanceTenancy$",
        "CloudStack's hosts are dedicated by its administrator (dedicateHost); ask them, and leave it out",
    ),
    (
        r"\.Partition(?:Count|Number)$",
        "CloudStack has no partitions; use a placement group of the strategy spread instead",
    ),
    (
        r"\.(?:SpreadLevel|SpreadDomain|LinkedGroupId|ParentGroupId)$",
        "CloudStack's affinity groups know hosts alone, and stand each for itself; leave it out",
    ),
    (r"\.Placement\.AvailabilityZoneId$", f"{_YET}; use Placement.AvailabilityZone instead"),
    # what a machine is
    (
        r"Elastic(?:Gpu|Inference)",
        "CloudStack adds no devices to a machine; use an InstanceType whose service offering has them instead",
    ),
    (r"\.(?:Kernel|Ram[dD]isk)Id$", "CloudStack boots the kernel that is in the image; leave it out"),
    (
        r"\.EnclaveOptions",
        "CloudStack has no enclaves; use a machine of its own for what they would hold instead",
    ),
    (r"\.Hibernat", "CloudStack stops machines without writing down their memory; use a plain stop instead"),
    (r"\.SkipOsShutdown$", "CloudStack skips it when it is forced to stop; use Force instead"),
    (
        r"\.CpuOptions\.(?:AmdSevSnp|NestedVirtualization)",
        "CloudStack's hosts say whether it is there, and nobody can choose it for one machine; leave it out",
    ),
    (
        r"\.CpuOptions\.",
        "CloudStack's service offering says how many cores a machine has; use another InstanceType instead",
    ),
    (
        r"\.NetworkPerformanceOptions",
        "CloudStack's offerings say how fast a machine's network is; use another InstanceType instead",
    ),
    (
        r"\.RebootMigration$",
        "CloudStack's administrator says how machines leave a host that is maintained; leave it out",
    ),
    (
        r"PrivateDnsNameOptions|EnableResourceNameDns|PrivateDnsHostnameType",
        "CloudStack's DNS knows a machine by its own name alone; leave it out",
    ),
    # what an image is
    (
        r"\.BootMode(?:Override)?$",
        f"{_YET}; CloudStack's boottype and bootmode of deployVirtualMachine could stand for it",
    ),
    (r"\.(?:UefiData|TpmSupport)$", "CloudStack's templates keep no such thing; leave it out"),
    (
        r"\.ImdsSupport",
        "CloudStack's templates say nothing of the metadata service; use MetadataOptions of RunInstances instead",
    ),
    # markets and fleets
    (
        r"CapacityReservation|ReservedCapacity",
        "CloudStack reserves no capacity; leave it out, and start machines ahead where they must be there",
    ),
    (
        r"RequestSpotInstances\.Type$|SpotInstanceType",
        "spot instances are machines with a lease, and one-time; use the type one-time instead",
    ),
    (r"\.AddressingType$", "EC2-Classic, where it could be chosen, never existed here; leave it out"),
    (
        r"\.(?:LaunchGroup|AvailabilityZoneGroup)$",
        "CloudStack launches each machine when it is asked for; leave it out",
    ),
    (
        r"\.Valid(?:From|Until)$",
        "CloudStack launches when it is asked; send the request when it should begin",
    ),
    (r"\.InstanceRequirements", f"{_YET}; use InstanceType of Overrides instead"),
    (
        r"CreateFleet\.LaunchTemplateConfigs\.",
        f"{_YET} for one override; set it in the launch template instead",
    ),
    (
        r"CreateFleet\.(?:SpotOptions|OnDemandOptions)\.(?:MaintenanceStrategies|InstancePools|InstanceInterruption)",
        "an instant fleet keeps no capacity and has no pools; set InstanceMarketOptions in the launch template instead",
    ),
    (
        r"CreateFleet\.TargetCapacitySpecification\.SpotTargetCapacity",
        "a fleet is of one kind here; use DefaultTargetCapacityType and TotalTargetCapacity instead",
    ),
    (
        r"CreateFleet\.",
        f"{_YET}; count machines in TotalTargetCapacity, and use one override for one type and subnet",
    ),
    # volumes and snapshots
    (
        r"\.KmsKeyId$",
        f"{_YET}; the KMS keys of CloudStack 4.23 (kmskeyid of createVolume) could stand for it",
    ),
    (
        r"\.Encrypted$",
        "CloudStack's disk offerings say which volumes are encrypted; use CreateVolume with Encrypted instead",
    ),
    (
        r"\.(?:Throughput|Iops)$",
        "CloudStack's disk offerings say how fast a volume is; use a VolumeType whose offering is fast enough instead",
    ),
    (
        r"InitializationRate$|CompletionDurationMinutes$",
        "CloudStack copies as fast as it can, and whole before it is used; leave it out",
    ),
    (
        r"\.MultiAttachEnabled$",
        "CloudStack attaches a volume to one machine at a time; use a shared file system instead",
    ),
    (
        r"(?:RunInstances|LaunchTemplate)\S*\.Ebs\.AvailabilityZone(?:Id)?$",
        "a volume is in its machine's zone; leave it out",
    ),
    (r"\.Ebs\.AvailabilityZone(?:Id)?$", "an image is in no zone before it is launched; leave it out"),
    (
        r"Image\.BlockDeviceMappings\.Ebs\.DeleteOnTermination$",
        "CloudStack's templates do not say it; use BlockDeviceMappings of RunInstances instead",
    ),
    (
        r"CreateImage\.BlockDeviceMappings\.Ebs\.SnapshotId$",
        "an image has the machine's root volume; use RegisterImage instead",
    ),
    (
        r"ModifyInstanceAttribute\.BlockDeviceMappings\.",
        "a CloudStack machine has the volumes that are attached to it; use AttachVolume and DetachVolume instead",
    ),
    (r"CopyImage\.Description$", "a copy is the same image and keeps its description; leave it out"),
    # interfaces
    (
        r"RunInstances\.\S*\.EnaQueueCount$",
        f"{_YET}; CloudStack's nicmultiqueuenumber of deployVirtualMachine could stand for it",
    ),
    (
        r"(?:CardIndex|EnaQueueCount)$|\.EnaSrdSpecification",
        "CloudStack's machines have no cards with queues to choose from; leave it out",
    ),
    (
        r"\.ConnectionTrackingSpecification",
        "CloudStack's routers and hosts keep connections as long as they are set to; leave it out",
    ),
    (
        r"\.SecondaryInterfaces",
        "CloudStack has one kind of network; use NetworkInterfaces instead",
    ),
    (r"\.InterfaceType$", "CloudStack has one kind of interface; leave it out"),
    (
        r"\.Ipv4Prefix",
        "CloudStack gives an interface addresses one by one; use SecondaryPrivateIpAddressCount instead",
    ),
    (
        r"\.AllowReassignment$",
        "CloudStack does not take an address from another interface; use UnassignPrivateIpAddresses first",
    ),
    (
        r"ModifyNetworkInterfaceAttribute\.AssociatePublicIpAddress$",
        "CloudStack maps a public address to a machine; use AssociateAddress instead",
    ),
    (r"\.AssociatedSubnetIds$", "CloudStack's interface is in one network for life; leave it out"),
    # networks
    (
        r"AllocateAddress\.IpamPoolId$",
        "CloudStack's address ranges are kept by its administrator; leave it out",
    ),
    (
        r"IpamPoolId|IpamPrefixList|Ipv[46]NetmaskLength",
        "CloudStack's address ranges are kept by its administrator; use the range itself (CidrBlock), or leave it out",
    ),
    (
        r"\.(?:PublicIpv4Pool|Ipv6Pool|Ipv6CidrBlockNetworkBorderGroup)$",
        "CloudStack's address ranges are kept by its administrator; leave it out",
    ),
    (
        r"\.EgressOnlyInternetGatewayId$|\.DestinationIpv6CidrBlock$|Dns64",
        "CloudStack routes IPv6 as its network offering says, for all machines; leave it out",
    ),
    (
        r"Options\.\S*Ipv6|TunnelInsideIpVersion",
        "CloudStack's tunnels carry IPv4 alone; leave it out",
    ),
    (
        r"Ipv6",
        "CloudStack gives IPv6 as its network offering says, for all machines of a network; leave it out, and use such"
        " a network",
    ),
    (
        r"\.(?:TransitGatewayId|CoreNetworkArn|OdbNetworkArn)$|Transport",
        "CloudStack has no such networks between VPCs; use VPN connections (CreateVpnConnection) instead",
    ),
    (
        r"PeeringConnectionId$|PeeringStatus$",
        "CloudStack has no peering of VPCs; use CIDR blocks of the other VPC instead",
    ),
    (
        r"\.VpcEndpointId$",
        "CloudStack has no AWS services to reach privately; use an address of the service itself instead",
    ),
    (r"\.LocalTarget$", "the route within a VPC is CloudStack's own and stays as it is; leave it out"),
    (r"AssociateRouteTable\.GatewayId$", "CloudStack routes by subnet; use SubnetId instead"),
    (
        r"CreateNatGateway\.",
        "the router of a CloudStack VPC is the NAT of all its subnets, under one address; use SubnetId and AllocationId"
        " instead",
    ),
    (
        r"\.VpcEncryptionControl",
        "CloudStack does not encrypt what machines send each other; leave it out, and use TLS between them",
    ),
    # parameters
    (
        r"\.ParameterFilters\.",
        "all parameters here are of the type String and have neither keys nor labels; leave it out",
    ),
    # VPN
    (
        r"\.CertificateArn$|\.PreSharedKeyStorage$",
        "CloudStack's tunnels have a pre-shared key, which it keeps itself; use PreSharedKey instead",
    ),
    (r"\.VpnConcentratorId$", "CloudStack has no concentrators; use VpnGatewayId instead"),
    (
        r"\.LogOptions\.",
        "CloudStack's router sends no logs of its tunnels anywhere; leave it out, and see DescribeVpnConnections",
    ),
    (
        r"\.Options\.(?:Local|Remote)Ipv4NetworkCidr$",
        "CloudStack's tunnels carry the VPC and what CreateVpnConnectionRoute says; use that instead",
    ),
    (
        r"\.Options\.StaticRoutesOnly$",
        "CloudStack's gateways have static routes and no BGP; use StaticRoutesOnly=true instead",
    ),
    (r"\.TunnelInsideCidr$", "CloudStack's tunnels have no addresses inside; leave it out"),
    (
        r"\.TunnelOptions\.|\.SkipTunnelReplacement$",
        "CloudStack's router has values of its own, which nobody can change; leave it out",
    ),
    (
        r"CreateVpnConnection\.Options\.",
        "CloudStack's tunnels end at the VPC's router and its one public address; leave it out",
    ),
)
NEWER = "AWS has had it only since this release of ec2bridge was made; see whether a later one honours it"
"""For what a newer botocore knows; every member of the one that the tests have has a reason."""


def reason(action: str, path: str) -> str:
    """Return the sentence's end: why this action cannot honour this member, and what to send instead."""
    member = f"{action}.{path}"
    return next((why for pattern, why in REASONS if re.search(pattern, member)), NEWER)
