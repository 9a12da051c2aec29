"""What the system knows of connections: a transport that was not closed shows only there."""

import time
from pathlib import Path

ESTABLISHED, CLOSE_WAIT = "01", "08"


def open_connections(port: int) -> set[int]:
    """The ports of the other sides of all connections that a local port has open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    found = [(row[1], row[2]) for row in rows if row[3] in (ESTABLISHED, CLOSE_WAIT)]
    return {_port(there) for here, there in found if _port(here) == port}


def _port(end: str) -> int:
    return int(end.rpartition(":")[2], 16)


def until_closed(port: int, other: int | None = None) -> None:
    """Wait until a local port has no connection open, or none to that other port."""
    deadline = time.monotonic() + 60
    while (found := open_connections(port)) and (other is None or other in found):
        assert time.monotonic() < deadline, f"port {port} is still connected to {found}"
        time.sleep(0.01)
