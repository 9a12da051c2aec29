"""CloudStack's refusals: HTTP status, `cserrorcode` and text.

The texts are the only thing that tells most refusals apart, so each one that several commands share has a
function here and is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

INTERNAL = "Internal error executing command, please contact your system administrator"
CREDENTIALS = "unable to verify user credentials and/or request signature"


class ApiError(Exception):
    """A refusal. `cserrorcode` None leaves the field out, as the real server does for 401."""

    def __init__(
        self,
        status: int,
        cserrorcode: int | None,
        text: str,
        *,
        envelope: str | None = None,
        uuids: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__(text)
        self.status = status
        self.cserrorcode = cserrorcode
        self.text = text
        self.envelope = envelope
        self.uuids = list(uuids)

    def body(self) -> dict[str, Any]:
        """The inside of the error's envelope."""
        code = {} if self.cserrorcode is None else {"cserrorcode": self.cserrorcode}
        return {"uuidList": self.uuids, "errorcode": self.status, **code, "errortext": self.text}


def unauthenticated(envelope: str | None = None) -> ApiError:
    """Bad key, bad signature, expired, or a command that does not exist: one answer for all."""
    return ApiError(401, None, CREDENTIALS, envelope=envelope)


def unavailable(command: str, whose: str) -> ApiError:
    text = f"The API [{command}] does not exist or is not available for the account {whose}."
    return ApiError(432, 9999, text, envelope="errorresponse")


def invalid(text: str) -> ApiError:
    """A value or a state that is wrong (431 / 4350): only the text tells which."""
    return ApiError(431, 4350, text)


def malformed(text: str) -> ApiError:
    """A parameter that could not be read (431 / 9999)."""
    return ApiError(431, 9999, text)


def no_permission(
    text: str = "Caller does not have permission to operate with provided resource.",
) -> ApiError:
    return ApiError(531, 4365, text)


def internal(admin: bool, reason: str, cserrorcode: int = 4250) -> ApiError:
    """An unexpected failure: an admin reads the reason, a user does not."""
    return ApiError(530, cserrorcode, reason if admin else INTERNAL)


def no_capacity(text: str) -> ApiError:
    return ApiError(533, 9999, text)
