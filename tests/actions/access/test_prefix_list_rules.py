"""Rules of groups that name prefix lists: CloudStack has a rule for each range, EC2 shows the list."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.actions.access.test_security_groups import refused, rules, short, shown, tcp, web
from tests.conftest import Place
from tests.launching import tags
from tests.native import Native

__all__ = ["web"]

A, B, C = "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"


def entries(*cidrs: str) -> list[dict[str, str]]:
    return [{"Cidr": cidr} for cidr in cidrs]


def prefix_list(ec2: Any, *cidrs: str, most: int = 5, name: str = "us") -> str:
    request = {"PrefixListName": name, "AddressFamily": "IPv4", "MaxEntries": most}
    made = ec2.create_managed_prefix_list(**request, Entries=entries(*cidrs))
    return str(made["PrefixList"]["PrefixListId"])


def naming(*lists: str, port: int = 22, **more: Any) -> dict[str, Any]:
    named = [{"PrefixListId": one, **more} for one in lists]
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListIds": named}


def modify(ec2: Any, ident: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
    (found,) = ec2.describe_managed_prefix_lists(PrefixListIds=[ident])["PrefixLists"]
    changes = {"AddEntries": entries(*add), "RemoveEntries": entries(*remove)}
    ec2.modify_managed_prefix_list(PrefixListId=ident, CurrentVersion=found["Version"], **changes)


@pytest.fixture
def us(ec2: Any) -> str:
    return prefix_list(ec2, A, B)


class Group:
    """A group as CloudStack has it."""

    def __init__(self, place: Place, ident: str) -> None:
        self.native, self.digits = Native(place), ident[3:]

    def cidrs(self, egress: bool = False) -> list[str]:
        (row,) = [
            row
            for row in self.native.list("listSecurityGroups")
            if row["id"].replace("-", "").startswith(self.digits)
        ]
        return sorted(rule["cidr"] for rule in row["egressrule" if egress else "ingressrule"])


def test_a_rule_with_a_list_is_shown_as_such(place: Place, ec2: Any, web: str, us: str) -> None:
    answer = ec2.authorize_security_group_ingress(
        GroupId=web,
        IpPermissions=[naming(us, Description="office")],
        TagSpecifications=[tags("security-group-rule", app="shop")],
    )
    (made,) = answer["SecurityGroupRules"]
    assert (made["PrefixListId"], made["Description"], made["FromPort"]) == (us, "office", 22)
    assert made["Tags"] == [{"Key": "app", "Value": "shop"}]
    assert rules(ec2, web) == [made]
    assert short(shown(ec2, web)["IpPermissions"]) == [naming(us, Description="office")]
    assert Group(place, web).cidrs() == [A, B]
    wanted = [{"Name": "ip-permission.prefix-list-id", "Values": [us]}]
    assert [one["GroupId"] for one in ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]] == [web]
    (association,) = ec2.get_managed_prefix_list_associations(PrefixListId=us)["PrefixListAssociations"]
    assert association == {"ResourceId": web, "ResourceOwner": made["GroupOwnerId"]}
    call = ec2.authorize_security_group_ingress
    assert refused(call, GroupId=web, IpPermissions=[naming(us)]) == "InvalidPermission.Duplicate"
    unknown = naming("pl-0123456789abcdef0")
    assert refused(call, GroupId=web, IpPermissions=[unknown]) == "InvalidPrefixListID.NotFound"


def test_tags_and_descriptions_of_such_a_rule(ec2: Any, web: str, us: str) -> None:
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[naming(us)])
    (rule,) = rules(ec2, web)
    ec2.create_tags(Resources=[rule["SecurityGroupRuleId"]], Tags=[{"Key": "app", "Value": "shop"}])
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=web, IpPermissions=[naming(us, Description="office")]
    )
    (after,) = rules(ec2, web)
    assert after == {**rule, "Description": "office", "Tags": [{"Key": "app", "Value": "shop"}]}
    (tag,) = ec2.describe_tags()["Tags"]
    assert (tag["ResourceId"], tag["ResourceType"]) == (rule["SecurityGroupRuleId"], "security-group-rule")
    ec2.revoke_security_group_ingress(GroupId=web, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert ec2.describe_tags()["Tags"] == []


@pytest.mark.parametrize("by_id", [True, False])
def test_revoke(place: Place, ec2: Any, web: str, us: str, by_id: bool) -> None:
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[naming(us), tcp(80, None, A)])
    (rule,) = [one for one in rules(ec2, web) if "PrefixListId" in one]
    ident = rule["SecurityGroupRuleId"]
    named = {"SecurityGroupRuleIds": [ident]} if by_id else {"IpPermissions": [naming(us)]}
    (told,) = ec2.revoke_security_group_ingress(GroupId=web, **named)["RevokedSecurityGroupRules"]
    assert (told["SecurityGroupRuleId"], told["PrefixListId"]) == (ident, us)
    assert [one["CidrIpv4"] for one in rules(ec2, web)] == [A]
    assert Group(place, web).cidrs() == [A]
    call = ec2.revoke_security_group_ingress
    assert refused(call, GroupId=web, IpPermissions=[naming(us)]) == "InvalidPermission.NotFound"
    assert ec2.get_managed_prefix_list_associations(PrefixListId=us)["PrefixListAssociations"] == []


def test_the_rules_follow_the_list(place: Place, ec2: Any, web: str, us: str) -> None:
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[naming(us), naming(us, port=80)])
    (before, other) = rules(ec2, web)
    modify(ec2, us, add=(C,), remove=(A,))
    assert Group(place, web).cidrs() == [B, B, C, C]
    assert rules(ec2, web) == [before, other]
    modify(ec2, us, remove=(B, C))
    assert Group(place, web).cidrs() == []
    assert rules(ec2, web) == [before, other]
    ec2.restore_managed_prefix_list_version(PrefixListId=us, PreviousVersion=1, CurrentVersion=3)
    assert Group(place, web).cidrs() == [A, A, B, B]


def test_a_range_of_its_own_and_two_lists_are_one_rule_in_cloudstack(
    place: Place, ec2: Any, web: str, us: str
) -> None:
    them = prefix_list(ec2, B, C, name="them")
    group = Group(place, web)
    authorize, revoke = ec2.authorize_security_group_ingress, ec2.revoke_security_group_ingress
    authorize(GroupId=web, IpPermissions=[tcp(22, None, A)])
    authorize(GroupId=web, IpPermissions=[naming(us, them)])
    authorize(GroupId=web, IpPermissions=[{**tcp(22), "IpRanges": [{"CidrIp": B, "Description": "b"}]}])
    assert group.cidrs() == [A, B, C]
    shown_peers = [one.get("CidrIpv4") or one["PrefixListId"] for one in rules(ec2, web)]
    assert sorted(shown_peers) == sorted([A, B, us, them])
    revoke(GroupId=web, IpPermissions=[tcp(22, None, A)])
    assert group.cidrs() == [A, B, C]
    revoke(GroupId=web, IpPermissions=[naming(us)])
    assert group.cidrs() == [B, C]
    revoke(GroupId=web, IpPermissions=[naming(them)])
    assert group.cidrs() == [B]
    (left,) = rules(ec2, web)
    assert (left["CidrIpv4"], left["Description"]) == (B, "b")
    # A rule that was its own for a while leaves nothing of that to a list.
    authorize(GroupId=web, IpPermissions=[naming(them)])
    revoke(GroupId=web, IpPermissions=[tcp(22, None, B)])
    authorize(GroupId=web, IpPermissions=[tcp(22, None, B)])
    assert [one.get("Description") for one in rules(ec2, web) if "CidrIpv4" in one] == [None]


def test_egress_stays_shut_when_a_list_has_nothing(place: Place, ec2: Any, web: str, us: str) -> None:
    group = Group(place, web)
    ec2.authorize_security_group_egress(GroupId=web, IpPermissions=[naming(us)])
    assert group.cidrs(egress=True) == sorted([A, B, "0.0.0.0/0"])
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.revoke_security_group_egress(GroupId=web, IpPermissions=[everything])
    assert group.cidrs(egress=True) == [A, B]
    modify(ec2, us, remove=(A, B))
    assert group.cidrs(egress=True) == ["127.0.0.1/32"]
    assert [one["PrefixListId"] for one in rules(ec2, web, egress=True)] == [us]
    ec2.revoke_security_group_egress(GroupId=web, IpPermissions=[naming(us)])
    assert rules(ec2, web, egress=True) == []
    assert group.cidrs(egress=True) == ["127.0.0.1/32"]


def test_modify_keeps_the_rules_id(place: Place, ec2: Any, web: str, us: str) -> None:
    ec2.authorize_security_group_ingress(
        GroupId=web, IpPermissions=[tcp(22, None, A)], TagSpecifications=[tags("security-group-rule", a="b")]
    )
    (before,) = rules(ec2, web)
    ident = before["SecurityGroupRuleId"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    for changed, cidrs in (
        ({**ssh, "PrefixListId": us}, [A, B]),
        ({**ssh, "FromPort": 21, "PrefixListId": us, "Description": "d"}, [A, B]),
        ({**ssh, "CidrIpv4": C}, [C]),
    ):
        update = {"SecurityGroupRuleId": ident, "SecurityGroupRule": changed}
        ec2.modify_security_group_rules(GroupId=web, SecurityGroupRules=[update])
        (after,) = rules(ec2, web)
        assert after["SecurityGroupRuleId"] == ident
        assert {name: after.get(name) for name in changed} == changed
        assert after["Tags"] == before["Tags"]
        assert Group(place, web).cidrs() == cidrs
    (tag,) = ec2.describe_tags()["Tags"]
    assert tag["ResourceId"] == ident


def test_a_list_counts_as_many_rules_as_it_may_have_entries(ec2: Any, web: str) -> None:
    large, small = prefix_list(ec2, A, most=999), prefix_list(ec2, B, most=1)
    authorize = ec2.authorize_security_group_ingress
    authorize(GroupId=web, IpPermissions=[naming(large)])
    full = "RulesPerSecurityGroupLimitExceeded"
    assert refused(authorize, GroupId=web, IpPermissions=[tcp(80, None, A, B)]) == full
    authorize(GroupId=web, IpPermissions=[naming(small)])
    assert refused(authorize, GroupId=web, IpPermissions=[tcp(80, None, A)]) == full
    assert refused(ec2.modify_managed_prefix_list, PrefixListId=small, MaxEntries=2) == full
    ec2.authorize_security_group_egress(GroupId=web, IpPermissions=[naming(large)])
    ec2.modify_managed_prefix_list(PrefixListId=large, MaxEntries=998)
    ec2.modify_managed_prefix_list(PrefixListId=small, MaxEntries=2)


def test_a_list_in_use_cannot_be_deleted(ec2: Any, web: str, us: str) -> None:
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[naming(us)])
    assert ec2.delete_managed_prefix_list(PrefixListId=us)["PrefixList"]["State"] == "delete-in-progress"
    (found,) = ec2.describe_managed_prefix_lists(PrefixListIds=[us])["PrefixLists"]
    assert found["State"] == "delete-failed"
    assert web in found["StateMessage"]
    ec2.delete_security_group(GroupId=web)
    ec2.delete_managed_prefix_list(PrefixListId=us)
    assert ec2.describe_managed_prefix_lists()["PrefixLists"] == []


def test_a_dry_run_names_no_list(place: Place, ec2: Any, web: str, us: str) -> None:
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[naming(us)])
    call = ec2.revoke_security_group_ingress
    assert refused(call, GroupId=web, IpPermissions=[naming(us)], DryRun=True) == "DryRunOperation"
    change = {"PrefixListId": us, "CurrentVersion": 1, "AddEntries": entries(C), "DryRun": True}
    assert refused(ec2.modify_managed_prefix_list, **change) == "DryRunOperation"
    assert Group(place, web).cidrs() == [A, B]


def test_what_cloudstack_refuses_leaves_list_and_groups_as_they_were(
    place: Place, ec2: Any, web: str, us: str
) -> None:
    other = ec2.create_security_group(GroupName="other", Description="d")["GroupId"]
    for group in (web, other):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[naming(us)])
    place.sim.faults.add("refused", "authorizeSecurityGroupIngress", number=2)
    change = {"PrefixListId": us, "CurrentVersion": 1, "AddEntries": entries(C), "RemoveEntries": entries(A)}
    with pytest.raises(ClientError):
        ec2.modify_managed_prefix_list(**change)
    (found,) = ec2.describe_managed_prefix_lists()["PrefixLists"]
    assert (found["State"], found["Version"]) == ("create-complete", 1)
    for group in (web, other):
        assert Group(place, group).cidrs() == [A, B]


def test_a_refused_revocation_leaves_all_rules(place: Place, ec2: Any, web: str, us: str) -> None:
    more = {"TagSpecifications": [tags("security-group-rule", app="shop")]}
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[naming(us), tcp(443, None, C)], **more)
    before = rules(ec2, web)
    for number in (1, 2, 3):
        place.sim.faults.add("refused", "revokeSecurityGroupIngress", number=number)
        with pytest.raises(ClientError):
            ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[naming(us), tcp(443, None, C)])
        assert Group(place, web).cidrs() == [A, B, C]
        assert rules(ec2, web) == before
