"""Where the laboratory's endpoint comes from, and what becomes of clients that are not installed.

    pytest tests/compat --endpoint URL --access-key KEY --secret-key SECRET --image ami-… --zone NAME

runs against any live bridge, in front of any cloud. Without `--endpoint` it starts `ec2bridge demo` as a process.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.compat import lab
from tests.compat.registry import CLIENTS

OPTIONS = {
    "endpoint": ("AWS_ENDPOINT_URL", "the bridge's URL"),
    "access-key": ("AWS_ACCESS_KEY_ID", "a CloudStack API key"),
    "secret-key": ("AWS_SECRET_ACCESS_KEY", "its secret key"),
    "region": ("AWS_DEFAULT_REGION", "the bridge's region"),
    "image": ("EC2BRIDGE_COMPAT_IMAGE", "an image id to launch"),
    "zone": ("EC2BRIDGE_COMPAT_ZONE", "the availability zone to launch in"),
    "instance-type": ("EC2BRIDGE_COMPAT_TYPE", "the instance type to launch"),
}
NEEDED = ("endpoint", "access-key", "secret-key", "image", "zone")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("compat", "the endpoint that clients are driven against")
    for name, (variable, what) in OPTIONS.items():
        group.addoption(f"--{name}", default=os.environ.get(variable), help=f"{what} ({variable})")
    group.addoption("--only", default="", help="run these clients alone, separated by commas")


@pytest.fixture(scope="session")
def endpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """The environment that points a client at the endpoint."""
    if request.config.getoption("--endpoint"):
        yield _named(request.config)
        return
    file = tmp_path_factory.mktemp("demo") / "demo.env"
    command = [
        sys.executable,
        "-m",
        "ec2bridge",
        "demo",
        "--no-tour",
        "--listen",
        "127.0.0.1:0",
        "--env-file",
        str(file),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=lab.ROOT)
    try:
        yield _demo(file, server)
    finally:
        server.terminate()
        server.wait(30)


def _named(config: pytest.Config) -> dict[str, str]:
    missing = [f"--{name}" for name in NEEDED if not config.getoption(f"--{name}")]
    if missing:
        raise pytest.UsageError(f"--endpoint needs {', '.join(missing)} beside it")
    named = {variable: config.getoption(f"--{name}") for name, (variable, _) in OPTIONS.items()}
    return {"AWS_DEFAULT_REGION": "cloudstack", **{name: value for name, value in named.items() if value}}


def _demo(file: Path, server: "subprocess.Popen[bytes]") -> dict[str, str]:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().endswith("\n")):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the demo did not start")
        time.sleep(0.1)
    environment = dict(re.findall(r"^export (\w+)='(.*)'$", file.read_text(), re.MULTILINE))
    environment["EC2BRIDGE_COMPAT_IMAGE"] = environment["EC2BRIDGE_DEMO_IMAGE"]
    environment["EC2BRIDGE_COMPAT_ZONE"] = environment["EC2BRIDGE_DEMO_ZONE"]
    return environment


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each capability of each installed client a test; an absent client has none, and is named in the summary."""
    if "client" not in metafunc.fixturenames:
        return
    only = {name for name in metafunc.config.getoption("--only").split(",") if name}
    chosen = [client for client in CLIENTS if not only or client.name in only]
    present = [client for client in chosen if client.version()]
    metafunc.config.stash[ABSENT] = [client for client in chosen if client not in present]
    pairs = [(client, capability) for client in present for capability in client.covers]
    metafunc.parametrize(
        ("client", "capability"), pairs, ids=[f"{client.name}-{capability}" for client, capability in pairs]
    )


ABSENT = pytest.StashKey[list[lab.Client]]()
OUTCOMES = pytest.StashKey[dict[str, lab.Outcome]]()


@pytest.fixture
def outcome(client: lab.Client, endpoint: Mapping[str, str], request: pytest.FixtureRequest) -> lab.Outcome:
    """The client's one run, shared by its capabilities."""
    outcomes = request.config.stash.setdefault(OUTCOMES, {})
    if client.name not in outcomes:
        outcomes[client.name] = lab.play(client, endpoint)
    return outcomes[client.name]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    absent = config.stash.get(ABSENT, [])
    if absent:
        terminalreporter.section("absent clients")
        for client in absent:
            terminalreporter.write_line(f"{client.name}: {client.install}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the scoreboard where `--board` asks for one."""
    directory = os.environ.get("EC2BRIDGE_COMPAT_REPORT")
    if directory and not hasattr(session.config, "workerinput"):
        from tests.compat import board

        config = session.config
        board.write(Path(directory), config.stash.get(OUTCOMES, {}), config.stash.get(ABSENT, []))
