"""What a round trip can't show of requests: old ways to write them, and how each mistake is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ec2bridge.errors import Ec2Error
from ec2bridge.wire.model import operation
from ec2bridge.wire.parse import parse

LAUNCH = [("MinCount", "1"), ("MaxCount", "1")]


def parsed(action: str, *form: tuple[str, str], service: str = "ec2") -> dict[str, Any]:
    op = operation(action, service)
    assert op is not None
    return parse(op, form)


def refusal(action: str, *form: tuple[str, str], service: str = "ec2") -> tuple[str, str]:
    with pytest.raises(Ec2Error) as caught:
        parsed(action, *form, service=service)
    return caught.value.code, caught.value.message


def test_the_protocol_and_the_signature_are_no_members() -> None:
    form = [
        ("Action", "DescribeRegions"),
        ("Version", "2016-11-15"),
        ("AWSAccessKeyId", "k"),
        ("Timestamp", "2026-11-23T18:00:00Z"),
        ("SignatureMethod", "HmacSHA256"),
        ("SignatureVersion", "2"),
        ("Signature", "x"),
        ("X-Amz-Credential", "k/20261123/r/ec2/aws4_request"),
        ("x-amz-date", "20261123T180000Z"),
    ]
    assert parsed("DescribeRegions", *form) == {}


@pytest.mark.parametrize("first", [0, 1, 7])
def test_lists_start_anywhere_and_may_have_gaps(first: int) -> None:
    form = [(f"InstanceId.{first + 20 * n}", f"i-{n}") for n in (2, 0, 1)]
    assert parsed("DescribeInstances", *form) == {"InstanceIds": ["i-0", "i-1", "i-2"]}


def test_list_indices_are_numbers_not_texts() -> None:
    form = [(f"InstanceId.{n}", f"i-{n}") for n in (10, 9, 1)]
    assert parsed("DescribeInstances", *form) == {"InstanceIds": ["i-1", "i-9", "i-10"]}


def test_an_old_client_leaves_out_the_index_of_a_list_of_one() -> None:
    form = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value", "vpc-1")]
    assert parsed("DescribeSubnets", *form) == {"Filters": [{"Name": "vpc-id", "Values": ["vpc-1"]}]}


def test_an_empty_marker_is_an_empty_list_or_structure() -> None:
    assert parsed("DescribeInstances", ("InstanceId", ""), ("Filter", "")) == {
        "InstanceIds": [],
        "Filters": [],
    }
    assert parsed("RunInstances", *LAUNCH, ("Placement", ""))["Placement"] == {}
    assert parsed("DescribeInstances", ("InstanceId", ""), ("InstanceId.1", "i-1")) == {
        "InstanceIds": ["i-1"]
    }
    assert parsed("DescribeInstances", ("InstanceId.1", "i-1"), ("InstanceId", "")) == {
        "InstanceIds": ["i-1"]
    }


def test_empty_texts_are_kept() -> None:
    form = [*LAUNCH, ("IamInstanceProfile.Name", ""), ("UserData", "")]
    params = parsed("RunInstances", *form)
    assert params["IamInstanceProfile"] == {"Name": ""}
    assert params["UserData"] == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("1", True),
        ("false", False),
        ("False", False),
        ("FALSE", False),
        ("0", False),
    ],
)
def test_booleans_as_any_language_writes_them(text: str, value: bool) -> None:
    assert parsed("DescribeRegions", ("DryRun", text)) == {"DryRun": value}


@pytest.mark.parametrize("text", ["yes", "2", "", "truefalse", " true"])
def test_other_booleans_are_refused(text: str) -> None:
    assert refusal("DescribeRegions", ("DryRun", text)) == (
        "InvalidParameterValue",
        f"Value ({text}) for parameter DryRun is invalid. Expected true or false.",
    )


@pytest.mark.parametrize("text", ["", "one", "1.0", "1e3", "0x10", "١", "1_000", "9" * 5000])
def test_a_number_that_is_none_is_refused_with_its_name(text: str) -> None:
    code, message = refusal("RunInstances", ("MinCount", text), ("MaxCount", "1"))
    assert code == "InvalidParameterValue"
    assert message.startswith(f"Value ({text[:100]}) for parameter MinCount is invalid.")


def test_integers_have_32_bits_and_longs_64() -> None:
    assert refusal("RunInstances", ("MinCount", str(2**31)), ("MaxCount", "1"))[0] == "InvalidParameterValue"
    form = [("MinCount", str(2**31 - 1)), ("MaxCount", "+1")]
    assert parsed("RunInstances", *form) == {"MinCount": 2**31 - 1, "MaxCount": 1}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T18:00:00Z", datetime(2026, 11, 23, 18, tzinfo=UTC)),
        ("2026-11-23T18:00:00.250Z", datetime(2026, 11, 23, 18, microsecond=250_000, tzinfo=UTC)),
        ("2026-11-23T19:00:00+01:00", datetime(2026, 11, 23, 18, tzinfo=UTC)),
        ("2026-11-23T18:00:00", datetime(2026, 11, 23, 18, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("1795456800", datetime(2026, 11, 23, 18, tzinfo=UTC)),
        ("1795456800.5", datetime(2026, 11, 23, 18, microsecond=500_000, tzinfo=UTC)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    assert parsed("DescribeSpotPriceHistory", ("StartTime", text)) == {"StartTime": moment}


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00:00Z", "99999999999999", "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    code, message = refusal("DescribeSpotPriceHistory", ("StartTime", text))
    assert code == "InvalidParameterValue"
    assert f"Value ({text}) for parameter StartTime" in message


def test_blobs_are_base64_and_user_data_stays_as_it_is() -> None:
    form = [("KeyName", "k"), ("PublicKeyMaterial", "c3NoLXJz\r\nYSBBQUFB")]
    assert parsed("ImportKeyPair", *form)["PublicKeyMaterial"] == b"ssh-rsa AAAA"
    assert parsed("RunInstances", *LAUNCH, ("UserData", "aGk="))["UserData"] == "aGk="
    for bad in ("c3No*", "c3N", "ssh-rsa AAAA"):
        code, message = refusal("ImportKeyPair", ("KeyName", "k"), ("PublicKeyMaterial", bad))
        assert (code, message) == (
            "InvalidParameterValue",
            "The value of parameter PublicKeyMaterial is invalid. Expected base64.",
        )
    change = [("InstanceId", "i-01234567"), ("UserData.Value", "not base64 encoded")]
    code, message = refusal("ModifyInstanceAttribute", *change)
    assert (code, "not base64 encoded" in message) == ("InvalidUserData.Malformed", False)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ([("Unicorn", "1")], "Unicorn"),
        ([("instanceId.1", "i-1")], "instanceId.1"),
        ([("Filter.1.Nam", "x")], "Filter.1.Nam"),
        ([("Filter.1.Name.2", "x")], "Filter.1.Name.2"),
        ([("DryRun.Value", "true")], "DryRun.Value"),
        ([("Filter.1", "x")], "Filter.1"),
        ([("InstanceId", "i-1"), ("InstanceId.2", "i-2")], "InstanceId.2"),
        ([("InstanceId.2", "i-2"), ("InstanceId", "i-1")], "InstanceId"),
        ([("", "x")], ""),
        ([("Filter." * 400, "x")], ("Filter." * 400)[:200]),
    ],
)
def test_what_the_model_does_not_have_is_named(form: list[tuple[str, str]], name: str) -> None:
    assert refusal("DescribeInstances", *form) == (
        "UnknownParameter",
        f"The parameter {name} is not recognized",
    )


@pytest.mark.parametrize("index", ["a", "-1", "1a", "", "²", "9" * 50])
def test_a_list_index_is_a_number(index: str) -> None:
    code, message = refusal("DescribeInstances", (f"Filter.{index}.Name", "x"))
    assert code == "InvalidParameterValue"
    assert f"parameter Filter.{index}.Name is not a list index" in message


def test_the_same_index_twice_is_refused() -> None:
    assert refusal("DescribeInstances", ("InstanceId.1", "i-1"), ("InstanceId.01", "i-2"))[0] == (
        "InvalidParameterValue"
    )


def test_a_list_has_an_end() -> None:
    def ids(count: int) -> list[tuple[str, str]]:
        return [(f"InstanceId.{number}", f"i-{number}") for number in range(count)]

    assert len(parsed("TerminateInstances", *ids(1000))["InstanceIds"]) == 1000
    assert refusal("TerminateInstances", *ids(1001)) == (
        "InvalidRequest",
        "1001 exceeds the maximum number of InstanceId that can be specified (1000).",
    )
    values = [(f"Filter.1.Value.{number}", "x") for number in range(1001)]
    assert refusal("DescribeInstances", ("Filter.1.Name", "vpc-id"), *values)[0] == "FilterLimitExceeded"


def test_a_repeated_parameter_must_say_the_same() -> None:
    assert parsed("DescribeRegions", ("DryRun", "true"), ("DryRun", "true")) == {"DryRun": True}
    assert refusal("DeleteKeyPair", ("KeyName", "a"), ("KeyName", "b")) == (
        "InvalidParameterValue",
        "Value (b) for parameter KeyName is invalid. The parameter may be given only once.",
    )


def test_the_first_of_the_java_sdks_two_tokens_counts() -> None:
    parts = parsed(
        "RunInstances", ("MinCount", "1"), ("MaxCount", "1"), ("ClientToken", "one"), ("ClientToken", "two")
    )
    assert parts["ClientToken"] == "one"


def test_what_is_missing_is_named_as_on_the_wire() -> None:
    assert refusal("RunInstances", ("MaxCount", "1")) == (
        "MissingParameter",
        "The request must contain the parameter MinCount",
    )
    assert refusal("CreateTags", ("ResourceId.1", "i-1")) == (
        "MissingParameter",
        "The request must contain the parameter Tag",
    )


def test_names_of_old_clients() -> None:
    form = [("Platform", "Windows"), ("LaunchSpecification.UserData", "aGk=")]
    assert parsed("ImportInstance", *form)["LaunchSpecification"] == {"UserData": {"Data": "aGk="}}
    form = [("Filters.1.Name", "status"), ("Filters.1.Value.1", "active")]
    assert parsed("DescribeReservedInstancesListings", *form) == {
        "Filters": [{"Name": "status", "Values": ["active"]}]
    }
    assert parsed("RegisterImage", ("Name", "n"), ("RamDiskId", "ari-1"))["RamdiskId"] == "ari-1"
    assert parsed("GetConsoleOutput", ("InstanceId.1", "i-1")) == {"InstanceId": "i-1"}


def test_sts_writes_member_into_its_lists() -> None:
    role = [("RoleArn", "arn:aws:iam::1:role/r"), ("RoleSessionName", "s")]
    form = [*role, ("PolicyArns.member.1.arn", "a"), ("PolicyArns.member.2.arn", "b")]
    assert parsed("AssumeRole", *form, service="sts")["PolicyArns"] == [{"arn": "a"}, {"arn": "b"}]
    assert refusal("AssumeRole", *role, ("PolicyArns.1.arn", "a"), service="sts") == (
        "UnknownParameter",
        "The parameter PolicyArns.1.arn is not recognized",
    )
