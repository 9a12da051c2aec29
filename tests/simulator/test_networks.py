"""Networks come up with their first machine and hold on until the last one is expunged."""

from __future__ import annotations

from tests.simulator.conftest import Clients, refusal


async def test_the_first_machine_brings_an_isolated_network_up(clients: Clients) -> None:
    alice = clients.alice
    network = await clients.isolated(alice)
    assert network["state"] == "Allocated"
    assert await alice.list("listPublicIpAddresses") == []
    machine = await clients.machine(alice, "m1", networkids=[network["id"]])
    (row,) = await alice.list("listNetworks", id=network["id"])
    (address,) = await alice.list("listPublicIpAddresses")
    assert row["state"] == "Implemented"
    assert address["issourcenat"]
    assert machine["nic"][0]["networkid"] == network["id"]


async def test_a_network_goes_with_its_last_machine(clients: Clients) -> None:
    alice = clients.alice
    network = await clients.isolated(alice)
    machine = await clients.machine(alice, "m1", networkids=[network["id"]])
    await alice.job("destroyVirtualMachine", id=machine["id"])
    assert await refusal(alice.job("deleteNetwork", id=network["id"])) == (530, "Failed to delete network")
    await clients.keylookup.job("expungeVirtualMachine", id=machine["id"])
    assert await alice.job("deleteNetwork", id=network["id"]) == {"success": True}
    assert await alice.list("listNetworks", id=network["id"]) == []
    assert await alice.list("listPublicIpAddresses") == []


async def test_static_nat_shows_on_the_machine_and_ends_with_it(clients: Clients) -> None:
    alice = clients.alice
    network = await clients.isolated(alice)
    machine = await clients.machine(alice, "m1", networkids=[network["id"]])
    address = await alice.job("associateIpAddress", networkid=network["id"])
    await alice.call("enableStaticNat", ipaddressid=address["id"], virtualmachineid=machine["id"])
    (row,) = await alice.list("listVirtualMachines", id=machine["id"])
    assert row["publicip"] == row["nic"][0]["publicip"] == address["ipaddress"]
    await alice.job("destroyVirtualMachine", id=machine["id"])
    await clients.keylookup.job("expungeVirtualMachine", id=machine["id"])
    (row,) = await alice.list("listPublicIpAddresses", id=address["id"])
    assert not row["isstaticnat"]
    assert "virtualmachineid" not in row
    await alice.job("disassociateIpAddress", id=address["id"])
    assert await alice.list("listPublicIpAddresses", id=address["id"]) == []


async def test_an_address_keeps_its_id_for_the_next_account(clients: Clients) -> None:
    mine, his = await clients.isolated(clients.alice), await clients.isolated(clients.bob)
    for account, network in ((clients.alice, mine), (clients.bob, his)):
        await account.job("associateIpAddress", networkid=network["id"])
    address = await clients.alice.job("associateIpAddress", networkid=mine["id"])
    await clients.alice.job("disassociateIpAddress", id=address["id"])
    again = await clients.bob.job("associateIpAddress", networkid=his["id"])
    assert again["id"] == address["id"]


async def test_the_first_address_of_a_network_without_machines_is_its_way_out(clients: Clients) -> None:
    alice = clients.alice
    network = await clients.isolated(alice)
    first, second = [await alice.job("associateIpAddress", networkid=network["id"]) for _ in range(2)]
    assert (first["issourcenat"], second["issourcenat"]) == (True, False)
    machine = await clients.machine(alice, "m1", networkids=[network["id"]])
    assert len(await alice.list("listPublicIpAddresses")) == 2
    mapped = {"ipaddressid": first["id"], "virtualmachineid": machine["id"]}
    code, text = await refusal(alice.call("enableStaticNat", **mapped))
    assert (code, "is a sourceNat ip address" in text) == (431, True)


async def test_a_second_nic_has_addresses_of_its_own_network(clients: Clients) -> None:
    alice = clients.alice
    first = await clients.isolated(alice)
    second = await clients.isolated(alice, "iso2", gateway="10.7.0.1", netmask="255.255.255.0")
    machine = await clients.machine(alice, "m1", networkids=[first["id"]])
    ids = {"virtualmachineid": machine["id"]}
    row = await alice.job("addNicToVirtualMachine", networkid=second["id"], ipaddress="10.7.0.9", **ids)
    nic = row["nic"][1]
    extra = await alice.job("addIpToNic", nicid=nic["id"], ipaddress="10.7.0.10")
    assert nic["ipaddress"] == "10.7.0.9"
    assert extra["ipaddress"] == "10.7.0.10"
    swapped = await alice.job("updateDefaultNicForVirtualMachine", nicid=nic["id"], **ids)
    assert swapped["ipaddress"] == "10.7.0.9"
    assert [entry["deviceid"] for entry in swapped["nic"]] == ["0", "1"]
    code, text = await refusal(alice.job("removeNicFromVirtualMachine", nicid=nic["id"], **ids))
    assert code == 431
    assert text.endswith("NIC is default.")


async def test_a_nic_with_static_nat_is_not_removed(clients: Clients) -> None:
    alice = clients.alice
    first = await clients.isolated(alice)
    second = await clients.isolated(alice, "iso2", gateway="10.7.0.1", netmask="255.255.255.0")
    machine = await clients.machine(alice, "m1", networkids=[first["id"], second["id"]])
    _, address = [await alice.job("associateIpAddress", networkid=second["id"]) for _ in range(2)]
    mapped = {"ipaddressid": address["id"], "virtualmachineid": machine["id"], "networkid": second["id"]}
    await alice.call("enableStaticNat", **mapped)
    taken = {"virtualmachineid": machine["id"], "nicid": machine["nic"][1]["id"]}
    code, text = await refusal(alice.job("removeNicFromVirtualMachine", **taken))
    assert code == 431
    assert text.endswith("NIC has associated Port forwarding or Load balancer or Static NAT rules.")
    await alice.job("disableStaticNat", ipaddressid=address["id"])
    left = await alice.job("removeNicFromVirtualMachine", **taken)
    assert [nic["networkid"] for nic in left["nic"]] == [first["id"]]


async def test_firewall_rules_of_one_port_conflict(clients: Clients) -> None:
    alice = clients.alice
    network = await clients.isolated(alice)
    address = await alice.job("associateIpAddress", networkid=network["id"])
    rule = {"ipaddressid": address["id"], "protocol": "tcp", "cidrlist": ["0.0.0.0/0"]}
    made = await alice.job("createFirewallRule", startport=20, endport=30, **rule)
    assert (await refusal(alice.job("createFirewallRule", startport=22, endport=22, **rule)))[0] == 537
    assert (await refusal(clients.bob.job("deleteFirewallRule", id=made["id"])))[0] == 531
    assert await clients.bob.list("listFirewallRules") == []
    await alice.job("deleteFirewallRule", id=made["id"])
    assert await alice.list("listFirewallRules", ipaddressid=address["id"]) == []


async def test_zones_allow_their_own_kinds_of_network(clients: Clients) -> None:
    offering = clients.id("networkofferings", "DefaultIsolatedNetworkOfferingWithSourceNatService")
    for zone in ("sim-sg", "sim-basic"):
        zone_id = clients.id("zones", zone)
        made = clients.alice.call("createNetwork", name="x", zoneid=zone_id, networkofferingid=offering)
        assert (await refusal(made))[0] == 431
