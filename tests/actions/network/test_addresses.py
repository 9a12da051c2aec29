"""Elastic IPs: allocated for no machine in particular, associated with any, released once."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.launching import (
    ADVANCED,
    GROUPED,
    code_of,
    described,
    launch,
    placed,
    started,
    tags,
    until,
)
from tests.native import Native


def refused(code: str, call: Callable[..., Any], **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert code_of(error) == code


def addresses(ec2: Any, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ec2.describe_addresses(**request)["Addresses"]
    return found


def test_allocate_associate_describe_and_release(ec2: Any) -> None:
    made = ec2.allocate_address(Domain="vpc", TagSpecifications=[tags("elastic-ip", Name="web")])
    ident, public = made["AllocationId"], made["PublicIp"]
    assert made["NetworkBorderGroup"] == REGION
    assert [(a["AllocationId"], a["Tags"]) for a in addresses(ec2)] == [
        (ident, [{"Key": "Name", "Value": "web"}])
    ]
    machine = started(ec2, **placed(ADVANCED))[0]
    nic = machine["NetworkInterfaces"][0]
    association = ec2.associate_address(AllocationId=ident, InstanceId=machine["InstanceId"])["AssociationId"]
    again = ec2.associate_address(AllocationId=ident, InstanceId=machine["InstanceId"])
    assert again["AssociationId"] == association
    assert described(ec2)[0]["PublicIpAddress"] == public
    shown = addresses(ec2)[0]
    assert shown["InstanceId"] == machine["InstanceId"]
    assert shown["PrivateIpAddress"] == machine["PrivateIpAddress"]
    for name, value in {
        "allocation-id": ident,
        "association-id": association,
        "domain": "vpc",
        "instance-id": machine["InstanceId"],
        "network-border-group": REGION,
        "network-interface-id": nic["NetworkInterfaceId"],
        "network-interface-owner-id": nic["OwnerId"],
        "private-ip-address": machine["PrivateIpAddress"],
        "public-ip": public,
        "tag:Name": "web",
        "tag-key": "Name",
    }.items():
        assert len(addresses(ec2, Filters=[{"Name": name, "Values": [value]}])) == 1, name
        assert addresses(ec2, Filters=[{"Name": name, "Values": ["nothing"]}]) == [], name
    for name, value in {
        "association.public-ip": public,
        "association.ip-owner-id": nic["OwnerId"],
        "association.allocation-id": ident,
        "association.association-id": association,
    }.items():
        for spelling in (name, f"network-interface.{name}"):
            assert described(ec2, Filters=[{"Name": spelling, "Values": [value]}]), spelling
            assert not described(ec2, Filters=[{"Name": spelling, "Values": ["nothing"]}]), spelling
    both = {"AssociationId": association, "PublicIp": "192.0.2.1"}
    refused("InvalidParameterCombination", ec2.disassociate_address, **both)
    ec2.disassociate_address(AssociationId=association)
    refused("InvalidAssociationID.NotFound", ec2.disassociate_address, AssociationId=association)
    assert "PublicIpAddress" not in described(ec2)[0]
    ec2.release_address(AllocationId=ident)
    refused("InvalidAllocationID.NotFound", ec2.release_address, AllocationId=ident)
    assert addresses(ec2) == []


def test_an_address_follows_to_another_network_with_its_number_and_tags(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    native.isolated("first")
    other = native.isolated("second", gateway="10.8.0.1", netmask="255.255.255.0")
    made = ec2.allocate_address(TagSpecifications=[tags("elastic-ip", Name="web", empty="")])
    subnet = "subnet-" + other["id"].replace("-", "")[:17]
    machine = started(ec2, SubnetId=subnet)[0]["InstanceId"]
    before = addresses(ec2)[0]
    ec2.associate_address(PublicIp=made["PublicIp"], InstanceId=machine)
    after = addresses(ec2)[0]
    assert after["InstanceId"] == machine
    assert {name: after[name] for name in before} == before


def test_reassociation_is_automatic_unless_refused(ec2: Any) -> None:
    first, second = (m["InstanceId"] for m in started(ec2, 2, **placed(ADVANCED)))
    one, two = (ec2.allocate_address()["AllocationId"] for _ in range(2))
    ec2.associate_address(AllocationId=one, InstanceId=first)
    refused(
        "Resource.AlreadyAssociated",
        ec2.associate_address,
        AllocationId=one,
        InstanceId=second,
        AllowReassociation=False,
    )
    ec2.associate_address(AllocationId=one, InstanceId=second)
    ec2.associate_address(AllocationId=two, InstanceId=second)
    assert {a["AllocationId"]: a.get("InstanceId") for a in addresses(ec2)} == {one: None, two: second}


def test_the_instance_decides_where_an_interface_is_named_beside_it(ec2: Any) -> None:
    first, second = started(ec2, 2, **placed(ADVANCED))
    own, others = (m["NetworkInterfaces"][0]["NetworkInterfaceId"] for m in (first, second))
    made = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=made, InstanceId=first["InstanceId"], NetworkInterfaceId=own)
    assert addresses(ec2)[0]["InstanceId"] == first["InstanceId"]
    # Terraform moves an address by naming the new instance, and the interface that it was on before.
    ec2.associate_address(AllocationId=made, InstanceId=second["InstanceId"], NetworkInterfaceId=own)
    [moved] = addresses(ec2)
    assert (moved["InstanceId"], moved["NetworkInterfaceId"]) == (second["InstanceId"], others)


def test_releasing_disassociates_in_the_default_vpc_alone(place: Place) -> None:
    ec2 = place.client()
    machine = started(ec2, **placed(ADVANCED))[0]["InstanceId"]
    made = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=made, InstanceId=machine)
    ec2.release_address(AllocationId=made)
    assert addresses(ec2) == []
    assert "PublicIpAddress" not in described(ec2)[0]

    vpc = ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.60.1.0/24")["Subnet"]["SubnetId"]
    inside = started(ec2, SubnetId=subnet)[0]["InstanceId"]
    made = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=made, InstanceId=inside)
    refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=made)
    assert addresses(ec2)[0]["InstanceId"] == inside


def test_an_old_association_ends_nothing_new(place: Place) -> None:
    ec2 = place.client()
    first, second = (m["InstanceId"] for m in started(ec2, 2, **placed(ADVANCED)))
    made = ec2.allocate_address()["AllocationId"]
    old = ec2.associate_address(AllocationId=made, InstanceId=first)["AssociationId"]
    new = ec2.associate_address(AllocationId=made, InstanceId=second)["AssociationId"]
    assert new != old
    refused("InvalidAssociationID.NotFound", ec2.disassociate_address, AssociationId=old)
    assert [(a["InstanceId"], a["AssociationId"]) for a in addresses(ec2)] == [(second, new)]
    back = ec2.associate_address(AllocationId=made, InstanceId=first)["AssociationId"]
    ec2.disassociate_address(AssociationId=back)
    again = ec2.associate_address(AllocationId=made, InstanceId=first)["AssociationId"]
    assert len({old, new, back, again}) == 4
    for wanted, found in ((back, []), (again, [first])):
        named = [{"Name": "association.association-id", "Values": [wanted]}]
        shown = ec2.describe_network_interfaces(Filters=named)["NetworkInterfaces"]
        assert [entry["Attachment"]["InstanceId"] for entry in shown] == found
        assert [machine["InstanceId"] for machine in described(ec2, Filters=named)] == found


def test_an_association_made_before_ids_changed_keeps_its_own_until_it_ends(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    machine = started(ec2, **placed(ADVANCED))[0]["InstanceId"]
    ident = ec2.allocate_address()["AllocationId"]
    row = native.list("listPublicIpAddresses", issourcenat=False)[0]
    uuid = described(ec2)[0]["NetworkInterfaces"][0]["SubnetId"]
    network = next(n for n in native.list("listNetworks") if n["id"].replace("-", "")[:17] in uuid)
    host = native.list("listVirtualMachines")[0]
    native.place.run(
        native.account.call(
            "enableStaticNat", ipaddressid=row["id"], virtualmachineid=host["id"], networkid=network["id"]
        )
    )
    old = ident.replace("eipalloc", "eipassoc")
    assert addresses(ec2)[0]["AssociationId"] == old
    ec2.disassociate_address(AssociationId=old)
    new = ec2.associate_address(AllocationId=ident, InstanceId=machine)["AssociationId"]
    assert new != old
    refused("InvalidAssociationID.NotFound", ec2.disassociate_address, AssociationId=old)


def association(ec2: Any) -> dict[str, str]:
    """What the one interface that there is tells of its public address."""
    [interface] = ec2.describe_network_interfaces()["NetworkInterfaces"]
    return dict(interface["Association"])


def test_the_address_of_a_launch_is_none_of_the_clients_and_makes_way(place: Place) -> None:
    ec2 = place.client()
    nics = [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]
    machine = started(ec2, NetworkInterfaces=nics, **placed(ADVANCED))[0]
    assert addresses(ec2) == []
    # As on AWS its interface tells the address and no ids, which could not be looked up.
    ids = {"AllocationId", "AssociationId"}
    assert ids.isdisjoint(association(ec2))
    made = ec2.allocate_address()
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=machine["InstanceId"])
    assert ids <= association(ec2).keys()
    assert described(ec2)[0]["PublicIpAddress"] == made["PublicIp"]
    held = [r["ipaddress"] for r in Native(place).list("listPublicIpAddresses", issourcenat=False)]
    assert held == [made["PublicIp"]]
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    assert [a.get("InstanceId") for a in addresses(ec2)] == [None]


def test_a_launchs_address_that_became_an_elastic_ip_outlives_the_machine(place: Place) -> None:
    ec2 = place.client()
    nics = [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]
    machine = started(ec2, NetworkInterfaces=nics, **placed(ADVANCED))[0]["InstanceId"]
    number = described(ec2)[0]["PublicIpAddress"]
    other = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=other, InstanceId=machine)
    again = ec2.allocate_address(Address=number)["AllocationId"]
    ec2.associate_address(AllocationId=again, InstanceId=machine)
    assert described(ec2)[0]["PublicIpAddress"] == number
    ec2.terminate_instances(InstanceIds=[machine])
    until(ec2, "terminated", machine)
    assert {a["AllocationId"] for a in addresses(ec2)} == {other, again}


def test_a_zone_may_be_named(ec2: Any) -> None:
    assert ec2.allocate_address(NetworkBorderGroup=ADVANCED)["NetworkBorderGroup"] == ADVANCED
    assert addresses(ec2)[0]["NetworkBorderGroup"] == ADVANCED
    refused("UnsupportedOperation", ec2.allocate_address, NetworkBorderGroup=GROUPED)
    refused("InvalidParameterValue", ec2.allocate_address, NetworkBorderGroup="mars")


def test_a_certain_address(ec2: Any) -> None:
    made = ec2.allocate_address()
    number = made["PublicIp"]
    refused("InvalidAddress.NotFound", ec2.allocate_address, Address=number)
    refused("InvalidAddress.NotFound", ec2.release_address, PublicIp="192.0.2.1")
    refused("InvalidParameterValue", ec2.release_address, PublicIp=number)
    ec2.release_address(AllocationId=made["AllocationId"])
    assert ec2.allocate_address(Address=number)["PublicIp"] == number


def test_an_address_is_used_again_under_its_id(ec2: Any) -> None:
    machine = started(ec2, **placed(ADVANCED))[0]["InstanceId"]
    first = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=first["AllocationId"], InstanceId=machine)
    ec2.release_address(AllocationId=first["AllocationId"])
    again = ec2.allocate_address(Domain="vpc", Address=first["PublicIp"])
    assert again["AllocationId"] == first["AllocationId"]
    ec2.create_tags(Resources=[again["AllocationId"]], Tags=[{"Key": "Name", "Value": "again"}])
    ec2.associate_address(AllocationId=again["AllocationId"], InstanceId=machine)
    [shown] = addresses(ec2)
    assert (shown["InstanceId"], shown["Tags"]) == (machine, [{"Key": "Name", "Value": "again"}])


def test_a_quota_of_addresses(place: Place) -> None:
    admin = Native(place, "admin")
    domain = admin.list("listDomains")[0]["id"]
    ec2 = place.client()
    ec2.allocate_address()
    admin.do("updateResourceLimit", account="alice", domainid=domain, resourcetype=1, max=1)
    refused("AddressLimitExceeded", ec2.allocate_address)


def test_misuse(ec2: Any) -> None:
    made = ec2.allocate_address()["AllocationId"]
    unknown = "eipalloc-0123456789abcdef0"
    grouped = started(ec2, **placed(GROUPED))[0]["InstanceId"]
    pending = launch(ec2, **placed(ADVANCED))[0]["InstanceId"]
    refused("InvalidAllocationID.NotFound", ec2.associate_address, AllocationId=unknown, InstanceId=grouped)
    refused("InvalidAddress.NotFound", ec2.associate_address, PublicIp="8.8.8.8", InstanceId=grouped)
    refused("UnsupportedOperation", ec2.associate_address, AllocationId=made, InstanceId=grouped)
    refused("MissingParameter", ec2.associate_address, AllocationId=made)
    refused("MissingParameter", ec2.associate_address, InstanceId=grouped)
    missing = "i-0123456789abcdef0"
    refused("InvalidInstanceID.NotFound", ec2.associate_address, AllocationId=made, InstanceId=missing)
    until(ec2, "running", pending)
    refused(
        "InvalidParameterValue",
        ec2.associate_address,
        AllocationId=made,
        InstanceId=pending,
        PrivateIpAddress="10.9.9.9",
    )
    refused("InvalidAllocationID.NotFound", ec2.describe_addresses, AllocationIds=[unknown])
    refused("InvalidAddress.NotFound", ec2.describe_addresses, PublicIps=["8.8.8.8"])
    refused("MissingParameter", ec2.release_address)
    refused("InvalidAllocationID.NotFound", ec2.release_address, AllocationId="vol-1")
    refused("InvalidAssociationID.NotFound", ec2.disassociate_address, AssociationId="bogus")
    refused("InvalidParameterValue", ec2.describe_addresses, PublicIps=["bogus"])


@pytest.mark.parametrize("domain", ["standard", "bogus", ""])
def test_an_address_is_a_vpcs_whatever_domain_is_asked_for(ec2: Any, domain: str) -> None:
    made = ec2.allocate_address(Domain=domain)
    assert made["Domain"] == "vpc"
    assert addresses(ec2, AllocationIds=[made["AllocationId"]])[0]["Domain"] == "vpc"


def test_addresses_by_number_and_by_id_add_up(ec2: Any) -> None:
    first, second = ec2.allocate_address(), ec2.allocate_address()
    named = {"PublicIps": [first["PublicIp"]], "AllocationIds": [second["AllocationId"]]}
    shown = ec2.describe_addresses(**named)["Addresses"]
    assert {entry["PublicIp"] for entry in shown} == {first["PublicIp"], second["PublicIp"]}


def test_no_address_has_a_name(ec2: Any) -> None:
    made = ec2.allocate_address()
    shown = ec2.describe_addresses_attribute(Attribute="domain-name")["Addresses"]
    assert shown == [{"PublicIp": made["PublicIp"], "AllocationId": made["AllocationId"]}]
    refused(
        "UnsupportedOperation",
        ec2.modify_address_attribute,
        AllocationId=made["AllocationId"],
        DomainName="a.example",
    )
    ec2.reset_address_attribute(AllocationId=made["AllocationId"], Attribute="domain-name")


def test_a_secondary_private_address(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    machine = started(ec2, **placed(ADVANCED))[0]
    nic = native.list("listVirtualMachines")[0]["nic"][0]
    second = native.do("addIpToNic", nicid=nic["id"])["ipaddress"]
    made = ec2.allocate_address()["AllocationId"]
    interface = machine["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=made, NetworkInterfaceId=interface, PrivateIpAddress=second)
    assert addresses(ec2)[0]["PrivateIpAddress"] == second
    assert addresses(ec2)[0]["NetworkInterfaceId"] == interface


def test_an_address_moves_into_a_vpc(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    native.isolated("first")
    vpc = native.do(
        "createVPC",
        name="v",
        displaytext="v",
        cidr="10.50.0.0/16",
        zoneid=native.zone("sim-adv"),
        vpcofferingid=native.list("listVPCOfferings")[0]["id"],
    )
    offering = native.offering("listNetworkOfferings", "DefaultIsolatedNetworkOfferingForVpcNetworks")
    tier = native.do(
        "createNetwork",
        name="tier",
        displaytext="tier",
        zoneid=native.zone("sim-adv"),
        networkofferingid=offering,
        vpcid=vpc["id"],
        gateway="10.50.1.1",
        netmask="255.255.255.0",
    )
    made = ec2.allocate_address()
    subnet = "subnet-" + tier["id"].replace("-", "")[:17]
    machine = started(ec2, SubnetId=subnet)[0]["InstanceId"]
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=machine)
    assert described(ec2)[0]["PublicIpAddress"] == made["PublicIp"]
    rows = native.list("listPublicIpAddresses", isstaticnat=True)
    assert [row["vpcid"] for row in rows] == [vpc["id"]]


def test_the_first_address_of_an_account_is_no_networks_source_nat(ec2: Any) -> None:
    made = [ec2.allocate_address()["PublicIp"] for _ in range(2)]
    assert sorted(address["PublicIp"] for address in addresses(ec2)) == sorted(made)


def test_the_first_machines_of_a_new_network_get_public_addresses(place: Place, ec2: Any) -> None:
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    machines = started(ec2, 2, NetworkInterfaces=[interface], **placed(ADVANCED))
    assert all(machine.get("PublicIpAddress") for machine in machines)
    assert len(Native(place).list("listPublicIpAddresses", issourcenat=True)) == 1


def test_the_first_address_of_a_new_vpc_is_no_ones_source_nat(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.51.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.51.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.allocate_address()
    assert [address["PublicIp"] for address in addresses(ec2)] == [made["PublicIp"]]
    machine = started(ec2, SubnetId=subnet)[0]["InstanceId"]
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=machine)
    assert described(ec2)[0]["PublicIpAddress"] == made["PublicIp"]


def test_the_first_machines_of_a_new_vpc_get_public_addresses(place: Place, ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.52.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.52.1.0/24")["Subnet"]["SubnetId"]
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}
    machines = started(ec2, 2, NetworkInterfaces=[interface])
    assert all(machine.get("PublicIpAddress") for machine in machines)
    assert len(Native(place).list("listPublicIpAddresses", issourcenat=True)) == 1
