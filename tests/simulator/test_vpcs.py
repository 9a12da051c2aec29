"""VPCs with tiers, ACLs and VPN, taken down in the order that CloudStack asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.conftest import Clients, refusal


async def _vpc(clients: Clients, cidr: str = "10.20.0.0/16", **params: Any) -> dict[str, Any]:
    return dict(
        await clients.alice.job(
            "createVPC",
            name="v",
            displaytext="v",
            cidr=cidr,
            zoneid=clients.id("zones", "sim-adv"),
            vpcofferingid=clients.id("vpcofferings", "Default VPC offering"),
            **params,
        )
    )


async def _tier(clients: Clients, vpc: dict[str, Any], number: int, **params: Any) -> dict[str, Any]:
    answer = await clients.alice.call(
        "createNetwork",
        name=f"tier{number}",
        displaytext="t",
        zoneid=vpc["zoneid"],
        networkofferingid=clients.id("networkofferings", "DefaultIsolatedNetworkOfferingForVpcNetworks"),
        vpcid=vpc["id"],
        gateway=f"10.20.{number}.1",
        **{"netmask": "255.255.255.0", **params},
    )
    return dict(answer["network"])


async def test_a_vpc_goes_only_when_its_tiers_are_gone(clients: Clients) -> None:
    alice = clients.alice
    vpc = await _vpc(clients)
    tier = await _tier(clients, vpc, 1)
    (row,) = await alice.list("listVPCs", id=vpc["id"])
    assert [network["id"] for network in row["network"]] == [tier["id"]]
    assert (await refusal(alice.job("deleteVPC", id=vpc["id"])))[0] == 431
    await alice.job("deleteNetwork", id=tier["id"])
    assert await alice.job("deleteVPC", id=vpc["id"]) == {"success": True}
    assert await alice.list("listVPCs") == []
    assert await alice.list("listPublicIpAddresses") == []


async def test_tiers_have_their_vpcs_names_and_can_change_the_domain_alone(clients: Clients) -> None:
    alice = clients.alice
    vpc = await _vpc(clients, networkdomain="example.com", dns1="192.0.2.1", dns2="192.0.2.2")
    tier = await _tier(clients, vpc, 1)
    assert (tier["networkdomain"], tier["dns1"], tier["dns2"]) == ("example.com", "192.0.2.1", "192.0.2.2")

    await alice.job("updateNetwork", id=tier["id"], networkdomain="sub.example.com")
    (row,) = await alice.list("listNetworks", id=tier["id"])
    assert row["networkdomain"] == "sub.example.com"
    code, text = await refusal(alice.job("updateNetwork", id=tier["id"], networkdomain="a b"))
    assert (code, "Invalid network domain" in text) == (431, True)
    for work in (
        alice.job("updateNetwork", id=tier["id"], dns1="192.0.2.3"),
        _tier(clients, vpc, 2, dns1="192.0.2.3"),
    ):
        assert (await refusal(work))[1] == "DNS can not be specified for a VPC tier"


async def test_tiers_lie_in_their_vpc_and_apart(clients: Clients) -> None:
    vpc = await _vpc(clients)
    await _tier(clients, vpc, 1)
    code, text = await refusal(_tier(clients, vpc, 1))
    assert (code, "crosses other network cidr" in text) == (431, True)
    outside = await _vpc(clients, "10.30.0.0/16")
    code, text = await refusal(_tier(clients, outside, 2))
    assert (code, "is not within vpc" in text) == (431, True)


async def test_users_networks_have_a_largest_size(clients: Clients) -> None:
    vpc = await _vpc(clients)
    large = _tier(clients, vpc, 0, netmask="255.255.248.0")
    assert await refusal(large) == (431, "Cidr size can't be less than 22")
    assert (await _tier(clients, vpc, 0, netmask="255.255.252.0"))["cidr"] == "10.20.0.0/22"


async def test_an_acl_list_is_held_by_its_tiers(clients: Clients) -> None:
    alice = clients.alice
    vpc = await _vpc(clients)
    acl = await alice.job("createNetworkACLList", name="acl", vpcid=vpc["id"])
    rule = await alice.job(
        "createNetworkACL", aclid=acl["id"], protocol="tcp", startport=80, cidrlist=["10.0.0.0/8"], number=5
    )
    assert (rule["endport"], rule["action"], rule["aclname"]) == ("80", "Allow", "acl")
    tier = await _tier(clients, vpc, 1, aclid=acl["id"])
    assert (await refusal(alice.job("deleteNetworkACLList", id=acl["id"])))[0] == 530
    (default,) = await alice.list("listNetworkACLLists", name="default_allow")
    await alice.job("replaceNetworkACLList", aclid=default["id"], networkid=tier["id"])
    rules = await alice.list("listNetworkACLs", networkid=tier["id"])
    # A rule of one's own without a range has IPv6's, too; those of the default lists have not.
    assert {(row["action"], row["cidrlist"]) for row in rules} == {("Allow", "0.0.0.0/0")}
    assert await alice.job("deleteNetworkACLList", id=acl["id"]) == {"success": True}
    removed = (431, "Default ACL cannot be removed")
    assert await refusal(alice.job("deleteNetworkACLList", id=default["id"])) == removed


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"number": 0}, "Invalid number [0]. Number cannot be < 1"),
        ({"action": "Maybe"}, "Invalid action [Maybe]. Permitted actions are Allow and Deny"),
        ({"protocol": "all"}, "start port and end port must be null if protocol = 'all'"),
        ({"protocol": "icmp"}, "Can't specify start/end port when protocol is ICMP"),
        ({"protocol": "gre"}, "Invalid protocol [gre]. Expected one of: [tcp,udp,icmp,all]"),
        ({"protocol": "300"}, "Invalid protocol number: 300"),
        ({"icmptype": 8}, "Can specify icmpCode and icmpType for ICMP protocol only"),
        ({"startport": 70000}, "Start public port is an invalid value: 70000"),
        ({"startport": 90}, "Start port can't be bigger than end port [startport=90,endport=80]"),
        (
            {"protocol": "icmp", "startport": None, "endport": None, "icmpcode": 17, "icmptype": 3},
            "Invalid icmp code [17]. It should belong to [0-16] range and can be defined when icmpType"
            " belongs to [0-40] range",
        ),
    ],
)
async def test_rules_that_an_acl_list_does_not_take(
    clients: Clients, changed: dict[str, Any], text: str
) -> None:
    alice = clients.alice
    acl = await alice.job("createNetworkACLList", name="acl", vpcid=(await _vpc(clients))["id"])
    rule = {"protocol": "tcp", "startport": 80, "endport": 80, "cidrlist": ["10.0.0.0/8"], **changed}
    assert await refusal(alice.job("createNetworkACL", aclid=acl["id"], **rule)) == (431, text)
    assert await alice.list("listNetworkACLs", aclid=acl["id"]) == []


async def test_a_rule_is_changed_in_part_or_as_a_whole(clients: Clients) -> None:
    alice = clients.alice
    acl = await alice.job("createNetworkACLList", name="acl", vpcid=(await _vpc(clients))["id"])
    made = {"protocol": "tcp", "startport": 80, "endport": 80, "cidrlist": "10.0.0.0/8", "reason": "web"}
    rule = await alice.job("createNetworkACL", aclid=acl["id"], **made)

    ping = {"id": rule["id"], "protocol": "icmp", "icmptype": 8, "icmpcode": 0}
    text = "Can't specify start/end port when protocol is ICMP"
    assert await refusal(alice.job("updateNetworkACLItem", **ping)) == (431, text)
    assert await alice.list("listNetworkACLs", id=rule["id"]) == [rule]
    whole = {"partialupgrade": "false", "traffictype": "Egress", "cidrlist": "10.1.0.0/16"}
    await alice.job("updateNetworkACLItem", **ping, **whole)

    [after] = await alice.list("listNetworkACLs", id=rule["id"])
    assert {
        name: after.get(name) for name in ("protocol", "icmptype", "startport", "reason", "traffictype")
    } == {
        "protocol": "icmp",
        "icmptype": 8,
        "startport": None,
        "reason": None,
        "traffictype": "Egress",
    }


async def test_icmp_is_every_type_where_none_is_named(clients: Clients) -> None:
    alice = clients.alice
    acl = await alice.job("createNetworkACLList", name="acl", vpcid=(await _vpc(clients))["id"])
    rule = await alice.job("createNetworkACL", aclid=acl["id"], protocol="1")
    assert (rule["protocol"], rule["icmptype"], rule["icmpcode"]) == ("icmp", -1, -1)


async def test_a_vpn_connection_holds_both_gateways(clients: Clients) -> None:
    alice = clients.alice
    vpc = await _vpc(clients)
    gateway = await alice.job("createVpnGateway", vpcid=vpc["id"])
    customer = await alice.job(
        "createVpnCustomerGateway",
        name="c",
        gateway="203.0.113.10",
        cidrlist="172.30.0.0/16",
        ipsecpsk="secret",
        ikepolicy="aes128-sha1;modp1536",
        esppolicy="aes128-sha1;modp1536",
    )
    ids = {"s2svpngatewayid": gateway["id"], "s2scustomergatewayid": customer["id"]}
    connection = await alice.job("createVpnConnection", **ids)
    assert connection["gateway"] == "203.0.113.10"
    assert (await refusal(alice.job("deleteVpnGateway", id=gateway["id"])))[0] == 431
    assert (await refusal(alice.job("deleteVpnCustomerGateway", id=customer["id"])))[0] == 431
    await alice.job("deleteVpnConnection", id=connection["id"])
    await alice.job("deleteVpnGateway", id=gateway["id"])
    await alice.job("deleteVpnCustomerGateway", id=customer["id"])
    assert await alice.list("listVpnConnections") == []


async def test_a_static_nat_address_of_a_vpc_names_its_tier(clients: Clients) -> None:
    alice = clients.alice
    vpc = await _vpc(clients)
    tier = await _tier(clients, vpc, 1)
    machine = await clients.machine(alice, "m1", networkids=[tier["id"]])
    assert machine["nic"][0]["vpcid"] == vpc["id"]
    address = await alice.job("associateIpAddress", vpcid=vpc["id"])
    await alice.call(
        "enableStaticNat",
        ipaddressid=address["id"],
        virtualmachineid=machine["id"],
        networkid=tier["id"],
    )
    (row,) = await alice.list("listPublicIpAddresses", id=address["id"])
    assert row["associatednetworkid"] == tier["id"]
    await alice.job("disableStaticNat", ipaddressid=address["id"])
    (row,) = await alice.list("listPublicIpAddresses", id=address["id"])
    assert "associatednetworkid" not in row


async def test_an_affinity_group_lets_its_machines_go(clients: Clients) -> None:
    alice = clients.alice
    group = await alice.job("createAffinityGroup", name="g", type="host anti-affinity")
    machine = await clients.machine(alice, "m1", "sim-sg", affinitygroupids=[group["id"]])
    assert [row["name"] for row in machine["affinitygroup"]] == ["g"]
    await alice.job("deleteAffinityGroup", id=group["id"])
    (row,) = await alice.list("listVirtualMachines", id=machine["id"])
    assert row["affinitygroup"] == []
