"""Groups, rules, VPCs and addresses when an answer of CloudStack's is lost: made once, or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import journal
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, LOST_CALL, SILENCE, Way, behind, eventually, kill_during
from tests.launching import code_of, started, tags
from tests.native import Native

pytestmark = KILLS

REFUSAL = {"errorcode": 530, "errortext": "Something went wrong."}
TWO = [
    {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    for port in (22, 80)
]


def ports(ec2: Any, group: str) -> list[int]:
    [shown] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return sorted(rule["FromPort"] for rule in shown["IpPermissions"])


def make_group(ec2: Any, **more: Any) -> str:
    return str(ec2.create_security_group(GroupName="web", Description="web", **more)["GroupId"])


def make_rules(ec2: Any, group: str) -> None:
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=TWO)


@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL, REFUSAL])
@pytest.mark.parametrize("first", [True, False])
def test_of_two_rules_both_are_written_or_none(
    make_place: Callable[..., Place], mode: Any, first: bool
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    group = make_group(ec2)
    way.next("authorizeSecurityGroupIngress", *([mode] if first else [None, mode]))
    if mode != LOST_ANSWER:
        with pytest.raises(ClientError):
            make_rules(ec2, group)
        assert ports(ec2, group) == []
        make_rules(ec2, group)
    else:
        make_rules(ec2, group)
    assert ports(ec2, group) == [22, 80]


def test_a_rule_that_another_request_has_written_stays(place: Place, ec2: Any) -> None:
    group = make_group(ec2)
    make_rules(ec2, group)
    with pytest.raises(ClientError) as caught:
        make_rules(ec2, group)
    assert code_of(caught) == "InvalidPermission.Duplicate"
    assert ports(ec2, group) == [22, 80]


def rules_of(ec2: Any, group: str) -> list[dict[str, Any]]:
    asked = [{"Name": "group-id", "Values": [group]}]
    found = ec2.describe_security_group_rules(Filters=asked)["SecurityGroupRules"]
    return sorted(found, key=lambda rule: str(rule["SecurityGroupRuleId"]))


@pytest.mark.parametrize("first", [True, False])
def test_a_revocation_that_is_refused_leaves_rules_as_they_were(
    make_place: Callable[..., Place], first: bool
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    group = make_group(ec2)
    described = [{**one, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "inner"}]} for one in TWO]
    # CloudStack takes no empty value: that tag lies in the store.
    marked = [tags("security-group-rule", role="shell", empty="")]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=described, TagSpecifications=marked)
    before = rules_of(ec2, group)
    way.next("revokeSecurityGroupIngress", *([REFUSAL] if first else [None, REFUSAL]))
    with pytest.raises(ClientError):
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=TWO)
    assert rules_of(ec2, group) == before
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=TWO)
    assert [rule["IsEgress"] for rule in rules_of(ec2, group)] == [True]
    assert ec2.describe_tags(Filters=[{"Name": "key", "Values": ["role", "empty"]}])["Tags"] == []


@pytest.mark.parametrize("again", [True, False])
def test_rules_of_a_bridge_that_died(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    group = make_group(front.client())
    way.next("authorizeSecurityGroupIngress", None, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: make_rules(front.client(), group))
    if not again:
        monkeypatch.setattr(journal, "LEASE", 1.0)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=0.2)
    ec2 = heir.client()
    if again:
        monkeypatch.setattr(journal, "LEASE", 3.0)
        make_rules(ec2, group)
        assert ports(ec2, group) == [22, 80]
    else:
        eventually(lambda: ports(ec2, group) == [])


def test_a_bridge_that_died_leaves_no_list_that_a_tier_had_before(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    ec2 = front.client()
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    group = make_group(ec2, VpcId=vpc)
    started(ec2, SubnetId=subnet, SecurityGroupIds=[group])
    way.next("replaceNetworkACLList", SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: make_rules(front.client(), group))
    monkeypatch.setattr(journal, "LEASE", 1.0)
    native = Native(behind(make_place, cloud, store=store, recovery_interval=0.2)[0])

    def lists(command: str, field: str) -> list[str]:
        return [row[field] for row in native.list(command) if row.get("vpcid")]

    eventually(lambda: lists("listNetworkACLLists", "id") == lists("listNetworks", "aclid"))


def is_known_in_the_end(command: str, mode: Any) -> bool:
    """Whether the request succeeds all the same: a lost answer is found, a tag whose call was lost written again."""
    return mode == LOST_ANSWER or (mode == LOST_CALL and command == "createTags")


@pytest.mark.parametrize("command", ["createSecurityGroup", "createTags"])
@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL, REFUSAL])
def test_a_group_is_made_where_it_belongs_or_not_at_all(
    make_place: Callable[..., Place], command: str, mode: Any
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    way.next(command, mode)
    if not is_known_in_the_end(command, mode):
        with pytest.raises(ClientError):
            make_group(ec2, VpcId=vpc)
        assert [row["name"] for row in Native(front).list("listSecurityGroups")] == ["default"]
    group = make_group(ec2, VpcId=vpc)
    [shown] = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["web"]}])[
        "SecurityGroups"
    ]
    assert (shown["GroupId"], shown["VpcId"]) == (group, vpc)


def vpcs(ec2: Any) -> list[str]:
    return [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]


@pytest.mark.parametrize("command", ["createVPC", "createTags"])
@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL, REFUSAL])
def test_a_vpc_is_made_once_or_not_at_all(make_place: Callable[..., Place], command: str, mode: Any) -> None:
    front, way = behind(make_place)
    ec2 = front.client()

    def make() -> str:
        made = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=[tags("vpc", role="home")])
        return str(made["Vpc"]["VpcId"])

    way.next(command, mode)
    if is_known_in_the_end(command, mode):
        made = make()
        assert vpcs(ec2) == [made]
    else:
        with pytest.raises(ClientError):
            make()
        assert vpcs(ec2) == []


def allocated(way: Way) -> list[str]:
    return [
        row["id"]
        for row in way.cloud.sim.cloud.tables["addresses"].where(state="Allocated", issourcenat=False)
    ]


@pytest.mark.parametrize("command", ["associateIpAddress", "createTags"])
@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL, REFUSAL])
def test_an_address_is_allocated_once_or_not_at_all(
    make_place: Callable[..., Place], command: str, mode: Any
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    kept = ec2.allocate_address()["AllocationId"]
    before = allocated(way)
    way.next(command, mode)
    if is_known_in_the_end(command, mode):
        made = ec2.allocate_address()["AllocationId"]
        shown = {one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]}
        assert shown == {kept, made}
        assert len(allocated(way)) == 2
    else:
        with pytest.raises(ClientError):
            ec2.allocate_address()
        assert allocated(way) == before


@pytest.mark.parametrize("command", ["associateIpAddress", "createTags"])
def test_an_address_of_a_bridge_that_died_is_given_back(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    cloud, store = make_place(), str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    front.client().allocate_address()
    before = allocated(way)
    way.next(command, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: front.client().allocate_address())
    assert len(allocated(way)) == 2
    monkeypatch.setattr(journal, "LEASE", 1.0)
    behind(make_place, cloud, store=store, recovery_interval=0.2)
    eventually(lambda: allocated(way) == before)


@pytest.mark.parametrize("mode", [LOST_ANSWER, LOST_CALL])
def test_an_address_is_released_or_stays(make_place: Callable[..., Place], mode: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    address = ec2.allocate_address()["AllocationId"]
    way.next("disassociateIpAddress", mode)
    if mode == LOST_CALL:
        with pytest.raises(ClientError):
            ec2.release_address(AllocationId=address)
        assert [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]] == [address]
    ec2.release_address(AllocationId=address)
    assert ec2.describe_addresses()["Addresses"] == []
    assert allocated(way) == []
