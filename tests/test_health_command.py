"""`ec2bridge health`, as a container's health check asks: right whatever the bridge was told to listen on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import Place
from tests.serving.test_certificates import Authority
from tests.sockets import free_port


def health(*words: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ec2bridge", "health", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def running(*words: str, said: str, **environment: str) -> Iterator[int]:
    """A process of ours, as soon as it has said that it serves; its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ec2bridge", *words],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert any(said in line for line in process.stdout)
        yield process.pid
    finally:
        process.terminate()
        process.communicate()


def serving(place: Place) -> dict[str, str]:
    keys = place.sim.accounts["keylookup"]
    return {
        "EC2BRIDGE_CLOUDSTACK_URL": place.sim.url,
        "EC2BRIDGE_SERVICE_API_KEY": keys.api_key,
        "EC2BRIDGE_SERVICE_SECRET_KEY": keys.secret_key,
        "EC2BRIDGE_STORE": "memory",
    }


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    return free_port()


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "127.0.0.2", "[::1]"])
def test_a_process_is_asked_where_its_flags_have_it_listen(place: Place, host: str, port: int) -> None:
    listen = f"{host}:{port}"
    with running("serve", "--listen", listen, said="serves region", **serving(place)) as pid:
        assert health("--pid", str(pid)) == (0, "ok\n")


def test_a_process_is_asked_where_its_file_and_certificate_have_it_listen(
    place: Place, tmp_path: Path, port: int
) -> None:
    chain, key = Authority(tmp_path).issue()
    file = tmp_path / "ec2bridge.toml"
    file.write_text(f'listen = "localhost:{port}"\ntls_certificate = "{chain}"\ntls_key = "{key}"\n')
    with running("serve", "--config", str(file), said="serves region", **serving(place)) as pid:
        assert health("--pid", str(pid)) == (0, "ok\n")


def test_the_demo_is_asked_too(port: int) -> None:
    with running("demo", "--no-tour", "--listen", f"127.0.0.1:{port}", said="Serving at") as pid:
        assert health("--pid", str(pid)) == (0, "ok\n")


def test_who_does_not_answer_is_not_well(place: Place) -> None:
    named = {**serving(place), "EC2BRIDGE_LISTEN": "127.0.0.1:9"}
    assert health(**named) == (
        1,
        "Error: http://127.0.0.1:9/health does not answer: [Errno 111] Connection refused\n",
    )
    code, said = health("--pid", str(os.getpid()))
    assert (code, said) == (1, f"Error: process {os.getpid()} is none of ec2bridge serve, demo, simulator\n")


def test_a_bridge_is_asked_by_the_settings_that_it_has(make_place: Callable[..., Place]) -> None:
    place = make_place()
    named = {**serving(place), "EC2BRIDGE_LISTEN": f"127.0.0.1:{urlsplit(place.url).port}"}
    assert health(**named) == (0, "ok\n")


def test_all_that_a_process_writes_is_json_where_json_is_asked_for(place: Place, port: int) -> None:
    words = [sys.executable, "-m", "ec2bridge", "serve", "--log-format", "json"]
    with subprocess.Popen(
        [*words, "--listen", f"127.0.0.1:{port}"],
        env={**os.environ, **serving(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if "zones: " in lines[-1]["message"]:
                process.terminate()
    assert process.returncode == 0
    assert [line["message"] for line in lines[-2:]] == [
        "ec2bridge is stopping in 0 seconds, with 0 tasks under way",
        "ec2bridge has stopped",
    ]
    assert {line["level"] for line in lines} == {"INFO"}
