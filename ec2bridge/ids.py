"""EC2 ids from CloudStack's: a prefix and 17 hex digits, no database.

EC2 ids say what they name (`i-`, `vol-`); CloudStack's are bare uuids. The first 17 hex digits of the uuid
make the id, so it is the same on every replica and after every restart; the way back is the directory's
(`cloudstack/directory.py`). An object that CloudStack only implies takes its owner's digits.
"""

import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType
from uuid import uuid4

from ec2bridge.errors import Ec2Error

DIGITS = 17
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# 17 digits today, 8 before 2016: one of those is well-formed, and names nothing here.
_DIGITS = re.compile(r"[0-9a-f]{8}|[0-9a-f]{17}", re.IGNORECASE)
# What AWS reads as an id of whatever length; only the two above were ever given out.
_ANY_DIGITS = re.compile(r"[0-9a-f]{1,17}", re.IGNORECASE)
_SINGULAR = re.compile(r"(\w+) ('\[?\{id\})")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object that has ids, with AWS's codes and sentences for ids that are wrong.

    In the sentences `{id}` stands for the id as the client wrote it, `{prefix}` for the kind's prefix.
    """

    name: str
    prefix: str
    not_found: str
    absent: str
    malformed: str = ""
    """Empty where AWS calls whatever it does not know missing: "The subnet ID 'example' does not exist"."""
    bad: str = 'Invalid id: "{id}" (expecting "{prefix}-...")'

    def is_id(self, value: str) -> bool:
        """Whether `value` has the shape of this kind's ids; an object need not exist."""
        return self._has_digits(value, _DIGITS)

    def _has_digits(self, value: str, digits: re.Pattern[str]) -> bool:
        prefix, _, rest = value.partition("-")
        if "-" in self.prefix:
            prefix, _, rest = value.rpartition("-")
        return prefix == self.prefix and digits.fullmatch(rest) is not None

    def missing(self, *values: str) -> Ec2Error:
        """The error for well-formed ids that name nothing; several make AWS's sentence a plural."""
        sentence = self.absent if len(values) == 1 else _SINGULAR.sub(r"\1s \2", self.absent)
        if len(values) > 1:
            sentence = sentence.replace("does not exist", "do not exist")
        return Ec2Error(self.not_found, sentence.format(id=", ".join(values), prefix=self.prefix))

    def refused(self, value: str) -> Ec2Error:
        """The error for what is no id of this kind at all; hex digits of another length are one that is missing."""
        if not self.malformed or self._has_digits(value, _ANY_DIGITS):
            return self.missing(value)
        return Ec2Error(self.malformed, self.bad.format(id=value, prefix=self.prefix))


_VALUE = "Value ({id}) for parameter %s is invalid. Expected: '{prefix}-...'."

# Codes from the page "Error codes for the Amazon EC2 API". Its casing (…ID, …Id) has no rule, and clients
# compare whole strings. Volumes and snapshots are answered with InvalidParameterValue, although the page has
# a code for them.
KINDS = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                "instance",
                "i",
                "InvalidInstanceID.NotFound",
                "The instance ID '{id}' does not exist",
                "InvalidInstanceID.Malformed",
                'Invalid id: "{id}"',
            ),
            Kind(
                "image",
                "ami",
                "InvalidAMIID.NotFound",
                "The image id '[{id}]' does not exist",
                "InvalidAMIID.Malformed",
            ),
            Kind(
                "volume",
                "vol",
                "InvalidVolume.NotFound",
                "The volume '{id}' does not exist.",
                "InvalidParameterValue",
                _VALUE % "volumeId",
            ),
            Kind(
                "snapshot",
                "snap",
                "InvalidSnapshot.NotFound",
                "The snapshot '{id}' does not exist.",
                "InvalidParameterValue",
                _VALUE % "snapshotId",
            ),
            Kind(
                "security-group",
                "sg",
                "InvalidGroup.NotFound",
                "The security group '{id}' does not exist",
                "InvalidGroupId.Malformed",
            ),
            Kind(
                "security-group-rule",
                "sgr",
                "InvalidSecurityGroupRuleId.NotFound",
                "The security group rule ID '{id}' does not exist",
                "InvalidSecurityGroupRuleId.Malformed",
            ),
            Kind(
                "vpc",
                "vpc",
                "InvalidVpcID.NotFound",
                "The vpc ID '{id}' does not exist",
            ),
            Kind(
                "subnet",
                "subnet",
                "InvalidSubnetID.NotFound",
                "The subnet ID '{id}' does not exist",
            ),
            Kind(
                "network-interface",
                "eni",
                "InvalidNetworkInterfaceID.NotFound",
                "The networkInterface ID '{id}' does not exist",
                "InvalidNetworkInterfaceId.Malformed",
            ),
            Kind(
                "network-interface-attachment",
                "eni-attach",
                "InvalidAttachmentID.NotFound",
                "The network interface attachment '{id}' does not exist.",
                "InvalidNetworkInterfaceAttachmentId.Malformed",
            ),
            Kind(
                "allocation",
                "eipalloc",
                "InvalidAllocationID.NotFound",
                "The allocation ID '{id}' does not exist",
            ),
            Kind(
                "address-association",
                "eipassoc",
                "InvalidAssociationID.NotFound",
                "The association ID '{id}' does not exist",
            ),
            Kind(
                "iam-instance-profile-association",
                "iip-assoc",
                "InvalidAssociationID.NotFound",
                "The association ID '{id}' does not exist",
            ),
            Kind(
                "route-table-association",
                "rtbassoc",
                "InvalidAssociationID.NotFound",
                "The rtbAssoc '{id}' does not exist",
                "InvalidParameterValue",
                _VALUE % "associationId",
            ),
            Kind(
                "network-acl-association",
                "aclassoc",
                "InvalidAssociationID.NotFound",
                "The association ID '{id}' does not exist",
                "InvalidParameterValue",
                _VALUE % "associationId",
            ),
            Kind(
                "key-pair",
                "key",
                "InvalidKeyPair.NotFound",
                "The key pair ID '{id}' does not exist",
                "InvalidParameterValue",
                _VALUE % "keyPairId",
            ),
            Kind(
                "network-acl",
                "acl",
                "InvalidNetworkAclID.NotFound",
                "The networkAcl ID '{id}' does not exist",
            ),
            Kind(
                "internet-gateway",
                "igw",
                "InvalidInternetGatewayID.NotFound",
                "The internetGateway ID '{id}' does not exist",
                "InvalidInternetGatewayId.Malformed",
            ),
            Kind(
                "route-table",
                "rtb",
                "InvalidRouteTableID.NotFound",
                "The routeTable ID '{id}' does not exist",
            ),
            Kind(
                "nat-gateway",
                "nat",
                "NatGatewayNotFound",
                "The Nat Gateway {id} was not found",
                "NatGatewayMalformed",
                "The request must contain a valid NAT gateway ID: '{id}' is malformed",
            ),
            Kind(
                "vpn-gateway",
                "vgw",
                "InvalidVpnGatewayID.NotFound",
                "The vpnGateway ID '{id}' does not exist",
            ),
            Kind(
                "customer-gateway",
                "cgw",
                "InvalidCustomerGatewayID.NotFound",
                "The customerGateway ID '{id}' does not exist",
                "InvalidCustomerGatewayId.Malformed",
            ),
            Kind(
                "vpn-connection",
                "vpn",
                "InvalidVpnConnectionID.NotFound",
                "The vpnConnection ID '{id}' does not exist",
            ),
            Kind(
                "vpc-peering-connection",
                "pcx",
                "InvalidVpcPeeringConnectionID.NotFound",
                "The vpcPeeringConnection ID '{id}' does not exist",
                "InvalidVpcPeeringConnectionId.Malformed",
            ),
            Kind(
                "dhcp-options",
                "dopt",
                "InvalidDhcpOptionID.NotFound",
                "The dhcpOption ID '{id}' does not exist",
            ),
            Kind(
                "vpc-endpoint",
                "vpce",
                "InvalidVpcEndpointId.NotFound",
                "The Vpc Endpoint Id '{id}' does not exist",
            ),
            Kind(
                "prefix-list",
                "pl",
                "InvalidPrefixListID.NotFound",
                "The prefix list ID '{id}' does not exist",
            ),
            Kind(
                "egress-only-internet-gateway",
                "eigw",
                "InvalidGatewayID.NotFound",
                "The eigw ID '{id}' does not exist",
            ),
            Kind(
                "carrier-gateway",
                "cagw",
                "InvalidCarrierGatewayID.NotFound",
                "The CarrierGateway ID '{id}' does not exist",
            ),
            Kind(
                "transit-gateway",
                "tgw",
                "InvalidTransitGatewayID.NotFound",
                "Transit Gateway {id} was deleted or does not exist.",
                "InvalidTransitGatewayID.Malformed",
            ),
            Kind(
                "transit-gateway-attachment",
                "tgw-attach",
                "InvalidTransitGatewayAttachmentID.NotFound",
                "Transit Gateway Attachment {id} was deleted or does not exist.",
                "InvalidTransitGatewayAttachmentID.Malformed",
            ),
            Kind(
                "transit-gateway-route-table",
                "tgw-rtb",
                "InvalidRouteTableID.NotFound",
                "Transit Gateway Route Table {id} was deleted or does not exist.",
                "InvalidRouteTableId.Malformed",
            ),
            Kind(
                "host",
                "h",
                "InvalidHostID.NotFound",
                "The host '{id}' does not exist",
                "InvalidHostID.Malformed",
            ),
            Kind(
                "flow-log",
                "fl",
                "InvalidFlowLogId.NotFound",
                "The flow log ID '{id}' does not exist",
            ),
            Kind(
                "capacity-reservation",
                "cr",
                "InvalidCapacityReservationId.NotFound",
                "The capacity reservation '{id}' does not exist",
                "InvalidCapacityReservationId.Malformed",
            ),
            Kind(
                "fpga-image",
                "afi",
                "InvalidFpgaImageID.NotFound",
                "The FPGA image ID '{id}' does not exist",
                "InvalidFpgaImageID.Malformed",
            ),
            Kind(
                "placement-group",
                "pg",
                "InvalidPlacementGroup.Unknown",
                "The Placement Group '{id}' is unknown.",
                "InvalidPlacementGroupId.Malformed",
            ),
            Kind(
                "launch-template",
                "lt",
                "InvalidLaunchTemplateId.NotFound",
                "The specified launch template, with template ID {id}, does not exist.",
                "InvalidLaunchTemplateId.Malformed",
            ),
            Kind(
                "reservation",
                "r",
                "InvalidReservationID.NotFound",
                "The reservation ID '{id}' does not exist",
                "InvalidReservationID.Malformed",
            ),
            Kind(
                "spot-instances-request",
                "sir",
                "InvalidSpotInstanceRequestID.NotFound",
                "The spot instance request ID '{id}' does not exist",
                "InvalidSpotInstanceRequestID.Malformed",
            ),
        )
    }
)

# Objects whose first digits another one of their kind has, as the directory found: (kind, native id).
_LENGTHENED: set[tuple[str, str]] = set()

_BY_PREFIX = MappingProxyType({kind.prefix: kind for kind in KINDS.values()})


def is_uuid(value: str) -> bool:
    """Whether `value` is written as a uuid."""
    return _UUID.fullmatch(value) is not None


def own_uuid() -> str:
    """A uuid that no object of CloudStack's has: of version 8, which RFC 9562 leaves to uses of one's own."""
    text = str(uuid4())
    return f"{text[:14]}8{text[15:]}"


def is_own(native_id: str) -> bool:
    """Whether an object is the bridge's and not CloudStack's, whose uuids are of version 1 or 4."""
    return is_uuid(native_id) and native_id[14] == "8"


def digits_of(kind: str, native_id: str) -> str:
    """The digits of an object's id; clouds that were upgraded from 2.x have native ids like "7"."""
    if is_uuid(native_id) and (kind, native_id) not in _LENGTHENED:
        return native_id.replace("-", "")[:DIGITS].lower()
    return long_digits(kind, native_id)


def lengthen(kind: str, native_id: str) -> None:
    """Have an object that shares its first digits with another be known by a hash of its whole uuid."""
    _LENGTHENED.add((kind, native_id))


def long_digits(kind: str, native_id: str) -> str:
    """Digits from a hash, for ids that are no uuid and for uuids that begin alike."""
    return hashlib.sha256(f"{kind}:{native_id}".encode()).hexdigest()[:DIGITS]


def ec2_id(prefix: str, native_id: str) -> str:
    """`ec2_id("i", "0357db1e-e8dc-48b8-…")` is `i-0357db1ee8dc48b8…`, 17 digits.

    `prefix` may be another object's: a VPC's internet gateway is `ec2_id("igw", vpc uuid)`.
    """
    kind = _BY_PREFIX.get(prefix)
    return f"{prefix}-{digits_of(kind.name if kind else prefix, str(native_id))}"


def kind_of(value: str) -> Kind | None:
    """The kind that an id belongs to by its prefix and shape, for actions that take ids of any kind."""
    kind = _BY_PREFIX.get(value.rpartition("-")[0])
    return kind if kind and kind.is_id(value) else None
