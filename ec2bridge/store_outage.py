"""What is known of a store that does not answer: told once in the log, and asked by one request at a time."""

import logging
import time
from dataclasses import dataclass

log = logging.getLogger("ec2bridge")

SLOW = 0.5
"""Seconds from which on a failure was a wait for an answer that did not come."""
PAUSE = 2.0
"""Seconds for which nobody waits again after such a failure."""


@dataclass(slots=True)
class Outage:
    """Whether the store is away; `name` is how the log calls it.

    A database that refuses says so at once, and is asked by everybody. One that is silent costs each who asks several
    seconds, so while it is away one at a time asks, now and then; all others need not wait to hear the same.
    """

    name: str
    alone: bool
    """Whether one at a time asks while it is away; a locked file may still be read, so there everybody does."""
    since: float | None = None
    """When it was found to be away, on the monotonic clock; None while it answers."""
    unwritable: bool = False
    """Whether nothing could be written when that was last tried, on a full disk say: reading alone does not end it."""
    readable: bool = True
    reason: str = ""
    _silent_until: float = 0.0
    _asking: bool = False

    def may_ask(self) -> bool:
        """Whether it is worth asking now; the answer goes to `answered` or `failed`."""
        if self.since is None or self.readable or not self.alone:
            return True
        if self._asking or time.monotonic() < self._silent_until:
            return False
        self._asking = True
        return True

    def answered(self, *, reads: bool) -> None:
        """Note that it answers what reads, or what writes."""
        self._asking = False
        self.readable = True
        self.unwritable = self.unwritable and reads
        if self.since is not None and not self.unwritable:
            log.info("the store answers again after %.0f s", time.monotonic() - self.since)
            self.since = None

    def failed(self, reason: str, seconds: float, *, reads: bool) -> None:
        """Note that it did not answer what reads, or what writes, after so many seconds."""
        self._asking = False
        self.readable = False
        self.unwritable = self.unwritable or not reads
        self.reason = reason
        now = time.monotonic()
        if seconds > SLOW:
            self._silent_until = now + PAUSE
        if self.since is None:
            self.since = now
            log.warning("the store %s does not answer: %s", self.name, reason)

    def broken_off(self) -> None:
        """Note that whoever asked has gone, or that the question was wrong."""
        self._asking = False
