"""What the caller's role in CloudStack may not call, where an answer does without it.

A role may lack a command that tells only a fact beside what was asked for: the fact is left out then.
"""

from collections.abc import Awaitable
from typing import TypeVar

from ec2bridge.cloudstack.errors import CloudStackError

FORBIDDEN = 432
"""CloudStack's code for a command that it does not have, or not for the caller's role."""

T = TypeVar("T")


async def unless_forbidden(asking: Awaitable[T]) -> T | None:
    """Return what a question is answered with; None where the caller's role does not have the command."""
    try:
        return await asking
    except CloudStackError as error:
        if error.errorcode != FORBIDDEN:
            raise
        return None
