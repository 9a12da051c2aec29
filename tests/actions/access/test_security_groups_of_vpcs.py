"""Security groups where CloudStack has none: in VPCs, each with a default group, and on machines by a tag."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.ids import ec2_id

EVERYWHERE = "0.0.0.0/0"
HTTP = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": EVERYWHERE}]}]


def refused(call: Any, **params: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def native(place: Any) -> Any:
    """CloudStack as alice sees it when she does not go through the bridge."""
    keys = place.sim.accounts["alice"]
    return Account(place.bridge.site.cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key))


@pytest.fixture
def vpc(place: Any) -> str:
    """A VPC's id; the VPC was made in CloudStack's own way."""
    alice = native(place)
    zones = place.run(alice.list("listZones"))
    (offering, *_) = place.run(alice.list("listVPCOfferings", name="Default VPC offering"))
    zone = next(zone["id"] for zone in zones if zone["name"] == "sim-adv")
    made = place.run(
        alice.job(
            "createVPC",
            name="v",
            displaytext="v",
            zoneid=zone,
            vpcofferingid=offering["id"],
            cidr="10.7.0.0/16",
        )
    )
    return ec2_id("vpc", made["id"])


def by_group(ident: str) -> list[dict[str, Any]]:
    """The filter for a group's rules."""
    return [{"Name": "group-id", "Values": [ident]}]


def default_of(ec2: Any, vpc: str) -> dict[str, Any]:
    """A VPC's default group, found as Terraform finds it."""
    wanted = [{"Name": "group-name", "Values": ["default"]}, {"Name": "vpc-id", "Values": [vpc]}]
    (group,) = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    return dict(group)


def test_every_vpc_has_its_default_group(ec2, vpc):
    group = default_of(ec2, vpc)
    (members,) = group["IpPermissions"]
    assert members["IpProtocol"] == "-1"
    assert [pair["GroupId"] for pair in members["UserIdGroupPairs"]] == [group["GroupId"]]
    assert group["IpPermissionsEgress"][0]["IpProtocol"] == "-1"
    assert refused(ec2.delete_security_group, GroupId=group["GroupId"]) == "CannotDelete"
    (main,) = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    assert main["GroupId"] != group["GroupId"]


def test_a_default_group_keeps_its_id_when_it_gets_its_first_rule(place, ec2, vpc):
    before = default_of(ec2, vpc)
    ident = before["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=ident, IpPermissions=HTTP)
    after = default_of(ec2, vpc)
    assert after["GroupId"] == ident
    assert {entry.get("FromPort") for entry in after["IpPermissions"]} == {None, 80}
    assert len(ec2.describe_security_group_rules(Filters=by_group(ident))["SecurityGroupRules"]) == 3
    # In CloudStack it is a group like others now, under a name that no client sees.
    names = [row["name"] for row in place.run(native(place).list("listSecurityGroups"))]
    assert sorted(names) == ["default", f"default-{ident}"]


def test_a_default_group_can_be_shut_tagged_and_named_in_rules(ec2, vpc):
    ident = default_of(ec2, vpc)["GroupId"]
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "Name", "Value": "main"}, {"Key": "empty", "Value": ""}])
    assert {tag["Key"] for tag in default_of(ec2, vpc)["Tags"]} == {"Name", "empty"}
    assert {tag["ResourceId"] for tag in ec2.describe_tags()["Tags"]} == {ident}
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": EVERYWHERE}]}]
    ec2.revoke_security_group_egress(GroupId=ident, IpPermissions=everything)
    assert default_of(ec2, vpc)["IpPermissionsEgress"] == []
    itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": ident}]}]
    assert refused(ec2.authorize_security_group_ingress, GroupId=ident, IpPermissions=itself) == (
        "InvalidPermission.Duplicate"
    )
    ec2.revoke_security_group_ingress(GroupId=ident, IpPermissions=itself)
    assert default_of(ec2, vpc)["IpPermissions"] == []


def test_a_default_groups_first_change_may_be_of_the_rule_that_it_is_implied_with(ec2, vpc):
    ident = default_of(ec2, vpc)["GroupId"]
    described = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": ident, "Description": "us"}]}]
    ec2.update_security_group_rule_descriptions_ingress(GroupId=ident, IpPermissions=described)
    (members,) = default_of(ec2, vpc)["IpPermissions"]
    assert [pair["Description"] for pair in members["UserIdGroupPairs"]] == ["us"]


def test_the_rule_of_a_default_groups_members_can_be_revoked_first_of_all(ec2, vpc):
    ident = default_of(ec2, vpc)["GroupId"]
    rules = ec2.describe_security_group_rules(Filters=by_group(ident))["SecurityGroupRules"]
    (inward,) = [rule["SecurityGroupRuleId"] for rule in rules if not rule["IsEgress"]]
    ec2.revoke_security_group_ingress(GroupId=ident, SecurityGroupRuleIds=[inward])
    after = default_of(ec2, vpc)
    assert after["IpPermissions"] == []
    assert after["IpPermissionsEgress"][0]["IpProtocol"] == "-1"


def test_a_vpc_goes_with_the_rules_of_its_default_group(ec2, vpc):
    ident = default_of(ec2, vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=ident, IpPermissions=HTTP)
    ec2.delete_vpc(VpcId=vpc)
    assert refused(ec2.describe_security_groups, GroupIds=[ident]) == "InvalidGroup.NotFound"


def test_a_rule_may_name_a_default_group_that_has_no_rules_yet(ec2, vpc):
    ident = default_of(ec2, vpc)["GroupId"]
    web = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
    pair = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "default"}]}]
    (rule,) = ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=pair)["SecurityGroupRules"]
    assert rule["ReferencedGroupInfo"]["GroupId"] == ident
    assert rule["ReferencedGroupInfo"]["VpcId"] == vpc
    (shown,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])[
        "SecurityGroupRules"
    ]
    assert shown["ReferencedGroupInfo"]["GroupId"] == ident


def test_a_name_may_be_used_in_each_vpc(ec2, vpc):
    create = ec2.create_security_group
    here = create(GroupName="web", Description="d")["GroupId"]
    there = create(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
    assert refused(create, GroupName="web", Description="d", VpcId=vpc) == "InvalidGroup.Duplicate"
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["web"]}]
    (found,) = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    assert (found["GroupId"], found["VpcId"]) == (there, vpc)
    (found,) = ec2.describe_security_groups(GroupNames=["web"])["SecurityGroups"]
    assert found["GroupId"] == here
    code = refused(create, GroupName="x", Description="d", VpcId="vpc-01234567")
    assert code == "InvalidVpcID.NotFound"


@pytest.mark.parametrize("zone", ["sim-adv", "sim-sg"])
def test_a_group_is_in_use_while_a_machine_is_in_it(ec2, zone):
    web = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    (machine,) = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[web],
        Placement={"AvailabilityZone": zone},
    )["Instances"]
    assert refused(ec2.delete_security_group, GroupId=web) == "DependencyViolation"
    instances = [machine["InstanceId"]]
    ec2.get_waiter("instance_running").wait(InstanceIds=instances, WaiterConfig={"Delay": 1})
    ec2.terminate_instances(InstanceIds=instances)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=instances, WaiterConfig={"Delay": 1})
    assert ec2.delete_security_group(GroupId=web)["Return"] is True


def test_the_groups_for_a_vpc_are_its_own(ec2, vpc):
    own = ec2.create_security_group(GroupName="web", Description="web servers", VpcId=vpc)["GroupId"]
    ec2.create_security_group(GroupName="other", Description="of the default VPC")
    found = ec2.get_security_groups_for_vpc(VpcId=vpc)["SecurityGroupForVpcs"]
    assert {group["GroupName"] for group in found} == {"default", "web"}
    assert {group["PrimaryVpcId"] for group in found} == {vpc}
    named = [{"Name": "group-name", "Values": ["web"]}]
    [group] = ec2.get_security_groups_for_vpc(VpcId=vpc, Filters=named)["SecurityGroupForVpcs"]
    assert group["GroupId"] == own
    assert refused(ec2.get_security_groups_for_vpc, VpcId="vpc-01234567") == "InvalidVpcID.NotFound"
