"""Clients of EC2's and CloudStack's first ten years: on Python 2.7, or no longer in any registry."""

import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.compat.lab import (
    BUILD,
    EVERYDAY,
    SYSTEM_PYTHON,
    THIS_PYTHON,
    Client,
    first_line,
    script,
    story,
    venv,
)

NEEDS_PYTHON2 = (
    "make compat ARGS='--install --only {}' (with a Python 2.7: python2.7 in the PATH, or PYTHON2=…/python)"
)


@cache
def python2() -> str | None:
    """Return a Python 2.7 that runs: the one that PYTHON2 names, else one in the PATH, else one of pyenv's."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("2.7*/bin/python"))
    named = os.environ.get("PYTHON2")
    # pyenv's own python2.7 in the PATH may be there and refuse to run.
    places = [named] if named else ["python2.7", *map(str, reversed(kept))]
    return next((place for place in places if first_line(place, "--version", pattern=r"(2\.7\S*)")), None)


def pip2(name: str, *packages: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that make a virtual environment of Python 2.7 with packages; none without such a Python."""
    interpreter, tool = python2(), "virtualenv"
    if interpreter is None:
        return ()
    return (
        (sys.executable, "-m", "venv", str(BUILD / tool)),
        # The last release that makes environments for Python 2.7.
        (venv(tool), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "virtualenv==20.15.1"),
        (venv(tool), "-m", "virtualenv", "--quiet", "--python", interpreter, str(BUILD / name)),
        (venv(name), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages),
    )


def package2(name: str, package: str) -> Callable[[], str | None]:
    """Return a finder of a package's version in a client's environment of Python 2.7."""
    code = f"import pkg_resources as p; print(p.get_distribution({package!r}).version)"
    return lambda: first_line(venv(name), "-W", "ignore", "-c", code, pattern=r"(\S+)")


def euca2ools() -> str:
    """Return the directory of euca2ools' commands: the one that EUCA2OOLS names, else one in the PATH."""
    return os.environ.get("EUCA2OOLS") or os.path.dirname(shutil.which("euca-version") or "")


NATIVE = tuple(name for name in EVERYDAY if name != "filters")
"""What CloudStack's own clients show of the embedded CloudStack."""

OLDER: tuple[Client, ...] = (
    Client(
        "euca2ools",
        "shell",
        lambda: first_line(os.path.join(euca2ools(), "euca-version"), pattern=r"euca2ools (\S+)"),
        lambda: [SYSTEM_PYTHON, story("euca2ools_story.py"), euca2ools()],
        covers=(*EVERYDAY, "volume", "snapshot", "address", "image"),
        install="from its source (eucalyptus/euca2ools, Python 2.7); EUCA2OOLS=… names the directory of its commands",
        page="euca2ools.md",
        path=euca2ools(),
        timeout=600,
    ),
    Client(
        "nephoria",
        "Python 2.7",
        package2("nephoria", "nephoria"),
        script(venv("nephoria"), "nephoria_story.py"),
        covers=(*EVERYDAY, "volume", "snapshot", "address", "image"),
        install=NEEDS_PYTHON2.format("nephoria"),
        # It asks for any adminapi and runs with the ones of its time, which forget to ask for isodate.
        prepare=pip2("nephoria", "isodate==0.6.1", "adminapi==1.4.3.0.1", "nephoria==2.2"),
        page="nephoria.md",
        path=os.path.dirname(python2() or ""),
        group="tools",
    ),
    Client(
        "docker-machine",
        "shell",
        lambda: first_line("docker-machine", "--version"),
        script(THIS_PYTHON, "docker_machine_story.py"),
        covers=(
            *("launch", "key-pair", "security-group", "tags", "describe"),
            *("stop-start", "address", "terminate", "page"),
        ),
        install="download it from the releases of docker/machine, as docker-machine in the PATH",
        page="docker-machine.md",
        group="tools",
        timeout=600,
    ),
    Client(
        "cloudmonkey",
        "shell (CloudStack's API)",
        lambda: first_line("cmk", "-v"),
        lambda: [SYSTEM_PYTHON, story("cloudmonkey_story.py"), shutil.which("cmk") or "cmk"],
        covers=NATIVE,
        install="download it from the releases of apache/cloudstack-cloudmonkey, as cmk in the PATH",
        page="cloudstack.md",
        group="cloudstack",
        timeout=600,
    ),
    Client(
        "cloudmonkey-5",
        "shell (CloudStack's API)",
        package2("cloudmonkey-5", "cloudmonkey"),
        lambda: [
            SYSTEM_PYTHON,
            story("cloudmonkey_story.py"),
            str(Path(venv("cloudmonkey-5")).with_name("cloudmonkey")),
        ],
        covers=NATIVE,
        install=NEEDS_PYTHON2.format("cloudmonkey-5"),
        prepare=pip2("cloudmonkey-5", "cloudmonkey==5.3.3.1"),
        page="cloudstack.md",
        path=os.path.dirname(python2() or ""),
        group="cloudstack",
        timeout=600,
    ),
)
