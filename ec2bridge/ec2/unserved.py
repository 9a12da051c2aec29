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

REASONS = (
    (
        r"TransitGateway|LocalGateway|CarrierGateway|CoipPool|CoipCidr",
        "CloudStack has no gateways of this kind",
    ),
    (r"VpcEndpoint|VpcBlockPublicAccess", "CloudStack has no AWS services to reach privately"),
    (r"Ipam|PublicIpv4Pool|ByoipCidr|ByoAsn", "CloudStack's address ranges are kept by its administrator"),
    (
        r"Reserved|CapacityReservation|CapacityBlock|Spot|ScheduledInstance|HostReservation",
        "CloudStack has no market; spot instances are machines with a lease, and one-time",
    ),
    (r"Fpga|ElasticGpu|Trunk|MacSystem|MacModification|MacHost", "CloudStack has no such hardware"),
    (r"ClassicLink|ToClassic|ToVpc$", "EC2-Classic never existed here"),
    (
        r"VerifiedAccess|ClientVpn|NetworkInsights|TrafficMirror|FlowLogs",
        "CloudStack has no such network service",
    ),
    (r"Hosts?$|HostResource", "CloudStack dedicates hosts through its administrator only"),
    (r"InstanceConnect|Enclave|NitroTpm|FastLaunch|FastSnapshotRestore", "it rests on AWS's own hypervisor"),
    (r"^(?:Enable|Disable)Image$", "CloudStack has no images that are there and cannot be launched"),
    (
        r"LockSnapshot|LockedSnapshot|SnapshotTier|RecycleBin|ReplaceImageCriteria|AllowedImages",
        "CloudStack has neither tiers, locks nor a recycle bin for snapshots and images",
    ),
    (r"ImagesBlockPublic|SnapshotBlockPublic", "what may be public is said by CloudStack's administrator"),
    (r"^CopyVolumes$", "CloudStack copies a volume through a snapshot: CreateSnapshot, then CreateVolume"),
    (
        r"ImportImage|ExportImage|ImportSnapshot|ImageTask|ImportImageTask",
        "there is no S3 here; RegisterImage takes the URL of a disk in ImageLocation",
    ),
    (r"Bundle|ConversionTask|ImportInstance|ImportVolume|ProductInstance", "it belongs to EC2's past"),
    (r"CreditSpecification", "CloudStack has no CPU credits"),
    (r"Tenancy", "CloudStack dedicates hosts through its administrator only"),
    (r"VpcPeering", "CloudStack does not connect its users' VPCs with each other"),
    (
        r"EgressOnlyInternetGateway|Ipv6",
        "CloudStack routes IPv6 as its network offering says, for all machines",
    ),
    (r"CidrBlock", "a CloudStack network keeps the one range that it is made with"),
    (r"NatGateway", "the router of a CloudStack VPC is the NAT of all its subnets, under one address"),
    (r"NetworkInterfacePermission", "an interface is its account's alone"),
    (r"DhcpOptions", "CloudStack's zone and network say what DHCP tells the machines"),
    (r"ModifyVpnConnection", "a CloudStack VPN connection keeps the ends that it is made with"),
    (r"Vpn", "CloudStack's router is the one end of every tunnel; there is nothing to choose about it"),
    (r"NetworkAcl", "ec2bridge does not serve CloudStack's network ACLs yet"),
)
GENERIC = "CloudStack has nothing that could stand for it, or ec2bridge does not serve it yet"


def reason(name: str) -> str:
    """Return the sentence's end: why this action cannot be served."""
    return next((why for pattern, why in REASONS if re.search(pattern, name)), GENERIC)


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
