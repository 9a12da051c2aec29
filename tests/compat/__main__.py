"""`python -m tests.compat`: install the clients, run them against an endpoint, write the scoreboard.

    python -m tests.compat --install                        install what registries have, then run everything
    python -m tests.compat --only boto3,jclouds             these clients alone
    python -m tests.compat --endpoint URL --access-key … --secret-key … --image … --zone … [--cloudstack-url URL]

Without `--endpoint` it starts the embedded CloudStack and a bridge of its own. The report directory gets junit.xml,
board.md, board.html, board.json and each client's output. The exit code is 0 only when nothing failed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from tests.compat import board
from tests.compat.lab import ROOT, Client
from tests.compat.options import OPTIONS
from tests.compat.registry import CLIENTS


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the exit code."""
    asked = _parser().parse_args(words)
    only = {name for name in asked.only.split(",") if name}
    unknown = only - {client.name for client in CLIENTS}
    if unknown:
        click.echo(f"no such client: {', '.join(sorted(unknown))}")
        return 2
    chosen = [client for client in CLIENTS if not only or client.name in only]
    failed = []
    for number, client in enumerate(chosen if asked.install else (), 1):
        click.echo(f"installing {number}/{len(chosen)}: {client.name}")
        if not install(client):
            failed.append(client.name)
    code = run(asked)
    absent = [client for client in chosen if not client.version()]
    for client in absent:
        click.echo(f"left out, for it is not installed: {client.name}: {client.install}")
    for name in failed:
        click.echo(f"could not be installed: {name}")
    if asked.docs and not only:
        board.write_page(asked.report)
    return code or (1 if failed else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.compat", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--install", action="store_true", help="install what can be had from package registries"
    )
    parser.add_argument("--only", default="", help="these clients alone, separated by commas")
    parser.add_argument(
        "--report", type=Path, default=Path("compat-report"), help="where the report is written"
    )
    parser.add_argument(
        "--docs", action="store_true", help="write docs/compatibility.md from the scoreboard too"
    )
    for name, (variable, what) in OPTIONS.items():
        parser.add_argument(f"--{name}", default="", help=f"{what} ({variable})")
    return parser


def install(client: Client) -> bool:
    """Install a client as its entry says; whether that went well. Without the tools for it the client is absent."""
    started = time.monotonic()
    for command in client.prepare:
        click.echo(f"{client.name}: {' '.join(command)[:200]}")
        try:
            subprocess.run(command, cwd=ROOT, check=True)
        except FileNotFoundError:
            click.echo(f"{client.name}: there is no {command[0]} here to install it with")
            return True
        except (OSError, subprocess.CalledProcessError) as error:
            click.echo(f"{client.name}: {error}")
            return False
    if client.prepare:
        click.echo(f"{client.name}: installed in {time.monotonic() - started:.0f} s")
    return True


def run(asked: argparse.Namespace) -> int:
    """Run pytest over the compatibility suite and return its exit code."""
    asked.report.mkdir(parents=True, exist_ok=True)
    where = [f"--{name}={value}" for name in OPTIONS if (value := vars(asked)[name.replace("-", "_")])]
    tests = ["-q", "--tb=line", "-p", "no:cacheprovider", f"--junitxml={asked.report / 'junit.xml'}"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *tests,
        f"--only={asked.only}",
        *where,
        "tests/compat/test_clients.py",
        *([] if asked.only else ["tests/compat/euca"]),
    ]
    report = {"EC2BRIDGE_COMPAT_REPORT": str(asked.report.resolve())}
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, **report}, check=False).returncode
    # 5 is pytest's word for no test at all: every client asked for is absent, and the summary names them.
    return 0 if code == 5 else code


if __name__ == "__main__":
    sys.exit(main())
