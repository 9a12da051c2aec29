"""Where the compatibility suite's endpoint comes from, and what becomes of clients that are not installed.

    pytest tests/compat --endpoint URL --access-key KEY --secret-key SECRET --image ami-… --zone NAME

runs against any live bridge, in front of any cloud. Without `--endpoint` it starts `ec2bridge demo` as a process.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.compat import board, lab
from tests.compat.options import OPTIONS
from tests.compat.registry import CLIENTS
from tests.compat.rows import SCENARIOS

NEEDED = ("endpoint", "access-key", "secret-key", "image", "zone")


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
    found = {
        name: config.getoption(f"--{name}") or os.environ.get(entry[0]) for name, entry in OPTIONS.items()
    }
    missing = [f"--{name}" for name in NEEDED if not found[name]]
    if missing:
        raise pytest.UsageError(f"--endpoint needs {', '.join(missing)} beside it")
    named = {OPTIONS[name][0]: value for name, value in found.items() if value}
    return {"AWS_DEFAULT_REGION": "us-east-1", **_by_service(named["AWS_ENDPOINT_URL"]), **named}


def _by_service(endpoint: str) -> dict[str, str]:
    return {f"AWS_ENDPOINT_URL_{service}": endpoint for service in ("EC2", "STS", "SSM")}


def _demo(file: Path, server: "subprocess.Popen[bytes]") -> dict[str, str]:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().endswith("\n")):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the demo did not start")
        time.sleep(0.1)
    environment = dict(re.findall(r"^export (\w+)='(.*)'$", file.read_text(), re.MULTILINE))
    environment["AWS_ENDPOINT_URL"] = environment["AWS_ENDPOINT_URL_EC2"]
    environment["EC2BRIDGE_COMPAT_IMAGE"] = environment["EC2BRIDGE_DEMO_IMAGE"]
    environment["EC2BRIDGE_COMPAT_ZONE"] = environment["EC2BRIDGE_DEMO_ZONE"]
    environment["EC2BRIDGE_COMPAT_CLOUDSTACK"] = environment["EC2BRIDGE_DEMO_CLOUDSTACK_URL"]
    return environment


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each capability of each installed client a test; an absent client has none, and is named in the summary."""
    if "client" not in metafunc.fixturenames:
        return
    only = {name for name in metafunc.config.getoption("--only").split(",") if name}
    chosen = [client for client in CLIENTS if not only or client.name in only]
    present = [client for client in chosen if client.version()]
    metafunc.config.stash[PRESENT] = [client.name for client in present]
    metafunc.config.stash[ABSENT] = [client for client in chosen if client not in present]
    # One worker plays a client: its capabilities share the run.
    cases = [
        pytest.param(
            client, capability, id=f"{client.name}-{capability}", marks=pytest.mark.xdist_group(client.name)
        )
        for client in present
        for capability in client.shows
    ]
    metafunc.parametrize(("client", "capability"), cases)


ABSENT = pytest.StashKey[list[lab.Client]]()
PRESENT = pytest.StashKey[list[str]]()
OUTCOMES = pytest.StashKey[dict[str, lab.Outcome]]()


@pytest.fixture
def outcome(client: lab.Client, endpoint: Mapping[str, str], request: pytest.FixtureRequest) -> lab.Outcome:
    """The client's one run, shared by its capabilities."""
    outcomes = request.config.stash.setdefault(OUTCOMES, {})
    if client.name not in outcomes:
        clients = request.config.stash[PRESENT]
        _say(request.config, f"\n{clients.index(client.name) + 1}/{len(clients)} {client.name}: its story …")
        outcomes[client.name] = lab.play(client, endpoint)
        _say(request.config, f" {outcomes[client.name].seconds:.0f} s ")
    return outcomes[client.name]


def _say(config: pytest.Config, text: str) -> None:
    """Show whoever waits what is being done: a client may take minutes."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capturing = config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None and capturing is not None:
        with capturing.global_and_fixture_disabled():
            reporter.write(text, flush=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the absent clients, and write the scoreboard where the report's directory is given."""
    absent = config.stash.get(ABSENT, [])
    if absent:
        terminalreporter.section("absent clients")
        for client in absent:
            terminalreporter.write_line(f"{client.name}: {client.install}")
    directory = os.environ.get("EC2BRIDGE_COMPAT_REPORT")
    if directory:
        outcomes = {**config.stash.get(OUTCOMES, {}), **_scenarios(terminalreporter)}
        where = config.getoption("--endpoint") or "a bridge before the embedded CloudStack"
        board.write(Path(directory), outcomes, absent, where)


def _scenarios(terminalreporter: pytest.TerminalReporter) -> dict[str, lab.Outcome]:
    """The scenarios of tests/compat/euca as one outcome; none where they were not run."""
    results: dict[str, str | None] = {}
    seconds, output = 0.0, ""
    for report in (
        report
        for kind in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(kind, [])
        if "compat/euca/" in report.nodeid
    ):
        name = report.nodeid.partition("::test_")[2].replace("_", " ")
        seconds += report.duration
        results[name] = " ".join(report.longreprtext.split())[-500:] if report.failed else results.get(name)
        output += report.longreprtext
    version = f"boto3 {importlib.metadata.version('boto3')}"
    return {SCENARIOS.name: lab.Outcome(version, results, seconds, output)} if results else {}
