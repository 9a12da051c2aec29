"""The compatibility suite: which clients there are, whether they are installed, and how one is run.

A client is a program of its own that plays a user's story through the real package, told where the endpoint is by the
environment that every AWS client reads. It prints a line for each capability, `ok NAME` or `not ok NAME - reason`, and
cleans up after itself. A client that is not installed is absent: neither passed nor failed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.compat import pages

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
ROOT = HERE.parent.parent
BUILD = ROOT / ".compat"
"""What the clients install and build: one directory each, never committed."""

LINE = re.compile(r"(not ok|ok) ([a-z0-9-]+)(?: - (.*))?$")

EVERYDAY = (
    "regions",
    "images",
    "key-pair",
    "security-group",
    "launch",
    "describe",
    "filters",
    "tags",
    "stop-start",
    "terminate",
    "errors",
)
"""What nearly every client can do; most stories have just these capabilities."""


@dataclass(frozen=True)
class Client:
    """One client: how its version is found (None: absent), how it is run, and what its story shows."""

    name: str
    language: str
    version: Callable[[], str | None]
    command: Callable[[], list[str]]
    covers: tuple[str, ...] = EVERYDAY
    install: str = ""
    """What a user types to have it; shown beside an absent client."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """The commands that install or build it into `.compat/`; Debian's packages are only checked."""
    timeout: float = 1800
    environment: Mapping[str, str] = field(default_factory=dict)
    page: str = ""
    """Its page in docs/clients, whose commands are run as they are written."""
    path: str = ""
    """The directory that comes first in the PATH of the page's commands, where the client is not on it."""
    group: str = "clients"
    """Its part of the scoreboard: clients, tools or cloudstack."""

    @property
    def shows(self) -> tuple[str, ...]:
        """What the scoreboard shows of it: its story, and whether its page holds."""
        return (*self.covers, "page") if pages.commands(self.page, self.name) else self.covers


@dataclass
class Outcome:
    """What a run of a client came to: capability → None when it held, else the reason."""

    version: str
    results: dict[str, str | None]
    seconds: float
    output: str


def play(client: Client, endpoint: Mapping[str, str]) -> Outcome:
    """Run a client's story against an endpoint, and then its page."""
    version = client.version() or "absent"
    environment = {**clean_environment(), **endpoint, **client.environment}
    started = time.monotonic()
    try:
        done = subprocess.run(
            client.command(),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=client.timeout,
            cwd=ROOT,
            check=False,
        )
        output, ending = done.stdout, f"the program ended with exit code {done.returncode}"
    except subprocess.TimeoutExpired as late:
        output = (
            late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else str(late.stdout or "")
        )
        ending = f"the program was still running after {client.timeout:g} s"
    said = {
        found[2]: (None if found[1] == "ok" else found[3] or "no reason given") for found in _lines(output)
    }
    tail = " | ".join(output.strip().splitlines()[-3:])
    results = {name: said.get(name, f"never reached: {ending}: {tail}") for name in client.covers}
    if script := pages.commands(client.page, client.name):
        results["page"], told = pages.run(script, environment, client.path)
        output += told
    return Outcome(version, results, time.monotonic() - started, output)


def _lines(output: str) -> list[re.Match[str]]:
    return [found for line in output.splitlines() if (found := LINE.match(line))]


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that an AWS client would take for its own."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EC2_", "BOTO"))
    }
    return {**kept, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_PAGER": ""}


def first_line(*command: str, pattern: str = r"(\d+(?:\.\d+)+)") -> str | None:
    """Return the version that a program prints of itself; None when it is not there or does not run."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=clean_environment(),
    )
    found = re.search(pattern, done.stdout)
    return found[1] if found and done.returncode == 0 else None


def python_package(interpreter: str, package: str) -> Callable[[], str | None]:
    """Return a finder of a package's version in a Python interpreter."""

    def find() -> str | None:
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        return first_line(interpreter, "-c", code, pattern=r"(\S+)")

    return find


def venv(name: str) -> str:
    """Return the interpreter of a client's own virtual environment, as `make compat` installs it."""
    return str(BUILD / name / "bin" / "python")


def jar(client: str, pattern: str, *, compiled: bool = True) -> Callable[[], str | None]:
    """Return a finder of the version in a jar's name among a client's libraries; None where it is not compiled yet."""

    def find() -> str | None:
        names = [path.stem for path in (BUILD / client / "lib").glob(pattern)]
        ready = not compiled or (BUILD / client / "classes" / "Main.class").exists()
        return names[0].rpartition("-")[2] if names and ready else None

    return find


def node_package(client: str, package: str) -> Callable[[], str | None]:
    """Return a finder of a package's version where npm has installed it."""

    def find() -> str | None:
        file = BUILD / client / "node_modules" / package / "package.json"
        return str(json.loads(file.read_text())["version"]) if file.exists() else None

    return find


def pip(name: str, *packages: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that make a virtual environment with packages."""
    return (
        (sys.executable, "-m", "venv", str(BUILD / name)),
        (venv(name), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages),
    )


def go(name: str, package: str) -> tuple[tuple[str, ...], ...]:
    """Return the command that builds one of the Go programs."""
    return (("go", "build", "-C", story("go"), "-o", str(BUILD / name / "story"), package),)


def maven(name: str, sources: str) -> tuple[str, ...]:
    """Return the command that fetches the libraries that a pom.xml names."""
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    file, where = str(CLIENTS / sources / "pom.xml"), f"-DoutputDirectory={BUILD / name / 'lib'}"
    return ("mvn", "-q", "-B", "-f", file, copy, where)


def java(name: str, sources: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that fetch a Java program's libraries and compile it."""
    where, home = BUILD / name, CLIENTS / "java"
    files = [str(home / "Story.java"), *map(str, sorted((home / sources).glob("*.java")))]
    return (
        maven(name, f"java/{sources}"),
        ("javac", "-encoding", "UTF-8", "-d", str(where / "classes"), "-cp", f"{where / 'lib'}/*", *files),
    )


def java_main(name: str) -> list[str]:
    """Return the command that runs a compiled Java program."""
    return ["java", "-cp", f"{BUILD / name / 'classes'}:{BUILD / name / 'lib'}/*", "Main"]


def npm(name: str, sources: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that install exactly what a package-lock.json names."""
    where = str(BUILD / name)
    files = [str(CLIENTS / sources / file) for file in ("package.json", "package-lock.json")]
    return (("mkdir", "-p", where), ("cp", *files, where), ("npm", "ci", "--silent", "--prefix", where))


def cargo(name: str, sources: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that build a Rust program; the copy keeps its Cargo.lock out of the sources."""
    where = str(BUILD / name)
    return (
        ("mkdir", "-p", where),
        ("cp", "-r", f"{CLIENTS / sources}/.", where),
        (
            "cargo",
            "build",
            "--quiet",
            "--manifest-path",
            f"{where}/Cargo.toml",
            "--target-dir",
            f"{where}/target",
        ),
    )


def story(name: str) -> str:
    """Return the path of a client's program."""
    return str(CLIENTS / name)


def script(interpreter: str, name: str) -> Callable[[], list[str]]:
    """Return the command that runs a client's program with an interpreter."""
    return lambda: [interpreter, story(name)]


SYSTEM_PYTHON = "/usr/bin/python3"
THIS_PYTHON = sys.executable
