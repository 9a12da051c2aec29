"""Limits per key as AWS's token buckets, and off unless the operator wants them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.errors import Ec2Error
from ec2bridge.mapping import load_mappings
from ec2bridge.serving.throttling import Throttle
from ec2bridge.wire.model import operation_names
from tests.conftest import Place

TABLE = load_mappings().throttling


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def passes(throttle: Throttle, action: str, key: str = "alice", **request: Any) -> int:
    """How many such requests pass until one is refused."""
    for count in range(2000):
        try:
            throttle.take(key, action, request)
        except Ec2Error:
            return count
    raise AssertionError("no limit")


@pytest.mark.parametrize(
    ("action", "request_", "most"),
    [
        ("DescribeHosts", {}, 100),
        ("DescribeInstances", {}, 50),
        ("DescribeInstances", {"InstanceIds": ["i-1"]}, 100),
        ("DescribeVolumes", {"Filters": [{"Name": "size", "Values": ["1"]}]}, 100),
        ("DescribeVolumes", {"MaxResults": 5}, 100),
        ("CreateKeyPair", {}, 50),
        ("CreateTags", {}, 100),
        ("RunInstances", {"MinCount": 1, "MaxCount": 1}, 5),
    ],
)
def test_buckets_are_as_large_as_awss(clock: Clock, action: str, request_: dict[str, Any], most: int) -> None:
    assert passes(Throttle(TABLE, clock=clock), action, **request_) == most


def test_tokens_come_back_with_the_seconds(clock: Clock) -> None:
    throttle = Throttle(TABLE, clock=clock)
    assert passes(throttle, "RunInstances", MaxCount=1) == 5
    clock.now = 1.0
    assert passes(throttle, "RunInstances", MaxCount=1) == 2
    clock.now = 1000.0
    assert passes(throttle, "RunInstances", MaxCount=1) == 5


def test_machines_count_for_themselves(clock: Clock) -> None:
    throttle = Throttle(TABLE, clock=clock)
    assert passes(throttle, "RunInstances", MaxCount=400) == 2
    clock.now = 1.0
    assert passes(throttle, "RunInstances", MaxCount=200) == 1
    assert passes(Throttle(TABLE, clock=clock), "RunInstances", MaxCount=100_000) == 1


def test_neither_keys_nor_actions_share_a_bucket(clock: Clock) -> None:
    throttle = Throttle(TABLE, clock=clock)
    passes(throttle, "DescribeHosts")
    assert passes(throttle, "DescribeHosts") == 0
    assert passes(throttle, "DescribeImages") == 100
    assert passes(throttle, "DescribeHosts", key="bob") == 100


def test_what_is_refused_takes_no_token_from_the_other_bucket(clock: Clock) -> None:
    throttle = Throttle(TABLE, clock=clock)
    passes(throttle, "RunInstances", MaxCount=1000)
    assert passes(throttle, "RunInstances", MaxCount=1000) == 0
    clock.now = 500.0
    assert passes(throttle, "RunInstances", MaxCount=1) == 5


def test_the_table_names_actions_of_awss() -> None:
    named = {*TABLE.actions, *TABLE.machines, *TABLE.reading_all.actions}
    assert named <= set(operation_names())


def test_a_client_is_refused_and_let_in_again(make_place: Callable[..., Place]) -> None:
    place = make_place({"throttle": "0.02"})
    alice, bob = place.client(), place.client("bob")
    for _ in range(2):
        alice.describe_regions()
    with pytest.raises(ClientError) as refused:
        alice.describe_regions()
    answer = refused.value.response
    assert answer["Error"]["Code"] == "RequestLimitExceeded"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert bob.describe_regions()["Regions"]
    assert alice.describe_key_pairs()["KeyPairs"] == []


def test_a_stranger_cannot_use_up_anothers_tokens(make_place: Callable[..., Place]) -> None:
    place = make_place({"throttle": "0.02"})
    stranger = place.client(aws_secret_access_key="wrong")
    for _ in range(5):
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            stranger.describe_regions()
    assert place.client().describe_regions()["Regions"]


def test_nobody_is_limited_unless_the_setting_says_so(place: Place) -> None:
    client = place.client()
    for _ in range(120):
        client.describe_regions()
