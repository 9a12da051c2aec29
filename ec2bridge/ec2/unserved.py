"""What AWS has and CloudStack cannot have, and what the bridge does not serve.

A client that looks for things that cannot exist here is told the truth: there are none. A client that wants one made
is refused with the reason. So a Describe answers its empty set, and everything else UnsupportedOperation; one that
names such a thing by its id is told that it does not exist.
"""

import re
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Action, Handler, Request
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS
from ec2bridge.wire.model import Operation

_YET = "ec2bridge does not serve it yet"
REASONS = (
    (
        r"AssumeRo|WithSAML|WithWebIdentity",
        "CloudStack has no IAM roles; sign with an account's own access key instead",
    ),
    (
        r"GetSessionToken|GetFederationToken|GetDelegatedAccessToken|GetWebIdentityToken",
        f"{_YET}; the key pairs with an end date of CloudStack 4.23 (registerUserKeys) could stand for it",
    ),
    (r"GetAccessKeyInfo", f"{_YET}; CloudStack's listUserKeys could stand for it"),
    (r"DecodeAuthorization", "no refusal here is encoded; read its message as it is"),
    (
        r"TransitGateway",
        "CloudStack has no transit gateways; join VPCs by VPN connections (CreateVpnConnection) instead",
    ),
    (
        r"LocalGateway|CarrierGateway|CoipPool|CoipCidr|Outpost|ServiceLink",
        "CloudStack has no Outposts, Local Zones or Wavelength Zones; use a subnet of an Availability Zone and an"
        " internet gateway instead",
    ),
    (
        r"VpcBlockPublicAccess",
        "CloudStack has no block of a VPC's public traffic; use a network ACL (CreateNetworkAclEntry) instead",
    ),
    (
        r"VpcEndpoint",
        "CloudStack has no AWS services to reach privately; use an address of the service itself instead",
    ),
    (
        r"Ipam|Ipv[46]Pool|ByoipCidr|ByoAsn",
        "CloudStack's address ranges are kept by its administrator; ask them for a range, and use AllocateAddress for"
        " an address of it",
    ),
    (
        r"CapacityReservation|CapacityBlock",
        "CloudStack reserves no capacity; start machines ahead with RunInstances and keep them running instead",
    ),
    (
        r"Reserved|ScheduledInstance|HostReservation",
        "CloudStack sells nothing in advance; use RunInstances instead",
    ),
    (r"Spot", "CloudStack has no market; spot instances are machines with a lease, and one-time"),
    (
        r"Fpga|ElasticGpu",
        "CloudStack adds no devices to a machine; use an InstanceType whose service offering has them instead",
    ),
    (
        r"TrunkInterface",
        "CloudStack has no trunk interfaces; use AttachNetworkInterface for each network instead",
    ),
    (r"Mac", "CloudStack has no Mac hosts; use an InstanceType that DescribeInstanceTypes lists instead"),
    (
        r"ClassicLink|ToClassic|ToVpc$|MovingAddresses",
        "EC2-Classic never existed here; every machine and address is in a VPC from its first day",
    ),
    (
        r"VerifiedAccess",
        "CloudStack has no access by identity; use security groups or a VPN connection instead",
    ),
    (
        r"ClientVpn",
        f"{_YET}; CloudStack's remote access VPN (createRemoteAccessVpn, addVpnUser) could stand for it",
    ),
    (
        r"NetworkInsights|ReachabilityAnalyzer",
        "CloudStack has no analysis of its networks; compare what DescribeSecurityGroups, DescribeNetworkAcls and"
        " DescribeRouteTables tell instead",
    ),
    (
        r"TrafficMirror|FlowLogs",
        "CloudStack has no records of its networks' traffic; capture it in the machine instead",
    ),
    (
        r"Hosts?$|HostResource|Tenancy",
        "CloudStack's hosts are dedicated by its administrator (dedicateHost); ask them, or use a placement group of"
        " the strategy spread instead",
    ),
    (
        r"InstanceConnect",
        "CloudStack has no such endpoints; use a public address, a VPN connection or CloudStack's console"
        " (createConsoleEndpoint) instead",
    ),
    (r"Enclave", "CloudStack has no enclaves; use a machine of its own for what they would hold instead"),
    (r"TpmEkPub", "CloudStack does not tell the key of a machine's TPM; read it in the machine instead"),
    (
        r"UefiData",
        "CloudStack does not hand out a machine's UEFI variables; read them in the machine instead",
    ),
    (
        r"FastLaunch|FastSnapshotRestore",
        "CloudStack has nothing to make ready ahead of a launch; a volume of a snapshot is whole once it is available",
    ),
    (
        r"^(?:Enable|Disable)Image$",
        "CloudStack has no images that are there and cannot be launched; end its sharing with ModifyImageAttribute, or"
        " use DeregisterImage instead",
    ),
    (
        r"LockSnapshot|UnlockSnapshot|LockedSnapshot",
        "CloudStack has no locks for snapshots; ask its administrator to keep deleteSnapshot from a role instead",
    ),
    (
        r"SnapshotTier",
        "CloudStack has one tier of snapshots, its secondary storage; delete what is no longer needed instead",
    ),
    (
        r"VolumesInRecycleBin|VolumeFromRecycleBin",
        f"{_YET}; CloudStack's destroyVolume and recoverVolume could stand for it",
    ),
    (
        r"RecycleBin",
        "CloudStack has no recycle bin for snapshots and images; protect an image with"
        " EnableImageDeregistrationProtection instead",
    ),
    (
        r"AllowedImages",
        "CloudStack's administrator says which images an account sees; choose them by Owners in DescribeImages instead",
    ),
    (
        r"ImageBlockPublic",
        "what may be public is said by CloudStack's administrator, with the setting allow.public.user.templates; ask"
        " them to change it",
    ),
    (
        r"SnapshotBlockPublic",
        "CloudStack's snapshots are their owner's alone, so there is no sharing to block; share an image instead",
    ),
    (r"^CopyVolumes$", "CloudStack copies a volume through a snapshot: CreateSnapshot, then CreateVolume"),
    (
        r"ExportImage|StoreImage|InstanceExport|ExportTask",
        "there is no S3 here; use CreateImage, and CloudStack's extractTemplate for the image's URL, instead",
    ),
    (
        r"ImportImage|ImportSnapshot|RestoreImageTask|CancelImportTask|ImportInstance|ImportVolume|ConversionTask",
        "there is no S3 here; RegisterImage takes the URL of a disk in ImageLocation",
    ),
    (r"Bundle", "no machine here has an instance store to bundle; use CreateImage instead"),
    (
        r"ProductInstance",
        "CloudStack has no marketplace, and so no product codes; mark images with tags instead",
    ),
    (
        r"CreditSpecification",
        "CloudStack has no CPU credits and no default of them; use ModifyInstanceCreditSpecification instead",
    ),
    (
        r"VpcPeering|SecurityGroupReferences|StaleSecurityGroups",
        "CloudStack has no peering of VPCs; join them by VPN connections (CreateVpnConnection) instead",
    ),
    (
        r"EgressOnlyInternetGateway",
        "CloudStack routes IPv6 as its network offering says, for all machines; use security groups to keep out"
        " what comes from outside instead",
    ),
    (
        r"Ipv6Addresses",
        "CloudStack gives each machine its IPv6 address itself, where the network's offering has IPv6; use such a"
        " network instead",
    ),
    (
        r"SubnetCidrReservation",
        f"{_YET}; the range of addresses that CloudStack gives to machines (guestvmcidr of updateNetwork) could stand"
        " for it",
    ),
    (
        r"CidrBlock",
        "a CloudStack network keeps the one range that it is made with; use another subnet or VPC instead",
    ),
    (
        r"NatGateway",
        "the router of a CloudStack VPC is the NAT of all its subnets, under one address; use CreateNatGateway for it",
    ),
    (
        r"NetworkInterfacePermission",
        "CloudStack has no interfaces that another account may use; use an interface of that account's own instead",
    ),
    (
        r"ModifyVpnConnection",
        "a CloudStack VPN connection keeps the ends that it is made with; use DeleteVpnConnection and"
        " CreateVpnConnection instead",
    ),
    (
        r"VpnConnectionDevice",
        f"{_YET}; what a device needs is in the CustomerGatewayConfiguration of DescribeVpnConnections",
    ),
    (r"VpnConcentrator", "CloudStack has no concentrators; use a VPN gateway for each VPC instead"),
    (
        r"TunnelCertificate",
        "CloudStack's tunnels have pre-shared keys and no certificates; use ModifyVpnTunnelOptions",
    ),
    (
        r"Vpn",
        "CloudStack's router is the one end of every tunnel, and is replaced by its administrator alone; see a"
        " tunnel's state with DescribeVpnConnections instead",
    ),
    (
        r"AddressTransfer",
        "CloudStack does not hand a public address to another account; release it, and use AllocateAddress there"
        " instead",
    ),
    (
        r"ApplicationStatus",
        "CloudStack looks at machines and not at what runs in them; use a monitor of your own instead",
    ),
    (
        r"EventWindow|InstanceEvent",
        "CloudStack has no events that are planned for machines; ask its administrator about maintenance instead",
    ),
    (
        r"EbsDefaultKmsKeyId|KmsKeyId",
        f"{_YET}; the KMS keys of CloudStack 4.23 (createKMSKey, and kmskeyid of createVolume) could stand for it",
    ),
    (
        r"EbsEncryptionByDefault",
        "CloudStack's disk offerings say which volumes are encrypted; send Encrypted with CreateVolume instead",
    ),
    (
        r"FlexCost",
        "CloudStack's usage is charged by its operator; mark what costs with tags (CreateTags) instead",
    ),
    (
        r"RouteServer",
        "CloudStack's BGP peers are set by its administrator (createBgpPeer); use static routes instead",
    ),
    (
        r"SecurityGroupVpc",
        "a security group is of the one VPC that it is made for; use CreateSecurityGroup in the other VPC instead",
    ),
    (r"ImageWatermark", "CloudStack's images have no watermarks; use tags (CreateTags) instead"),
    (
        r"DeclarativePolicies",
        "CloudStack has no organizations with policies; its administrator sets what a domain's accounts may do",
    ),
    (
        r"CancelImageLaunchPermission",
        "CloudStack has an image's owner alone end its sharing; ask them to use ModifyImageAttribute",
    ),
    (
        r"CapacityManager",
        "CloudStack shows its capacity to its administrator alone (listCapacity); ask them instead",
    ),
    (
        r"ImageUsageReport|ImageReferences",
        "CloudStack does not tell who uses an image; find your own machines with DescribeInstances and its filter"
        " image-id instead",
    ),
    (r"ImageAncestry", f"{_YET}; the sourcetemplateid of CloudStack's listTemplates could stand for it"),
    (r"ImageFindings", "CloudStack does not look into images; use a scanner of your own instead"),
    (
        r"MetricCategor",
        "CloudStack has one set of metrics for every machine (listVirtualMachinesMetrics); use an agent in the machine"
        " for others instead",
    ),
    (
        r"ReplaceRootVolume",
        f"{_YET}; CloudStack's restoreVirtualMachine and revertSnapshot could stand for it",
    ),
    (
        r"Secondary(?:Network|Subnet|Interface)",
        "CloudStack has one kind of network; use CreateSubnet and CreateNetworkInterface instead",
    ),
    (
        r"VpcEncryption|EncryptionEnforcement",
        "CloudStack does not encrypt what machines send each other; use TLS or a tunnel between them instead",
    ),
    (
        r"Fleet",
        "an instant fleet, the only type here, keeps no capacity that could be changed; use CreateFleet instead",
    ),
    (
        r"AwsNetworkPerformance",
        "CloudStack does not measure the way between zones; measure it between two machines instead",
    ),
    (
        r"InstanceSqlHa",
        "CloudStack charges no licences by what runs in a machine; see to SQL Server's licences yourself",
    ),
    (
        r"SerialConsole",
        "CloudStack has a console instead, which needs no switching on; open it with createConsoleEndpoint",
    ),
    (
        r"ConsoleScreenshot",
        "CloudStack takes no pictures of a console; open it with createConsoleEndpoint instead",
    ),
    (r"InstanceRequirements", f"{_YET}; CloudStack's service offerings could stand for it"),
    (r"PrefixList", f"{_YET}; CloudStack has none, but ec2bridge could keep them itself"),
    (
        r"ManagedResourceVisibility",
        "no other service manages resources here, so there are none to hide; every Describe shows all of them",
    ),
    (
        r"AvailabilityZoneGroup",
        "CloudStack's zones are open to an account or not, as their administrator says; ask them instead",
    ),
    (r"IdFormat", "all ids have the long form here, and nobody can choose another; take them as they are"),
    (
        r"CpuOptions",
        "CloudStack's service offering says how many cores a machine has; use ModifyInstanceAttribute with another"
        " InstanceType instead",
    ),
    (
        r"MetadataDefaults",
        "CloudStack has no defaults of its metadata service for an account; use ModifyInstanceMetadataOptions or"
        " MetadataOptions of a launch template instead",
    ),
    (
        r"NetworkPerformanceOptions",
        "CloudStack's offerings say how fast a machine's network is; use another InstanceType instead",
    ),
    (r"PublicIpDns", "CloudStack keeps no public DNS; use a zone of your own at a DNS provider instead"),
    (
        r"InstanceTypeSpecification",
        "CloudStack's images name no types that they are made for; name them in a tag (CreateTags) instead",
    ),
    (r"ReportInstanceStatus", "CloudStack takes no reports about machines; tell its operator instead"),
    (
        r"DiagnosticInterrupt",
        "CloudStack sends machines no interrupts; use RebootInstances, or its console (createConsoleEndpoint) instead",
    ),
    (
        r"SecurityGroupQuotas",
        "CloudStack has no such limits to check a group against; associate it and see",
    ),
    (
        r"InstanceTopology",
        "CloudStack shows its racks and hosts to its administrator alone; use a placement group instead",
    ),
    (r"InstanceImageMetadata", f"{_YET}; DescribeInstances and DescribeImages together tell the same"),
)
NEWER = "AWS has had it only since this release of ec2bridge was made; see whether a later one serves it"
"""The end of the sentence for what a newer botocore knows; every action of the one that the tests have is named."""


def reason(name: str) -> str:
    """Return the sentence's end: why this action cannot be served, or that it could be, and what to do instead."""
    return next((why for pattern, why in REASONS if re.search(pattern, name)), NEWER)


def is_empty_set(op: Operation) -> bool:
    """Whether the action only looks, so that "there are none" is a true answer."""
    return op.name.startswith("Describe") and op.output_list is not None


def entry(op: Operation) -> Action:
    """Return the action for an operation without a handler of its own."""
    handler = _nothing(op) if is_empty_set(op) else _refusal(op)
    # Whatever is asked of an empty set, the answer is the same, so no parameter is refused.
    return Action(
        op.name,
        handler,
        op.service,
        frozenset(op.input_members),
        effect="empty" if is_empty_set(op) else "refused",
    )


# Members that name what cannot exist here, and its kind in `ids.KINDS`; in lists with an "s" at the end.
_NAMED = {
    "CapacityReservationId": "capacity-reservation",
    "CarrierGatewayId": "carrier-gateway",
    "DhcpOptionsId": "dhcp-options",
    "EgressOnlyInternetGatewayId": "egress-only-internet-gateway",
    "FlowLogId": "flow-log",
    "FpgaImageId": "fpga-image",
    "HostId": "host",
    "PrefixListId": "prefix-list",
    "TransitGatewayAttachmentId": "transit-gateway-attachment",
    "TransitGatewayId": "transit-gateway",
    "TransitGatewayRouteTableId": "transit-gateway-route-table",
    "VpcEndpointId": "vpc-endpoint",
    "VpcPeeringConnectionId": "vpc-peering-connection",
}
_MAKES = ("Create", "Allocate", "Purchase", "Request")


def _refuse_named(op: Operation, request: Request) -> None:
    """Raise NotFound for the first object that a request names, of a kind of which there is none."""
    if op.name.startswith(_MAKES):
        return
    for member, kind in _NAMED.items():
        values = request.get(f"{member}s") or request.get(member) or []
        named = list(dict.fromkeys([values] if isinstance(values, str) else values))
        for value in named:
            if not KINDS[kind].is_id(value):
                raise KINDS[kind].refused(value)
        if named:
            raise KINDS[kind].missing(*named)


def _nothing(op: Operation) -> Handler:
    member = op.output_list[0].name if op.output_list else ""

    async def nothing(ctx: Context, request: Request) -> dict[str, Any]:
        _refuse_named(op, request)
        return {member: []}

    return nothing


def _refusal(op: Operation) -> Handler:
    async def refuse(ctx: Context, request: Request) -> None:
        _refuse_named(op, request)
        raise Ec2Error(
            "UnsupportedOperation", f"The operation {op.name} is not supported: {reason(op.name)}."
        )

    return refuse
