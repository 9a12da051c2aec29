"""What every Describe does alike: an empty id widens nothing, and a uuid stands for an id at each entrance."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from ec2bridge.ec2 import registry
from ec2bridge.ec2.registry import Action
from ec2bridge.wire.model import operation
from tests.conftest import Place
from tests.launching import code_of, described, launch, started
from tests.native import Native


def with_lists_of_ids() -> list[tuple[str, str]]:
    """Return each served Describe with each of its members that lists ids or names."""
    registry.load()
    found = []
    for entry in registry.served():
        if entry.service == "ssm":
            continue  # what is not found there is told as such
        op = operation(entry.name, entry.service)
        assert op is not None
        found += [(entry.name, member) for member in _lists(entry) if op.takes(member)]
    return found


def _lists(entry: Action) -> list[str]:
    ends = ("Ids", "Names", "PublicIps", "InstanceTypes")
    left = {"OwnerIds", "RestorableByUserIds"}  # accounts, which are no objects of their own
    return [
        name for name in sorted(entry.honours) if name.endswith(ends) and "." not in name and name not in left
    ]


@pytest.mark.parametrize(("name", "member"), with_lists_of_ids())
def test_an_empty_id_is_refused_and_widens_nothing(place: Place, name: str, member: str) -> None:
    """A shell script with an unset variable must not see, and then delete, everything."""
    # As shells and old clients send it: boto3 would refuse some by itself.
    ec2 = place.client(config=Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    shape = ec2.meta.service_model.operation_model(name).input_shape
    some = {"string": "x", "integer": 1, "boolean": True}
    required = {one: some[shape.members[one].type_name] for one in shape.required_members if one != member}
    if name == "RunInstances":
        required["ImageId"] = ec2.describe_images()["Images"][0]["ImageId"]
    with pytest.raises(ClientError) as error:
        getattr(ec2, xform_name(name))(**required, **{member: [""]})
    code = code_of(error)
    assert "Malformed" in code or code.startswith(("Invalid", "MissingParameter")), code


def test_a_uuid_stands_for_an_id_as_a_parameter_and_as_a_filters_value(place: Place) -> None:
    ec2 = place.client()
    [instance] = started(ec2)
    [row] = place.sim.cloud.tables["machines"].where(account="alice")
    uuid, ident = row["id"], instance["InstanceId"]
    assert [one["InstanceId"] for one in described(ec2, InstanceIds=[uuid])] == [ident]
    by_filter = described(ec2, Filters=[{"Name": "instance-id", "Values": [uuid]}])
    assert [one["InstanceId"] for one in by_filter] == [ident]
    ec2.create_tags(Resources=[uuid], Tags=[{"Key": "by", "Value": "uuid"}])
    [tag] = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [uuid]}])["Tags"]
    assert (tag["ResourceId"], tag["Value"]) == (ident, "uuid")
    ec2.delete_tags(Resources=[uuid.upper()])
    assert described(ec2)[0].get("Tags", []) == []
    with pytest.raises(ClientError) as error:
        ec2.create_tags(
            Resources=["00000000-0000-4000-8000-000000000000"], Tags=[{"Key": "by", "Value": "uuid"}]
        )
    assert code_of(error) == "InvalidID"


@pytest.mark.parametrize(
    ("command", "kind", "make"),
    [
        ("listSSHKeyPairs", "key-pair", lambda ec2: ec2.create_key_pair(KeyName="a")["KeyPairId"]),
        (
            "listAffinityGroups",
            "placement-group",
            lambda ec2: ec2.create_placement_group(GroupName="a", Strategy="spread")["PlacementGroup"][
                "GroupId"
            ],
        ),
    ],
)
def test_a_uuid_of_what_cloudstack_cannot_tag_is_taken_too(
    place: Place, ec2: Any, command: str, kind: str, make: Callable[[Any], str]
) -> None:
    ident = make(ec2)
    [row] = Native(place).list(command)
    ec2.create_tags(Resources=[row["id"]], Tags=[{"Key": "by", "Value": "uuid"}])
    [tag] = ec2.describe_tags(Filters=[{"Name": "resource-type", "Values": [kind]}])["Tags"]
    assert (tag["ResourceId"], tag["Value"]) == (ident, "uuid")


def test_an_empty_id_among_a_launchs_groups_is_malformed(ec2: Any) -> None:
    for named in ({"SecurityGroupIds": [""]}, {"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [""]}]}):
        with pytest.raises(ClientError) as error:
            launch(ec2, **named)
        assert code_of(error) == "InvalidGroupId.Malformed"
    assert described(ec2) == []


def test_a_tag_asked_for_twice_must_have_both_values(ec2: Any) -> None:
    [instance] = started(ec2)
    ec2.create_tags(Resources=[instance["InstanceId"]], Tags=[{"Key": "env", "Value": "A"}])
    both = [{"Name": "tag:env", "Values": [value]} for value in ("A", "B")]
    assert described(ec2, Filters=both) == []
    assert len(described(ec2, Filters=[{"Name": "tag:env", "Values": ["A", "B"]}])) == 1
    assert described(ec2, Filters=[{"Name": "tag:env", "Values": []}]) == []
