"""What a second process brings: DescribeRegions a second, by `wrk`, which takes hardly any of the machine itself.

`python -m bench.workers` runs this part alone; without wrk (Debian's package of that name) there is nothing to see.
"""

import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import limits
from bench.limits import Limit
from bench.progress import doing
from bench.servers import Server, environment_of, process, signed

CONNECTIONS, TURNS = 32, 3
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")


def script(body: bytes, headers: dict[str, str]) -> str:
    """Return what has wrk send one signed request again and again."""
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
    return "\n".join(['wrk.method = "POST"', f"wrk.body = {json.dumps(body.decode())}", *lines]) + "\n"


def rate(bridge: Server, keys: list[str], folder: Path, seconds: float) -> float:
    """Return how many requests a second are answered."""
    file = folder / "request.lua"
    file.write_text(script(*signed(bridge.url + "/", *keys, Action="DescribeRegions")))
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{max(1, round(seconds))}s",
        "-s",
        str(file),
        bridge.url + "/",
    ]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = _RATE.search(told)
    if found is None or _FAILED.search(told):
        raise SystemExit(f"wrk: {told}")
    return float(found[1])


def run(seconds: float = 3.0) -> tuple[str, list[Limit]]:
    """Measure one worker and two, in turns."""
    if shutil.which("wrk") is None:
        return "wrk is not installed, so this was not measured.", []
    doing("two workers beside one")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [sys.executable, "-m", "bench.cloud", str(folder / "keys.json"), "one=1"]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())
        rates: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(TURNS):
            for count, found in rates.items():
                settings = {**environment_of(cloud, keys, folder), "EC2BRIDGE_WORKERS": str(count)}
                del settings["EC2BRIDGE_METRICS_LISTEN"]
                serve = [sys.executable, "-m", "ec2bridge", "serve"]
                with process("bridge", serve, r"at (http[^\s,]+)", **settings) as bridge:
                    rate(bridge, keys["one"], folder, 1)
                    found.append(rate(bridge, keys["one"], folder, seconds))
        one, two = (statistics.median(found) for found in rates.values())
        return (
            f"DescribeRegions over {CONNECTIONS} connections: {one:.0f} a second by one worker, {two:.0f} by two:"
            f" {two / one:.2f} times",
            [Limit("two workers' requests a second, to one's (on two idle cores)", two / one, least=1.8)],
        )


if __name__ == "__main__":
    told_of, held_to = run()
    print(f"{told_of}\n\n{limits.table(held_to)}")
