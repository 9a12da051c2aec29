"""The reader: types blocks into a shell, keeps its directory and variables from one to the next, and compares.

Three things in the pages stand for the reader's own, and are replaced: `ADDRESS`, where the project is got from (here a
repository of exactly the files at hand), the URL and keys of the reader's cloud (here the embedded CloudStack as a
process of its own), and the port of the endpoint, since 8788 may be taken where this runs.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.walk.blocks import ROOT, Block, matches

TIMEOUT = 300
"""Seconds for a block: installing what is needed takes the longest."""
SERVES = re.compile(r"(?:[Ss]erving|serves)\b.* at (https?://\S+)")
TYPE = """set -euo pipefail
set -a
. "$1"
cd "$(cat "$2")"
trap 'declare -p -x > "$1.new" && mv "$1.new" "$1"; pwd > "$2"' EXIT
. "$3"
"""


class Wrong(Exception):
    """A block did not do what its page says; the text tells which, and what it printed."""


class Reader:
    """One reader with a clone or a wheel, in a directory and a home of their own."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.typed = self.compared = 0
        self._began = time.monotonic()
        self._left = ExitStack()
        self._terminal: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Get ready what the pages presuppose: the project's address or wheel, and a cloud."""
        self.place = Path(self._left.enter_context(tempfile.TemporaryDirectory(prefix="walk-")))
        self.port = free_port()
        cloud = f"127.0.0.1:{free_port()}"
        for name in ("home", "work"):
            (self.place / name).mkdir()
        self._source()
        if self.way == "wheel":
            self._wheel()
        keys = self._cloud(cloud)
        self.replaced = {
            "ADDRESS": str(self.place / "source"),
            "https://cloud.example/client/api": f"http://{cloud}/client/api",
            "YOUR_API_KEY": keys["alice"][0],
            "YOUR_SECRET_KEY": keys["alice"][1],
            "LOOKUP_API_KEY": keys["keylookup"][0],
            "LOOKUP_SECRET_KEY": keys["keylookup"][1],
            "127.0.0.1:8788": f"127.0.0.1:{self.port}",
        }
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "EC2BRIDGE_", "MAKE", "MFLAGS", "PYTEST", "VIRTUAL_ENV"))
        }
        inside = str(Path(sys.executable).parent)
        path = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if part != inside)
        kept |= {"HOME": str(self.place / "home"), "PATH": path, "EC2BRIDGE_LISTEN": f"127.0.0.1:{self.port}"}
        kept |= {"COLUMNS": "110", "AWS_PAGER": ""}
        self.variables, self.where = self.place / "variables", self.place / "where"
        self.variables.write_text("".join(f"export {name}={quoted(value)}\n" for name, value in kept.items()))
        self.where.write_text(str(self.place / "work"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs and take everything away."""
        with self._left:  # the cloud goes last: it waits for those who still talk to it
            self.stop()

    def seconds(self) -> float:
        """Return how long the reader has been at it."""
        return time.monotonic() - self._began

    def type(self, block: Block) -> None:
        """Type a block; raise Wrong where it does not do what its page says."""
        if "stop" in block.marks:
            self.stop()
            return
        for step in block.steps():
            text = self._mine(step.text)
            if "serve" in block.marks:
                self._serve(block, text)
                continue
            code, printed = self._run(text)
            self.typed += 1
            fails = "error occurred" in (step.shows or "")
            if (code != 0) != fails:
                raise Wrong(f"{block.page}:{block.line}: exit code {code} of\n{text}\n{printed}")
            if step.shows is None:
                continue
            self.compared += 1
            if not matches(self._mine(step.shows), printed):
                raise Wrong(
                    f"{block.page}:{block.line}: {text}\nshould print\n{step.shows}\nand printed\n{printed}"
                )

    def _mine(self, text: str) -> str:
        for theirs, mine in self.replaced.items():
            text = text.replace(theirs, mine)
        return text

    def _run(self, text: str) -> tuple[int, str]:
        (self.place / "block").write_text(text)
        words = ["bash", "-c", TYPE, "bash", self.variables, self.where, self.place / "block"]
        ran = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
            start_new_session=True,
        )
        try:
            printed = ran.communicate(timeout=TIMEOUT)[0]
        except subprocess.TimeoutExpired:
            os.killpg(ran.pid, signal.SIGKILL)
            return -1, ran.communicate()[0].decode(errors="replace") + f"\nstill running after {TIMEOUT} s"
        return ran.returncode, printed.decode(errors="replace")

    def _serve(self, block: Block, text: str) -> None:
        """Start what stays in a terminal of its own, and wait until it says that it serves."""
        self.stop()
        (self.place / "served").write_text(text)
        log = self.place / "terminal"
        words = ["bash", "-c", TYPE.replace("trap", ": trap", 1), "bash", self.variables, self.where]
        with log.open("wb") as output:
            self._terminal = subprocess.Popen(
                [*words, self.place / "served"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"]},
                start_new_session=True,
            )
        self.typed += 1
        deadline = time.monotonic() + TIMEOUT
        while not SERVES.search(log.read_text(errors="replace")):
            if self._terminal.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Wrong(
                    f"{block.page}:{block.line}: {text}\ndid not serve:\n{log.read_text(errors='replace')}"
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """Press Ctrl-C in the terminal where something serves, if there is one."""
        terminal, self._terminal = self._terminal, None
        if terminal is None or terminal.poll() is not None:
            return
        os.killpg(terminal.pid, signal.SIGINT)
        try:
            terminal.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(terminal.pid, signal.SIGKILL)
            raise Wrong("what served did not end within 30 s of Ctrl-C") from None

    def _source(self) -> None:
        """Make a repository of the files at hand, changed ones and new ones too: what a clone would bring."""
        source = self.place / "source"
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        for name in filter(None, names.split("\0")):
            if (ROOT / name).exists():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, source / name)
        who = ("-c", "user.name=walk", "-c", "user.email=walk@localhost")
        for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "The files at hand"]):
            subprocess.run(["git", *words], cwd=source, check=True)

    def _wheel(self) -> None:
        words = [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(self.place / "work"),
        ]
        built = subprocess.run([*words, str(self.place / "source")], capture_output=True, text=True)
        if built.returncode:
            raise Wrong(f"the wheel cannot be built:\n{built.stdout}{built.stderr}")

    def _cloud(self, listen: str) -> dict[str, tuple[str, str]]:
        """Start the reader's cloud; return the keys of its accounts."""
        log = self.place / "cloud"
        words = [sys.executable, "-m", "ec2bridge", "simulator", "--listen", listen]
        with log.open("wb") as output:
            cloud = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        self._left.callback(cloud.wait)
        self._left.callback(cloud.terminate)
        while "keylookup is the account" not in log.read_text(errors="replace"):
            if cloud.poll() is not None or self.seconds() > TIMEOUT:
                raise Wrong(f"the cloud does not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.1)
        found = re.findall(r"^(\w+)\n  API key     (\S+)\n  secret key  (\S+)", log.read_text(), re.MULTILINE)
        return {name: (key, secret) for name, key, secret in found}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return int(there.getsockname()[1])


def quoted(value: str) -> str:
    """Return a value as bash reads it back."""
    return "'" + value.replace("'", "'\\''") + "'"
