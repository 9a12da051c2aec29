"""What may pass the router of a VPC into a tier and out of it: a network ACL and security groups in one ordered list.

On AWS a packet must be let through twice, by the first entry of the subnet's ACL that matches and by any rule of the
machine's groups; a tier of CloudStack's has one list. Read entry by entry the two become one exactly: a deny stays,
and an allow becomes its intersections with the groups' rules. Everything here is a pure function; `Item` is both an
entry and a rule.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ec2bridge.resources.groups.rules import Rule

Row = Mapping[str, Any]
Net = ipaddress.IPv4Network | ipaddress.IPv6Network
Span = tuple[str, int, int]
"""Protocol as CloudStack writes it, with first and last port, or ICMP type and code; -1 is any, or none."""
Nets = dict[Span, list[Net]]

ALL: Span = ("all", -1, -1)
ANYWHERE: tuple[Net, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_NAMES = {"1": "icmp", "6": "tcp", "17": "udp", "icmpv6": "58", "-1": "all"}
_PORTED = ("tcp", "udp")
_LAST_CODE = 16
"""CloudStack's ACLs take no greater ICMP code; its groups do, and nothing is known by one."""


@dataclass(frozen=True, slots=True)
class Item:
    """Packets to one span of ports from (or to) these ranges, let through or not."""

    allow: bool
    span: Span
    nets: tuple[Net, ...]

    def native(self, number: int, egress: bool) -> dict[str, Any]:
        """The parameters of createNetworkACL."""
        protocol, first, last = self.span
        names = ("startport", "endport") if protocol in _PORTED else ("icmptype", "icmpcode")
        fields = dict(zip(names, (first, last), strict=True)) if protocol in (*_PORTED, "icmp") else {}
        return {
            "number": number,
            "traffictype": "Egress" if egress else "Ingress",
            "action": "Allow" if self.allow else "Deny",
            "protocol": protocol,
            "cidrlist": [str(net) for net in self.nets],
            **fields,
        }


DENY_REST = Item(False, ALL, ANYWHERE)
ALLOW_ALL = Item(True, ALL, ANYWHERE)


# --- reading -------------------------------------------------------------------------------------------------


def from_native(row: Row) -> Item:
    """An item of a list as CloudStack lists it."""
    protocol = str(row["protocol"]).lower()
    protocol = _NAMES.get(protocol, protocol)
    span = (protocol, -1, -1)
    if protocol in _PORTED:
        span = (protocol, int(row.get("startport", 0)), int(row.get("endport", 65535)))
    elif protocol == "icmp":
        span = (protocol, int(row.get("icmptype", -1)), int(row.get("icmpcode", -1)))
    cidrs = [cidr for cidr in (row.get("cidrlist") or "").split(",") if cidr]
    nets = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs] or ANYWHERE
    return Item(row["action"].lower() == "allow", span, _ordered(nets))


def items(rows: Iterable[Row], *, egress: bool) -> list[Item]:
    """The items of one direction of a list, in the order in which they are applied."""
    found = [row for row in rows if (row["traffictype"].lower() == "egress") == egress]
    return [from_native(row) for row in sorted(found, key=lambda row: int(row["number"]))]


def allowed(rules: Iterable[Rule], peers: Mapping[str, Iterable[str]], *, egress: bool) -> list[Item]:
    """What groups' rules let through in one direction; `peers` has the addresses that a group's id stands for."""
    found: list[Item] = []
    for rule in rules:
        span = _span(rule)
        if rule.egress == egress and span is not None:
            cidrs = [rule.cidr] if rule.cidr else list(peers.get(rule.group or "", ()))
            found.append(Item(True, span, _ordered(ipaddress.ip_network(cidr) for cidr in cidrs)))
    return [item for item in found if item.nets]


def _span(rule: Rule) -> Span | None:
    if rule.protocol == "0":
        return None  # hop-by-hop options; the router would take it for every protocol
    protocol = _NAMES.get(rule.protocol, rule.protocol)
    if protocol not in (*_PORTED, "icmp"):
        return protocol, -1, -1
    first, last = (-1 if port is None else port for port in (rule.from_port, rule.to_port))
    if protocol == "icmp" and last > _LAST_CODE:
        return None
    return protocol, first, last


# --- together ------------------------------------------------------------------------------------------------


def effective(entries: Sequence[Item], rules: Iterable[Item]) -> list[Item]:
    """The list that lets through what the first entry that matches, and any of the rules, let through."""
    wanted = _joined(rules)
    blocks: list[Nets | Item] = [{}]
    later: Nets = {}
    for entry in reversed(entries):
        if entry.allow:
            block = blocks[-1] if isinstance(blocks[-1], dict) else {}
            if block is not blocks[-1]:
                blocks.append(block)
            for span, nets in _common(entry, wanted):
                block.setdefault(span, []).extend(nets)
                later.setdefault(span, []).extend(nets)
        elif any(True for _ in _common(entry, later)):
            blocks.append(entry)  # one that denies nothing of what is let through after it says nothing
    found: list[Item] = []
    for part in reversed(blocks):
        found += [part] if isinstance(part, Item) else _tidy(part)
    return [*found, DENY_REST]


def _joined(rules: Iterable[Item]) -> Nets:
    found: Nets = {}
    for rule in rules:
        found.setdefault(rule.span, []).extend(rule.nets)
    return {span: _collapsed(nets) for span, nets in found.items()}


def _common(entry: Item, rules: Nets) -> Iterable[tuple[Span, list[Net]]]:
    """What an entry and rules have in common, by span."""
    for span, nets in rules.items():
        both = _both(entry.span, span)
        shared = (
            [net for one in entry.nets for other in nets if (net := _narrower(one, other))] if both else ()
        )
        if both and shared:
            yield both, list(shared)


def _both(one: Span, other: Span) -> Span | None:
    """The span of what is in both."""
    if "all" in (one[0], other[0]):
        return other if one[0] == "all" else one
    if one[0] != other[0]:
        return None
    if one[0] in _PORTED:
        first, last = max(one[1], other[1]), min(one[2], other[2])
        return (one[0], first, last) if first <= last else None
    pairs = zip(one[1:], other[1:], strict=True)
    if any(-1 not in pair and pair[0] != pair[1] for pair in pairs):
        return None
    return one[0], max(one[1], other[1]), max(one[2], other[2])


def _narrower(one: Net, other: Net) -> Net | None:
    """Of two ranges the one that lies in the other: ranges never overlap in part."""
    if one.version != other.version:
        return None
    wide, narrow = (one, other) if one.prefixlen <= other.prefixlen else (other, one)
    return narrow if narrow.network_address in wide else None


def _tidy(block: Nets) -> list[Item]:
    """Allows in a row, as few as they can be said in without counting ports."""
    joined = {span: _collapsed(nets) for span, nets in block.items()}
    found = []
    for span, nets in joined.items():
        wider = [
            net
            for other, held in joined.items()
            if other != span and _both(other, span) == span
            for net in held
        ]
        rest = [net for net in nets if not any(_narrower(net, held) == net for held in wider)]
        if rest:
            found.append(Item(True, span, _ordered(rest)))
    return sorted(found, key=lambda item: item.span)


def _collapsed(nets: Iterable[Net]) -> list[Net]:
    found = list(nets)
    return [
        *ipaddress.collapse_addresses(net for net in found if isinstance(net, ipaddress.IPv4Network)),
        *ipaddress.collapse_addresses(net for net in found if isinstance(net, ipaddress.IPv6Network)),
    ]


def _ordered(nets: Iterable[Net]) -> tuple[Net, ...]:
    return tuple(sorted(set(nets), key=lambda net: (net.version, int(net.network_address), net.prefixlen)))
