"""The answers to the letter: what a parser like botocore's forgives and stricter clients don't."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ec2bridge.wire.model import service_model
from ec2bridge.wire.render import KeptList, render, render_error, render_in_turns
from tests.wire.peer import read, rendered

GOLDEN = Path(__file__).parent / "golden"
SIX = datetime(2026, 11, 23, 18, tzinfo=UTC)

INSTANCE = {
    "InstanceId": "i-0123456789abcdef0",
    "State": {"Code": 16, "Name": "running"},
    "PrivateDnsName": "",
    "LaunchTime": SIX,
    "SourceDestCheck": False,
    "Placement": {"AvailabilityZone": "cloud-1a", "Tenancy": "default"},
    "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeId": "vol-1", "AttachTime": SIX}}],
    "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "R&D <all>"}],
    "Tags": [],
    "KeyName": None,
}

ANSWERS: dict[str, tuple[str, str, Mapping[str, Any] | None, str]] = {
    "describe-instances": (
        "ec2",
        "DescribeInstances",
        {
            "NextToken": "more",
            "Reservations": [{"ReservationId": "r-1", "OwnerId": "123456789012", "Instances": [INSTANCE]}],
        },
        "2016-11-15",
    ),
    "describe-instances-empty": ("ec2", "DescribeInstances", {"Reservations": []}, "2014-10-01"),
    "describe-images-item-names": (
        "ec2",
        "DescribeImages",
        {"Images": [{"ImageId": "ami-1", "Public": True, "ImageLocation": "admin/debian"}]},
        "2010-08-31",
    ),
    "describe-regions": (
        "ec2",
        "DescribeRegions",
        {"Regions": [{"RegionName": "cloud-1", "Endpoint": "http://127.0.0.1:8788"}]},
        "2016-11-15",
    ),
    "describe-instance-types-numbers": (
        "ec2",
        "DescribeInstanceTypes",
        {
            "InstanceTypes": [
                {
                    "InstanceType": "m5.large",
                    "MemoryInfo": {"SizeInMiB": 8192},
                    "ProcessorInfo": {"SustainedClockSpeedInGhz": 3.1, "SupportedArchitectures": ["x86_64"]},
                }
            ]
        },
        "2016-11-15",
    ),
    "describe-security-groups": (
        "ec2",
        "DescribeSecurityGroups",
        {
            "SecurityGroups": [
                {
                    "GroupId": "sg-1",
                    "GroupName": "web",
                    "Description": "line\r\nbreaks",
                    "IpPermissions": [
                        {
                            "IpProtocol": "tcp",
                            "FromPort": 22,
                            "ToPort": 22,
                            "UserIdGroupPairs": [],
                            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                        }
                    ],
                    "IpPermissionsEgress": [],
                }
            ]
        },
        "2016-11-15",
    ),
    "create-key-pair": (
        "ec2",
        "CreateKeyPair",
        {"KeyName": "k", "KeyMaterial": "-----BEGIN\nxyz\n", "KeyFingerprint": "aa:bb"},
        "2016-11-15",
    ),
    "create-tags-has-no-output": ("ec2", "CreateTags", None, "2016-11-15"),
    "authorize-security-group-ingress": (
        "ec2",
        "AuthorizeSecurityGroupIngress",
        {"Return": True, "SecurityGroupRules": []},
        "2016-11-15",
    ),
    "get-caller-identity": (
        "sts",
        "GetCallerIdentity",
        {"UserId": "u-1", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/alice"},
        "2011-06-15",
    ),
}

ERRORS = {
    "error": ("ec2", "InvalidInstanceID.NotFound", "The instance ID 'i-<0>' does not exist"),
    "error-sts": ("sts", "InvalidClientTokenId", "The security token included in the request is invalid"),
    "error-sts-ours": ("sts", "InternalFailure", "It broke"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_to_the_letter(name: str) -> None:
    service, action, result, version = ANSWERS[name]
    assert rendered(service, action, result, version).decode() == (GOLDEN / f"{name}.xml").read_text()


@pytest.mark.parametrize("name", ERRORS)
def test_errors_to_the_letter(name: str) -> None:
    service, code, message = ERRORS[name]
    body = render_error(code, message, request_id="9f1c", service=service)
    assert body.decode() == (GOLDEN / f"{name}.xml").read_text()
    action = "GetCallerIdentity" if service == "sts" else "DescribeInstances"
    answer = read(service, action, body, status=400)
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == (code, message)
    assert answer["ResponseMetadata"]["RequestId"] == "9f1c"


def test_every_golden_file_is_used() -> None:
    assert {path.stem for path in GOLDEN.glob("*.xml")} == {*ANSWERS, *ERRORS}


def test_the_result_set_is_the_second_child() -> None:
    tags = [
        child.tag.split("}")[1] for child in ElementTree.fromstring(rendered(*ANSWERS["describe-instances"]))
    ]
    assert tags == ["requestId", "reservationSet", "nextToken"]


@pytest.mark.parametrize("version", ['2016-11-15"><x/>', "", "latest", "2016-11-15\n", "٢٠١٦-١١-١٥"])
def test_only_a_date_gets_into_the_namespace(version: str) -> None:
    root = ElementTree.fromstring(rendered("ec2", "DescribeRegions", {"Regions": []}, version))
    assert root.tag == "{http://ec2.amazonaws.com/doc/2016-11-15/}DescribeRegionsResponse"


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 23, 18, 0, 5, 999_999, tzinfo=UTC),
        datetime(2026, 11, 23, 18, 0, 5, 999_000),
        datetime(2026, 11, 23, 19, 0, 5, 999_000, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_times_are_in_utc_with_milliseconds(moment: datetime) -> None:
    body = rendered("ec2", "DescribeVolumes", {"Volumes": [{"CreateTime": moment}]})
    assert b"<createTime>2026-11-23T18:00:05.999Z</createTime>" in body


@pytest.mark.parametrize(
    ("result", "path"),
    [
        ({"Reservation": []}, "DescribeInstances.Reservation"),
        (
            {"Reservations": [{"Instances": [{"Tags": [{"key": "a"}]}]}]},
            ".Reservations[0].Instances[0].Tags[0].key",
        ),
        ({"Reservations": [{"Instances": [{"InstanceId": 7}]}]}, ".InstanceId: 7 is no string"),
        (
            {"Reservations": [{"Instances": [{"EbsOptimized": "true"}]}]},
            ".EbsOptimized: 'true' is no boolean",
        ),
        ({"Reservations": [{"Instances": [{"AmiLaunchIndex": "0"}]}]}, ".AmiLaunchIndex: '0' is no integer"),
        (
            {"Reservations": [{"Instances": [{"AmiLaunchIndex": True}]}]},
            ".AmiLaunchIndex: True is no integer",
        ),
        ({"Reservations": [{"Instances": [{"LaunchTime": "2026"}]}]}, ".LaunchTime: '2026' is no timestamp"),
        ({"Reservations": [{"Instances": "i-1"}]}, ".Instances: 'i-1' is no list"),
        ({"Reservations": [{"Instances": ["i-1"]}]}, ".Instances[0]: 'i-1' is no structure"),
        ({"Reservations": {"Instances": []}}, ".Reservations: {'Instances': []} is no list"),
        ({"Reservations": [None]}, ".Reservations[0]: None is no structure"),
    ],
)
def test_a_slip_of_the_programmer_is_an_exception_with_the_path(result: dict[str, Any], path: str) -> None:
    with pytest.raises(TypeError) as caught:
        rendered("ec2", "DescribeInstances", result)
    assert path in str(caught.value)


def test_an_action_without_output_gives_none() -> None:
    assert rendered("ec2", "RebootInstances", {}) == rendered("ec2", "RebootInstances", None)
    with pytest.raises(TypeError, match="RebootInstances answers nothing"):
        rendered("ec2", "RebootInstances", {"Return": True})


def test_numbers_and_blobs_of_the_wrong_type_are_named() -> None:
    with pytest.raises(TypeError, match=r"SustainedClockSpeedInGhz: '3.1' is no double"):
        rendered(
            "ec2",
            "DescribeInstanceTypes",
            {"InstanceTypes": [{"ProcessorInfo": {"SustainedClockSpeedInGhz": "3.1"}}]},
        )


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_list_that_is_kept_is_written_as_any_other_and_once(count: int) -> None:
    held = {"ReservationId": "r-1", "OwnerId": "123456789012", "Instances": [INSTANCE]}
    plain, kept = [held] * count, KeptList([held] * count)
    op = service_model("ec2").operation("DescribeInstances")
    assert op is not None
    for version in ("2016-11-15", "2010-08-31"):
        told = {"version": version, "request_id": "id"}
        whole = render(op, {"Reservations": plain}, **told)
        first = await render_in_turns(op, {"Reservations": kept}, **told)
        again = await render_in_turns(op, {"Reservations": kept}, **told)
        assert b"".join(first) == b"".join(again) == whole
        if count:
            assert first[2] is again[2]
