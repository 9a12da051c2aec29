"""A PostgreSQL of one's own, of Debian's package: started, stopped and started again as an operator does."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sockets import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

needed = pytest.mark.skipif(
    not BINARIES or os.geteuid() != 0,
    reason="needs Debian's postgresql, and root to become the database's user",
)


class Server:
    """One cluster in a folder."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port = free_port()
        folder.chmod(0o755)
        self.data.mkdir()
        shutil.chown(self.data, "postgres", "postgres")
        self._run("initdb", "-U", "postgres", "-A", "trust")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.data} -c fsync=off"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.data / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """`fast` tells each connection, `immediate` is as if it were killed."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def signal(self, name: str) -> None:
        """Send a signal to it and to all that serve its connections: STOP leaves them silent."""
        pid = (self.data / "postmaster.pid").read_text().split()[0]
        children = subprocess.run(
            ["pgrep", "-P", pid], capture_output=True, text=True, check=False
        ).stdout.split()
        subprocess.run(["kill", f"-{name}", pid, *children], check=True)

    def _run(self, program: str, *words: str) -> None:
        as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        command = [*as_user, BINARIES[-1] / program, "-D", self.data, *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def server() -> Iterator[Server]:
    """A PostgreSQL that runs, and that is gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        running = Server(folder)
        try:
            yield running
        finally:
            if (running.data / "postmaster.pid").exists():
                running.stop("immediate")
    finally:
        shutil.rmtree(folder)
