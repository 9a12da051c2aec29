"""Servers as processes of their own, requests prepared for them, and what an answer costs in wall and CPU time."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ec2bridge.cloudstack.signing import signed_form

TICK = os.sysconf("SC_CLK_TCK")
REGION = "cloudstack"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


METRICS = f"127.0.0.1:{free_port()}"


class Stall(NamedTuple):
    """One turn of the loop: CPU and wall milliseconds, and what ran."""

    cpu: float
    wall: float
    what: str


IDLE = 10.0
"""Seconds after which a connection is not used again: CloudStack's server closes its own after thirty."""
TIMEOUT = 600.0
"""Seconds that an answer may take: that to a large launch comes late."""


@dataclass(slots=True)
class Server:
    """A server process and how to reach it."""

    name: str
    process: subprocess.Popen[str] | None
    """None of one that was there before."""
    url: str

    @property
    def pid(self) -> int:
        """The process' id."""
        assert self.process is not None, f"{self.name} is not ours"
        return self.process.pid

    def cpu(self) -> float:
        """CPU seconds that the process and its workers have used so far, in user and kernel mode."""
        return sum(_cpu(pid) for pid in (self.pid, *_children(self.pid)))

    def wake(self) -> None:
        """Have the process' loop turn once."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        with contextlib.closing(connection):
            connection.request("GET", "/health")
            connection.getresponse().read()

    def memory(self) -> float:
        """Resident MiB, without the workers'."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stalls(server: Server, file: Path) -> list[Stall]:
    """Return what held the loop of a watched bridge longest since the last time, the longest first."""
    file.unlink(missing_ok=True)
    os.kill(server.pid, signal.SIGUSR1)
    # The handler runs once the loop wakes.
    for _ in range(100):
        with contextlib.suppress(OSError, json.JSONDecodeError):
            return [Stall(*one) for one in json.loads(file.read_text())]
        server.wake()
        time.sleep(0.05)
    raise SystemExit(f"{server.name} does not tell what held its loop")


@dataclass(slots=True)
class Measure:
    """Milliseconds for one request: median wall time, mean CPU time of the server and of what is behind it."""

    wall: float
    cpu: float
    behind: float
    rate: float
    """Requests per second of waiting."""


class Target:
    """A keep-alive connection that sends prepared requests."""

    def __init__(self, server: Server, path: str = "/") -> None:
        parts = urlsplit(server.url)
        self.server = server
        self.path = parts.path or path
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        self.used = time.monotonic()

    def send(self, body: bytes, headers: dict[str, str]) -> bytes:
        return self._answer("POST", body, headers)

    def get(self) -> bytes:
        return self._answer("GET")

    def close(self) -> None:
        self.connection.close()

    def _answer(
        self, method: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        status, answer = self._exchanged(method, body, headers)
        if status != 200:
            raise SystemExit(f"{self.server.name} answered {status}: {answer[:500].decode()}")
        return answer

    def sent(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send a request that may be refused; returns status and answer."""
        return self._exchanged("POST", body, headers)

    def _exchanged(
        self, method: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        if self.connection.sock is not None and time.monotonic() - self.used > IDLE:
            # Servers close a connection that rests; what was sent on it then might have been done or not.
            self.connection.close()
        self.connection.request(method, self.path, body, headers or {})
        response = self.connection.getresponse()
        answer = response.read()
        self.used = time.monotonic()
        return response.status, answer


@dataclass(slots=True)
class Work:
    """A request to be measured: how it is sent, who answers it, and who stands behind that server."""

    send: Callable[[], Any]
    server: Server
    behind: Server | None = None
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def some(self, seconds: float, most: int) -> None:
        """Send one request after another for about that long."""
        servers = [self.server, self.behind or self.server]
        before, ends, number = [server.cpu() for server in servers], time.perf_counter() + seconds, 0
        while number < most and (time.perf_counter() < ends or number < 2):
            started = time.perf_counter()
            self.send()
            self.walls.append(time.perf_counter() - started)
            number += 1
        for place, server in enumerate(servers):
            self.cpu[place] += server.cpu() - before[place]

    def measured(self) -> Measure:
        """What came of it."""
        cpu, behind = (1000 * spent / len(self.walls) for spent in self.cpu)
        rate = len(self.walls) / sum(self.walls)
        return Measure(1000 * statistics.median(self.walls), cpu, behind if self.behind else 0.0, rate)


TURNS = 5


def measure(works: Sequence[Work], seconds: float, most: int = 1_000_000) -> list[Measure]:
    """Measure requests in turns, after warming up, so that what else the machine does falls on all of them alike."""
    for work in works:
        for _ in range(3):
            work.send()
    for _ in range(TURNS):
        for work in works:
            work.some(seconds / TURNS, most // TURNS)
    return [work.measured() for work in works]


def signed(
    url: str, key: str, secret: str, region: str = REGION, **form: str
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an EC2 request, signed by botocore."""
    body = urlencode({"Version": "2016-11-15", **form}).encode()
    request = AWSRequest(
        "POST", url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    )
    SigV4Auth(Credentials(key, secret), "ec2", region).add_auth(request)
    return body, dict(request.headers.items())


def native(key: str, secret: str, command: str, **params: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a native request, signed as CloudStack wants it."""
    form = signed_form({"command": command, "response": "json", "apiKey": key, **params}, secret)
    return form.encode(), {"Content-Type": "application/x-www-form-urlencoded"}


@contextlib.contextmanager
def process(name: str, command: list[str], ready: str, **environment: str) -> Iterator[Server]:
    """Run a server; its URL is what `ready` finds in its output."""
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,  # Ctrl-C is ours, and what we started ends when we have taken away what was made
    )
    assert child.stdout is not None
    reader = threading.Thread(target=child.stdout.read, daemon=True)
    try:
        for line in child.stdout:
            if found := re.search(ready, line):
                # A server that writes a line for each request stands still once nobody reads them.
                reader.start()
                yield Server(name, child, found[1])
                return
        raise SystemExit(f"{name} did not start")
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if reader.ident:
            reader.join()
        child.stdout.close()


def environment_of(cloud: Server, keys: Mapping[str, list[str]], folder: Path) -> dict[str, str]:
    """Return the settings of a bridge in front of a cloud, which keeps its store in a folder."""
    return {
        "EC2BRIDGE_CLOUDSTACK_URL": cloud.url,
        "EC2BRIDGE_SERVICE_API_KEY": keys["service"][0],
        "EC2BRIDGE_SERVICE_SECRET_KEY": keys["service"][1],
        "EC2BRIDGE_REGION": REGION,
        "EC2BRIDGE_LISTEN": "127.0.0.1:0",
        "EC2BRIDGE_STORE": str(folder / "bridge.sqlite"),
        "EC2BRIDGE_LOG_LEVEL": "WARNING",
        "EC2BRIDGE_METRICS_LISTEN": METRICS,
    }
