"""Tags on whatever clients tag, those that CloudStack cannot hold among them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ids import ec2_id
from tests.native import Native


def refused(call: Any, **params: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def group(ec2: Any, name: str = "web") -> str:
    return str(ec2.create_security_group(GroupName=name, Description="d")["GroupId"])


def of(ec2: Any, resource: str) -> dict[str, str]:
    """The tags of a resource as DescribeTags has them."""
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource]}])["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


def test_tags_go_on_come_back_and_go_off(ec2):
    sg = group(ec2)
    ec2.create_tags(Resources=[sg], Tags=tags(Name="web", env="prod"))
    assert of(ec2, sg) == {"Name": "web", "env": "prod"}
    (shown,) = ec2.describe_security_groups(GroupIds=[sg])["SecurityGroups"]
    assert shown["Tags"] == [{"Key": "Name", "Value": "web"}, {"Key": "env", "Value": "prod"}]
    ec2.delete_tags(Resources=[sg], Tags=[{"Key": "env"}])
    assert of(ec2, sg) == {"Name": "web"}


def test_a_key_that_exists_takes_the_new_value(ec2):
    sg = group(ec2)
    ec2.create_tags(Resources=[sg], Tags=tags(env="test", keep="1"))
    ec2.create_tags(Resources=[sg], Tags=tags(env="prod", more="2"))
    assert of(ec2, sg) == {"env": "prod", "keep": "1", "more": "2"}


def test_what_cloudstack_cannot_hold_is_held_all_the_same(ec2):
    sg = group(ec2)
    wanted = {
        "kubernetes.io/cluster/a": "",
        "Name": "big",
        "name": "small",
        "Name ": "spaced",
        "é": "accent",
        "e": "plain",
        "smile": "\N{GRINNING FACE}",
        "\N{GRINNING FACE}": "smile",
        "tab": "a\tb",
        "comma": "a,b=c&d+e%f~g*h",
        "long": "x" * 256,
    }
    ec2.create_tags(Resources=[sg], Tags=[{"Key": k, "Value": v} for k, v in wanted.items()])
    assert of(ec2, sg) == wanted
    (shown,) = ec2.describe_security_groups(GroupIds=[sg])["SecurityGroups"]
    assert {tag["Key"]: tag["Value"] for tag in shown["Tags"]} == wanted


def test_tags_move_between_cloudstack_and_the_store(ec2):
    sg = group(ec2)
    ec2.create_tags(Resources=[sg], Tags=tags(a="1"))
    ec2.create_tags(Resources=[sg], Tags=tags(a=""))
    assert of(ec2, sg) == {"a": ""}
    ec2.create_tags(Resources=[sg], Tags=tags(a="2"))
    assert of(ec2, sg) == {"a": "2"}
    ec2.delete_tags(Resources=[sg], Tags=[{"Key": "a"}])
    assert of(ec2, sg) == {}


def test_deleting_looks_at_the_value_only_where_one_is_given(ec2):
    sg = group(ec2)
    ec2.create_tags(Resources=[sg], Tags=tags(a="1", b="2", c="", d="4"))
    ec2.delete_tags(Resources=[sg], Tags=tags(a="other", b="2", c="", d=""))
    assert of(ec2, sg) == {"a": "1", "d": "4"}
    ec2.delete_tags(Resources=[sg], Tags=[{"Key": "not there"}])
    ec2.delete_tags(Resources=[sg])
    assert of(ec2, sg) == {}


def test_many_objects_and_kinds_in_one_request_with_few_native_calls(place, ec2):
    groups = [group(ec2, f"g{n}") for n in range(5)]
    key = ec2.create_key_pair(KeyName="k", KeyType="ed25519")["KeyPairId"]
    ec2.create_tags(Resources=groups[:2], Tags=tags(env="test"))
    commands = place.commands(
        lambda: ec2.create_tags(Resources=[*groups, key], Tags=tags(env="prod", team="a", empty=""))
    )
    changing = [command for command in commands if not command.startswith(("list", "query"))]
    assert changing == ["deleteTags", "createTags"]
    for resource in (*groups, key):
        assert of(ec2, resource) == {"env": "prod", "team": "a", "empty": ""}


def test_describe_tags_filters_and_pages(ec2):
    web, db = group(ec2, "web"), group(ec2, "db")
    key = ec2.create_key_pair(KeyName="k", KeyType="ed25519")["KeyPairId"]
    ec2.create_tags(Resources=[web, db, key], Tags=tags(env="prod", n="1"))
    ec2.create_tags(Resources=[db], Tags=tags(env="test"))

    def ids(**filters: list[str]) -> set[str]:
        wanted = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
        return {tag["ResourceId"] for tag in ec2.describe_tags(Filters=wanted)["Tags"]}

    assert ids(resource_type=["key-pair"]) == {key}
    assert ids(resource_type=["security-group"], key=["env"]) == {web, db}
    assert ids(resource_type=["security-group"], value=["te*"]) == {db}
    assert ids(tag_key=["env"], tag_value=["te*"]) == {db}
    assert ids(**{"tag:env": ["prod"]}) == {web, key}
    assert ids(resource_id=["sg-00000000000000000"]) == set()
    pages = list(ec2.get_paginator("describe_tags").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(page["Tags"]) for page in pages] == [5, 1]


def test_the_bridges_own_tags_are_neither_shown_nor_given_away(place, ec2):
    group(ec2, "web")
    twin = group(ec2, "WEB")  # taken natively, so its EC2 name is a reserved tag
    assert of(ec2, twin) == {}
    assert (
        refused(ec2.create_tags, Resources=[twin], Tags=tags(**{"ec2bridge:name": "x"}))
        == "InvalidParameterValue"
    )
    assert (
        refused(ec2.delete_tags, Resources=[twin], Tags=[{"Key": "ec2bridge:name"}])
        == "InvalidParameterValue"
    )
    ec2.delete_tags(Resources=[twin])
    assert ec2.describe_security_groups(GroupIds=[twin])["SecurityGroups"][0]["GroupName"] == "WEB"


def test_limits_are_those_of_aws_and_checked_before_anything_changes(place, ec2):
    sg = group(ec2)
    create = ec2.create_tags
    assert refused(create, Resources=[sg], Tags=tags(**{"aws:x": "1"})) == "InvalidParameterValue"
    assert refused(create, Resources=[sg], Tags=tags(**{"k" * 129: "1"})) == "InvalidParameterValue"
    assert refused(create, Resources=[sg], Tags=tags(k="v" * 257)) == "InvalidParameterValue"
    assert refused(create, Resources=[sg], Tags=tags(a="1") + tags(a="2")) == "InvalidParameterValue"
    create(Resources=[sg], Tags=tags(**{f"k{n}": str(n) for n in range(50)}))
    create(Resources=[sg], Tags=tags(k0="again", k1=""))
    assert refused(create, Resources=[group(ec2, "other"), sg], Tags=tags(one="more")) == "TagLimitExceeded"
    assert len(of(ec2, sg)) == 50
    create(Resources=[sg], Tags=tags(k0="v" * 256))


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
        ("vol-0123456789abcdef0", "InvalidVolume.NotFound"),
        ("sg-0123456789abcdef0", "InvalidGroup.NotFound"),
        ("ami-0123456789abcdef0", "InvalidAMIID.NotFound"),
        ("nonsense", "InvalidID"),
        ("r-0123456789abcdef0", "InvalidID"),
    ],
)
def test_what_does_not_exist_cannot_be_tagged(ec2, resource, code):
    sg = group(ec2)
    assert refused(ec2.create_tags, Resources=[sg, resource], Tags=tags(a="1")) == code
    assert of(ec2, sg) == {}


def test_a_request_without_tags_or_resources_is_refused(ec2):
    assert refused(ec2.create_tags, Resources=[], Tags=tags(a="1")) == "MissingParameter"
    assert refused(ec2.create_tags, Resources=[group(ec2)], Tags=[]) == "MissingParameter"


def test_an_object_that_went_away_unseen_is_not_found(place, ec2):
    sg = group(ec2)
    other = place.client()
    other.delete_security_group(GroupId=sg)
    assert refused(ec2.create_tags, Resources=[sg], Tags=tags(a="1")) == "InvalidGroup.NotFound"


def test_the_tags_that_cloudstack_keeps_of_a_gone_snapshot_are_not_told(place, ec2):
    native = Native(place)
    native.machine("m")
    (volume,) = [row["VolumeId"] for row in ec2.describe_volumes()["Volumes"]]
    snapshots = [ec2.create_snapshot(VolumeId=volume)["SnapshotId"] for _ in range(2)]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=snapshots, WaiterConfig={"Delay": 1})
    ec2.create_tags(Resources=[*snapshots, volume], Tags=[{"Key": "kept", "Value": "yes"}])
    ec2.create_tags(Resources=snapshots, Tags=[{"Key": "stored", "Value": ""}])
    uuids = {ec2_id("snap", row["id"]): row["id"] for row in native.list("listSnapshots")}
    native.do("deleteSnapshot", id=uuids[snapshots[0]])
    assert len(native.list("listTags", resourcetype="Snapshot", key="kept")) == 2
    assert of(ec2, snapshots[0]) == {}
    assert of(ec2, snapshots[1]) == {"kept": "yes", "stored": ""}
    told = {(tag["ResourceId"], tag["Key"]) for tag in ec2.describe_tags()["Tags"]}
    assert told == {(snapshots[1], "kept"), (snapshots[1], "stored"), (volume, "kept")}


def test_the_tags_that_cloudstack_keeps_of_what_went_with_its_parent_are_not_told(place, ec2):
    native = Native(place)
    sg = group(ec2)
    rule = ec2.authorize_security_group_ingress(
        GroupId=sg,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        ],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": tags(kept="yes")}],
    )["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    network = native.isolated("leaving")
    for _ in range(2):  # the first one is the network's own way out
        native.do("associateIpAddress", networkid=network["id"])
    (allocation,) = [address["AllocationId"] for address in ec2.describe_addresses()["Addresses"]]
    ec2.create_tags(Resources=[allocation], Tags=tags(kept="yes"))
    assert of(ec2, rule) == of(ec2, allocation) == {"kept": "yes"}
    native.do("deleteSecurityGroup", id=native.list("listSecurityGroups", securitygroupname="web")[0]["id"])
    native.do("deleteNetwork", id=network["id"])
    assert len(native.list("listTags", key="kept")) == 2
    assert of(ec2, rule) == of(ec2, allocation) == {}
    assert ec2.describe_tags()["Tags"] == []


def test_an_object_of_the_store_is_gone_with_its_tags(ec2):
    sg = group(ec2)
    ec2.create_tags(Resources=[sg], Tags=tags(empty=""))
    ec2.delete_security_group(GroupId=sg)
    assert ec2.describe_tags()["Tags"] == []


def test_the_default_vpc_can_be_tagged_although_only_the_bridge_knows_it(ec2):
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=tags(Name="home"))
    assert of(ec2, vpc) == {"Name": "home"}
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == [{"Key": "Name", "Value": "home"}]


def test_a_dry_run_changes_nothing(ec2):
    sg = group(ec2)
    assert refused(ec2.create_tags, Resources=[sg], Tags=tags(a="1"), DryRun=True) == "DryRunOperation"
    assert of(ec2, sg) == {}


def test_tag_specifications_must_be_of_the_kind_that_is_made(ec2):
    specification = [{"ResourceType": "instance", "Tags": tags(a="1")}]
    code = refused(ec2.create_security_group, GroupName="g", Description="d", TagSpecifications=specification)
    assert code == "InvalidParameterValue"
    wrong: list[tuple[dict[str, Any], str]] = [
        (specification[0], "InvalidParameterValue"),
        ({"ResourceType": "key-pair"}, "InvalidParameterValue"),
        ({"Tags": tags(a="1")}, "InvalidParameter"),
    ]
    for entry, code in wrong:
        assert refused(ec2.create_key_pair, KeyName="k", TagSpecifications=[entry]) == code


def test_what_only_the_store_had_is_not_tagged_when_it_is_gone(ec2):
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.create_tags(Resources=[gateway], Tags=tags(a="1"))
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    gone = "InvalidInternetGatewayID.NotFound"
    assert refused(ec2.create_tags, Resources=[gateway], Tags=tags(a="1")) == gone


def test_bob_neither_sees_nor_changes_what_is_alices(place, ec2):
    sg = group(ec2)
    ec2.create_tags(Resources=[sg], Tags=tags(a="1", empty=""))
    bob = place.client("bob")
    assert bob.describe_tags()["Tags"] == []
    assert refused(bob.create_tags, Resources=[sg], Tags=tags(a="2")) == "InvalidGroup.NotFound"


def test_a_public_image_carries_everyones_own_tags(place, ec2):
    (image, *_) = ec2.describe_images(Filters=[{"Name": "is-public", "Values": ["true"]}])["Images"]
    ident, bob = image["ImageId"], place.client("bob")
    ec2.create_tags(Resources=[ident], Tags=tags(Name="alices"))
    bob.create_tags(Resources=[ident], Tags=tags(Name="bobs"))
    assert of(ec2, ident) == {"Name": "alices"}
    assert bob.describe_images(ImageIds=[ident])["Images"][0]["Tags"] == tags(Name="bobs")
    ec2.delete_tags(Resources=[ident], Tags=[{"Key": "Name"}])
    assert of(ec2, ident) == {}


def test_requests_at_the_same_moment_leave_one_of_the_values_or_are_told_to_come_again(ec2):
    sg = group(ec2)

    def tag(n: int) -> str:
        try:
            ec2.create_tags(Resources=[sg], Tags=tags(env=str(n), n=str(n)))
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "done"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(tag, range(4)))
    assert "done" in answers
    assert set(answers) <= {"done", "ConcurrentTagAccess"}
    found = of(ec2, sg)
    assert found.keys() == {"env", "n"}
    assert found["env"] == found["n"]


def test_a_tag_without_a_value_is_refused_and_an_empty_one_is_not(ec2: Any) -> None:
    ident = group(ec2, "valueless")
    assert refused(ec2.create_tags, Resources=[ident], Tags=[{"Key": "Name"}]) == "InvalidParameterValue"
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "Name", "Value": ""}])
    [found] = ec2.describe_security_groups(GroupIds=[ident])["SecurityGroups"]
    assert found["Tags"] == [{"Key": "Name", "Value": ""}]
