"""Network ACLs as EC2 sees them: CloudStack's ACL lists, and the one that every VPC implies.

CloudStack's list `default_allow` belongs to all VPCs at once and cannot be changed; in every VPC it is shown as the
default ACL, under the VPC's digits, until its entries are changed: then the VPC gets a list of its own, which takes
that place (`_default_acls`). `default_deny` is shown under digits of its own. A VPC's lists are its other ACLs.
AWS counts rules in each direction for itself, CloudStack through the whole list: rule n in is native 2n-1, out 2n.
A list that the bridge has written for a tier with machines is no ACL: it names the one that it stands for.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import cidr_block
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id
from ec2bridge.resources.network_acls import tier_lists
from ec2bridge.resources.places.networks import networks, vpc_rows

Row = dict[str, Any]
Item = dict[str, Any]

ACL = "network-acl"
MADE_HERE = "Made through EC2"
"""The description of lists whose rules are numbered as said above."""
MADE_DEFAULT = "Made through EC2 as the default"
"""The description of such a list that has become its VPC's default one."""
LAST = 32767
_ALLOW, _DENY = "default_allow", "default_deny"
_ICMPV6 = "58"
_NUMBERS = {"icmp": "1", "tcp": "6", "udp": "17", "all": "-1", "icmpv6": _ICMPV6}
# CloudStack has no name for ICMPv6, as it has for the others.
_NAMES = {number: name for name, number in _NUMBERS.items() if number != _ICMPV6} | {"icmpv6": _ICMPV6}
_ANYWHERE = {"0.0.0.0/0", "::/0"}


@dataclass(slots=True)
class Acl:
    """A network ACL; `native` is the uuid of CloudStack's list behind it, None where nothing enforces it."""

    key: str
    vpc: Row
    native: str | None
    default: bool
    made_here: bool
    rules: list[Row] = field(default_factory=list)
    subnets: list[Row] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The EC2 id."""
        return ec2_id("acl", self.key)

    @property
    def own(self) -> bool:
        """Whether it is a list of the VPC's own, which can be changed."""
        return self.made_here or self.key == self.native


async def acls(ctx: Context) -> list[Acl]:
    """Return the ACLs of the caller's VPCs with their rules and subnets, each VPC's default one first."""
    vpcs, lists, rules, subnets = await asyncio.gather(
        vpc_rows(ctx),
        ctx.account.list("listNetworkACLLists"),
        ctx.account.list("listNetworkACLs"),
        networks(ctx),
    )
    shared = {row["name"]: row["id"] for row in lists if not row.get("vpcid")}
    written = {row["id"]: ours.base for row in lists if (ours := tier_lists.read(row))}
    lists = [row for row in lists if row["id"] not in written]
    # One that was deleted behind EC2's back is the default one from then on.
    stands = {uuid: _known(lists, base) or shared.get(_ALLOW) for uuid, base in written.items()}
    found = []
    for vpc in vpcs:
        default = made_default(lists, vpc["id"])
        found.append(Acl(vpc["id"], vpc, default or shared.get(_ALLOW), True, default is not None))
        found += [
            Acl(row["id"], vpc, row["id"], False, row.get("description") == MADE_HERE)
            for row in lists
            if row.get("vpcid") == vpc["id"] and row.get("description") != MADE_DEFAULT
        ]
        if not vpc.get("default"):
            found.append(Acl(f"{vpc['id']}/{_DENY}", vpc, shared.get(_DENY), False, False))
    for acl in found:
        acl.rules = [row for row in rules if row["aclid"] == acl.native and acl.own]
        acl.subnets = [row for row in subnets if _has(row, acl, shared, stands)]
    ctx.directory.remember(ACL, ({"id": acl.key} for acl in found))
    # Nobody made the list that denies all; it is shown where a subnet has it.
    return [acl for acl in found if acl.default or acl.own or acl.subnets]


def _known(lists: Iterable[Row], uuid: str) -> str | None:
    return next((row["id"] for row in lists if row["id"] == uuid), None)


def _has(subnet: Row, acl: Acl, shared: Mapping[str, str], stands: Mapping[str, str | None]) -> bool:
    if acl.vpc.get("default"):
        return not subnet.get("vpcid")
    native = subnet.get("aclid") or shared.get(_DENY)
    behind = stands.get(native or "", native)
    # A tier that has not got its VPC's own default list yet gets it when the VPC is settled next.
    return subnet.get("vpcid") == acl.vpc["id"] and (
        behind == acl.native or (acl.default and behind == shared.get(_ALLOW))
    )


def made_default(lists: Iterable[Row], vpc: str) -> str | None:
    """Return the uuid of the list that has become a VPC's default one; of several the same one each time."""
    return min(
        (row["id"] for row in lists if row.get("vpcid") == vpc and row.get("description") == MADE_DEFAULT),
        default=None,
    )


def allows_all(row: Mapping[str, Any]) -> bool:
    """Whether a list is the one that lets everything pass in all VPCs."""
    return not row.get("vpcid") and row.get("name") == _ALLOW


def find(found: Iterable[Acl], ident: str) -> Acl:
    """Return the ACL of an id, or raise InvalidNetworkAclID.NotFound."""
    for acl in found:
        if ident in (acl.id, acl.key):
            return acl
    raise KINDS[ACL].missing(ident) if KINDS[ACL].is_id(ident) else KINDS[ACL].refused(ident)


def changeable(acl: Acl) -> str:
    """Return the uuid of the list behind an ACL, or refuse: CloudStack's own lists cannot be changed."""
    if not acl.own:
        sentence = f"The entries of {acl.id} cannot be changed: it stands for a list that CloudStack has for all VPCs."
        raise Ec2Error("UnsupportedOperation", f"{sentence} Create a network ACL of your own.")
    return str(acl.native)


def entries(acl: Acl) -> list[Item]:
    """Return the entries of an ACL, ingress first, each direction ended by AWS's rule that denies the rest."""
    unchanged = acl.default and not acl.own
    allowed = [_whole(False, 100, "allow"), _whole(True, 100, "allow")] if unchanged else []
    own = [_entry(acl, rule, cidr) for rule in acl.rules for cidr in _cidrs(rule) if not is_last(acl, rule)]
    last = [_whole(False, LAST, "deny"), _whole(True, LAST, "deny")]
    return sorted([*allowed, *own, *last], key=lambda item: (item["Egress"], item["RuleNumber"]))


def _whole(egress: bool, number: int, action: str) -> Item:
    members = {"CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": action}
    return {"Egress": egress, "RuleNumber": number, **members}


def _cidrs(rule: Row) -> list[str]:
    found = [cidr for cidr in (rule.get("cidrlist") or "").split(",") if cidr]
    # What was given no range holds for all of both families: the IPv4 one says it.
    return ["0.0.0.0/0"] if set(found) == _ANYWHERE else found or ["0.0.0.0/0"]


def native_number(number: int, egress: bool) -> int:
    """Return the place in a list of CloudStack's for an entry's number."""
    return 2 * number - (not egress)


def is_last(acl: Acl, rule: Row) -> bool:
    """Whether a rule is the one that ends a direction of an ACL made through EC2."""
    return acl.made_here and int(rule["number"]) >= native_number(LAST, egress=False)


def number_of(acl: Acl, rule: Row) -> int:
    """Return the number of a rule as EC2 has it."""
    number = int(rule["number"])
    return (number + 1) // 2 if acl.made_here else number


def is_egress(rule: Row) -> bool:
    """Whether a rule is for what goes out."""
    return bool(rule["traffictype"].lower() == "egress")


def _entry(acl: Acl, rule: Row, cidr: str) -> Item:
    protocol = str(rule["protocol"]).lower()
    item: Item = {
        "Egress": is_egress(rule),
        "RuleNumber": number_of(acl, rule),
        "Protocol": _NUMBERS.get(protocol, protocol),
        "RuleAction": rule["action"].lower(),
        "Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr,
    }
    if item["Protocol"] == _ICMPV6:
        item["IcmpTypeCode"] = {"Type": -1, "Code": -1}
    if "icmptype" in rule:
        item["IcmpTypeCode"] = {"Type": int(rule["icmptype"]), "Code": int(rule.get("icmpcode", -1))}
    if "startport" in rule:
        item["PortRange"] = {"From": int(rule["startport"]), "To": int(rule["endport"])}
    return item


def _range(request: dict[str, Any]) -> str:
    """Return the range of an entry as AWS tells it, without bits beyond its prefix; empty where it names none."""
    if request.get("CidrBlock"):
        return str(cidr_block(IPv4Network, request["CidrBlock"], "cidrBlock"))
    named = request.get("Ipv6CidrBlock")
    return str(cidr_block(IPv6Network, named, "ipv6CidrBlock")) if named else ""


def _invalid(parameter: str, value: str, expected: str) -> Ec2Error:
    return Ec2Error(
        "InvalidParameterValue", f"Value ({value}) for parameter {parameter} is invalid. {expected}"
    )


def rule_params(request: dict[str, Any]) -> Row:
    """Return the parameters of createNetworkACL for an entry of a request."""
    protocol = str(request.get("Protocol") or "")
    name = _NAMES.get(protocol, protocol.lower())
    if request.get("CidrBlock") and request.get("Ipv6CidrBlock"):
        sentence = (
            "The parameters cidrBlock and ipv6CidrBlock cannot be used together: make an entry for each."
        )
        raise Ec2Error("InvalidParameterCombination", sentence)
    action = str(request.get("RuleAction") or "").lower()
    cidr = _range(request)
    if not name or not cidr or not action:
        sentence = "The request must contain the parameters protocol, ruleAction and cidrBlock"
        raise Ec2Error("MissingParameter", sentence)
    if action not in ("allow", "deny"):
        raise _invalid("ruleAction", action, "Expected allow or deny.")
    if name not in _NAMES.values() and not (name.isascii() and name.isdecimal() and int(name) < 256):
        raise _invalid("protocol", protocol, "Expected a protocol's number, or -1 for all.")
    params: Row = {"protocol": name, "cidrlist": cidr, "action": action.capitalize()}
    ports, icmp = request.get("PortRange") or {}, request.get("IcmpTypeCode") or {}
    if name in ("tcp", "udp"):
        if "From" not in ports or "To" not in ports:
            raise Ec2Error("MissingParameter", "The request must contain the parameter portRange")
        if not 0 <= ports["From"] <= ports["To"] <= 65535:
            raise _invalid(
                "portRange", f"{ports['From']}-{ports['To']}", "Expected ports between 0 and 65535."
            )
        return {**params, "startport": ports["From"], "endport": ports["To"]}
    if name == "icmp":
        if "Type" not in icmp or "Code" not in icmp:
            raise Ec2Error("MissingParameter", "The request must contain the parameter icmpTypeCode")
        return {**params, "icmptype": icmp.get("Type", -1), "icmpcode": icmp.get("Code", -1)}
    if name == _ICMPV6 and {icmp.get("Type", -1), icmp.get("Code", -1)} != {-1}:
        raise Ec2Error("UnsupportedOperation", "CloudStack lets ICMPv6 through as a whole, not by type.")
    return params
