"""CloudStack's errors, as it gives them.

CloudStack has about twenty error codes for everything, and most of what goes wrong is 431 with an English
sentence; EC2 has hundreds of codes that clients branch on. So an error is kept whole here (HTTP status,
errorcode, cserrorcode, text).

    CloudStackError             refused by CloudStack, at submission or in the job
    └── CloudStackUnavailable   no answer to go by: refused connection, time limit, an answer that is no JSON
"""


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


class CloudStackUnavailable(CloudStackError):
    """CloudStack could not be reached, took too long, or answered with what is not its API's JSON."""

    def __init__(self, command: str, errortext: str, status: int = 503, *, retry: bool = True) -> None:
        super().__init__(command, status, errortext=errortext)
        # A time limit that has passed is not worth passing twice.
        self.retry = retry
