"""Security groups and their rules, as Terraform, Ansible and the tools of EC2's first years use them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.native import Native

EVERYWHERE = "0.0.0.0/0"
DEFAULT_EGRESS = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": EVERYWHERE}]}]


def refused(call: Any, **params: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def tcp(first: int, last: int | None = None, *cidrs: str, **more: Any) -> dict[str, Any]:
    ranges = [{"CidrIp": cidr} for cidr in cidrs]
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last or first, "IpRanges": ranges, **more}


def short(permissions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Permissions without their empty lists."""
    return [{name: value for name, value in entry.items() if value != []} for entry in permissions]


def shown(ec2: Any, ident: str) -> dict[str, Any]:
    found: dict[str, Any] = ec2.describe_security_groups(GroupIds=[ident])["SecurityGroups"][0]
    return found


def rules(ec2: Any, ident: str, egress: bool = False) -> list[dict[str, Any]]:
    wanted = [{"Name": "group-id", "Values": [ident]}]
    found = ec2.describe_security_group_rules(Filters=wanted)["SecurityGroupRules"]
    return [rule for rule in found if rule["IsEgress"] == egress]


@pytest.fixture
def web(ec2: Any) -> str:
    return str(ec2.create_security_group(GroupName="web", Description="web servers")["GroupId"])


# --- groups


def test_a_new_group_lets_nothing_in_and_everything_out(ec2, web):
    group = shown(ec2, web)
    assert (group["GroupName"], group["Description"]) == ("web", "web servers")
    assert group["IpPermissions"] == []
    assert short(group["IpPermissionsEgress"]) == DEFAULT_EGRESS
    assert group["VpcId"].startswith("vpc-")
    assert group["OwnerId"] in group["SecurityGroupArn"]


def test_the_account_has_its_default_group_in_its_default_vpc(ec2):
    (group,) = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert group["VpcId"] == vpc["VpcId"]
    assert refused(ec2.delete_security_group, GroupId=group["GroupId"]) == "CannotDelete"
    create = ec2.create_security_group
    assert refused(create, GroupName="default", Description="d") == "InvalidParameterValue"


def test_names_are_taken_once_but_case_counts(ec2, web):
    create = ec2.create_security_group
    assert refused(create, GroupName="web", Description="d") == "InvalidGroup.Duplicate"
    other = create(GroupName="Web", Description="d")["GroupId"]
    assert shown(ec2, other)["GroupName"] == "Web"
    ec2.delete_security_group(GroupName="Web")
    assert shown(ec2, web)["GroupName"] == "web"


def test_spaces_around_a_name_are_taken_away_and_those_of_a_description_kept(ec2):
    made = ec2.create_security_group(GroupName=" nat ", Description="For nat servers ")["GroupId"]
    group = shown(ec2, made)
    assert (group["GroupName"], group["Description"]) == ("nat", "For nat servers ")


def test_a_group_of_the_default_vpc_is_found_by_its_id_among_the_names_too(ec2, web):
    found = ec2.describe_security_groups(GroupNames=[web, "default"])["SecurityGroups"]
    assert {group["GroupName"] for group in found} == {"web", "default"}
    unknown = "sg-0123456789abcdef0"
    assert refused(ec2.describe_security_groups, GroupNames=[unknown]) == "InvalidGroup.NotFound"


@pytest.mark.parametrize(
    ("name", "description"),
    [("sg-web", "d"), ("web", "ü"), ("näme", "d"), ("n" * 256, "d"), ("n", "d" * 256)],
)
def test_names_and_descriptions_that_aws_refuses(ec2, name, description):
    code = refused(ec2.create_security_group, GroupName=name, Description=description)
    assert code == "InvalidParameterValue"


def test_groups_carry_tags_from_the_start(ec2):
    specification = [{"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": "tf"}]}]
    ident = ec2.create_security_group(GroupName="tf", Description="d", TagSpecifications=specification)[
        "GroupId"
    ]
    found = ec2.describe_security_groups(Filters=[{"Name": "tag:Name", "Values": ["tf"]}])["SecurityGroups"]
    assert [group["GroupId"] for group in found] == [ident]


def test_what_does_not_exist(ec2):
    assert refused(ec2.describe_security_groups, GroupIds=["sg-01234567"]) == "InvalidGroup.NotFound"
    assert refused(ec2.describe_security_groups, GroupNames=["nope"]) == "InvalidGroup.NotFound"
    assert refused(ec2.delete_security_group, GroupName="nope") == "InvalidGroup.NotFound"
    assert refused(ec2.delete_security_group, GroupId="sg-nonsense") == "InvalidGroupId.Malformed"
    assert refused(ec2.delete_security_group) == "MissingParameter"


def test_a_group_in_anothers_rule_stays_until_the_rule_goes(ec2, web):
    db = ec2.create_security_group(GroupName="db", Description="d")["GroupId"]
    pair = tcp(3306, UserIdGroupPairs=[{"GroupId": web}])
    ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[pair])
    assert refused(ec2.delete_security_group, GroupId=web) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=db, IpPermissions=[pair])
    assert ec2.delete_security_group(GroupId=web)["GroupId"] == web
    assert refused(ec2.describe_security_groups, GroupIds=[web]) == "InvalidGroup.NotFound"


def test_a_group_in_its_own_rule_can_be_deleted(ec2, web):
    db = ec2.create_security_group(GroupName="db", Description="d")["GroupId"]
    pair = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": web}]}
    for group in (web, db):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[pair])
    assert refused(ec2.delete_security_group, GroupId=web) == "DependencyViolation"
    assert [rule["ReferencedGroupInfo"]["GroupId"] for rule in rules(ec2, web)] == [web]
    ec2.revoke_security_group_ingress(GroupId=db, IpPermissions=[pair])
    ec2.delete_security_group(GroupId=web)
    assert refused(ec2.describe_security_groups, GroupIds=[web]) == "InvalidGroup.NotFound"


def test_filters(ec2, web):
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, 23, "10.0.0.0/8")])
    ec2.authorize_security_group_egress(GroupId=web, IpPermissions=[tcp(443, None, "10.1.0.0/16")])
    db = ec2.create_security_group(GroupName="db", Description="d")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=db, IpPermissions=[tcp(3306, UserIdGroupPairs=[{"GroupId": web}])]
    )
    owner = shown(ec2, web)["OwnerId"]
    for name, value, expected in (
        ("group-name", "w*", {web}),
        ("group-id", db, {db}),
        ("description", "web servers", {web}),
        ("ip-permission.cidr", "10.0.0.0/8", {web}),
        ("ip-permission.from-port", "22", {web}),
        ("ip-permission.to-port", "23", {web}),
        ("ip-permission.protocol", "tcp", {web, db}),
        ("ip-permission.group-id", web, {db}),
        ("ip-permission.group-name", "web", {db}),
        ("ip-permission.user-id", owner, {db}),
        ("egress.ip-permission.cidr", "10.1.0.0/16", {web}),
        ("egress.ip-permission.from-port", "443", {web}),
        ("ip-permission.prefix-list-id", "pl-1", set()),
    ):
        found = ec2.describe_security_groups(Filters=[{"Name": name, "Values": [value]}])["SecurityGroups"]
        assert {group["GroupId"] for group in found} == expected, name


def test_a_listing_costs_two_native_calls_however_many_groups_there_are(place, ec2, web):
    ec2.create_security_group(GroupName="db", Description="d")
    assert sorted(place.commands(ec2.describe_security_groups)) == ["listSecurityGroups", "listVPCs"]


def test_a_dry_run_makes_nothing(ec2, web):
    assert (
        refused(ec2.create_security_group, GroupName="x", Description="d", DryRun=True) == "DryRunOperation"
    )
    authorize = ec2.authorize_security_group_ingress
    assert (
        refused(authorize, GroupId=web, IpPermissions=[tcp(1, 1, EVERYWHERE)], DryRun=True)
        == "DryRunOperation"
    )
    assert (
        refused(authorize, GroupId=web, IpPermissions=[tcp(9, 1, EVERYWHERE)], DryRun=True)
        != "DryRunOperation"
    )
    assert shown(ec2, web)["IpPermissions"] == []


# --- ingress


def test_terraforms_first_rules(ec2, web):
    described = [
        {"CidrIp": "10.0.0.0/8", "Description": "ssh"},
        {"CidrIp": "192.0.2.0/24", "Description": "ssh"},
    ]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": described}
    itself = {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "UserIdGroupPairs": [{"GroupId": web}]}
    made = ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[ssh, itself])[
        "SecurityGroupRules"
    ]
    assert len(made) == 3
    assert {rule["SecurityGroupRuleId"] for rule in made} == {
        rule["SecurityGroupRuleId"] for rule in rules(ec2, web)
    }
    group = shown(ec2, web)
    first, second = short(group["IpPermissions"])
    assert first == ssh
    assert second == {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": web, "UserId": group["OwnerId"]}]}


def test_the_jobs_of_one_request_are_as_few_as_can_be(place, ec2, web):
    many = [tcp(22, None, *(f"10.{n}.0.0/16" for n in range(20))), tcp(80, None, EVERYWHERE)]
    commands = place.commands(lambda: ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=many))
    assert commands.count("authorizeSecurityGroupIngress") == 2
    assert len(rules(ec2, web)) == 21


def test_the_members_of_ec2s_first_years(ec2, web):
    authorize = ec2.authorize_security_group_ingress
    authorize(GroupName="web", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp=EVERYWHERE)
    authorize(GroupName="web", SourceSecurityGroupName="web")
    found = {(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in rules(ec2, web)}
    assert found == {("tcp", 22, 22), ("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1)}
    ec2.revoke_security_group_ingress(GroupName="web", SourceSecurityGroupName="web")
    assert len(rules(ec2, web)) == 1
    both = {"GroupName": "web", "SourceSecurityGroupName": "web", "CidrIp": EVERYWHERE}
    assert refused(authorize, **both) == "InvalidParameterCombination"
    assert len(rules(ec2, web)) == 1


def test_a_groups_id_and_a_name_that_is_not_its_own_are_refused(ec2, web):
    differ = "InvalidParameterCombination"
    named = {"GroupId": web, "GroupName": "default"}
    assert refused(ec2.delete_security_group, **named) == differ
    permissions = [tcp(22, None, EVERYWHERE)]
    assert refused(ec2.authorize_security_group_ingress, **named, IpPermissions=permissions) == differ
    pair = [tcp(22, UserIdGroupPairs=[named])]
    assert refused(ec2.authorize_security_group_ingress, GroupId=web, IpPermissions=pair) == differ
    assert rules(ec2, web) == []
    ec2.delete_security_group(GroupId=web, GroupName="web")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"IpProtocol": "6", "FromPort": 22, "ToPort": 22}, ("tcp", 22, 22)),
        ({"IpProtocol": "udp", "FromPort": 53, "ToPort": 54}, ("udp", 53, 54)),
        ({"IpProtocol": "UDP", "FromPort": -1, "ToPort": -1}, ("udp", 0, 65535)),
        ({"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1}, ("icmp", -1, -1)),
        ({"IpProtocol": "icmp", "FromPort": 3, "ToPort": 4}, ("icmp", 3, 4)),
        ({"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1}, ("icmp", 8, -1)),
        ({"IpProtocol": "1", "FromPort": 8, "ToPort": 0}, ("icmp", 8, 0)),
        ({"IpProtocol": "icmpv6", "FromPort": -1, "ToPort": -1}, ("icmpv6", -1, -1)),
        ({"IpProtocol": "58"}, ("icmpv6", -1, -1)),
        ({"IpProtocol": "47"}, ("47", -1, -1)),
        ({"IpProtocol": "-1", "FromPort": 0, "ToPort": 0}, ("-1", -1, -1)),
        ({"IpProtocol": "all"}, ("-1", -1, -1)),
    ],
)
def test_protocols_and_ports_in_all_their_spellings(ec2, web, sent, expected):
    permission = {**sent, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[permission])
    (rule,) = rules(ec2, web)
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == expected
    again = {"GroupId": web, "IpPermissions": [permission]}
    assert refused(ec2.authorize_security_group_ingress, **again) == "InvalidPermission.Duplicate"
    ec2.revoke_security_group_ingress(**again)
    assert rules(ec2, web) == []


def test_ranges_are_written_as_aws_writes_them(ec2, web):
    permission = tcp(22, None, "10.1.2.3/8", Ipv6Ranges=[{"CidrIpv6": "2001:DB8:0:0::/32"}])
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[permission])
    (found,) = shown(ec2, web)["IpPermissions"]
    assert found["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}]
    assert found["Ipv6Ranges"] == [{"CidrIpv6": "2001:db8::/32"}]


@pytest.mark.parametrize(
    ("permission", "code"),
    [
        (tcp(22, 22, "10.0.0/33"), "InvalidParameterValue"),
        (tcp(22, 22, "10.0.0.1"), "InvalidParameterValue"),
        (tcp(22, 22, "::/0"), "InvalidParameterValue"),
        (tcp(90, 80, EVERYWHERE), "InvalidParameterValue"),
        (tcp(70000, 70000, EVERYWHERE), "InvalidParameterValue"),
        (tcp(22, 22, EVERYWHERE, EVERYWHERE), "InvalidParameterValue"),
        ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": EVERYWHERE}]}, "InvalidParameterValue"),
        ({"IpProtocol": "bogus", "IpRanges": [{"CidrIp": EVERYWHERE}]}, "InvalidParameterValue"),
        ({"IpProtocol": "300", "IpRanges": [{"CidrIp": EVERYWHERE}]}, "InvalidParameterValue"),
        ({"IpRanges": [{"CidrIp": EVERYWHERE}]}, "InvalidParameterValue"),
        ({"IpProtocol": "-1"}, "MissingParameter"),
        (
            {"IpProtocol": "icmp", "FromPort": -1, "ToPort": 3, "IpRanges": [{"CidrIp": EVERYWHERE}]},
            "InvalidParameterValue",
        ),
        (
            {"IpProtocol": "-1", "IpRanges": [{"CidrIp": EVERYWHERE, "Description": "naïve"}]},
            "InvalidParameterValue",
        ),
        ({"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}, "InvalidPrefixListID.NotFound"),
        ({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-01234567"}]}, "InvalidGroup.NotFound"),
        (
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "x", "UserId": "123456789012"}]},
            "InvalidGroup.NotFound",
        ),
    ],
)
def test_a_bad_permission_is_refused_before_anything_changes(place, ec2, web, permission, code):
    asked = {"GroupId": web, "IpPermissions": [tcp(1, 1, EVERYWHERE), permission]}
    commands = place.commands(
        lambda: refused(ec2.authorize_security_group_ingress, **asked) == code or pytest.fail(code)
    )
    assert all(command.startswith("list") for command in commands)


def test_one_duplicate_among_new_rules_keeps_all_of_them_out(ec2, web):
    authorize = ec2.authorize_security_group_ingress
    authorize(GroupId=web, IpPermissions=[tcp(22, None, EVERYWHERE)])
    both = [tcp(80, None, EVERYWHERE), tcp(22, None, EVERYWHERE)]
    with pytest.raises(ClientError, match="TCP, from port: 22, to port: 22, ALLOW") as caught:
        authorize(GroupId=web, IpPermissions=both)
    assert caught.value.response["Error"]["Code"] == "InvalidPermission.Duplicate"
    assert len(rules(ec2, web)) == 1


def test_revoking_by_id_by_permission_and_what_is_not_there(ec2, web):
    made = ec2.authorize_security_group_ingress(
        GroupId=web, IpPermissions=[tcp(22, None, EVERYWHERE, "10.0.0.0/8"), tcp(80, None, EVERYWHERE)]
    )["SecurityGroupRules"]
    revoke = ec2.revoke_security_group_ingress
    assert (
        refused(revoke, GroupId=web, IpPermissions=[tcp(81, None, EVERYWHERE)])
        == "InvalidPermission.NotFound"
    )
    gone = ["sgr-0123456789abcdef0"]
    assert refused(revoke, GroupId=web, SecurityGroupRuleIds=gone) == "InvalidSecurityGroupRuleId.NotFound"
    assert refused(revoke, GroupId=web) == "MissingParameter"
    answer = revoke(GroupId=web, SecurityGroupRuleIds=[made[0]["SecurityGroupRuleId"]])
    assert answer["RevokedSecurityGroupRules"][0]["CidrIpv4"] == made[0]["CidrIpv4"]
    revoke(GroupId=web, IpPermissions=[tcp(80, None, EVERYWHERE)])
    assert [rule["SecurityGroupRuleId"] for rule in rules(ec2, web)] == [made[1]["SecurityGroupRuleId"]]


def test_rules_carry_tags_and_go_with_them(ec2, web):
    specification = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "why", "Value": "ssh"}]}]
    (made,) = ec2.authorize_security_group_ingress(
        GroupId=web, IpPermissions=[tcp(22, None, EVERYWHERE)], TagSpecifications=specification
    )["SecurityGroupRules"]
    assert made["Tags"] == [{"Key": "why", "Value": "ssh"}]
    ident = made["SecurityGroupRuleId"]
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "empty", "Value": ""}])
    (rule,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[ident])["SecurityGroupRules"]
    assert {tag["Key"] for tag in rule["Tags"]} == {"why", "empty"}
    ec2.revoke_security_group_ingress(GroupId=web, SecurityGroupRuleIds=[ident])
    assert ec2.describe_tags()["Tags"] == []


def test_a_group_takes_its_rules_tags_along(place, ec2, web):
    described = {**tcp(22), "IpRanges": [{"CidrIp": EVERYWHERE, "Description": "ssh"}]}
    specification = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "why", "Value": "ssh"}]}]
    ec2.authorize_security_group_ingress(
        GroupId=web, IpPermissions=[described], TagSpecifications=specification
    )
    ec2.delete_security_group(GroupId=web)
    assert ec2.describe_tags()["Tags"] == []
    assert Native(place).list("listTags") == []


# --- egress, which CloudStack has the other way round


def test_terraform_revokes_the_default_and_the_group_is_shut(place, ec2, web):
    everything = [{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "IpRanges": [{"CidrIp": EVERYWHERE}]}]
    ec2.revoke_security_group_egress(GroupId=web, IpPermissions=everything)
    assert shown(ec2, web)["IpPermissionsEgress"] == []
    assert native_egress(place, "web") == [("all", "127.0.0.1/32")]
    six = [{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    code = refused(ec2.revoke_security_group_egress, GroupId=web, IpPermissions=six)
    assert code == "InvalidPermission.NotFound"


def native_egress(place: Any, name: str) -> list[tuple[str, str]]:
    """The egress rules that CloudStack has of a group."""
    found = [call for call in place.sim.cloud.tables["securitygroups"] if call["name"] == name]
    table = place.sim.cloud.tables["securitygrouprules"]
    shown = [rule["_shown"] for rule in table.where(_group=found[0]["id"], _direction="egress")]
    return sorted((rule["protocol"], rule["cidr"]) for rule in shown)


def test_the_first_rule_beside_the_default_does_not_shut_the_group(place, ec2, web):
    ec2.authorize_security_group_egress(GroupId=web, IpPermissions=[tcp(443, None, "10.0.0.0/8")])
    assert native_egress(place, "web") == [("all", EVERYWHERE), ("tcp", "10.0.0.0/8")]
    found = short(shown(ec2, web)["IpPermissionsEgress"])
    assert found == [*DEFAULT_EGRESS, tcp(443, None, "10.0.0.0/8")]


def test_revoking_the_last_rule_leaves_the_group_shut(place, ec2, web):
    ec2.authorize_security_group_egress(GroupId=web, IpPermissions=[tcp(443, None, "10.0.0.0/8")])
    for rule in rules(ec2, web, egress=True):
        ec2.revoke_security_group_egress(GroupId=web, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert shown(ec2, web)["IpPermissionsEgress"] == []
    assert native_egress(place, "web") == [("all", "127.0.0.1/32")]


def test_the_default_can_be_given_back(ec2, web):
    authorize = ec2.authorize_security_group_egress
    assert refused(authorize, GroupId=web, IpPermissions=DEFAULT_EGRESS) == "InvalidPermission.Duplicate"
    ec2.revoke_security_group_egress(GroupId=web, IpPermissions=DEFAULT_EGRESS)
    authorize(GroupId=web, IpPermissions=DEFAULT_EGRESS)
    assert short(shown(ec2, web)["IpPermissionsEgress"]) == DEFAULT_EGRESS
    (rule,) = rules(ec2, web, egress=True)
    ec2.revoke_security_group_egress(GroupId=web, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert shown(ec2, web)["IpPermissionsEgress"] == []


def test_the_default_rule_has_an_id_by_which_it_can_be_revoked(ec2, web):
    (rule,) = rules(ec2, web, egress=True)
    ec2.revoke_security_group_egress(GroupId=web, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert rules(ec2, web, egress=True) == []


# --- changes


def test_descriptions_are_set_changed_and_removed(ec2, web):
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, None, EVERYWHERE)])
    update = ec2.update_security_group_rule_descriptions_ingress
    for text in ("from home", "from work"):
        ranges = [{"CidrIp": EVERYWHERE, "Description": text}]
        update(GroupId=web, IpPermissions=[tcp(22, None, IpRanges=ranges)])
        assert rules(ec2, web)[0]["Description"] == text
    ident = rules(ec2, web)[0]["SecurityGroupRuleId"]
    update(GroupId=web, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": ident}])
    assert "Description" not in rules(ec2, web)[0]
    absent = [tcp(23, None, EVERYWHERE)]
    assert refused(update, GroupId=web, IpPermissions=absent) == "InvalidPermission.NotFound"


def test_the_default_egress_rule_takes_a_description_and_keeps_its_id(ec2, web):
    (before,) = rules(ec2, web, egress=True)
    ident = before["SecurityGroupRuleId"]
    ec2.update_security_group_rule_descriptions_egress(
        GroupId=web, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": ident, "Description": "all"}]
    )
    (after,) = rules(ec2, web, egress=True)
    assert after == {**before, "Description": "all"}


def test_a_modified_rule_keeps_its_id_and_tags(ec2, web):
    specification = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "1"}]}]
    (made,) = ec2.authorize_security_group_ingress(
        GroupId=web, IpPermissions=[tcp(22, None, EVERYWHERE)], TagSpecifications=specification
    )["SecurityGroupRules"]
    ident = made["SecurityGroupRuleId"]
    wanted = {
        "IpProtocol": "tcp",
        "FromPort": 8080,
        "ToPort": 8081,
        "CidrIpv4": "10.0.0.0/8",
        "Description": "new",
    }
    for _ in range(2):
        ec2.modify_security_group_rules(
            GroupId=web, SecurityGroupRules=[{"SecurityGroupRuleId": ident, "SecurityGroupRule": wanted}]
        )
        (rule,) = rules(ec2, web)
        assert rule["SecurityGroupRuleId"] == ident
        assert {name: rule[name] for name in wanted} == wanted
        assert rule["Tags"] == [{"Key": "a", "Value": "1"}]
        wanted["ToPort"] = 9000
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "b", "Value": "2"}])
    assert len(rules(ec2, web)[0]["Tags"]) == 2
    ec2.revoke_security_group_ingress(GroupId=web, SecurityGroupRuleIds=[ident])
    assert rules(ec2, web) == []


def test_a_change_must_not_make_two_rules_alike(ec2, web):
    made = ec2.authorize_security_group_ingress(
        GroupId=web, IpPermissions=[tcp(22, None, EVERYWHERE), tcp(80, None, EVERYWHERE)]
    )["SecurityGroupRules"]
    same = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv4": EVERYWHERE}
    change = [{"SecurityGroupRuleId": made[0]["SecurityGroupRuleId"], "SecurityGroupRule": same}]
    code = refused(ec2.modify_security_group_rules, GroupId=web, SecurityGroupRules=change)
    assert code == "InvalidPermission.Duplicate"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"IpProtocol": ""}, "InvalidParameterValue"),
        ({"FromPort": None}, "InvalidParameterValue"),
        ({"CidrIpv4": None}, "MissingParameter"),
        ({"CidrIpv6": "2001:db8::/32"}, "InvalidParameterCombination"),
        ({"CidrIpv4": None, "PrefixListId": "pl-1"}, "InvalidPrefixListID.NotFound"),
    ],
)
def test_a_modified_rule_is_checked_whole(ec2, web, changed, code):
    (made,) = ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(22, None, EVERYWHERE)])[
        "SecurityGroupRules"
    ]
    wanted = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv4": EVERYWHERE, **changed}
    rule = {name: value for name, value in wanted.items() if value is not None}
    change = [{"SecurityGroupRuleId": made["SecurityGroupRuleId"], "SecurityGroupRule": rule}]
    assert refused(ec2.modify_security_group_rules, GroupId=web, SecurityGroupRules=change) == code


def test_rules_of_no_group_at_all(ec2):
    def of(ident: str) -> list[dict[str, str]]:
        return [{"Name": "group-id", "Values": [ident]}]

    assert refused(ec2.describe_security_group_rules, Filters=of("web")) == "InvalidGroupId.Malformed"
    absent = ec2.describe_security_group_rules(Filters=of("sg-00000000000000000"))
    assert absent["SecurityGroupRules"] == []


def test_the_default_egress_rule_can_be_modified_into_another(place, ec2, web):
    (rule,) = rules(ec2, web, egress=True)
    wanted = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": EVERYWHERE}
    change = [{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": wanted}]
    ec2.modify_security_group_rules(GroupId=web, SecurityGroupRules=change)
    assert short(shown(ec2, web)["IpPermissionsEgress"]) == [tcp(443, None, EVERYWHERE)]
    assert ("all", EVERYWHERE) not in native_egress(place, "web")
