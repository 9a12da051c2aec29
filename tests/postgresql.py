"""A PostgreSQL of its own, from Debian's package, for as long as a test takes."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "ec2bridge"
BINARIES = Path("/usr/lib/postgresql")


def is_installed() -> bool:
    """Whether there is a server, and a user who may run it: PostgreSQL refuses to be root's."""
    return bool(_servers()) and (os.geteuid() != 0 or shutil.which("setpriv") is not None)


def _servers() -> list[Path]:
    return sorted(BINARIES.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database; `folder` is one that everybody may enter."""
    binaries, data, sockets = _servers()[-1].parent, folder / "data", folder / "sockets"
    as_user: tuple[str, ...] = ()
    for directory in (data, sockets):
        directory.mkdir(mode=0o700)
    if os.geteuid() == 0:
        folder.chmod(0o755)
        for directory in (data, sockets):
            shutil.chown(directory, "postgres", "postgres")
        as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    subprocess.run(
        [*as_user, binaries / "initdb", "-D", data, "-U", NAME, "-A", "trust", "-N"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    # Reached by a socket in a folder that is its own user's and root's: no port, no password.
    options = ("-k", sockets, "-h", "", "-c", "fsync=off", "-c", "synchronous_commit=off")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*as_user, binaries / "postgres", "-D", data, *options], stdout=log, stderr=log
        )
    try:
        _create(as_user, binaries, sockets)
        yield f"postgresql://{NAME}@/{NAME}?host={sockets}"
    finally:
        # Its fast way: whoever is still connected is not waited for.
        server.send_signal(signal.SIGINT)
        server.wait(20)


def _create(as_user: tuple[str, ...], binaries: Path, sockets: Path) -> None:
    for _ in range(200):
        command = [*as_user, binaries / "createdb", "-h", sockets, "-U", NAME, NAME]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not start")
