"""The filter engine: AWS's wildcards, AND between filters, OR between values."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase

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


def keeps_these(asked: dict[str, list[str]]) -> bool:
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


def test_a_filter_without_a_value_is_refused() -> None:
    with pytest.raises(Ec2Error, match="must have at least one value"):
        keeps_these({"instance-id": []})


def test_filters_of_one_name_add_up() -> None:
    request = {"Filters": [{"Name": "a", "Values": ["1"]}, {"Name": "a", "Values": ["2"]}]}
    assert filters.wanted(request) == {"a": ["1", "2"]}


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
