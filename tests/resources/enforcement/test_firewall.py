"""Groups that CloudStack does not apply: their rules on the firewall of a machine's public address."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.resources.enforcement.firewall import openings
from ec2bridge.resources.groups.rules import Rule

EVERYWHERE = "0.0.0.0/0"


def native(place: Any) -> Any:
    """CloudStack as alice sees it when she does not go through the bridge."""
    keys = place.sim.accounts["alice"]
    return Account(place.bridge.site.cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key))


def tcp(first: int, last: int, *cidrs: str) -> dict[str, Any]:
    ranges = [{"CidrIp": cidr} for cidr in cidrs]
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, "IpRanges": ranges}


@pytest.fixture
def web(ec2: Any) -> str:
    return str(ec2.create_security_group(GroupName="web", Description="d")["GroupId"])


@pytest.fixture
def address(place: Any, ec2: Any, web: str) -> str:
    """The uuid of a static-NAT address of a machine in the group, in an isolated network."""
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.run_instances(
        ImageId=image,
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[web],
        Placement={"AvailabilityZone": "sim-adv"},
    )
    alice = native(place)
    machine = settled(place, alice)
    network = machine["nic"][0]["networkid"]
    made = place.run(alice.job("associateIpAddress", networkid=network))
    params = {"ipaddressid": made["id"], "virtualmachineid": machine["id"]}
    place.run(alice.call("enableStaticNat", **params))
    return str(made["id"])


def settled(place: Any, alice: Any) -> dict[str, Any]:
    """The machine, once it runs and has its tags."""
    for _ in range(600):
        (machine,) = place.run(alice.list("listVirtualMachines"))
        if machine["state"] == "Running" and machine["tags"]:
            return dict(machine)
        time.sleep(0.1)
    raise AssertionError("the machine does not come up")


def firewall(place: Any) -> set[tuple[Any, ...]]:
    rows = place.run(native(place).list("listFirewallRules"))
    return {(r["protocol"], r.get("startport"), r.get("endport"), r["cidrlist"]) for r in rows}


def test_rules_of_a_group_open_and_close_the_address(place, ec2, web, address):
    everywhere, office = [tcp(22, 22, EVERYWHERE)], [tcp(22, 22, "10.0.0.0/8"), tcp(80, 90, EVERYWHERE)]
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=everywhere)
    assert firewall(place) == {("tcp", 22, 22, EVERYWHERE)}
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=office)
    assert firewall(place) == {("tcp", 22, 22, f"{EVERYWHERE},10.0.0.0/8"), ("tcp", 80, 90, EVERYWHERE)}
    ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=everywhere)
    assert firewall(place) == {("tcp", 22, 22, "10.0.0.0/8"), ("tcp", 80, 90, EVERYWHERE)}


def test_what_others_have_opened_stays_open(place, ec2, web, address):
    alice = native(place)
    rule = {"ipaddressid": address, "protocol": "tcp", "startport": 22, "endport": 22}
    place.run(alice.job("createFirewallRule", **rule, cidrlist=["192.0.2.0/24"]))
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(443, 443, EVERYWHERE)])
    ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[tcp(443, 443, EVERYWHERE)])
    assert firewall(place) == {("tcp", 22, 22, "192.0.2.0/24")}


def test_a_rule_that_overlaps_with_anothers_is_kept_in_the_group(place, ec2, web, address):
    rule = {"ipaddressid": address, "protocol": "tcp", "startport": 20, "endport": 30}
    place.run(native(place).job("createFirewallRule", **rule, cidrlist=[EVERYWHERE]))
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    (group,) = ec2.describe_security_groups(GroupIds=[web])["SecurityGroups"]
    assert group["IpPermissions"][0]["FromPort"] == 22
    assert firewall(place) == {("tcp", 20, 30, EVERYWHERE)}


def test_a_machine_that_changes_groups_changes_its_firewall(place, ec2, web, address):
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    other = ec2.create_security_group(GroupName="other", Description="d")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[tcp(443, 443, EVERYWHERE)])
    (reservation,) = ec2.describe_instances()["Reservations"]
    ec2.modify_instance_attribute(InstanceId=reservation["Instances"][0]["InstanceId"], Groups=[other])
    assert firewall(place) == {("tcp", 443, 443, EVERYWHERE)}


def test_a_machine_launched_with_an_address_can_be_reached_as_its_groups_say(place, ec2, web):
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    image = ec2.describe_images()["Images"][0]["ImageId"]
    nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": [web]}
    (machine,) = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[nic],
        Placement={"AvailabilityZone": "sim-adv"},
    )["Instances"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[machine["InstanceId"]], WaiterConfig={"Delay": 1})
    assert firewall(place) == {("tcp", 22, 22, EVERYWHERE)}


def test_an_elastic_ip_opens_as_the_groups_of_its_machine_say(place, ec2, web, address):
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    (shown,) = ec2.describe_addresses()["Addresses"]
    ec2.disassociate_address(AssociationId=shown["AssociationId"])
    ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(443, 443, EVERYWHERE)])
    ec2.associate_address(AllocationId=shown["AllocationId"], InstanceId=shown["InstanceId"])
    assert firewall(place) == {("tcp", 443, 443, EVERYWHERE)}


def test_a_network_made_for_a_launch_lets_its_machines_out(place, ec2, address):
    (rule,) = place.run(native(place).list("listEgressFirewallRules"))
    assert (rule["protocol"], rule["cidrlist"]) == ("all", "10.1.1.0/24")


def test_a_group_without_machines_costs_one_look(place, ec2, web):
    commands = place.commands(
        lambda: ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 22, EVERYWHERE)])
    )
    assert "listTags" in commands
    assert "listPublicIpAddresses" not in commands


spans = st.tuples(
    st.integers(1, 12), st.integers(0, 4), st.sampled_from(["10.0.0.0/8", "192.0.2.0/24", EVERYWHERE])
)


@given(st.lists(spans))
def test_openings_let_in_what_the_rules_do_and_share_no_port(entries):
    rules = [Rule(False, "tcp", first, first + size, cidr) for first, size, cidr in entries]
    asked = {(port, cidr) for first, size, cidr in entries for port in range(first, first + size + 1)}
    found = [
        (port, cidr)
        for _, first, last, ranges in openings(rules)
        for port in range(first, last + 1)
        for cidr in ranges
    ]
    assert set(found) == asked
    ports = [port for _, first, last, _ in openings(rules) for port in range(first, last + 1)]
    assert len(ports) == len(set(ports))


def test_everything_but_ipv6_groups_and_strange_protocols_is_opened():
    rules = [
        Rule(False, "-1", cidr=EVERYWHERE),
        Rule(False, "-1", cidr="::/0"),
        Rule(False, "-1", group="sg-1"),
        Rule(False, "47", cidr=EVERYWHERE),
        Rule(True, "-1", cidr="10.0.0.0/8"),
        Rule(False, "icmp", 8, -1, "10.0.0.0/8"),
    ]
    assert openings(rules) == {
        ("tcp", 1, 65535, frozenset({EVERYWHERE})),
        ("udp", 1, 65535, frozenset({EVERYWHERE})),
        ("icmp", -1, -1, frozenset({EVERYWHERE})),
        ("icmp", 8, 0, frozenset({"10.0.0.0/8"})),
    }
