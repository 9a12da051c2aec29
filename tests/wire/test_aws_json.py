"""AWS's JSON on the wire: a request is as the model has it or refused, an answer has the model's members alone."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ec2bridge.errors import Ec2Error
from ec2bridge.wire import aws_json
from ec2bridge.wire.model import Operation, operation


def op(name: str) -> Operation:
    found = operation(name, "ssm")
    assert found is not None
    return found


def test_a_request_has_the_members_that_were_sent() -> None:
    body = b'{"Names": ["/a", "/b"], "WithDecryption": true}'
    assert aws_json.parse(op("GetParameters"), body) == {"Names": ["/a", "/b"], "WithDecryption": True}
    filters = {"Path": "/a", "MaxResults": 3, "ParameterFilters": [{"Key": "Type", "Values": ["String"]}]}
    assert aws_json.parse(op("GetParametersByPath"), json.dumps(filters).encode()) == filters


def test_null_is_as_if_it_were_not_sent() -> None:
    assert aws_json.parse(op("GetParameter"), b'{"Name": "/a", "WithDecryption": null}') == {"Name": "/a"}


@pytest.mark.parametrize(
    ("name", "body", "code", "sentence"),
    [
        ("GetParameter", b"Name=/a", "SerializationException", "no JSON"),
        ("GetParameter", b"", "SerializationException", "no JSON"),
        ("GetParameter", b"\xff", "SerializationException", "no JSON"),
        ("GetParameter", b"[" * 100_000, "SerializationException", "no JSON"),
        ("GetParameter", b'"Name"', "SerializationException", "the body is no structure"),
        ("GetParameter", b'{"Name": 1}', "SerializationException", "Name is no string"),
        ("GetParameter", b'{"Name": "/a", "WithDecryption": 1}', "SerializationException", "no boolean"),
        ("GetParameters", b'{"Names": "/a"}', "SerializationException", "Names is no list"),
        ("GetParametersByPath", b'{"Path": "/", "MaxResults": true}', "SerializationException", "no integer"),
        ("GetParametersByPath", b'{"Path": "/", "MaxResults": 1.5}', "SerializationException", "no integer"),
        ("GetParameter", b"{}", "ValidationException", "Value 'null' at 'name' .* must not be null"),
        (
            "GetParameter",
            b'{"Name": ""}',
            "ValidationException",
            "'name' .* length greater than or equal to 1",
        ),
        ("GetParameter", b'{"Name": "/a", "Nam": "/b"}', "ValidationException", "Nam is not recognized"),
        (
            "GetParameters",
            json.dumps({"Names": [str(n) for n in range(11)]}).encode(),
            "ValidationException",
            "to 10",
        ),
        (
            "GetParametersByPath",
            b'{"Path": "/", "MaxResults": 11}',
            "ValidationException",
            "value less than .* 10",
        ),
        (
            "GetParametersByPath",
            b'{"Path": "/", "ParameterFilters": [{}]}',
            "ValidationException",
            "parameterFilters.Key",
        ),
    ],
)
def test_what_is_not_as_the_model_has_it_is_refused(name: str, body: bytes, code: str, sentence: str) -> None:
    with pytest.raises(Ec2Error, match=f"{code}.*{sentence}"):
        aws_json.parse(op(name), body)


def test_an_answer_has_seconds_for_a_time_and_nothing_for_none() -> None:
    when = datetime(2026, 11, 23, 12, 3, 19, tzinfo=UTC)
    found: dict[str, Any] = {"Name": "/a", "LastModifiedDate": when, "Selector": None}
    assert json.loads(aws_json.render(op("GetParameter"), {"Parameter": found})) == {
        "Parameter": {"Name": "/a", "LastModifiedDate": when.timestamp()}
    }


def test_a_member_that_the_model_lacks_is_no_answer() -> None:
    with pytest.raises(TypeError, match=r"GetParameter\.Parameter has no member Nmae"):
        aws_json.render(op("GetParameter"), {"Parameter": {"Nmae": "/a"}})


@pytest.mark.parametrize(
    ("code", "status", "sent"),
    [
        ("AuthFailure", 400, "UnrecognizedClientException"),
        ("SignatureDoesNotMatch", 400, "InvalidSignatureException"),
        ("RequestLimitExceeded", 400, "ThrottlingException"),
        ("UnsupportedOperation", 400, "ValidationException"),
        ("ParameterNotFound", 400, "ParameterNotFound"),
        ("InternalError", 500, "InternalServerError"),
        ("Unavailable", 503, "ServiceUnavailable"),
    ],
)
def test_an_error_has_the_code_and_the_status_of_a_service_that_speaks_json(
    code: str, status: int, sent: str
) -> None:
    got, body = aws_json.render_error(code, "a sentence")
    assert (got, json.loads(body)) == (status, {"__type": sent, "message": "a sentence"})
