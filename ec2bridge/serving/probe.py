"""What `ec2bridge health` asks: the bridge that runs with these settings, wherever it listens.

A container's health check knows neither the flags nor the file that its process was started with; the process does.
"""

import os
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from ec2bridge.config import host_and_port

PATIENCE = 4.0
COMMANDS = ("serve", "demo", "simulator")


def answer(listen: str, *, tls: bool = False) -> str | None:
    """Ask the process that listens there; None when it is well, else what is wrong."""
    # Nobody verifies who they are to themselves: the certificate names the host that clients know.
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trusting))
    url = f"{'https' if tls else 'http'}://{reachable(listen)}/health"
    try:
        with opener.open(url, timeout=PATIENCE):
            return None
    except HTTPError as error:
        with error:
            return f"{url} answers {error.code}"
    except (OSError, URLError) as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}"


def reachable(listen: str) -> str:
    """Return HOST:PORT to connect to for an address to listen on, which may be all of them."""
    host, port = host_and_port(listen)
    try:
        if ip_address(host).is_unspecified:
            host = "::1" if ":" in host else "127.0.0.1"
    except ValueError:
        pass  # a name
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def command_of(pid: int) -> tuple[Sequence[str], dict[str, str]]:
    """Return the words that a process of ours was started with, from its command on, and its environment."""
    process = Path("/proc", str(pid))
    words = _parts(process / "cmdline")
    starts = [place for place, word in enumerate(words) if word in COMMANDS]
    if not starts:
        raise ValueError(f"process {pid} is none of ec2bridge {', '.join(COMMANDS)}")
    environment = dict(pair.split("=", 1) for pair in _parts(process / "environ") if "=" in pair)
    return words[starts[0] :], environment


def _parts(path: Path) -> list[str]:
    return [os.fsdecode(part) for part in path.read_bytes().split(b"\0") if part]
