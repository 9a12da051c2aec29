"""The path of a request as a client sees it: every refusal has AWS's code and status, and the next request works."""

import asyncio
import http.client
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Return status, code and message of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def send(
    place: Place, form: dict[str, str], *, spoil: Callable[[AWSRequest], None] | None = None
) -> tuple[int, str]:
    """Send a hand-made request, signed by botocore and perhaps spoilt afterwards; return status and body."""
    keys = place.sim.accounts["alice"]
    request = AWSRequest(
        "POST",
        place.url + "/",
        data=urlencode(form).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    SigV4Auth(Credentials(keys.api_key, keys.secret_key), "ec2", REGION).add_auth(request)
    if spoil:
        spoil(request)
    parts = urlsplit(place.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("POST", "/", request.data, dict(request.headers.items()))
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def works(place: Place) -> bool:
    """Whether an ordinary request is answered."""
    return bool(place.client().describe_regions()["Regions"])


def code_of(body: str) -> str:
    """Return the error code in an EC2 error."""
    found = re.search(r"<Code>(.*?)</Code>", body)
    assert found, body
    return found[1]


def test_an_unknown_key_is_an_auth_failure(place: Place) -> None:
    client = place.client(aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    status, code, message = refused(client.describe_regions)
    assert (status, code) == (401, "AuthFailure")
    assert message == "AWS was not able to validate the provided access credentials"
    assert works(place)


def test_a_wrong_secret_does_not_match(place: Place) -> None:
    status, code, _ = refused(place.client(aws_secret_access_key="wrong").describe_regions)
    assert (status, code) in ((403, "SignatureDoesNotMatch"), (401, "AuthFailure"))
    assert works(place)


def test_a_changed_byte_is_noticed(place: Place) -> None:
    def spoil(request: AWSRequest) -> None:
        request.data = request.data.replace(b"DescribeRegions", b"DescribeRegionS")

    status, body = send(place, {"Action": "DescribeRegions", "Version": "2016-11-15"}, spoil=spoil)
    assert (status, code_of(body)) in ((403, "SignatureDoesNotMatch"), (401, "AuthFailure"))
    assert works(place)


def test_a_stale_date_has_expired(place: Place) -> None:
    def spoil(request: AWSRequest) -> None:
        request.headers.replace_header("X-Amz-Date", "20200101T000000Z")

    status, body = send(place, {"Action": "DescribeRegions", "Version": "2016-11-15"}, spoil=spoil)
    assert (status, code_of(body)) == (400, "RequestExpired")
    assert works(place)


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"Action": "DescribeNothing", "Version": "2016-11-15"}, 400, "InvalidAction"),
        ({"Action": "DescribeRegions", "Version": "never"}, 400, "NoSuchVersion"),
        ({"Version": "2016-11-15"}, 400, "MissingAction"),
        ({"Action": "DescribeRegions", "Version": "2016-11-15", "Colour": "red"}, 400, "UnknownParameter"),
        (
            {"Action": "DescribeInstances", "Version": "2016-11-15", "MaxResults": "many"},
            400,
            "InvalidParameterValue",
        ),
        ({"Action": "TerminateInstances", "Version": "2016-11-15"}, 400, "InvalidParameterCombination"),
        ({"Action": "RebootInstances", "Version": "2016-11-15"}, 400, "MissingParameter"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    place: Place, form: dict[str, str], status: int, code: str
) -> None:
    answered, body = send(place, form)
    assert (answered, code_of(body)) == (status, code)
    assert works(place)


@pytest.mark.parametrize("version", ["2006-06-26", "2012-12-01", "2016-11-15"])
def test_the_answer_is_in_the_namespace_that_was_asked_for(place: Place, version: str) -> None:
    status, body = send(place, {"Action": "DescribeRegions", "Version": version})
    assert status == 200
    assert f'<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/{version}/"><requestId>' in body


def test_an_id_that_names_nothing_is_not_found(place: Place, ec2: Any) -> None:
    status, code, message = refused(lambda: ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"]))
    assert (status, code) == (400, "InvalidInstanceID.NotFound")
    assert message == "The instance ID 'i-0123456789abcdef0' does not exist"
    assert (
        refused(lambda: ec2.describe_instances(InstanceIds=["nonsense"]))[1] == "InvalidInstanceID.Malformed"
    )
    assert works(place)


def test_a_request_that_is_too_large_is_refused(make_place: Callable[..., Place]) -> None:
    place = make_place({"max_body": 2000})
    status, body = send(place, {"Action": "DescribeRegions", "Version": "2016-11-15", "Padding": "x" * 3000})
    assert (status, code_of(body)) == (413, "RequestEntityTooLarge")
    assert works(place)


def test_an_action_that_cloudstack_cannot_have_says_why(ec2: Any) -> None:
    assert ec2.describe_transit_gateways()["TransitGateways"] == []
    status, code, message = refused(ec2.create_transit_gateway)
    assert (status, code) == (400, "UnsupportedOperation")
    assert (
        "CloudStack has no transit gateways; join VPCs by VPN connections (CreateVpnConnection) instead"
        in message
    )


def test_a_dry_run_says_whether_it_would_work(place: Place, ec2: Any) -> None:
    status, code, _ = refused(lambda: ec2.describe_regions(DryRun=True))
    assert (status, code) == (412, "DryRunOperation")
    status, code, _ = refused(lambda: ec2.create_key_pair(KeyName="dry", DryRun=True))
    assert (status, code) == (412, "DryRunOperation")
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert refused(lambda: ec2.terminate_instances(InstanceIds=["i-0123456789abcdef0"], DryRun=True))[1] == (
        "InvalidInstanceID.NotFound"
    )


def test_when_cloudstack_is_down_clients_are_told_to_try_again(make_place: Callable[..., Place]) -> None:
    place = make_place()
    client = place.client()
    assert client.describe_key_pairs()["KeyPairs"] == []
    port = urlsplit(place.sim.url).port
    place.run(place.sim.close())
    status, code, _ = refused(client.describe_key_pairs)
    assert (status, code) == (503, "Unavailable")
    place.run(place.sim.start("127.0.0.1", port))
    assert client.describe_key_pairs()["KeyPairs"] == []


def test_a_stranger_learns_nothing(place: Place) -> None:
    parts = urlsplit(place.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("GET", "/")
    response = connection.getresponse()
    body = response.read().decode()
    assert (response.status, code_of(body)) == (403, "MissingAuthenticationToken")
    assert "cloudstack" not in body.lower()
    connection.request("GET", "/health")
    assert connection.getresponse().read() == b'{"status": "ok"}'
    connection.close()


async def test_two_hundred_requests_at_once_are_all_answered(place: Place) -> None:
    client = place.client()
    answers = await asyncio.gather(*(asyncio.to_thread(client.describe_regions) for _ in range(200)))
    assert len({answer["ResponseMetadata"]["RequestId"] for answer in answers}) == 200


@pytest.mark.parametrize("version", ["2006-10-01", "2013-02-01", "2016-11-15", "2099-12-31"])
def test_an_answer_is_in_the_namespace_of_the_clients_version(place: Place, version: str) -> None:
    status, body = send(place, {"Action": "DescribeRegions", "Version": version})
    assert status == 200
    assert f'xmlns="http://ec2.amazonaws.com/doc/{version}/"' in body


@pytest.mark.parametrize(
    "version", ["1999-01-01", "2016-11-1", "2016-11-155", "2016-1a-15", "2016-11-15\n", '2016-11-15"']
)
def test_what_is_no_version_is_refused_and_not_repeated_as_one(place: Place, version: str) -> None:
    status, body = send(place, {"Action": "DescribeRegions", "Version": version})
    assert (status, code_of(body)) == (400, "NoSuchVersion")
    assert "/doc/" not in body
