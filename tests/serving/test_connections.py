"""Connections that are too many: who makes room, and who is told."""

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from ec2bridge.serving import connections
from ec2bridge.serving.connections import AMPLE, MOST_HEADERS, OTHER_FILES
from tests.conftest import Place
from tests.faulty import eventually
from tests.serving.scraping import Samples, shown

MOST = 4
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
WAITING = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
"""A request that is under way until its body comes."""


Reader = Callable[[], Samples]


Scene = tuple[Place, Reader]


@pytest.fixture
def scene(make_place: Callable[..., Place], caplog: pytest.LogCaptureFixture) -> Scene:
    """A place that takes so many connections, and what reads its metrics."""
    return shown(make_place, caplog, max_connections=str(MOST))


@pytest.fixture
def connect(scene: Scene) -> Iterator[Callable[..., socket.socket]]:
    """A function that opens a connection from an address of the loopback, and returns when the bridge has it."""
    place, read = scene
    with ExitStack() as stack:

        def opened(sent: bytes = b"", host: str = "127.0.0.1") -> socket.socket:
            before, there = counts(read), urlsplit(place.url)
            made = stack.enter_context(socket.create_connection((there.hostname, there.port), 30, (host, 0)))
            made.sendall(sent)
            eventually(lambda: counts(read) == (before[0] + 1, before[1] + bool(sent)))
            return made

        yield opened


def counts(read: Reader) -> tuple[float, float]:
    """How many connections there are, and how many requests under way."""
    found = read()
    return found["ec2bridge_connections"][""], found["ec2bridge_requests_under_way"][""]


def is_served(connection: socket.socket) -> bool:
    """Whether a connection that has asked nothing yet is answered."""
    try:
        connection.sendall(HEALTH)
        return connection.recv(1000).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


def test_the_oldest_idle_one_of_the_largest_crowd_makes_room(
    scene: Scene, connect: Callable[..., socket.socket]
) -> None:
    place, read = scene
    quiet = connect(host="127.0.0.3")
    busy = connect(WAITING, host="127.0.0.2")
    crowd = [connect(host="127.0.0.2") for _ in range(2)]
    with urlopen(f"{place.url}/health") as answer:
        assert answer.status == 200
    assert [is_served(one) for one in (quiet, *crowd)] == [True, False, True]
    busy.sendall(b"Action=No")
    assert busy.recv(1000).startswith(b"HTTP/1.1 4")
    assert read()["ec2bridge_connections_turned_away_total"] == {"closed": 1, "refused": 0}


def test_a_connection_is_refused_when_all_have_a_request_under_way(
    scene: Scene, connect: Callable[..., socket.socket]
) -> None:
    place, read = scene
    held = [connect(WAITING) for _ in range(MOST)]
    there = urlsplit(place.url)
    with socket.create_connection((there.hostname, there.port), 30) as another:
        told = another.recv(10_000)
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"<Code>Unavailable</Code>" in told
    assert read()["ec2bridge_connections_turned_away_total"] == {"closed": 0, "refused": 1}
    held[0].sendall(b"Action=No")
    assert held[0].recv(1000).startswith(b"HTTP/1.1 4")
    # It is idle now, and goes.
    with urlopen(f"{place.url}/health") as answer:
        assert answer.status == 200


def test_who_owns_an_ipv6_network_is_one() -> None:
    assert connections._place(("2001:db8::1", 1, 0, 0)) == connections._place(("2001:db8::2:1", 1, 0, 0))
    assert connections._place(("2001:db8::1", 1, 0, 0)) != connections._place(("2001:db8:0:1::1", 1, 0, 0))
    assert connections._place(("fe80::1%lo", 1, 0, 1)) == connections._place(("fe80::2%lo", 1, 0, 1))


@pytest.mark.parametrize(("more", "status"), [(0, b"200"), (1, b"400")])
def test_a_head_has_so_many_headers_at_most(
    connect: Callable[..., socket.socket], more: int, status: bytes
) -> None:
    headers = b"".join(b"X-%d: x\r\n" % number for number in range(MOST_HEADERS - 1 + more))
    connection = connect()
    connection.sendall(HEALTH[:-2] + headers + b"\r\n")
    assert connection.recv(1000).split()[1] == status


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "most"),
    [
        (1024, 524288, AMPLE, 2000),
        (1024, 4096, 4096, 2000),
        (AMPLE, AMPLE, None, 2000),
        (1024, 1024, None, 1024 - OTHER_FILES),
        (300, 300, None, 150),
        (1024, resource.RLIM_INFINITY, AMPLE, 2000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, 2000),
    ],
)
def test_the_limit_of_open_files_is_raised_or_there_are_fewer_connections(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None, most: int
) -> None:
    was = {"soft": soft}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: was.update(soft=pair[0]))
    assert connections.limit(2000) == most
    assert was["soft"] == (raised or soft)
