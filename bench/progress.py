"""What is being measured, and how far that is, on standard error: the tables are for standard output."""

import sys
import time
from itertools import count

_BEGAN = time.monotonic()
_NUMBERS = count(1)
_steps = [27]
"""How often `make bench` says `doing`."""


def expect(steps: int) -> None:
    """Say how often `doing` will be said."""
    _steps[0] = steps


def doing(what: str) -> None:
    """Say what is done next."""
    number = next(_NUMBERS)
    print(f"{time.monotonic() - _BEGAN:4.0f} s  {number}/{_steps[0]}  {what} …", file=sys.stderr, flush=True)
