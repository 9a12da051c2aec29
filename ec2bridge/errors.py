"""The one error that an EC2 client sees: a code, a sentence and an HTTP status.

AWS has hundreds of codes and few statuses, and clients read both: SDKs retry on 5xx, whatever the code says,
and Terraform and Ansible branch on the code. So the code travels as data, and its status comes from here.
The codes and their division into client and server errors are those of AWS's page "Error codes for the Amazon
EC2 API"; the statuses of the common ones are those of its "Common errors" page, except where EC2 is known
to answer otherwise (a wrong key is 401 there, a dry run that would have worked 412).
"""

from types import MappingProxyType

LONGEST, END = 25_000, 500
"""Characters of a sentence, which may name a thousand ids, and of its end where more are left out."""

CLIENT_ERROR = 400
SERVER_ERROR = 500

STATUS = MappingProxyType(
    {
        # who is asking
        "AuthFailure": 401,
        "OptInRequired": 401,
        "AccessDenied": 403,
        "Blocked": 403,
        "ExpiredToken": 403,
        "InvalidClientTokenId": 403,
        "MissingAuthenticationToken": 403,
        "SignatureDoesNotMatch": 403,
        "UnauthorizedOperation": 403,
        # what is asked
        "MalformedQueryString": 404,
        "DryRunOperation": 412,
        "RequestEntityTooLarge": 413,  # not AWS's: HTTP's own
        # what went wrong on this side
        "InsufficientAddressCapacity": 500,
        "InsufficientCapacity": 500,
        "InsufficientHostCapacity": 500,
        "InsufficientInstanceCapacity": 500,
        "InsufficientReservedInstanceCapacity": 500,
        "InsufficientVolumeCapacity": 500,
        "InternalError": 500,
        "InternalFailure": 500,
        "RequestLimitExceeded": 503,
        "ServiceUnavailable": 503,
        "Unavailable": 503,
    }
)


class Ec2Error(Exception):
    """An answer to the client: a code as on AWS and a sentence that names the parameter and its value."""

    def __init__(self, code: str, message: str) -> None:
        if len(message) > LONGEST:
            # A value that the sentence repeats may have two megabytes; the reason stands before or behind it.
            message = f"{message[: LONGEST - END]} … {message[-END:]}"
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status of the code; a code that the table leaves out is a client's mistake."""
        return STATUS.get(self.code, CLIENT_ERROR)
