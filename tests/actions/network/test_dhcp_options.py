"""DHCP options: sets, what they may hold, and what becomes of VPCs and subnets that have them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.launching import code_of, tags
from tests.native import Native

MISSING = "dopt-00000000000000000"


def config(**options: list[str]) -> list[dict[str, Any]]:
    return [{"Key": key.replace("_", "-"), "Values": values} for key, values in options.items()]


def made(ec2: Any, **options: list[str]) -> str:
    return str(ec2.create_dhcp_options(DhcpConfigurations=config(**options))["DhcpOptions"]["DhcpOptionsId"])


def told(item: dict[str, Any]) -> dict[str, list[str]]:
    return {entry["Key"]: [v["Value"] for v in entry["Values"]] for entry in item["DhcpConfigurations"]}


def described(ec2: Any, ident: str) -> dict[str, Any]:
    [found] = ec2.describe_dhcp_options(DhcpOptionsIds=[ident])["DhcpOptions"]
    return dict(found)


def vpc(ec2: Any, **more: str) -> str:
    named = {"TagSpecifications": [tags("vpc", **more)]} if more else {}
    return str(ec2.create_vpc(CidrBlock="10.42.0.0/16", **named)["Vpc"]["VpcId"])


def subnet(ec2: Any, of: str, number: int = 1) -> str:
    made = ec2.create_subnet(VpcId=of, CidrBlock=f"10.42.{number}.0/24")["Subnet"]
    return str(made["SubnetId"])


def chosen(ec2: Any, of: str) -> str:
    return str(ec2.describe_vpcs(VpcIds=[of])["Vpcs"][0]["DhcpOptionsId"])


def domains(place: Place) -> list[str]:
    return sorted(row["networkdomain"] for row in Native(place).list("listNetworks", forvpc=True))


def refused(call: Any, **params: Any) -> tuple[str, str]:
    """The code and the sentence with which a call is refused."""
    with pytest.raises(ClientError) as error:
        call(**params)
    return code_of(error), str(error.value.response["Error"]["Message"])


def test_a_set_may_hold_all_that_aws_takes(ec2: Any) -> None:
    options = {
        "domain-name": ["example.com sub.example.com"],
        "domain-name-servers": ["10.2.5.1", "10.2.5.2"],
        "ntp-servers": ["10.2.5.3", "fd00::1"],
        "netbios-name-servers": ["10.2.5.4"],
        "netbios-node-type": ["2"],
        "ipv6-address-preferred-lease-time": ["140"],
    }
    new = ec2.create_dhcp_options(
        DhcpConfigurations=config(**options), TagSpecifications=[tags("dhcp-options", Name="office")]
    )["DhcpOptions"]

    assert told(new) == options
    assert new["Tags"] == [{"Key": "Name", "Value": "office"}]
    found = described(ec2, new["DhcpOptionsId"])
    assert found == new
    for name, value in (
        ("dhcp-options-id", new["DhcpOptionsId"]),
        ("key", "netbios-node-type"),
        ("value", "10.2.5.2"),
        ("tag:Name", "office"),
    ):
        answer = ec2.describe_dhcp_options(Filters=[{"Name": name, "Values": [value]}])
        assert [entry["DhcpOptionsId"] for entry in answer["DhcpOptions"]] == [new["DhcpOptionsId"]]

    ec2.delete_dhcp_options(DhcpOptionsId=new["DhcpOptionsId"])
    code, _ = refused(ec2.describe_dhcp_options, DhcpOptionsIds=[new["DhcpOptionsId"]])
    assert code == "InvalidDhcpOptionID.NotFound"
    assert ec2.describe_tags()["Tags"] == []


def test_addresses_may_stand_in_one_value_and_what_is_empty_is_left_out(ec2: Any) -> None:
    ident = made(
        ec2,
        domain_name=[""],
        domain_name_servers=["10.2.5.1, 10.2.5.2"],
        netbios_node_type=[""],
        ntp_servers=[],
    )
    assert told(described(ec2, ident)) == {"domain-name-servers": ["10.2.5.1", "10.2.5.2"]}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "MissingParameter"),
        ({"domain_name": [""]}, "InvalidParameterValue"),
        ({"router": ["10.0.0.1"]}, "InvalidParameterValue"),
        ({"domain_name": ["a.example", "b" * 256]}, "InvalidParameterValue"),
        ({"domain_name_servers": ["f"]}, "InvalidParameterValue"),
        ({"domain_name_servers": ["10.0.0.1"] * 5}, "InvalidParameterValue"),
        ({"ntp_servers": ["AmazonProvidedDNS"]}, "InvalidParameterValue"),
        ({"netbios_name_servers": ["fd00::1"]}, "InvalidParameterValue"),
        ({"netbios_node_type": ["0"]}, "InvalidParameterValue"),
        ({"ipv6_address_preferred_lease_time": ["139"]}, "InvalidParameterValue"),
    ],
)
def test_what_is_no_option_is_refused(ec2: Any, options: dict[str, list[str]], code: str) -> None:
    assert refused(ec2.create_dhcp_options, DhcpConfigurations=config(**options))[0] == code
    assert len(ec2.describe_dhcp_options()["DhcpOptions"]) == 1


def test_a_dry_run_makes_nothing(ec2: Any) -> None:
    wish = {"DhcpConfigurations": config(domain_name=["example.com"]), "DryRun": True}
    assert refused(ec2.create_dhcp_options, **wish)[0] == "DryRunOperation"
    assert len(ec2.describe_dhcp_options()["DhcpOptions"]) == 1


def test_ids_that_name_no_set(ec2: Any) -> None:
    own = vpc(ec2)
    assert refused(ec2.describe_dhcp_options, DhcpOptionsIds=[MISSING]) == (
        "InvalidDhcpOptionID.NotFound",
        f"The dhcpOption ID '{MISSING}' does not exist",
    )
    assert refused(ec2.associate_dhcp_options, VpcId=own, DhcpOptionsId=MISSING)[0] == (
        "InvalidDhcpOptionID.NotFound"
    )
    assert refused(ec2.delete_dhcp_options, DhcpOptionsId=MISSING) == (
        "InvalidDhcpOptionsID.NotFound",
        f"The dhcpOptions ID '{MISSING}' does not exist",
    )
    assert refused(ec2.delete_dhcp_options, DhcpOptionsId="default") == (
        "InvalidDhcpOptionsID.NotFound",
        "The dhcpOptions ID 'default' does not exist",
    )


def test_the_default_set_says_what_cloudstack_does_by_itself(place: Place, ec2: Any) -> None:
    implied_vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    own = vpc(ec2)
    subnet(ec2, own)
    [default] = ec2.describe_dhcp_options()["DhcpOptions"]

    assert {each["DhcpOptionsId"] for each in ec2.describe_vpcs()["Vpcs"]} == {default["DhcpOptionsId"]}
    shared = [row["networkdomain"] for row in Native(place).list("listNetworks", type="Shared")]
    assert told(default) == {
        "domain-name": [*domains(place), *dict.fromkeys(shared)],
        "domain-name-servers": ["AmazonProvidedDNS"],
    }
    for each in (own, implied_vpc):
        ec2.associate_dhcp_options(VpcId=each, DhcpOptionsId="default")
        assert chosen(ec2, each) == "default"
        [found] = ec2.describe_dhcp_options(DhcpOptionsIds=["default"])["DhcpOptions"]
        by_filter = [{"Name": "dhcp-options-id", "Values": ["default"]}]
        assert ec2.describe_dhcp_options(Filters=by_filter)["DhcpOptions"] == [found]
        assert found == {**default, "DhcpOptionsId": "default"}
        ec2.associate_dhcp_options(VpcId=each, DhcpOptionsId=default["DhcpOptionsId"])
        assert chosen(ec2, each) == default["DhcpOptionsId"]
    assert (
        refused(ec2.delete_dhcp_options, DhcpOptionsId=default["DhcpOptionsId"])[0] == "DependencyViolation"
    )
    ec2.create_tags(Resources=[default["DhcpOptionsId"]], Tags=[{"Key": "Name", "Value": "plain"}])
    assert described(ec2, default["DhcpOptionsId"])["Tags"] == [{"Key": "Name", "Value": "plain"}]


def test_the_default_set_is_found_as_terraform_looks_for_it(ec2: Any) -> None:
    made(ec2, domain_name=["example.com"], domain_name_servers=["AmazonProvidedDNS"])
    domain = "ec2.internal" if REGION == "us-east-1" else f"{REGION}.compute.internal"
    asked = (
        ("key", "domain-name"),
        ("value", domain),
        ("key", "domain-name-servers"),
        ("value", "AmazonProvidedDNS"),
    )
    [found] = ec2.describe_dhcp_options(Filters=[{"Name": n, "Values": [v]} for n, v in asked])["DhcpOptions"]
    assert found["DhcpOptionsId"] == ec2.describe_vpcs()["Vpcs"][0]["DhcpOptionsId"]


def test_a_domain_name_goes_to_the_subnets_that_there_are_and_will_be(place: Place, ec2: Any) -> None:
    own, other = vpc(ec2), vpc(ec2)
    subnet(ec2, own)
    subnet(ec2, other)
    [before] = set(domains(place))
    ident = made(ec2, domain_name=["service.consul"], domain_name_servers=["AmazonProvidedDNS"])

    ec2.associate_dhcp_options(VpcId=own, DhcpOptionsId=ident)
    subnet(ec2, own, 2)

    assert chosen(ec2, own) == ident
    assert chosen(ec2, other) != ident
    assert domains(place) == sorted([before, "service.consul", "service.consul"])
    found = ec2.describe_vpcs(Filters=[{"Name": "dhcp-options-id", "Values": [ident]}])["Vpcs"]
    assert [each["VpcId"] for each in found] == [own]
    assert refused(ec2.delete_dhcp_options, DhcpOptionsId=ident) == (
        "DependencyViolation",
        f"The dhcpOptions '{ident}' has dependencies and cannot be deleted.",
    )
    again = place.commands(lambda: ec2.associate_dhcp_options(VpcId=own, DhcpOptionsId=ident))
    assert "updateNetwork" not in again

    ec2.associate_dhcp_options(VpcId=own, DhcpOptionsId="default")
    assert chosen(ec2, own) == "default"
    assert domains(place) == [before] * 3
    ec2.delete_dhcp_options(DhcpOptionsId=ident)


def test_a_vpc_that_is_deleted_lets_go_of_its_set(ec2: Any) -> None:
    own, ident = vpc(ec2), made(ec2, domain_name=["service.consul"])
    ec2.associate_dhcp_options(VpcId=own, DhcpOptionsId=ident)
    ec2.delete_vpc(VpcId=own)
    ec2.delete_dhcp_options(DhcpOptionsId=ident)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"domain_name_servers": ["10.0.0.2"]}, "CreateVpc"),
        ({"ntp_servers": ["10.0.0.2"]}, "ntp-servers"),
        ({"netbios_node_type": ["2"]}, "netbios-node-type"),
        ({"domain_name": ["a.example b.example"]}, "a.example b.example"),
        ({"domain_name": ["a.example", "b.example"]}, "a.example b.example"),
    ],
)
def test_what_cannot_become_true_of_a_vpc_is_refused(
    ec2: Any, options: dict[str, list[str]], word: str
) -> None:
    own, ident = vpc(ec2), made(ec2, **options)
    before = chosen(ec2, own)
    code, sentence = refused(ec2.associate_dhcp_options, VpcId=own, DhcpOptionsId=ident)
    assert code == "UnsupportedOperation"
    assert word in sentence
    assert chosen(ec2, own) == before


def test_the_default_vpc_keeps_its_set(ec2: Any) -> None:
    [default], ident = ec2.describe_vpcs()["Vpcs"], made(ec2, domain_name=["example.com"])
    code, _ = refused(ec2.associate_dhcp_options, VpcId=default["VpcId"], DhcpOptionsId=ident)
    assert code == "UnsupportedOperation"


@pytest.mark.since("4.19")
def test_a_tag_gives_a_new_vpc_name_servers_of_its_own(place: Place, ec2: Any) -> None:
    ident = made(ec2, domain_name=["example.com"], domain_name_servers=["10.0.0.2", "10.0.0.3"])
    own = vpc(ec2, **{"dhcp-options-id": ident})
    subnet(ec2, own)

    assert chosen(ec2, own) == ident
    [row] = Native(place).list("listVPCs")
    assert (row["networkdomain"], row["dns1"], row["dns2"]) == ("example.com", "10.0.0.2", "10.0.0.3")
    [tier] = Native(place).list("listNetworks", forvpc=True)
    assert (tier["networkdomain"], tier["dns1"], tier["dns2"]) == ("example.com", "10.0.0.2", "10.0.0.3")
    ec2.associate_dhcp_options(VpcId=own, DhcpOptionsId=ident)

    ec2.associate_dhcp_options(VpcId=own, DhcpOptionsId="default")
    assert chosen(ec2, own) == "default"
    [by_itself] = (
        each
        for each in ec2.describe_dhcp_options()["DhcpOptions"]
        if told(each).get("domain-name") == ["example.com"] and each["DhcpOptionsId"] != ident
    )
    assert told(by_itself) == {
        "domain-name": ["example.com"],
        "domain-name-servers": ["10.0.0.2", "10.0.0.3"],
    }
    ec2.delete_dhcp_options(DhcpOptionsId=ident)
    router = made(ec2, domain_name_servers=["AmazonProvidedDNS"])
    assert "10.0.0.2" in refused(ec2.associate_dhcp_options, VpcId=own, DhcpOptionsId=router)[1]
    code, _ = refused(ec2.associate_dhcp_options, VpcId=vpc(ec2), DhcpOptionsId=by_itself["DhcpOptionsId"])
    assert code == "UnsupportedOperation"


def test_a_tag_that_names_no_set_that_a_vpc_can_have_is_refused(ec2: Any) -> None:
    default = ec2.describe_vpcs()["Vpcs"][0]["DhcpOptionsId"]
    three = made(ec2, domain_name_servers=["10.0.0.2", "10.0.0.3", "10.0.0.4"])
    for ident, code in (
        (MISSING, "InvalidDhcpOptionID.NotFound"),
        ("office", "InvalidDhcpOptionID.NotFound"),
        (default, "InvalidParameterValue"),
        (three, "UnsupportedOperation"),
        (made(ec2, ntp_servers=["10.0.0.2"]), "UnsupportedOperation"),
    ):
        wish = [tags("vpc", **{"dhcp-options-id": ident})]
        assert refused(ec2.create_vpc, CidrBlock="10.43.0.0/16", TagSpecifications=wish)[0] == code
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1


def test_before_subnets_have_their_vpcs_name_servers_the_tag_is_refused(
    make_place: Callable[..., Place],
) -> None:
    ec2 = make_place(version="4.18.2.0").client()
    servers, domain = made(ec2, domain_name_servers=["10.0.0.2"]), made(ec2, domain_name=["example.com"])
    wish = {"CidrBlock": "10.43.0.0/16", "TagSpecifications": [tags("vpc", **{"dhcp-options-id": servers})]}
    code, sentence = refused(ec2.create_vpc, **wish)
    assert code == "UnsupportedOperation"
    assert sentence == (
        "A VPC with name servers of its own (the tag dhcp-options-id) needs CloudStack 4.19.1; this is 4.18.2."
    )
    assert chosen(ec2, vpc(ec2, **{"dhcp-options-id": domain})) == domain
