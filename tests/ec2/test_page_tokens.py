"""NextToken: good for its caller and its request, on any replica, and for nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ec2bridge.ec2 import page_tokens
from ec2bridge.errors import Ec2Error

REQUEST = {"Filters": [{"Name": "state", "Values": ["available"]}], "MaxResults": 5}


@given(st.text(max_size=60))
def test_a_token_comes_back_as_its_place(place: str) -> None:
    token = page_tokens.make("secret", REQUEST, place)
    assert page_tokens.read("secret", {**REQUEST, "NextToken": token, "MaxResults": 100}, token) == place


@pytest.mark.parametrize(
    ("secret", "request_"),
    [
        ("another's", REQUEST),
        ("secret", {**REQUEST, "Filters": []}),
        ("secret", {**REQUEST, "Owners": ["self"]}),
    ],
)
def test_a_token_of_another_caller_or_request_is_invalid(secret: str, request_: dict[str, object]) -> None:
    token = page_tokens.make("secret", REQUEST, "i-1")
    with pytest.raises(Ec2Error) as caught:
        page_tokens.read(secret, request_, token)
    assert caught.value.code == "InvalidNextToken"


@pytest.mark.parametrize("token", ["", "x", "é", "AAAA", base64.urlsafe_b64encode(b"\xff" * 40).decode()])
def test_a_made_up_token_is_invalid(token: str) -> None:
    with pytest.raises(Ec2Error) as caught:
        page_tokens.read("secret", REQUEST, token)
    assert caught.value.code == "InvalidNextToken"
