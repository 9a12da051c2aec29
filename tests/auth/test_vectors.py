"""AWS's own signing test suite for version 4, and requests that real clients signed, each as data."""

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from ec2bridge.auth.verify import RawRequest
from tests.auth.signing import PROJECT, Keys, check

SUITE = json.loads(Path(__file__).with_name("vectors.json").read_text())
RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())

EXAMPLE = Keys(AKIDEXAMPLE="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SUITE_DATE = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SCOPE = "20150830/us-east-1/service/aws4_request"


def suite_request(case: dict, headers=(), parameters=()) -> RawRequest:
    path, _, query = case["target"].partition("?")
    signed = [*(tuple(pair) for pair in case["headers"]), *headers]
    query = "&".join(part for part in (query, urlencode(parameters)) if part)
    return RawRequest(case["method"], path, query, tuple(signed), case["body"].encode())


@pytest.mark.parametrize("case", SUITE, ids=lambda case: case["name"])
async def test_the_suite_signed_in_the_header(case):
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{SCOPE}, SignedHeaders={case['signed_headers']},"
        f" Signature={case['header_signature']}"
    )
    request = suite_request(case, [("X-Amz-Date", "20150830T123600Z"), ("Authorization", authorization)])
    verified = await check(request, keys=EXAMPLE, at=SUITE_DATE)
    assert (verified.region, verified.service) == ("us-east-1", "service")


@pytest.mark.parametrize("case", SUITE, ids=lambda case: case["name"])
async def test_the_suite_signed_in_the_query(case):
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"AKIDEXAMPLE/{SCOPE}",
        "X-Amz-Date": "20150830T123600Z",
        "X-Amz-Expires": "3600",
        "X-Amz-SignedHeaders": case["query_signed_headers"],
        "X-Amz-Signature": case["query_signature"],
    }
    case = {**case, "headers": [pair for pair in case["headers"] if not pair[0].startswith("x-amz")]}
    verified = await check(suite_request(case, parameters=parameters), keys=EXAMPLE, at=SUITE_DATE)
    assert verified.credentials.access_key == "AKIDEXAMPLE"


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["client"])
async def test_a_request_as_a_client_sent_it(case):
    """boto 2 (which signs the host without its port in version 2), libcloud and awscli 2, with odd scopes and paths."""
    request = RawRequest(
        case["method"], case["path"], case["query"], tuple(map(tuple, case["headers"])), case["body"].encode()
    )
    verified = await check(request, at=datetime.fromisoformat(case["at"]))
    form = dict(verified.form)
    assert form["Action"] in ("DescribeTags", "DescribeRegions", "GetCallerIdentity")
    if form["Action"] == "DescribeTags":
        assert form["Filter.1.Name"] == "tag:a b"
        assert form["Filter.1.Value.1"].startswith("x+y~*/")
    assert verified.credentials.access_key.endswith(f":{PROJECT}") == ("project" in case["client"])
