"""Rules between EC2's permissions and CloudStack's: what goes in comes out."""

import ipaddress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ec2bridge.resources.groups.rules import Rule, from_native, wanted

ports = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted)
ported = st.tuples(st.sampled_from(["tcp", "udp", "6", "17", "TCP"]), ports).map(
    lambda drawn: {"IpProtocol": drawn[0], "FromPort": drawn[1][0], "ToPort": drawn[1][1]}
)
icmp = st.one_of(
    st.tuples(st.integers(0, 255), st.integers(0, 255)), st.just((-1, -1)), st.just((8, -1))
).map(lambda drawn: {"IpProtocol": "icmp", "FromPort": drawn[0], "ToPort": drawn[1]})
bare = st.sampled_from(["-1", "all", "47", "58", "icmpv6", "0", "255"]).map(lambda name: {"IpProtocol": name})
cidrs = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
).map(lambda drawn: f"{drawn[0]}/{drawn[1]}")


def as_listed(rule: Rule) -> dict[str, Any]:
    """A rule as CloudStack lists it after it was given in the form that `native` makes."""
    sent = rule.native()
    peer = {"cidr": rule.cidr} if rule.cidr else {"securitygroupname": "web", "account": "alice"}
    places = {} if rule.protocol in ("tcp", "udp", "icmp") else {"startport": 0, "endport": 0}
    return {**sent, **places, **peer, "ruleid": "43f4da14-9cc8-4ae7-b039-e9142a2808ba"}


@given(st.one_of(ported, icmp, bare), cidrs, st.booleans())
def test_a_permission_survives_the_way_through_cloudstack(permission, cidr, egress):
    version = ipaddress.ip_interface(cidr).version
    ranges = {"IpRanges": [{"CidrIp": cidr}]} if version == 4 else {"Ipv6Ranges": [{"CidrIpv6": cidr}]}
    pairs = {"UserIdGroupPairs": [{"GroupId": "sg-1", "Description": "a"}]}
    rules = wanted([{**permission, **ranges, **pairs}], egress, lambda pair: pair["GroupId"], str)
    assert len(rules) == 2
    for rule in rules:
        seen = from_native(as_listed(rule), egress, rule.marks(), rule.group, "sgr-1")
        assert seen == rule
        assert seen.description == rule.description
        assert seen.native_key == rule.native_key
