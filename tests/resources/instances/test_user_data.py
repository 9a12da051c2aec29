"""User data: what is no Base64 is refused, and line breaks alone may stand in it."""

import base64

import pytest

from ec2bridge.errors import Ec2Error
from ec2bridge.resources.instances.user_data import checked

SCRIPT = base64.b64encode(b"#!/bin/sh" + b" " * 200).decode()


def test_lines_may_be_wrapped() -> None:
    wrapped = "\n".join(SCRIPT[place : place + 76] for place in range(0, len(SCRIPT), 76))
    assert checked(wrapped) == checked(wrapped.replace("\n", "\r\n")) == SCRIPT


@pytest.mark.parametrize("sent", [None, "", "\n"])
def test_none_is_none(sent: str | None) -> None:
    assert checked(sent) is None


@pytest.mark.parametrize("sent", ["not base64 encoded", "IyEv YmluL3No", "abc", "Zm9v=YmFy", "#!/bin/sh"])
def test_what_is_no_base64_is_refused(sent: str) -> None:
    with pytest.raises(Ec2Error) as error:
        checked(sent)
    assert error.value.code == "InvalidUserData.Malformed"
