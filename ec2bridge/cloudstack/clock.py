"""CloudStack's clock, read off the Date headers of its answers: its signatures expire by it.

A date is written between sending the call and receiving the answer. An answer that came late was perhaps dated early:
what the time on its way explains is no difference between the clocks.
"""

from email.utils import parsedate_to_datetime

TOLERANCE = 30.0
"""Seconds that make no difference: a signature is good for minutes."""


def offset(known: float, date: str | None, sent: float, received: float) -> float:
    """Return CloudStack's clock less this one in seconds; what was known stands unless the date rules it out."""
    try:
        written = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return known
    # The header counts whole seconds.
    least, most = written - received, written + 1 - sent
    if least - TOLERANCE <= known <= most + TOLERANCE:
        return known
    return min(max(known, least), most)
