"""The HTTP status that goes with each EC2 error code."""

import pytest

from ec2bridge.errors import Ec2Error


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidInstanceID.NotFound", 400),
        ("UnknownParameter", 400),
        ("InvalidAction", 400),
        ("RequestExpired", 400),
        ("InstanceLimitExceeded", 400),
        ("AuthFailure", 401),
        ("OptInRequired", 401),
        ("UnauthorizedOperation", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidClientTokenId", 403),
        ("MissingAuthenticationToken", 403),
        ("Blocked", 403),
        ("DryRunOperation", 412),
        ("InternalError", 500),
        ("InternalFailure", 500),
        ("InsufficientInstanceCapacity", 500),
        ("RequestLimitExceeded", 503),
        ("ServiceUnavailable", 503),
        ("Unavailable", 503),
    ],
)
def test_statuses(code: str, status: int) -> None:
    assert Ec2Error(code, "A sentence.").status == status


def test_an_error_says_what_it_is() -> None:
    error = Ec2Error("InvalidKeyPair.NotFound", "The key pair 'k' does not exist")
    assert (error.code, error.message) == ("InvalidKeyPair.NotFound", "The key pair 'k' does not exist")
    assert str(error) == "InvalidKeyPair.NotFound: The key pair 'k' does not exist"


def test_a_sentence_repeats_no_value_of_megabytes() -> None:
    ids = ", ".join(f"i-{number:017x}" for number in range(1000))
    assert Ec2Error("InvalidInstanceID.NotFound", ids).message == ids
    told = Ec2Error("InvalidParameterValue", f"Value ({'x' * 2_000_000}) is invalid: no such size.").message
    assert len(told) < 26_000
    assert told.startswith("Value (xxx")
    assert told.endswith("xxx) is invalid: no such size.")
