"""One rule of a security group, between EC2's permissions and CloudStack's rules.

EC2 nests ranges and groups in permissions, CloudStack has one rule a peer; both are flattened to `Rule`, which compares
by what it lets through. EC2 writes "-1", ports and ICMP types in FromPort and ToPort; CloudStack writes "all" and gives
ICMP fields of its own.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ec2bridge.ec2 import values
from ec2bridge.errors import Ec2Error

Row = Mapping[str, Any]
Permission = dict[str, Any]
FindPeer = Callable[[Permission], str]
"""Gives the id of the group, or the prefix list, that an entry of a permission names."""

PERMISSIONS = (
    *(
        f"IpPermissions.{name}"
        for name in ("IpProtocol", "FromPort", "ToPort", "IpRanges", "Ipv6Ranges", "PrefixListIds")
    ),
    *(f"IpPermissions.UserIdGroupPairs.{name}" for name in ("GroupId", "GroupName", "UserId", "Description")),
)
"""The members of permissions in requests that are read; a pair's peering does not exist here."""
_NAMES = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}
_PORTED = ("tcp", "udp")
# Of these ICMP types only code 0 exists, so "all codes", which CloudStack does not take, is code 0.
_ONE_CODE = frozenset({0, 4, 8, 9, 10, 13, 14, 15, 16, 17, 18})
_NUMBER = re.compile(r"[0-9]{1,3}")
_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is let through, in EC2's terms; what else is known of it takes no part in comparisons.

    `group` is the peer's group id, `prefix_list` the id of a list that stands for its ranges. `uuid` is CloudStack's
    (the bridge's own of a rule that names a list), None for a rule that is only implied or not yet made.
    """

    egress: bool
    protocol: str
    from_port: int | None = None
    to_port: int | None = None
    cidr: str | None = None
    group: str | None = None
    description: str = field(default="", compare=False)
    uuid: str | None = field(default=None, compare=False)
    id: str = field(default="", compare=False)
    row: Row = field(default_factory=dict, compare=False, repr=False)
    prefix_list: str | None = None

    @property
    def span(self) -> tuple[str, int | None, int | None]:
        """Protocol and ports: what EC2 groups permissions by."""
        return self.protocol, self.from_port, self.to_port

    def native(self) -> dict[str, Any]:
        """Protocol and ports as CloudStack takes them."""
        if self.protocol in _PORTED:
            return {"protocol": self.protocol, "startport": self.from_port, "endport": self.to_port}
        if self.protocol == "icmp":
            code = 0 if self.to_port == -1 and self.from_port != -1 else self.to_port
            return {"protocol": "icmp", "icmptype": self.from_port, "icmpcode": code}
        return {"protocol": {"-1": "all", "icmpv6": "58"}.get(self.protocol, self.protocol)}

    @property
    def native_key(self) -> tuple[Any, ...]:
        """What CloudStack takes for the same rule."""
        named = (self.prefix_list,) if self.prefix_list else ()
        return (self.egress, *self.native().values(), self.cidr, self.group, *named)

    def marks(self) -> dict[str, str]:
        """What CloudStack cannot hold of the rule, as reserved tags without prefix."""
        code = {"icmp-code": "-1"} if self.native().get("icmpcode") not in (None, self.to_port) else {}
        return {**code, **({"description": self.description} if self.description else {})}

    def __str__(self) -> str:
        """The rule as AWS's messages name it."""
        name = "ALL" if self.protocol == "-1" else self.protocol.upper()
        ports = (
            f", from port: {self.from_port}, to port: {self.to_port}" if self.from_port is not None else ""
        )
        return f"peer: {self.cidr or self.group or self.prefix_list}, {name}{ports}, ALLOW"


DEFAULT_EGRESS = Rule(True, "-1", cidr="0.0.0.0/0")
"""AWS's rule of a new group; CloudStack does the same while a group has no egress rule at all."""
DENY_ALL = Rule(True, "-1", cidr="127.0.0.1/32")
"""The hidden rule that keeps a group without other egress rules shut."""


class DuplicateError(Ec2Error):
    """A rule exists."""


def duplicate(rule: Rule) -> Ec2Error:
    """The error for a rule that exists."""
    return DuplicateError("InvalidPermission.Duplicate", f'the specified rule "{rule}" already exists')


# --- reading -------------------------------------------------------------------------------------------------


def from_native(row: Row, egress: bool, marks: Mapping[str, str], group: str | None, ident: str) -> Rule:
    """Translate a rule as CloudStack lists it; `group` is the EC2 id of the group that it names."""
    protocol = str(row.get("protocol", "all")).lower()
    protocol = _NAMES.get(protocol, protocol)
    first = last = None
    if protocol in _PORTED:
        first, last = row.get("startport"), row.get("endport")
    elif protocol == "icmp":
        # The one code that CloudStack does not keep, whatever stands in the mark by now.
        first, last = row.get("icmptype", -1), -1 if "icmp-code" in marks else int(row.get("icmpcode", -1))
    elif protocol == "icmpv6":
        first = last = -1
    cidr = _canonical(row["cidr"]) if row.get("cidr") else None
    return Rule(
        egress, protocol, first, last, cidr, group, marks.get("description", ""), row["ruleid"], ident, row
    )


def _canonical(cidr: str) -> str:
    try:
        return str(ipaddress.ip_network(cidr, strict=False))
    except ValueError:
        return cidr


def wanted(
    permissions: Iterable[Permission], egress: bool, find_group: FindPeer, find_list: FindPeer
) -> list[Rule]:
    """Flatten a request's permissions, checked as AWS checks them; named groups and lists are given their ids."""
    rules = [rule for permission in permissions for rule in _flat(permission, egress, find_group, find_list)]
    if len(set(rules)) < len(rules):
        raise Ec2Error("InvalidParameterValue", "The same permission must not appear multiple times")
    return rules


def _flat(permission: Permission, egress: bool, find_group: FindPeer, find_list: FindPeer) -> Iterator[Rule]:
    span = protocol_and_ports(permission)
    peers: list[tuple[str, str, Permission]] = []
    peers += [("cidr", _cidr(entry, "CidrIp"), entry) for entry in permission.get("IpRanges") or ()]
    peers += [("cidr", _cidr(entry, "CidrIpv6"), entry) for entry in permission.get("Ipv6Ranges") or ()]
    peers += [("prefix_list", find_list(entry), entry) for entry in permission.get("PrefixListIds") or ()]
    peers += [("group", find_group(entry), entry) for entry in permission.get("UserIdGroupPairs") or ()]
    if not peers:
        sentence = "A permission must name an IP range, a prefix list or a security group."
        raise Ec2Error("MissingParameter", sentence)
    for name, peer, entry in peers:
        told: dict[str, Any] = {name: peer, "description": description(entry.get("Description"))}
        yield Rule(egress, *span, **told)


def _cidr(entry: Permission, member: str) -> str:
    text = str(entry.get(member) or "")
    found = values.network(IPv6Network, text) if "v6" in member else values.network(IPv4Network, text)
    if found is None:
        raise Ec2Error("InvalidParameterValue", f"CIDR block {text} is malformed")
    return str(found)


def cidr_of(request: Permission) -> str | None:
    """The range of a single rule in a request (CidrIpv4 or CidrIpv6), checked."""
    if request.get("CidrIpv4"):
        return _cidr(request, "CidrIpv4")
    return _cidr(request, "CidrIpv6") if request.get("CidrIpv6") else None


def description(text: str | None) -> str:
    """Check a rule's description against AWS's characters and length."""
    if text and not _DESCRIPTION.fullmatch(text):
        raise Ec2Error(
            "InvalidParameterValue",
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the "
            "following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )
    return text or ""


def protocol_and_ports(permission: Permission) -> tuple[str, int | None, int | None]:
    """Read IpProtocol, FromPort and ToPort of a permission."""
    sent = str(permission.get("IpProtocol") or "").lower()
    if not sent:
        sentence = (
            "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."
        )
        raise Ec2Error("InvalidParameterValue", sentence)
    protocol = _NAMES.get(sent, sent)
    first, last = permission.get("FromPort"), permission.get("ToPort")
    if protocol in _PORTED:
        return protocol, *_ports(protocol, first, last)
    if protocol == "icmp":
        return protocol, *_icmp(first, last)
    if protocol == "icmpv6":
        if {first, last} - {None, -1}:
            raise Ec2Error("UnsupportedOperation", "CloudStack lets ICMPv6 through as a whole, not by type.")
        return protocol, -1, -1
    if protocol != "-1" and not (_NUMBER.fullmatch(protocol) and int(protocol) <= 255):
        raise Ec2Error("InvalidParameterValue", f"Invalid value '{sent}' for IP protocol. Unknown protocol.")
    return protocol, None, None


def _ports(protocol: str, first: int | None, last: int | None) -> tuple[int, int]:
    if first is None or last is None:
        sentence = "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
        raise Ec2Error("InvalidParameterValue", sentence)
    if (first, last) == (-1, -1):
        return 0, 65535
    if not 0 <= first <= last <= 65535:
        raise Ec2Error("InvalidParameterValue", f"Invalid TCP/UDP port range ({first}:{last})")
    return first, last


def _icmp(first: int | None, last: int | None) -> tuple[int, int]:
    kind, code = (-1 if value is None else value for value in (first, last))
    if not (-1 <= kind <= 255 and -1 <= code <= 255) or (kind == -1 and code != -1):
        raise Ec2Error("InvalidParameterValue", f"ICMP code ({code}) not allowed with ICMP type ({kind})")
    if kind != -1 and code == -1 and kind not in _ONE_CODE:
        raise Ec2Error(
            "UnsupportedOperation", f"CloudStack needs a code with ICMP type {kind}; -1 is not one."
        )
    return kind, code
