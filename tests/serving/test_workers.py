"""Several processes on one socket: shared work, replacement without a refused connection, deaths."""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import REGION, Place
from tests.sockets import free_port

LONG = 60.0


class Served:
    """A bridge by several processes."""

    def __init__(self, process: subprocess.Popen[str], url: str, metrics: str) -> None:
        self.process, self.url, self.metrics = process, url, metrics

    def get(self, url: str) -> tuple[int, str]:
        parts = urlsplit(url)
        address = parts.hostname or "", parts.port
        with closing(http.client.HTTPConnection(*address, timeout=LONG)) as connection:
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def workers(self) -> dict[str, float]:
        """Worker → its CPU seconds, by which processes are told apart."""
        page = self.get(self.metrics)[1]
        families = {family.name: family for family in text_string_to_metric_families(page)}
        return {s.labels["worker"]: s.value for s in families["process_start_time_seconds"].samples}

    def children(self) -> list[int]:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return [int(pid) for pid in found.stdout.split() if _command(int(pid)).count("--worker")]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@contextmanager
def serving(place: Place, tmp_path: Path, *flags: str) -> Iterator[Served]:
    service = place.sim.accounts["keylookup"]
    metrics = f"127.0.0.1:{free_port()}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EC2BRIDGE_")},
        "EC2BRIDGE_CLOUDSTACK_URL": place.sim.url,
        "EC2BRIDGE_SERVICE_API_KEY": service.api_key,
        "EC2BRIDGE_SERVICE_SECRET_KEY": service.secret_key,
        "EC2BRIDGE_REGION": REGION,
        "EC2BRIDGE_LISTEN": "127.0.0.1:0",
        "EC2BRIDGE_STORE": str(tmp_path / "bridge.sqlite"),
        "EC2BRIDGE_METRICS_LISTEN": metrics,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "ec2bridge", "serve", "--workers", "2", *flags]
    log = (tmp_path / "log").open("w")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        found = re.search(r"at (http\S+), by 2 workers", line)
        assert found, (line, (tmp_path / "log").read_text())
        yield Served(child, found[1], f"http://{metrics}/metrics")
    finally:
        child.kill()
        child.communicate()
        log.close()


def until(what: Callable[[], bool]) -> None:
    """Wait for what has to come about; the bound is there for the case that it does not."""
    ends = time.monotonic() + LONG
    while not what():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_serve_one_socket_and_are_replaced_without_a_refused_connection(
    place: Place, tmp_path: Path
) -> None:
    with serving(place, tmp_path) as served:
        first = served.workers()
        assert sorted(first) == ["0", "1"]
        ec2 = place.client(endpoint_url=served.url)
        assert ec2.describe_regions()["Regions"]

        answers: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                answers.append(served.get(f"{served.url}/health")[0])  # a connection of its own each time

        asking = [threading.Thread(target=ask) for _ in range(4)]
        for thread in asking:
            thread.start()
        served.process.send_signal(signal.SIGHUP)
        until(lambda: not set(served.workers().items()) & set(first.items()))
        stop.set()
        for thread in asking:
            thread.join()
        # A failed connection would have ended its thread.
        assert len(answers) > 4
        assert set(answers) == {200}
        until(lambda: len(served.children()) == 2)

        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(LONG) == 0
        assert "has stopped" in (tmp_path / "log").read_text()


def test_a_worker_that_dies_is_started_again(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path) as served:
        before = served.workers()
        gone = served.children()[0]
        os.kill(gone, signal.SIGKILL)
        until(lambda: len(served.workers()) == 2 and served.workers() != before)
        assert f"process {gone}) has died" in (tmp_path / "log").read_text()
        assert place.client(endpoint_url=served.url).describe_regions()["Regions"]


def test_workers_end_with_the_process_that_started_them(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path) as served:
        children = served.children()
        assert len(children) == 2
        served.process.kill()
        until(lambda: not any(map(alive, children)))


def test_a_stop_while_workers_are_replaced_leaves_none_behind(place: Place, tmp_path: Path) -> None:
    with serving(place, tmp_path) as served:
        served.process.send_signal(signal.SIGHUP)
        until(lambda: len(served.children()) == 3)
        children = served.children()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(LONG) == 0
        assert not any(map(alive, children))
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_worker_that_cannot_start_ends_the_start(place: Place, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="did not start"),
        serving(place, tmp_path, "--store", str(tmp_path / "no" / "folder" / "store.sqlite")),
    ):
        pass
    log = (tmp_path / "log").read_text()
    assert "cannot be opened" in log
    assert "Traceback" not in log
