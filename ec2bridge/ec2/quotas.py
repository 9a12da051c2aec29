"""How many objects an account may have of those that lie in the store alone.

CloudStack counts what it holds against its own limits. What it has no place for would grow without end, and is read as
a whole by every listing, so it is counted here and refused with AWS's code.
"""

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error

MOST = 1000
"""Objects of a kind. Requests at the same moment may pass it by a few."""


async def check(ctx: Context, kind: str, code: str, what: str, most: int = 0) -> None:
    """Refuse one more object of a kind to an account that has as many as it may; those that are gone do not count."""
    limit = most or MOST
    if sum(entry.expires is None for entry in await ctx.store.list(ctx.owner_id, kind)) >= limit:
        raise exceeded(code, limit, what)


def exceeded(code: str, most: int, what: str) -> Ec2Error:
    """Return the error for a limit that is reached."""
    return Ec2Error(code, f"The maximum number of {what} has been reached: {most}.")
