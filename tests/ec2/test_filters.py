"""The filter engine: AWS's wildcards, AND between filters, OR between values."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ec2bridge.ec2 import filters
from ec2bridge.errors import Ec2Error

FILTERS = {
    **filters.TAGS,
    "instance-id": "InstanceId",
    "launch-time": "LaunchTime",
    "network-interface.group-id": "NetworkInterfaces.Groups.GroupId",
    "ebs-optimized": "EbsOptimized",
    "owner-alias": None,
    "cidr": lambda item: [item["CidrBlock"], item["CidrBlock"].partition("/")[0]],
}
ITEM = {
    "InstanceId": "i-0123",
    "LaunchTime": datetime(2026, 11, 23, 18, 0, tzinfo=UTC),
    "EbsOptimized": False,
    "CidrBlock": "10.1.1.0/24",
    "NetworkInterfaces": [{"Groups": [{"GroupId": "sg-1"}, {"GroupId": "sg-2"}]}, {"Groups": []}],
    "Tags": [{"Key": "Name", "Value": "web*1"}, {"Key": "empty", "Value": ""}],
}


def keeps(**asked: list[str]) -> bool:
    wanted = {name.replace("__", ":").replace("_", "-"): values for name, values in asked.items()}
    return keeps_these(wanted)


def keeps_these(wanted: dict[str, list[str]] | list[tuple[str, list[str]]]) -> bool:
    asked = list(wanted.items()) if isinstance(wanted, dict) else wanted
    filters.check(FILTERS, asked)
    return filters.keep([ITEM], FILTERS, asked) == [ITEM]


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("instance-id", ["i-0123"], True),
        ("instance-id", ["i-9", "i-0*"], True),
        ("instance-id", ["i-????"], True),
        ("instance-id", ["i-???"], False),
        ("instance-id", ["I-0123"], False),
        ("network-interface.group-id", ["sg-2"], True),
        ("network-interface.group-id", ["sg-3"], False),
        ("launch-time", ["2026-11-23T18:*"], True),
        ("launch-time", ["2026-11-23T18:00:00.000Z"], True),
        ("ebs-optimized", ["false"], True),
        ("ebs-optimized", ["False"], False),
        ("owner-alias", ["*"], False),
        ("cidr", ["10.1.1.0"], True),
        ("tag:Name", ["web\\*1"], True),
        ("tag:Name", ["web\\*"], False),
        ("tag:name", ["*"], False),
        ("tag:empty", [""], True),
        ("tag-key", ["emp*"], True),
        ("tag-value", ["web*"], True),
    ],
)
def test_a_filter_keeps_what_aws_would_keep(name: str, values: list[str], found: bool) -> None:
    assert keeps_these({name: values}) is found


def test_every_filter_must_match() -> None:
    assert keeps_these({"instance-id": ["i-0123"], "tag:Name": ["*"]})
    assert not keeps_these({"instance-id": ["i-0123"], "tag:Name": ["db"]})


def test_an_unknown_filter_is_named() -> None:
    with pytest.raises(Ec2Error, match="The filter 'colour' is invalid") as caught:
        keeps(colour=["red"])
    assert caught.value.code == "InvalidParameterValue"


@pytest.mark.parametrize("entry", [{"Name": "instance-id", "Values": []}, {"Name": "instance-id"}])
def test_a_filter_without_a_value_matches_nothing(entry: dict[str, Any]) -> None:
    assert not keeps_these(filters.wanted({"Filters": [entry]}))


def test_filters_of_one_name_must_match_each() -> None:
    """AWS's model says of every list of filters: results match all of the filters."""
    entries = [{"Name": "tag:Name", "Values": ["web*"]}, {"Name": "tag:Name", "Values": ["db"]}]
    assert not keeps_these(filters.wanted({"Filters": entries}))
    entries[1]["Values"] = ["*1", "db"]
    assert keeps_these(filters.wanted({"Filters": entries}))


def test_cloudstacks_uuid_stands_for_an_id() -> None:
    uuid = "0357db1e-e8dc-48b8-a730-af6b774d9c06"
    covers = filters.matcher([uuid, "i-2"])
    assert covers("i-0357db1ee8dc48b8a")
    assert covers("i-2")
    assert covers(uuid)
    assert not covers("i-0357db1ee8dc48b8b")


def test_more_than_fifty_filters_are_refused() -> None:
    request = {"Filters": [{"Name": f"tag:{number}", "Values": ["1"]} for number in range(51)]}
    with pytest.raises(Ec2Error) as caught:
        filters.wanted(request)
    assert caught.value.code == "FilterLimitExceeded"


@given(st.text("ab*?\n", max_size=8), st.text("ab\n", max_size=8))
def test_wildcards_agree_with_shell_patterns_without_brackets(pattern: str, candidate: str) -> None:
    assert filters.matcher([pattern])(candidate) == fnmatchcase(candidate, pattern)


@given(st.text(max_size=20))
def test_a_value_without_wildcards_matches_only_itself(value: str) -> None:
    escaped = "".join("\\" + mark if mark in "*?\\" else mark for mark in value)
    assert filters.matcher([escaped])(value)
    assert not filters.matcher([escaped])(value + "x")
