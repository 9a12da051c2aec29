"""Network ACLs: the default one of every VPC, and those that are made."""

from typing import Any

import pytest

from tests.actions.launching import tags
from tests.actions.native import Native
from tests.actions.test_vpc_creation import refusal
from tests.conftest import Place


@pytest.fixture
def vpc(ec2: Any) -> str:
    """The id of a new VPC."""
    return str(ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def subnet(ec2: Any, vpc: str) -> str:
    """The id of a new subnet in the VPC."""
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"])


def default_acl(ec2: Any, vpc: str) -> dict[str, Any]:
    asked = {"default": "true", "vpc-id": vpc}
    filters = [{"Name": name, "Values": [value]} for name, value in asked.items()]
    [acl] = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    return dict(acl)


def shown(ec2: Any, acl: str) -> list[tuple[Any, ...]]:
    [found] = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    members = ("Egress", "RuleNumber", "Protocol", "RuleAction", "CidrBlock")
    return [tuple(entry[member] for member in members) for entry in found["Entries"]]


LAST = [(egress, 32767, "-1", "deny", "0.0.0.0/0") for egress in (False, True)]


def test_every_vpc_has_a_default_acl_that_lets_everything_pass(ec2: Any, vpc: str, subnet: str) -> None:
    acl = default_acl(ec2, vpc)

    everything = ("-1", "allow", "0.0.0.0/0")
    assert shown(ec2, acl["NetworkAclId"]) == [
        (False, 100, *everything),
        LAST[0],
        (True, 100, *everything),
        LAST[1],
    ]
    assert [association["SubnetId"] for association in acl["Associations"]] == [subnet]
    entry = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": 100, "Egress": False}
    assert refusal(lambda: ec2.delete_network_acl_entry(**entry)) == "UnsupportedOperation"
    gone = refusal(lambda: ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"]))
    assert gone == "InvalidParameterValue"


def test_an_acl_with_entries(place: Place, ec2: Any, vpc: str) -> None:
    wanted = [tags("network-acl", Name="web")]
    made = ec2.create_network_acl(VpcId=vpc, TagSpecifications=wanted)["NetworkAcl"]
    acl = made["NetworkAclId"]
    assert made["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert shown(ec2, acl) == LAST
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}

    ec2.create_network_acl_entry(**entry, Egress=False, Protocol="6", PortRange={"From": 443, "To": 443})
    ec2.create_network_acl_entry(**entry, Egress=True, Protocol="-1")

    assert shown(ec2, acl) == [
        (False, 100, "6", "allow", "0.0.0.0/0"),
        LAST[0],
        (True, 100, "-1", "allow", "0.0.0.0/0"),
        LAST[1],
    ]
    again = refusal(lambda: ec2.create_network_acl_entry(**entry, Egress=True, Protocol="-1"))
    assert again == "NetworkAclEntryAlreadyExists"
    numbers = {
        row["number"]: row["traffictype"]
        for row in Native(place).list("listNetworkACLs", aclid=native_id(place))
    }
    assert numbers == {199: "Ingress", 200: "Egress", 65533: "Ingress", 65534: "Egress"}

    icmp = {"Type": 8, "Code": -1}
    ec2.replace_network_acl_entry(**entry, Egress=False, Protocol="1", IcmpTypeCode=icmp)
    [changed] = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert changed["Entries"][0]["IcmpTypeCode"] == icmp
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    missing = refusal(lambda: ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False))
    assert missing == "InvalidNetworkAclEntry.NotFound"


def test_icmp_of_ipv6_goes_through_as_a_whole(ec2: Any, vpc: str) -> None:
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleAction": "allow", "Ipv6CidrBlock": "::/0", "Egress": False}
    ping = {"RuleNumber": 100, "Protocol": "58", "IcmpTypeCode": {"Type": 128, "Code": -1}}

    assert refusal(lambda: ec2.create_network_acl_entry(**entry, **ping)) == "UnsupportedOperation"
    ec2.create_network_acl_entry(**entry, **{**ping, "IcmpTypeCode": {"Type": -1, "Code": -1}})

    [found] = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    first = found["Entries"][0]
    assert (first["Protocol"], first["Ipv6CidrBlock"]) == ("58", "::/0")
    assert first["IcmpTypeCode"] == {"Type": -1, "Code": -1}


def test_an_action_counts_without_regard_to_case(ec2: Any, vpc: str) -> None:
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {
        "NetworkAclId": acl,
        "RuleNumber": 100,
        "Protocol": "-1",
        "CidrBlock": "0.0.0.0/0",
        "Egress": True,
    }
    ec2.create_network_acl_entry(**entry, RuleAction="Allow")
    assert (True, 100, "-1", "allow", "0.0.0.0/0") in shown(ec2, acl)


def test_what_is_no_id_of_an_acl_is_not_found(ec2: Any) -> None:
    """Terraform's provider looks, on AWS, for nacl-2656715729 and rests on this code."""
    for ident in ("nacl-2656715729", "acl-0123456789abcdef0"):
        code = refusal(lambda ident=ident: ec2.describe_network_acls(NetworkAclIds=[ident]))
        assert code == "InvalidNetworkAclID.NotFound"


def native_id(place: Place) -> str:
    [row] = [row for row in Native(place).list("listNetworkACLLists") if row.get("vpcid")]
    return str(row["id"])


def test_a_subnet_gets_another_acl(place: Place, ec2: Any, vpc: str, subnet: str) -> None:
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    [before] = default_acl(ec2, vpc)["Associations"]

    change = {"AssociationId": before["NetworkAclAssociationId"], "NetworkAclId": acl}
    after = ec2.replace_network_acl_association(**change)["NewAssociationId"]

    assert after != before["NetworkAclAssociationId"]
    assert default_acl(ec2, vpc)["Associations"] == []
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    [now] = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    assert now["Associations"] == [
        {"NetworkAclAssociationId": after, "NetworkAclId": acl, "SubnetId": subnet}
    ]
    assert refusal(lambda: ec2.delete_network_acl(NetworkAclId=acl)) == "DependencyViolation"
    assert refusal(lambda: ec2.replace_network_acl_association(**change)) == "InvalidAssociationID.NotFound"

    back = default_acl(ec2, vpc)["NetworkAclId"]
    ec2.replace_network_acl_association(AssociationId=after, NetworkAclId=back)
    ec2.delete_network_acl(NetworkAclId=acl)
    gone = refusal(lambda: ec2.describe_network_acls(NetworkAclIds=[acl]))
    assert gone == "InvalidNetworkAclID.NotFound"


def test_the_default_vpc_has_no_acls_of_ones_own(ec2: Any) -> None:
    [default] = ec2.describe_vpcs()["Vpcs"]
    assert default_acl(ec2, default["VpcId"])["Associations"]
    refused = refusal(lambda: ec2.create_network_acl(VpcId=default["VpcId"]))
    assert refused == "UnsupportedOperation"
