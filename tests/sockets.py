"""What the system knows of ports and connections: a transport that was not closed shows only there."""

import random
import socket
import time
from contextlib import suppress
from pathlib import Path

ESTABLISHED, CLOSE_WAIT = "01", "08"


def free_port() -> int:
    """A port that nobody listens on, and that the system gives to no connection meanwhile."""
    while True:
        port = random.randrange(15_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


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
