"""Attributes of network interfaces: the machine's, read and changed through its primary interface."""

from typing import Any

from tests.actions.network.test_vpc_creation import refusal
from tests.launching import ADVANCED, placed, started


def test_groups_and_source_check_through_the_interface(ec2: Any) -> None:
    [machine] = started(ec2, **placed(ADVANCED))
    eni = machine["NetworkInterfaces"][0]["NetworkInterfaceId"]
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]

    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[group])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})

    def read(name: str) -> Any:
        return ec2.describe_network_interface_attribute(NetworkInterfaceId=eni, Attribute=name)

    assert read("groupSet")["Groups"] == [{"GroupId": group, "GroupName": "web"}]
    assert read("sourceDestCheck")["SourceDestCheck"] == {"Value": False}
    assert read("description")["Description"] == {"Value": ""}
    assert read("attachment")["Attachment"]["InstanceId"] == machine["InstanceId"]

    ec2.reset_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck="true")
    assert read("sourceDestCheck")["SourceDestCheck"] == {"Value": True}


def test_what_is_no_attribute_or_no_interface(ec2: Any) -> None:
    none = "eni-00000000000000000"
    for ident, name, code in (
        (none, "groupSet", "InvalidNetworkInterfaceID.NotFound"),
        ("eth0", "groupSet", "InvalidNetworkInterfaceId.Malformed"),
        (none, "colour", "InvalidParameterValue"),
    ):
        ask = {"NetworkInterfaceId": ident, "Attribute": name}
        assert refusal(lambda a=ask: ec2.describe_network_interface_attribute(**a)) == code
    change = {"NetworkInterfaceId": none, "SourceDestCheck": {"Value": False}}
    assert (
        refusal(lambda: ec2.modify_network_interface_attribute(**change))
        == "InvalidNetworkInterfaceID.NotFound"
    )
