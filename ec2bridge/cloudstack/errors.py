"""CloudStack's errors, as it gives them.

CloudStack has about twenty error codes for everything, and most of what goes wrong is 431 with an English
sentence; EC2 has hundreds of codes that clients branch on. So an error is kept whole here (HTTP status,
errorcode, cserrorcode, text).

    CloudStackError             refused by CloudStack, at submission or in the job
    └── CloudStackUnavailable   no answer to go by: refused connection, time limit, an answer that is no JSON

`translate` turns one into EC2's by the table `mappings/errors.yaml`; `to_ec2` also settles what the table cannot: 401.
"""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.mapping import ErrorRow, ErrorTable

T = TypeVar("T")

_OBJECT = re.compile(r"\{[^{}]*\}")


class CloudStackError(Exception):
    """What CloudStack answered; `status` is 200 when a job failed, since the job's own answer was a good one.

    The exception never carries the request's signature or keys, so it may be logged.
    """

    def __init__(
        self,
        command: str,
        status: int,
        errorcode: int | None = None,
        cserrorcode: int | None = None,
        errortext: str = "",
    ) -> None:
        super().__init__(f"{command}: {errorcode or status} {errortext}")
        self.command = command
        self.status = status
        self.errorcode = errorcode
        self.cserrorcode = cserrorcode
        self.errortext = errortext

    @property
    def in_job(self) -> bool:
        """True when the command was accepted and failed later, in its job."""
        return self.status == 200

    @property
    def is_unknown_id(self) -> bool:
        """True when an id in the call names nothing that CloudStack ever had, or what it has no record of."""
        return self.cserrorcode == 9999 and "entity does not exist" in self.errortext

    @property
    def is_internal(self) -> bool:
        """True when something went wrong inside CloudStack, or it does not tell users what."""
        return self.errorcode == 530

    @property
    def passes(self) -> bool:
        """True when the caller had asked too much in too short a time: nothing was done, and nothing is wrong."""
        return self.errorcode == 429


class CloudStackUnavailable(CloudStackError):
    """CloudStack could not be reached, took too long, or answered with what is not its API's JSON."""

    def __init__(self, command: str, errortext: str, status: int = 503, *, retry: bool = True) -> None:
        super().__init__(command, status, errortext=errortext)
        # A time limit that has passed is not worth passing twice.
        self.retry = retry


class Caller(Protocol):
    """What `to_ec2` needs of an account."""

    @property
    def credentials(self) -> Any: ...

    async def is_key_valid(self) -> bool: ...


FORBIDDEN = 432
"""CloudStack's code for a command that it does not have, or not for the caller's role."""


async def unless_forbidden(asking: Awaitable[T]) -> T | None:
    """Return what a question is answered with; None where the caller's role does not have the command.

    For a fact beside what a client has asked for: it is left out then, and the rest is told.
    """
    try:
        return await asking
    except CloudStackError as error:
        if error.errorcode != FORBIDDEN:
            raise
        return None


async def to_ec2(
    error: CloudStackError,
    account: Caller,
    table: ErrorTable,
    on_bad_key: Callable[[str], None] | None = None,
) -> Ec2Error:
    """The EC2 error for CloudStack's; a key that is no longer good is reported to `on_bad_key`.

    CloudStack says 401 in the same words to a bad key and to a command that it does not have.
    """
    if error.errorcode == 401:
        if await account.is_key_valid():
            sentence = (
                f"This cloud does not have CloudStack's command {error.command}, which the operation needs."
            )
            return Ec2Error("UnsupportedOperation", sentence)
        if on_bad_key is not None:
            on_bad_key(account.credentials.access_key)
    found = translate(error, table)
    notes = getattr(error, "__notes__", ())
    return Ec2Error(found.code, " ".join((found.message, *notes))) if notes else found


def translate(error: CloudStackError, table: ErrorTable) -> Ec2Error:
    """The EC2 error for CloudStack's, by the first row of the table that is for it."""
    if isinstance(error, CloudStackUnavailable):
        return Ec2Error("Unavailable", f"{error.errortext}. Try again later.")
    for row in table.errors:
        match = row.match(error.command, error.errorcode, error.cserrorcode, error.errortext)
        if match is not None:
            return _by_row(row, match, error)
    return Ec2Error("InternalError", f"CloudStack refused {error.command}: {readable(error.errortext)}")


def _by_row(row: ErrorRow, match: re.Match[str], error: CloudStackError) -> Ec2Error:
    groups = {name: _shown(name, value or "") for name, value in match.groupdict().items()}
    kind = row.object_kind()
    if kind is not None:
        return kind.missing(_shown(kind.name, groups["id"]))
    message = row.message.format(**{"text": readable(error.errortext), **groups})
    return Ec2Error(row.code or "InternalError", message)


def _shown(name: str, value: str) -> str:
    kind = KINDS.get(name.replace("_", "-"))
    return ec2_id(kind.prefix, value) if kind and is_uuid(value) else value


def readable(text: str) -> str:
    """CloudStack's sentence, with the records that it prints of its objects replaced by their names."""
    return _OBJECT.sub(_name_of, text).strip() or "it gave no reason"


def _name_of(record: re.Match[str]) -> str:
    try:
        fields = json.loads(record[0])
    except ValueError:
        return record[0]
    named = (
        fields.get(key) for key in ("name", "accountName", "address", "ip4Address", "instanceName", "uuid")
    )
    return next((f"'{value}'" for value in named if value), record[0])
