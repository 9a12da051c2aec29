"""Prefix lists in groups' rules where CloudStack applies none: on tiers and on the firewall of addresses."""

from typing import Any

from tests.actions.access.test_prefix_list_rules import A, B, C, modify, naming, prefix_list
from tests.conftest import Place
from tests.resources.enforcement.test_firewall import address, firewall, web
from tests.resources.enforcement.test_tiers import SHUT, Vpc, opened, vpc

__all__ = ["address", "vpc", "web"]


def test_a_tier_follows_the_list(ec2: Any, vpc: Vpc) -> None:
    us = prefix_list(ec2, A, B)
    group, subnet = vpc.group("web", naming(us)), vpc.subnet()
    vpc.machine(subnet, group)
    assert vpc.rules(subnet) == [opened(22, 22, A, B), SHUT]
    modify(ec2, us, add=(C,), remove=(A,))
    assert vpc.rules(subnet) == [opened(22, 22, B, C), SHUT]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[naming(us)])
    assert vpc.rules(subnet) == [SHUT]


def test_the_firewall_of_an_address_follows_the_list(place: Place, ec2: Any, web: str, address: str) -> None:
    us = prefix_list(ec2, A)
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[naming(us)])
    assert firewall(place) == {("tcp", 22, 22, A)}
    modify(ec2, us, add=(B,), remove=(A,))
    assert firewall(place) == {("tcp", 22, 22, B)}
    ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[naming(us)])
    assert firewall(place) == set()
