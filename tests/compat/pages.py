"""The clients' pages, run as they are written: the blocks of shell of a page, in order, in one shell.

A block marked `sh` is run, one marked `sh NAME` for the client of that name alone. So `sh install` is not, since the
compatibility suite installs by other means. What needs more than the suite has, such as a machine with a system in
it, is marked `by` the client's story, which takes it from the page and lends the rest. A page that writes below `~/`
gets a home of its own.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

PAGES = Path(__file__).parent.parent.parent / "docs" / "clients"
BLOCK = re.compile(r"^```(.*)\n((?s:.*?))^```$", re.MULTILINE)
TIMEOUT = 1200

DEMO = {
    "EC2BRIDGE_DEMO_IMAGE": "EC2BRIDGE_COMPAT_IMAGE",
    "EC2BRIDGE_DEMO_ZONE": "EC2BRIDGE_COMPAT_ZONE",
    "EC2BRIDGE_DEMO_CLOUDSTACK_URL": "EC2BRIDGE_COMPAT_CLOUDSTACK",
}
"""The names in demo.env, which the pages use → the compatibility suite's, which a named endpoint has too."""

TRAPS = """trap 'echo "the page ended at: $BASH_COMMAND"' ERR
trap 'jobs -p | xargs -r kill 2>/dev/null || true; wait' EXIT
"""
"""Says which command failed, and ends what the page has started in the background."""


def commands(page: str, client: str) -> str:
    """Return what a client's reader of a page pastes into a shell; nothing where there is no page."""
    text = (PAGES / page).read_text(encoding="utf-8") if page else ""
    wanted = (["sh"], ["sh", client])
    return "\n".join(body for language, body in BLOCK.findall(text) if language.split() in wanted)


def run(script: str, environment: Mapping[str, str], path: str = "") -> tuple[str | None, str]:
    """Run commands in an empty directory; return None when they held, else the reason, and what they printed."""
    names = {demo: environment[name] for demo, name in DEMO.items() if name in environment}
    # No page sends all of AWS's services here.
    told = {name: value for name, value in environment.items() if name != "AWS_ENDPOINT_URL"}
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="page-"))
        # Not for all: where a page builds something, what was fetched for that is kept in the home.
        home = (
            {"HOME": stack.enter_context(tempfile.TemporaryDirectory(prefix="home-"))}
            if "~/" in script
            else {}
        )
        shell = subprocess.Popen(
            ["bash", "-e", "-u", "-E", "-o", "pipefail", "-c", TRAPS + script],
            env={**told, **names, **home, "PATH": os.pathsep.join(filter(None, (path, environment["PATH"])))},
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output = shell.communicate(timeout=TIMEOUT)[0]
        except subprocess.TimeoutExpired:
            # Whatever the page has started in the background goes too.
            os.killpg(shell.pid, 9)
            return f"the page was still running after {TIMEOUT} s", shell.communicate()[0]
    if shell.returncode == 0:
        return None, output
    return f"exit code {shell.returncode}: " + " | ".join(output.strip().splitlines()[-3:]), output
