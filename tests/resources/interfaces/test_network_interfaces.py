"""Network interfaces that are there before a machine and after it, while CloudStack has NICs of machines alone."""

from typing import Any

import pytest

from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import ADVANCED, BASIC, GROUPED, launch, placed, started, tags, until
from tests.native import Native


@pytest.fixture
def vpc(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def subnets(ec2: Any, vpc: str) -> list[str]:
    made = (ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.42.{number}.0/24") for number in (1, 2))
    return [entry["Subnet"]["SubnetId"] for entry in made]


def create(ec2: Any, subnet: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = ec2.create_network_interface(SubnetId=subnet, **more)["NetworkInterface"]
    return made


def show(ec2: Any, ident: str) -> dict[str, Any]:
    [item] = ec2.describe_network_interfaces(NetworkInterfaceIds=[ident])["NetworkInterfaces"]
    return dict(item)


def addresses(item: dict[str, Any]) -> list[str]:
    return [entry["PrivateIpAddress"] for entry in item["PrivateIpAddresses"]]


def native_nics(place: Place) -> list[dict[str, Any]]:
    return [nic for row in Native(place).list("listVirtualMachines") for nic in row["nic"]]


def test_one_is_made_described_and_deleted(ec2: Any, vpc: str, subnets: list[str]) -> None:
    made = create(
        ec2,
        subnets[0],
        Description="spare",
        PrivateIpAddress="10.42.1.77",
        TagSpecifications=[tags("network-interface", Name="spare")],
    )
    assert made["Status"] == "pending"
    assert (made["VpcId"], made["SubnetId"]) == (vpc, subnets[0])
    ident = made["NetworkInterfaceId"]

    item = show(ec2, ident)
    assert item["Status"] == "available"
    assert item["Description"] == "spare"
    assert item["PrivateIpAddress"] == "10.42.1.77"
    assert item["PrivateIpAddresses"] == [{"Primary": True, "PrivateIpAddress": "10.42.1.77"}]
    assert [group["GroupName"] for group in item["Groups"]] == ["default"]
    assert item["MacAddress"] == made["MacAddress"]
    assert item["SourceDestCheck"] is True
    assert "Attachment" not in item
    assert item["TagSet"] == [{"Key": "Name", "Value": "spare"}]
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "env", "Value": "x"}])
    assert len(show(ec2, ident)["TagSet"]) == 2
    by_subnet = [{"Name": "subnet-id", "Values": [subnets[0]]}]
    assert len(ec2.describe_network_interfaces(Filters=by_subnet)["NetworkInterfaces"]) == 1

    ec2.delete_network_interface(NetworkInterfaceId=ident)
    missing = "InvalidNetworkInterfaceID.NotFound"
    assert refusal(lambda: show(ec2, ident)) == missing
    assert refusal(lambda: ec2.delete_network_interface(NetworkInterfaceId=ident)) == missing
    assert ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [ident]}])["Tags"] == []


def test_it_holds_subnet_group_and_addresses(ec2: Any, vpc: str, subnets: list[str]) -> None:
    def left() -> int:
        return int(ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["AvailableIpAddressCount"])

    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    before = left()
    made = create(ec2, subnets[0], Groups=[group], SecondaryPrivateIpAddressCount=2)
    ident = made["NetworkInterfaceId"]
    assert len(set(addresses(show(ec2, ident)))) == 3
    assert left() == before - 3
    assert refusal(lambda: ec2.delete_subnet(SubnetId=subnets[0])) == "DependencyViolation"
    assert refusal(lambda: ec2.delete_security_group(GroupId=group)) == "DependencyViolation"
    taken = made["PrivateIpAddress"]
    assert refusal(lambda: create(ec2, subnets[0], PrivateIpAddress=taken)) == "InvalidIPAddress.InUse"

    ec2.delete_network_interface(NetworkInterfaceId=ident)
    assert left() == before
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnets[0])


def test_every_address_that_is_said_to_be_free_is_given(ec2: Any, subnets: list[str]) -> None:
    def left() -> int:
        return int(ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["AvailableIpAddressCount"])

    create(ec2, subnets[0], SecondaryPrivateIpAddressCount=left() - 1)
    assert left() == 0
    assert refusal(lambda: create(ec2, subnets[0])) == "InsufficientFreeAddressesInSubnet"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound"),
        ({"PrivateIpAddress": "10.43.0.9"}, "InvalidParameterValue"),
        ({"Groups": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
        ({"Ipv6AddressCount": 1}, "UnsupportedOperation"),
        ({"SecondaryPrivateIpAddressCount": 300}, "InsufficientFreeAddressesInSubnet"),
    ],
)
def test_what_is_wrong_is_refused(ec2: Any, subnets: list[str], changed: dict[str, Any], code: str) -> None:
    request = {"SubnetId": subnets[0], **changed}
    assert refusal(lambda: ec2.create_network_interface(**request)) == code
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def address(text: str, *, primary: bool) -> dict[str, Any]:
    return {"PrivateIpAddress": text, "Primary": primary}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (
            {
                "PrivateIpAddress": "10.42.1.50",
                "PrivateIpAddresses": [address("10.42.1.51", primary=True)],
            },
            "InvalidParameterCombination",
        ),
        (
            {"PrivateIpAddresses": [address(f"10.42.1.5{n}", primary=True) for n in (1, 2)]},
            "InvalidParameterCombination",
        ),
        (
            {"PrivateIpAddresses": [address("10.42.1.51", primary=first) for first in (True, False)]},
            "InvalidParameterValue",
        ),
        (
            {
                "PrivateIpAddresses": [address("10.42.1.51", primary=False)],
                "SecondaryPrivateIpAddressCount": 1,
            },
            "InvalidParameterCombination",
        ),
        ({"SecondaryPrivateIpAddressCount": -1}, "InvalidParameterValue"),
        # Whatever the number is, nothing is made for each before it is known to fit.
        ({"SecondaryPrivateIpAddressCount": 2**31 - 1}, "InsufficientFreeAddressesInSubnet"),
    ],
)
def test_of_addresses_that_cannot_all_be_none_is_dropped(
    ec2: Any, subnets: list[str], changed: dict[str, Any], code: str
) -> None:
    assert refusal(lambda: create(ec2, subnets[0], **changed)) == code
    nic = {"DeviceIndex": 0, "SubnetId": subnets[0], **changed}
    assert refusal(lambda: launch(ec2, NetworkInterfaces=[nic])) == code
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_a_primary_address_may_be_said_twice(ec2: Any, subnets: list[str]) -> None:
    both = [address("10.42.1.50", primary=True), address("10.42.1.51", primary=False)]
    made = create(ec2, subnets[0], PrivateIpAddress="10.42.1.50", PrivateIpAddresses=both)
    assert addresses(made) == ["10.42.1.50", "10.42.1.51"]


def test_its_attributes(ec2: Any, vpc: str, subnets: list[str]) -> None:
    ident = create(ec2, subnets[0])["NetworkInterfaceId"]
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]

    def modify(**changed: Any) -> Any:
        return ec2.modify_network_interface_attribute(NetworkInterfaceId=ident, **changed)

    def read(name: str) -> Any:
        return ec2.describe_network_interface_attribute(NetworkInterfaceId=ident, Attribute=name)

    modify(Description={"Value": "new"})
    modify(Groups=[group])
    modify(SourceDestCheck={"Value": False})
    assert read("description")["Description"] == {"Value": "new"}
    assert read("groupSet")["Groups"] == [{"GroupId": group, "GroupName": "web"}]
    assert read("sourceDestCheck")["SourceDestCheck"] == {"Value": False}
    assert "Attachment" not in read("attachment")
    ec2.reset_network_interface_attribute(NetworkInterfaceId=ident, SourceDestCheck="true")
    assert read("sourceDestCheck")["SourceDestCheck"] == {"Value": True}

    assert refusal(modify) == "InvalidParameterCombination"
    assert (
        refusal(lambda: modify(Groups=[group], Description={"Value": "x"})) == "InvalidParameterCombination"
    )
    assert refusal(lambda: modify(Attachment={"AttachmentId": "eni-attach-0"})) == "MissingParameter"
    gone = {"AttachmentId": "eni-attach-0", "DeleteOnTermination": True}
    assert refusal(lambda: modify(Attachment=gone)) == "InvalidAttachmentID.NotFound"


def test_the_addresses_come_last_as_fog_expects(ec2: Any, subnets: list[str]) -> None:
    """fog's parser stays with the addresses once it has come to them."""
    seen: list[bytes] = []
    ec2.meta.events.register("before-parse", lambda response_dict, **_: seen.append(response_dict["body"]))
    made = ec2.create_network_interface(
        SubnetId=subnets[0], TagSpecifications=[tags("network-interface", app="shop")]
    )
    ec2.describe_network_interfaces(NetworkInterfaceIds=[made["NetworkInterface"]["NetworkInterfaceId"]])
    for answer in seen:
        assert answer.index(b"<tagSet>") < answer.index(b"<privateIpAddressesSet>")
        assert answer.index(b"<sourceDestCheck>") < answer.index(b"<privateIpAddressesSet>")


@pytest.mark.parametrize("last", [0, 1, 255])
def test_a_subnets_own_addresses_are_nobodys(ec2: Any, subnets: list[str], last: int) -> None:
    address = f"10.42.1.{last}"
    assert refusal(lambda: create(ec2, subnets[0], PrivateIpAddress=address)) == "InvalidParameterValue"
    asked = {"SubnetId": subnets[0], "PrivateIpAddress": address}
    assert refusal(lambda: started(ec2, **asked)) == "InvalidParameterValue"


def test_attached_it_is_a_nic_with_its_address(place: Place, ec2: Any, subnets: list[str]) -> None:
    [machine] = started(ec2, SubnetId=subnets[0])
    made = create(ec2, subnets[1], PrivateIpAddress="10.42.2.50", SecondaryPrivateIpAddressCount=1)
    ident, host = made["NetworkInterfaceId"], machine["InstanceId"]

    attached = ec2.attach_network_interface(NetworkInterfaceId=ident, InstanceId=host, DeviceIndex=1)

    item = show(ec2, ident)
    assert item["Status"] == "in-use"
    assert item["Attachment"]["AttachmentId"] == attached["AttachmentId"]
    assert item["Attachment"]["InstanceId"] == host
    assert item["Attachment"]["DeviceIndex"] == 1
    assert item["Attachment"]["DeleteOnTermination"] is False
    assert addresses(item) == addresses(made)
    [nic] = [nic for nic in native_nics(place) if not nic["isdefault"]]
    assert (nic["ipaddress"], nic["macaddress"]) == ("10.42.2.50", made["MacAddress"])
    assert [entry["ipaddress"] for entry in nic["secondaryip"]] == addresses(made)[1:]
    shown = until(ec2, "running", host)[0]["NetworkInterfaces"]
    assert [entry["NetworkInterfaceId"] for entry in shown][1:] == [ident]
    assert refusal(lambda: ec2.delete_network_interface(NetworkInterfaceId=ident)) == "InvalidParameterValue"
    again = {"NetworkInterfaceId": ident, "InstanceId": host, "DeviceIndex": 2}
    assert refusal(lambda: ec2.attach_network_interface(**again)) == "InvalidNetworkInterface.InUse"

    ec2.detach_network_interface(AttachmentId=attached["AttachmentId"])
    assert len(native_nics(place)) == 1
    item = show(ec2, ident)
    assert item["Status"] == "available"
    assert addresses(item) == addresses(made)
    anew = ec2.attach_network_interface(NetworkInterfaceId=ident, InstanceId=host, DeviceIndex=1)
    assert addresses(show(ec2, ident)) == addresses(made)
    assert anew["AttachmentId"] == show(ec2, ident)["Attachment"]["AttachmentId"]
    old = attached["AttachmentId"]
    assert refusal(lambda: ec2.detach_network_interface(AttachmentId=old)) == "InvalidAttachmentID.NotFound"


def test_what_cannot_be_attached(place: Place, ec2: Any, vpc: str, subnets: list[str]) -> None:
    [machine] = started(ec2, SubnetId=subnets[0])
    host = machine["InstanceId"]
    other = create(ec2, subnets[1])["NetworkInterfaceId"]
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    elsewhere = started(ec2, **placed(GROUPED))[0]["InstanceId"]

    def attach(ident: str, index: int = 1, to: str = host) -> str:
        request = {"NetworkInterfaceId": ident, "InstanceId": to, "DeviceIndex": index}
        return refusal(lambda: ec2.attach_network_interface(**request))

    assert attach(other, 0) == "InvalidParameterValue"
    assert attach(other, to=elsewhere) == "InvalidParameterCombination"
    assert attach(create(ec2, subnets[0])["NetworkInterfaceId"]) == "UnsupportedOperation"
    grouped = create(ec2, subnets[1], Groups=[group])["NetworkInterfaceId"]
    assert attach(grouped) == "UnsupportedOperation"
    assert attach("eni-00000000000000000") == "InvalidNetworkInterfaceID.NotFound"
    primary = machine["NetworkInterfaces"][0]["Attachment"]["AttachmentId"]
    assert refusal(lambda: ec2.detach_network_interface(AttachmentId=primary)) == "OperationNotPermitted"
    none = "eni-attach-00000000000000000"
    assert refusal(lambda: ec2.detach_network_interface(AttachmentId=none)) == "InvalidAttachmentID.NotFound"

    # CloudStack has given the address to a machine meanwhile: then the interface stays as it was.
    taken = create(ec2, subnets[1], PrivateIpAddress="10.42.2.99")["NetworkInterfaceId"]
    started(ec2, SubnetId=subnets[1], PrivateIpAddress="10.42.2.99")
    assert attach(taken) == "InvalidIPAddress.InUse"
    assert show(ec2, taken)["Status"] == "available"

    # What the refusal says to do about the groups.
    ec2.modify_instance_attribute(InstanceId=host, Groups=[group])
    request = {"NetworkInterfaceId": grouped, "InstanceId": host, "DeviceIndex": 1}
    assert ec2.attach_network_interface(**request)["AttachmentId"]


@pytest.mark.parametrize("stays", [True, False])
def test_after_its_machine_it_is_there_or_gone(ec2: Any, subnets: list[str], stays: bool) -> None:
    [machine] = started(ec2, SubnetId=subnets[0])
    host, own = machine["InstanceId"], machine["NetworkInterfaces"][0]
    other = create(ec2, subnets[1])["NetworkInterfaceId"]
    attached = ec2.attach_network_interface(NetworkInterfaceId=other, InstanceId=host, DeviceIndex=1)
    assert own["Attachment"]["DeleteOnTermination"] is True
    for ident, attachment in (
        (own["NetworkInterfaceId"], own["Attachment"]["AttachmentId"]),
        (other, attached["AttachmentId"]),
    ):
        change = {"AttachmentId": attachment, "DeleteOnTermination": not stays}
        ec2.modify_network_interface_attribute(NetworkInterfaceId=ident, Attachment=change)
        assert show(ec2, ident)["Attachment"]["DeleteOnTermination"] is not stays

    ec2.terminate_instances(InstanceIds=[host])
    until(ec2, "terminated", host)

    left = ec2.describe_network_interfaces()["NetworkInterfaces"]
    expected = {own["NetworkInterfaceId"], other} if stays else set()
    assert {item["NetworkInterfaceId"] for item in left} == expected
    assert all(item["Status"] == "available" for item in left)
    if stays:
        kept = next(item for item in left if item["NetworkInterfaceId"] == own["NetworkInterfaceId"])
        assert kept["PrivateIpAddress"] == own["PrivateIpAddress"]
        [machine] = started(ec2, NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": other}])
        assert machine["NetworkInterfaces"][0]["NetworkInterfaceId"] == other


def test_a_machine_is_launched_with_one(place: Place, ec2: Any, vpc: str, subnets: list[str]) -> None:
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    made = create(ec2, subnets[0], Groups=[group], SecondaryPrivateIpAddressCount=1, Description="first")
    ident = made["NetworkInterfaceId"]
    nic = {"DeviceIndex": 0, "NetworkInterfaceId": ident}

    [machine] = started(ec2, NetworkInterfaces=[nic])

    [shown] = machine["NetworkInterfaces"]
    assert shown["NetworkInterfaceId"] == ident
    assert shown["Description"] == "first"
    assert shown["Attachment"]["DeleteOnTermination"] is False
    assert addresses(shown) == addresses(made)
    assert machine["PrivateIpAddress"] == made["PrivateIpAddress"]
    assert [entry["GroupId"] for entry in machine["SecurityGroups"]] == [group]
    assert native_nics(place)[0]["macaddress"] == made["MacAddress"]
    assert refusal(lambda: launch(ec2, NetworkInterfaces=[nic])) == "InvalidNetworkInterface.InUse"
    for more in ({"SubnetId": subnets[0]}, {"DeleteOnTermination": True}):
        both = [{**nic, **more}]
        assert refusal(lambda nics=both: launch(ec2, NetworkInterfaces=nics)) == "InvalidParameterCombination"


def test_a_launch_describes_its_interface_and_gives_it_addresses(ec2: Any, subnets: list[str]) -> None:
    nic = {
        "DeviceIndex": 0,
        "SubnetId": subnets[0],
        "Description": "front",
        "DeleteOnTermination": False,
        "SecondaryPrivateIpAddressCount": 2,
    }
    [machine] = started(ec2, NetworkInterfaces=[nic])
    [shown] = machine["NetworkInterfaces"]
    assert shown["Description"] == "front"
    assert shown["Attachment"]["DeleteOnTermination"] is False
    assert len(addresses(shown)) == 3

    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    item = show(ec2, shown["NetworkInterfaceId"])
    assert (item["Status"], item["PrivateIpAddress"]) == ("available", machine["PrivateIpAddress"])


def test_addresses_are_assigned_and_taken_back(ec2: Any, subnets: list[str]) -> None:
    [machine] = started(ec2, SubnetId=subnets[0])
    for ident in (
        machine["NetworkInterfaces"][0]["NetworkInterfaceId"],
        create(ec2, subnets[0])["NetworkInterfaceId"],
    ):
        named = f"10.42.1.{200 if ident.endswith('0') else 201}"

        def assign(of: str = ident, **more: Any) -> Any:
            return ec2.assign_private_ip_addresses(NetworkInterfaceId=of, **more)

        def unassign(*which: str, of: str = ident) -> Any:
            return ec2.unassign_private_ip_addresses(NetworkInterfaceId=of, PrivateIpAddresses=list(which))

        added = assign(PrivateIpAddresses=[named])["AssignedPrivateIpAddresses"]
        assert added == [{"PrivateIpAddress": named}]
        assert len(assign(SecondaryPrivateIpAddressCount=2)["AssignedPrivateIpAddresses"]) == 2
        primary, *secondary = addresses(show(ec2, ident))
        assert len(secondary) == 3
        assert named in secondary
        assert refusal(lambda p=primary, u=unassign: u(p)) == "InvalidParameterValue"
        assert refusal(lambda u=unassign: u("10.42.1.250")) == "InvalidParameterValue"
        assert refusal(lambda a=assign: a()) == "MissingParameter"
        assert refusal(lambda a=assign: a(SecondaryPrivateIpAddressCount=-1)) == "InvalidParameterValue"
        many = 2**31 - 1
        assert refusal(lambda a=assign, m=many: a(SecondaryPrivateIpAddressCount=m)) == (
            "InsufficientFreeAddressesInSubnet"
        )
        twice = ["10.42.1.230"] * 2
        assert refusal(lambda a=assign, t=twice: a(PrivateIpAddresses=t)) == "InvalidParameterValue"
        unassign(*secondary)
        assert addresses(show(ec2, ident)) == [primary]


def test_what_ends_outside_ec2_ends_here_too(place: Place, ec2: Any, subnets: list[str]) -> None:
    [machine] = started(ec2, SubnetId=subnets[0])
    ident = create(ec2, subnets[1])["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=ident, InstanceId=machine["InstanceId"], DeviceIndex=1)
    native = Native(place)
    [row] = native.list("listVirtualMachines")
    nic = next(nic for nic in row["nic"] if not nic["isdefault"])
    native.do("removeNicFromVirtualMachine", virtualmachineid=row["id"], nicid=nic["id"])
    assert show(ec2, ident)["Status"] == "available"

    ec2.attach_network_interface(NetworkInterfaceId=ident, InstanceId=machine["InstanceId"], DeviceIndex=1)
    Native(place, "admin").do("destroyVirtualMachine", id=row["id"], expunge=True)
    assert show(ec2, ident)["Status"] == "available"


def test_where_it_depends_on_the_zone(ec2: Any) -> None:
    subnets = {entry["AvailabilityZone"]: entry["SubnetId"] for entry in ec2.describe_subnets()["Subnets"]}
    assert refusal(lambda: create(ec2, subnets[BASIC])) == "UnsupportedOperation"
    # Nobody sees which addresses of a shared network are free.
    made = create(ec2, subnets[GROUPED])
    assert "PrivateIpAddress" not in made
    ident = made["NetworkInterfaceId"]
    [machine] = started(ec2, NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": ident}])
    assert show(ec2, ident)["PrivateIpAddress"] == machine["PrivateIpAddress"]
    check = {"NetworkInterfaceId": create(ec2, subnets[GROUPED])["NetworkInterfaceId"]}
    off = {**check, "SourceDestCheck": {"Value": False}}
    assert refusal(lambda: ec2.modify_network_interface_attribute(**off)) == "UnsupportedOperation"


def waiting(ec2: Any, subnet: str, **more: Any) -> tuple[str, str, str]:
    """An interface on no machine, the allocation of the Elastic IP that it has, and the id of their association."""
    ident = create(ec2, subnet, **more)["NetworkInterfaceId"]
    address = ec2.allocate_address(NetworkBorderGroup=ADVANCED)["AllocationId"]
    made = ec2.associate_address(AllocationId=address, NetworkInterfaceId=ident)["AssociationId"]
    return ident, address, made


def shown_address(ec2: Any, allocation: str) -> dict[str, Any]:
    [found] = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
    return dict(found)


def mapped(place: Place) -> list[dict[str, Any]]:
    return Native(place).list("listPublicIpAddresses", isstaticnat=True)


def test_an_elastic_ip_stays_with_its_interface(place: Place, ec2: Any, subnets: list[str]) -> None:
    ident, address, association = waiting(ec2, subnets[1])

    free = show(ec2, ident)
    told = shown_address(ec2, address)
    assert told["AssociationId"] == association
    assert (told["NetworkInterfaceId"], told["SubnetId"]) == (ident, subnets[1])
    assert told["PrivateIpAddress"] == free["PrivateIpAddress"]
    assert "InstanceId" not in told
    assert free["Association"]["PublicIp"] == told["PublicIp"]
    assert free["Association"]["AssociationId"] == association
    assert free["PrivateIpAddresses"][0]["Association"] == free["Association"]
    by_association = [{"Name": "association.association-id", "Values": [association]}]
    assert len(ec2.describe_network_interfaces(Filters=by_association)["NetworkInterfaces"]) == 1
    again = ec2.associate_address(AllocationId=address, NetworkInterfaceId=ident)
    assert again["AssociationId"] == association
    assert mapped(place) == []

    [first, second] = started(ec2, 2, SubnetId=subnets[0])
    for machine in (first, second):
        host = machine["InstanceId"]
        made = ec2.attach_network_interface(NetworkInterfaceId=ident, InstanceId=host, DeviceIndex=1)
        on = shown_address(ec2, address)
        assert (on["InstanceId"], on["NetworkInterfaceId"]) == (host, ident)
        assert on["AssociationId"] == show(ec2, ident)["Association"]["AssociationId"] == association
        [row] = mapped(place)
        assert (row["ipaddress"], row["vmipaddress"]) == (told["PublicIp"], told["PrivateIpAddress"])

        ec2.detach_network_interface(AttachmentId=made["AttachmentId"])
        assert shown_address(ec2, address) == told
        assert show(ec2, ident)["Association"]["AssociationId"] == association
        assert mapped(place) == []

    ec2.delete_network_interface(NetworkInterfaceId=ident)
    assert "AssociationId" not in shown_address(ec2, address)
    gone = {"AssociationId": association}
    assert refusal(lambda: ec2.disassociate_address(**gone)) == "InvalidAssociationID.NotFound"


@pytest.mark.since("4.19")
def test_it_stays_also_where_an_earlier_holder_left_an_association(
    place: Place, ec2: Any, vpc: str, subnets: list[str]
) -> None:
    bob, own = place.client("bob"), Native(place, "bob")
    theirs = bob.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    subnet = bob.create_subnet(VpcId=theirs, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    _, left, _ = waiting(bob, subnet)
    number = shown_address(bob, left)["PublicIp"]
    own.do("deleteNetwork", id=own.list("listNetworks")[0]["id"])
    own.do("deleteVPC", id=own.list("listVPCs")[0]["id"])
    native = Native(place)
    place_of = {"vpcid": native.list("listVPCs")[0]["id"]}
    native.do("associateIpAddress", **place_of)  # the VPC's own way out
    row = native.do("associateIpAddress", **place_of, ipaddress=number)
    assert "ec2bridge:association" in {tag["key"] for tag in row["tags"]}

    ident = create(ec2, subnets[1])["NetworkInterfaceId"]
    [address] = [one for one in ec2.describe_addresses()["Addresses"] if one["PublicIp"] == number]
    ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=ident)
    told = shown_address(ec2, address["AllocationId"])
    [machine] = started(ec2, SubnetId=subnets[0])
    made = ec2.attach_network_interface(
        NetworkInterfaceId=ident, InstanceId=machine["InstanceId"], DeviceIndex=1
    )
    ec2.detach_network_interface(AttachmentId=made["AttachmentId"])
    assert shown_address(ec2, address["AllocationId"]) == told


@pytest.mark.since("4.19")
def test_an_elastic_ip_leaves_an_interface_on_no_machine(ec2: Any, subnets: list[str]) -> None:
    ident, address, association = waiting(ec2, subnets[1])
    assert refusal(lambda: ec2.release_address(AllocationId=address)) == "InvalidIPAddress.InUse"
    other = create(ec2, subnets[0])["NetworkInterfaceId"]
    wanted = {"AllocationId": address, "NetworkInterfaceId": other}
    assert (
        refusal(lambda: ec2.associate_address(**wanted, AllowReassociation=False))
        == "Resource.AlreadyAssociated"
    )
    gateway = {"AllocationId": address, "SubnetId": subnets[0]}
    assert refusal(lambda: ec2.create_nat_gateway(**gateway)) == "Resource.AlreadyAssociated"

    moved = ec2.associate_address(**wanted)["AssociationId"]
    assert moved != association
    assert "Association" not in show(ec2, ident)
    assert shown_address(ec2, address)["NetworkInterfaceId"] == other

    ec2.disassociate_address(AssociationId=moved)
    assert "Association" not in show(ec2, other)
    assert "AssociationId" not in shown_address(ec2, address)
    ec2.associate_address(**wanted)
    ec2.disassociate_address(PublicIp=shown_address(ec2, address)["PublicIp"])
    ec2.release_address(AllocationId=address)


def test_another_elastic_ip_takes_the_place_of_one_that_waits(ec2: Any, subnets: list[str]) -> None:
    ident, first, _ = waiting(ec2, subnets[1])
    second = ec2.allocate_address(NetworkBorderGroup=ADVANCED)["AllocationId"]
    ec2.associate_address(AllocationId=second, NetworkInterfaceId=ident)
    assert "AssociationId" not in shown_address(ec2, first)
    assert show(ec2, ident)["Association"]["AllocationId"] == second


def test_an_association_that_was_ended_does_not_come_back_with_the_detachment(
    ec2: Any, subnets: list[str]
) -> None:
    ident, address, association = waiting(ec2, subnets[1])
    [machine] = started(ec2, SubnetId=subnets[0])
    host = machine["InstanceId"]
    made = ec2.attach_network_interface(NetworkInterfaceId=ident, InstanceId=host, DeviceIndex=1)
    ec2.disassociate_address(AssociationId=association)
    ec2.detach_network_interface(AttachmentId=made["AttachmentId"])
    assert "AssociationId" not in shown_address(ec2, address)
    assert "Association" not in show(ec2, ident)


def test_a_launch_takes_an_interface_with_its_elastic_ip(place: Place, ec2: Any, subnets: list[str]) -> None:
    ec2.modify_subnet_attribute(SubnetId=subnets[1], MapPublicIpOnLaunch={"Value": True})
    ident, address, association = waiting(ec2, subnets[1])
    [machine] = started(ec2, NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": ident}])
    told = shown_address(ec2, address)
    assert (told["InstanceId"], told["AssociationId"]) == (machine["InstanceId"], association)
    assert [row["ipaddress"] for row in mapped(place)] == [told["PublicIp"]]

    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    assert shown_address(ec2, address)["NetworkInterfaceId"] == ident
    assert show(ec2, ident)["Association"]["AssociationId"] == association


def test_device_indexes_may_have_gaps(ec2: Any, vpc: str, subnets: list[str]) -> None:
    third = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.3.0/24")["Subnet"]["SubnetId"]
    wanted = [{"DeviceIndex": 3, "SubnetId": subnets[1]}, {"DeviceIndex": 0, "SubnetId": subnets[0]}]
    for wrong in (1, 3):
        first = [wanted[0], {"DeviceIndex": wrong, "SubnetId": subnets[0]}]
        assert refusal(lambda nics=first: launch(ec2, NetworkInterfaces=nics)) == "InvalidParameterValue"

    [machine] = started(ec2, NetworkInterfaces=wanted)
    between = create(ec2, third)["NetworkInterfaceId"]
    host = machine["InstanceId"]
    taken = {"NetworkInterfaceId": between, "InstanceId": host, "DeviceIndex": 3}
    assert refusal(lambda: ec2.attach_network_interface(**taken)) == "InvalidParameterValue"
    ec2.attach_network_interface(NetworkInterfaceId=between, InstanceId=host, DeviceIndex=1)

    [shown] = ec2.describe_instances(InstanceIds=[host])["Reservations"][0]["Instances"]
    found = {nic["Attachment"]["DeviceIndex"]: nic["SubnetId"] for nic in shown["NetworkInterfaces"]}
    assert found == {0: subnets[0], 1: third, 3: subnets[1]}
    assert all(
        nic["Attachment"]["DeleteOnTermination"] is (nic["Attachment"]["DeviceIndex"] != 1)
        for nic in shown["NetworkInterfaces"]
    )
    assert shown["SubnetId"] == subnets[0]
    ec2.terminate_instances(InstanceIds=[host])
    until(ec2, "terminated", host)
    left = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [item["NetworkInterfaceId"] for item in left] == [between]


def test_an_elastic_ip_on_a_secondary_address(place: Place, ec2: Any, subnets: list[str]) -> None:
    made = create(ec2, subnets[1], SecondaryPrivateIpAddressCount=1)
    ident, second = made["NetworkInterfaceId"], addresses(made)[1]
    address = ec2.allocate_address(NetworkBorderGroup=ADVANCED)["AllocationId"]
    wanted = {"AllocationId": address, "NetworkInterfaceId": ident}
    nobodys = {**wanted, "PrivateIpAddress": "10.42.2.250"}
    assert refusal(lambda: ec2.associate_address(**nobodys)) == "InvalidParameterValue"
    ec2.associate_address(**wanted, PrivateIpAddress=second)
    assert "Association" not in show(ec2, ident)
    assert show(ec2, ident)["PrivateIpAddresses"][1]["Association"]["AllocationId"] == address
    [machine] = started(ec2, SubnetId=subnets[0])
    host = machine["InstanceId"]
    ec2.attach_network_interface(NetworkInterfaceId=ident, InstanceId=host, DeviceIndex=1)
    assert [row["vmipaddress"] for row in mapped(place)] == [second]


def test_a_dry_run_attaches_nothing(ec2: Any, subnets: list[str]) -> None:
    [machine] = started(ec2, SubnetId=subnets[0])
    ident = create(ec2, subnets[1])["NetworkInterfaceId"]
    assert refusal(lambda: create(ec2, subnets[1], DryRun=True)) == "DryRunOperation"
    request = {"NetworkInterfaceId": ident, "InstanceId": machine["InstanceId"], "DeviceIndex": 1}
    assert refusal(lambda: ec2.attach_network_interface(**request, DryRun=True)) == "DryRunOperation"
    assert show(ec2, ident)["Status"] == "available"
