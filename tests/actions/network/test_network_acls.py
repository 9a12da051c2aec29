"""Network ACLs: the default one of every VPC, and those that are made."""

from typing import Any

import pytest

from ec2bridge.ids import ec2_id
from tests.actions.network.test_vpc_creation import refusal
from tests.conftest import Place
from tests.launching import tags
from tests.native import Native


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
    gone = refusal(lambda: ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"]))
    assert gone == "InvalidParameterValue"


def test_a_default_acl_that_is_changed_becomes_a_list_of_its_vpcs_own(
    place: Place, ec2: Any, vpc: str, subnet: str
) -> None:
    """As Terraform's aws_default_network_acl does: it takes all entries away, and writes its own."""
    other = ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
    acl = default_acl(ec2, vpc)["NetworkAclId"]
    for egress in (False, True):
        ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=egress)
    assert shown(ec2, acl) == LAST
    ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=110,
        Egress=False,
        Protocol="6",
        PortRange={"From": 22, "To": 22},
        RuleAction="allow",
        CidrBlock="192.0.2.0/24",
    )

    changed = default_acl(ec2, vpc)
    assert changed["NetworkAclId"] == acl
    assert shown(ec2, acl) == [(False, 110, "6", "allow", "192.0.2.0/24"), *LAST]
    assert len(ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]) == 1
    assert len(shown(ec2, default_acl(ec2, other)["NetworkAclId"])) == 4

    later = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.2.0/24")["Subnet"]["SubnetId"]
    held = {one["SubnetId"] for one in default_acl(ec2, vpc)["Associations"]}
    assert held == {subnet, later}
    native = Native(place).list("listNetworks", type="Isolated")
    assert {row["aclid"] for row in native if row.get("vpcid")} == {native_id(place)}

    assert refusal(lambda: ec2.delete_network_acl(NetworkAclId=acl)) == "InvalidParameterValue"
    for ident in (subnet, later):
        ec2.delete_subnet(SubnetId=ident)
    ec2.delete_vpc(VpcId=vpc)
    assert [row for row in Native(place).list("listNetworkACLLists") if row.get("vpcid")] == []


def test_a_tier_that_was_left_with_the_list_of_all_vpcs_gets_its_vpcs_own(
    place: Place, ec2: Any, vpc: str, subnet: str
) -> None:
    acl, native = default_acl(ec2, vpc)["NetworkAclId"], Native(place)
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    [tier] = [row for row in native.list("listNetworks") if row.get("vpcid")]
    [shared] = [row for row in native.list("listNetworkACLLists") if row["name"] == "default_allow"]
    native.do("replaceNetworkACLList", aclid=shared["id"], networkid=tier["id"])
    assert [one["SubnetId"] for one in default_acl(ec2, vpc)["Associations"]] == [subnet]

    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=True)

    [tier] = native.list("listNetworks", id=tier["id"])
    assert tier["aclid"] == native_id(place)


def test_a_subnet_goes_back_to_a_default_acl_that_was_changed(ec2: Any, vpc: str, subnet: str) -> None:
    default = default_acl(ec2, vpc)
    ec2.delete_network_acl_entry(NetworkAclId=default["NetworkAclId"], RuleNumber=100, Egress=False)
    own = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    [held] = default_acl(ec2, vpc)["Associations"]
    to = ec2.replace_network_acl_association(AssociationId=held["NetworkAclAssociationId"], NetworkAclId=own)[
        "NewAssociationId"
    ]
    assert default_acl(ec2, vpc)["Associations"] == []
    ec2.replace_network_acl_association(AssociationId=to, NetworkAclId=default["NetworkAclId"])
    assert [one["SubnetId"] for one in default_acl(ec2, vpc)["Associations"]] == [subnet]


def test_a_dry_run_leaves_the_default_acl_as_it_is(place: Place, ec2: Any, vpc: str) -> None:
    acl = default_acl(ec2, vpc)["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False}
    assert refusal(lambda: ec2.delete_network_acl_entry(**entry, DryRun=True)) == "DryRunOperation"
    assert [row for row in Native(place).list("listNetworkACLLists") if row.get("vpcid")] == []


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

    without = refusal(lambda: ec2.replace_network_acl_entry(**entry, Egress=False, Protocol="1"))
    assert without == "MissingParameter"
    icmp = {"Type": 8, "Code": -1}
    ec2.replace_network_acl_entry(**entry, Egress=False, Protocol="1", IcmpTypeCode=icmp)
    [changed] = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert changed["Entries"][0]["IcmpTypeCode"] == icmp
    [after] = Native(place).list("listNetworkACLs", aclid=native_id(place), protocol="icmp")
    assert not after.get("startport")
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    missing = refusal(lambda: ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False))
    assert missing == "InvalidNetworkAclEntry.NotFound"


def test_an_entry_is_replaced_in_one_call_which_a_refusal_leaves_as_it_was(
    place: Place, ec2: Any, vpc: str
) -> None:
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": True, "RuleAction": "allow"}
    web = {"Protocol": "6", "PortRange": {"From": 443, "To": 443}, "CidrBlock": "0.0.0.0/0"}
    ec2.create_network_acl_entry(**entry, **web)
    [before] = [
        row for row in Native(place).list("listNetworkACLs", aclid=native_id(place)) if row["number"] == 200
    ]
    Native(place).do("updateNetworkACLItem", id=before["id"], reason="the shop")

    ping = {"Protocol": "1", "IcmpTypeCode": {"Type": 8, "Code": 17}, "CidrBlock": "10.0.0.0/8"}
    assert refusal(lambda: ec2.replace_network_acl_entry(**entry, **ping)) == "InvalidParameterValue"
    assert (True, 100, "6", "allow", "0.0.0.0/0") in shown(ec2, acl)

    ping["IcmpTypeCode"] = {"Type": 8, "Code": 0}
    for changed in (ping, web, {"Protocol": "-1", "CidrBlock": "0.0.0.0/0"}):
        ec2.replace_network_acl_entry(**entry, **changed)
        assert (True, 100, changed["Protocol"], "allow", changed["CidrBlock"]) in shown(ec2, acl)
        rows = Native(place).list("listNetworkACLs", aclid=native_id(place))
        [after] = [row for row in rows if row["number"] == 200]
        assert (after["id"], after["reason"]) == (before["id"], "the shop")
    assert not {"startport", "icmptype"} & after.keys()


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


def test_the_list_that_denies_all_is_in_use_where_it_is_shown(
    place: Place, ec2: Any, vpc: str, subnet: str
) -> None:
    native = Native(place)
    [deny] = [row for row in native.list("listNetworkACLLists") if row["name"] == "default_deny"]
    [tier] = [row for row in native.list("listNetworks") if ec2_id("subnet", row["id"]) == subnet]
    native.do("replaceNetworkACLList", aclid=deny["id"], networkid=tier["id"])
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    [shown_acl] = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    refused = refusal(lambda: ec2.delete_network_acl(NetworkAclId=shown_acl["NetworkAclId"]))
    assert refused == "DependencyViolation"


def test_the_default_vpc_has_no_acls_of_ones_own(ec2: Any) -> None:
    [default] = ec2.describe_vpcs()["Vpcs"]
    assert default_acl(ec2, default["VpcId"])["Associations"]
    refused = refusal(lambda: ec2.create_network_acl(VpcId=default["VpcId"]))
    assert refused == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (
            {"CidrBlock": "0.0.0.0/0", "Ipv6CidrBlock": "::/0", "Protocol": "-1"},
            "InvalidParameterCombination",
        ),
        ({"CidrBlock": "0.0.0.0/0", "Protocol": "1"}, "MissingParameter"),
        ({"CidrBlock": "0.0.0.0/0", "Protocol": "1", "IcmpTypeCode": {"Type": 8}}, "MissingParameter"),
        ({"Protocol": "-1"}, "MissingParameter"),
        ({"CidrBlock": "::/0", "Protocol": "-1"}, "InvalidParameterValue"),
        ({"Ipv6CidrBlock": "10.0.0.0/8", "Protocol": "-1"}, "InvalidParameterValue"),
        ({"CidrBlock": "10.0.0.1", "Protocol": "-1"}, "InvalidParameterValue"),
        ({"CidrBlock": "0.0.0.0/0", "Protocol": "256"}, "InvalidParameterValue"),
        ({"CidrBlock": "0.0.0.0/0", "Protocol": "tea"}, "InvalidParameterValue"),
        ({"CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": "maybe"}, "InvalidParameterValue"),
        (
            {"CidrBlock": "0.0.0.0/0", "Protocol": "6", "PortRange": {"From": 9, "To": 8}},
            "InvalidParameterValue",
        ),
        (
            {"CidrBlock": "0.0.0.0/0", "Protocol": "17", "PortRange": {"From": 1, "To": 65536}},
            "InvalidParameterValue",
        ),
    ],
)
def test_an_entry_that_says_too_much_or_too_little(
    ec2: Any, vpc: str, changed: dict[str, Any], code: str
) -> None:
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "RuleAction": "allow", "Egress": False, **changed}
    assert refusal(lambda: ec2.create_network_acl_entry(**entry)) == code
    assert refusal(lambda: ec2.create_network_acl_entry(**entry, DryRun=True)) == code
    assert shown(ec2, acl) == LAST


def test_an_entrys_range_is_told_without_what_is_beyond_its_prefix(ec2: Any, vpc: str) -> None:
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    for number, name, sent in (
        (1, "CidrBlock", "100.68.0.18/18"),
        (2, "Ipv6CidrBlock", "2001:DB8::1/32"),
    ):
        ec2.create_network_acl_entry(
            NetworkAclId=acl,
            RuleNumber=number,
            RuleAction="allow",
            Egress=False,
            Protocol="-1",
            **{name: sent},
        )
    [listed] = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    told = {e["RuleNumber"]: e.get("CidrBlock") or e["Ipv6CidrBlock"] for e in listed["Entries"]}
    assert (told[1], told[2]) == ("100.68.0.0/18", "2001:db8::/32")
