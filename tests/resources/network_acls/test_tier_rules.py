"""A network ACL and groups' rules in one list: what becomes of packets, counted out."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ec2bridge.resources.groups.rules import Rule
from ec2bridge.resources.network_acls.tier_rules import (
    ALL,
    ALLOW_ALL,
    ANYWHERE,
    DENY_REST,
    Item,
    allowed,
    effective,
    from_native,
    items,
)

Packet = tuple[str, int, int, str]
"""Protocol, port or ICMP type, ICMP code, and the address at the other end."""

RANGES = (
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3/32",
    "10.1.2.2/32",
    "192.0.2.0/24",
    "::/0",
    "fd00::/8",
)
ADDRESSES = (
    "10.1.2.3",
    "10.1.2.2",
    "10.1.9.9",
    "10.9.9.9",
    "192.0.2.7",
    "198.51.100.1",
    "fd00::1",
    "2001:db8::1",
)
PORTS = range(7)
PACKETS: list[Packet] = [
    (protocol, first, second, address)
    for address in ADDRESSES
    for protocol, first, second in [
        *((name, port, 0) for name in ("tcp", "udp") for port in PORTS),
        *(("icmp", kind, code) for kind in (0, 3, 8) for code in (0, 1)),
        ("47", 0, 0),
        ("58", 0, 0),
    ]
]


def nets(*cidrs: str) -> tuple[Any, ...]:
    found = [ipaddress.ip_network(cidr) for cidr in cidrs]
    return tuple(sorted(found, key=lambda net: (net.version, int(net.network_address), net.prefixlen)))


def allow(protocol: str, first: int, last: int, *cidrs: str) -> Item:
    return Item(True, (protocol, first, last), nets(*cidrs))


def deny(protocol: str, first: int, last: int, *cidrs: str) -> Item:
    return Item(False, (protocol, first, last), nets(*cidrs))


def matches(item: Item, packet: Packet) -> bool:
    """Whether an item speaks of a packet, written as differently from the code as can be."""
    protocol, first, second, address = packet
    named, low, high = item.span
    if not any(ipaddress.ip_address(address) in net for net in item.nets):
        return False
    if named == "all":
        return True
    if named != protocol:
        return False
    if named in ("tcp", "udp"):
        return low <= first <= high
    if named == "icmp":
        return low in (-1, first) and high in (-1, second)
    return True


def fate(entries: Sequence[Item], packet: Packet) -> bool:
    """What the first item that matches says; what none speaks of is denied."""
    return next((item.allow for item in entries if matches(item, packet)), False)


ports = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted)
spans = st.one_of(
    st.just(ALL),
    st.builds(lambda name, pair: (name, *pair), st.sampled_from(["tcp", "udp"]), ports),
    st.sampled_from([("icmp", -1, -1), ("icmp", 8, -1), ("icmp", 3, 1), ("icmp", 0, 0)]),
    st.sampled_from([("47", -1, -1), ("58", -1, -1)]),
)
ranges = st.lists(st.sampled_from(RANGES), min_size=1, max_size=3, unique=True).map(lambda some: nets(*some))
rules = st.lists(st.builds(Item, st.just(True), spans, ranges), max_size=6)
acls = st.lists(st.builds(Item, st.booleans(), spans, ranges), max_size=6)


@given(acls, rules)
def test_a_packet_passes_when_the_acl_and_a_rule_let_it_through(acl, groups):
    found = effective(acl, groups)
    for packet in PACKETS:
        both = fate(acl, packet) and any(matches(rule, packet) for rule in groups)
        assert fate(found, packet) == both, packet


@given(acls, rules)
def test_a_list_ends_by_denying_the_rest_once(acl, groups):
    found = effective(acl, groups)
    assert found[-1] == DENY_REST
    assert len(found) == 1 or found[-2].allow, "what denies the rest needs no denials before it"


@given(acls, rules, st.booleans())
def test_a_list_reads_back_as_it_was_written(acl, groups, egress):
    found = effective(acl, groups)
    rows = [{**item.native(number, egress), "aclid": "x"} for number, item in enumerate(found, start=1)]
    rows = [{**row, "cidrlist": ",".join(reversed(row["cidrlist"]))} for row in reversed(rows)]
    assert items(rows, egress=egress) == found
    assert items(rows, egress=not egress) == []


@given(rules)
def test_an_acl_that_allows_all_leaves_the_groups_rules_alone(groups):
    found = effective([ALLOW_ALL], groups)
    assert len(found) - 1 <= len({rule.span for rule in groups})
    assert all(item.allow for item in found[:-1])


def test_ranges_of_the_same_ports_are_one_item():
    found = effective(
        [ALLOW_ALL],
        [
            allow("tcp", 22, 22, "10.0.0.0/8"),
            allow("tcp", 22, 22, "192.0.2.0/25"),
            allow("tcp", 22, 22, "192.0.2.128/25"),
            allow("tcp", 80, 80, "10.1.0.0/16"),
            allow("all", -1, -1, "10.1.0.0/16"),
        ],
    )
    assert found == [
        allow("all", -1, -1, "10.1.0.0/16"),
        allow("tcp", 22, 22, "10.0.0.0/8", "192.0.2.0/24"),
        DENY_REST,
    ]


def test_a_denial_stays_where_it_denies_something():
    acl = [deny("tcp", 22, 22, "192.0.2.0/24"), deny("udp", 53, 53, "0.0.0.0/0"), ALLOW_ALL]
    assert effective(acl, [allow("tcp", 20, 30, "0.0.0.0/0")]) == [
        acl[0],
        allow("tcp", 20, 30, "0.0.0.0/0"),
        DENY_REST,
    ]


def test_an_acl_narrows_the_rules():
    acl = [allow("tcp", 80, 443, "10.0.0.0/8"), allow("icmp", 8, -1, "0.0.0.0/0")]
    groups = [allow("tcp", 0, 100, "0.0.0.0/0"), allow("icmp", -1, -1, "10.1.0.0/16")]
    assert effective(acl, groups) == [
        allow("icmp", 8, -1, "10.1.0.0/16"),
        allow("tcp", 80, 100, "10.0.0.0/8"),
        DENY_REST,
    ]


def test_groups_rules_and_the_addresses_of_their_peers():
    groups = [
        Rule(False, "-1", cidr="0.0.0.0/0"),
        Rule(False, "tcp", 22, 22, group="sg-1"),
        Rule(False, "tcp", 23, 23, group="sg-empty"),
        Rule(False, "icmp", 8, -1, "10.0.0.0/8"),
        Rule(False, "icmpv6", -1, -1, "::/0"),
        Rule(False, "47", cidr="10.0.0.0/8"),
        Rule(True, "-1", cidr="127.0.0.1/32"),
    ]
    assert allowed(groups, {"sg-1": ["10.1.2.3", "fd00::1"], "sg-empty": []}, egress=False) == [
        allow("all", -1, -1, "0.0.0.0/0"),
        allow("tcp", 22, 22, "10.1.2.3/32", "fd00::1/128"),
        allow("icmp", 8, -1, "10.0.0.0/8"),
        allow("58", -1, -1, "::/0"),
        allow("47", -1, -1, "10.0.0.0/8"),
    ]


def test_what_an_acl_of_cloudstack_would_take_for_more_stays_shut():
    groups = [Rule(False, "0", cidr="0.0.0.0/0"), Rule(False, "icmp", 3, 17, "0.0.0.0/0")]
    assert allowed(groups, {}, egress=False) == []


def test_items_as_people_write_them_in_cloudstack():
    row = {"action": "Allow", "traffictype": "Ingress", "number": 1}
    assert from_native({**row, "protocol": "TCP"}) == Item(True, ("tcp", 0, 65535), ANYWHERE)
    assert from_native({**row, "protocol": "6", "startport": "0", "endport": "0"}) == Item(
        True, ("tcp", 0, 0), ANYWHERE
    )
    assert from_native({**row, "protocol": "all", "cidrlist": "10.1.2.3/8"}) == allow(
        "all", -1, -1, "10.0.0.0/8"
    )
