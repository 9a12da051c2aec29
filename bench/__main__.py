"""`make bench`: what the speed claims rest on, as ratios within one run.

Three servers run as processes of their own: the embedded CloudStack, a bridge in front of it, and moto's server. The
same signed requests go to the bridge and to moto; the same native listing goes to CloudStack directly. Wall time is
seen from the client, CPU time is the server process's own. Machines are noisy and differ: read the ratios.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ec2bridge.cloudstack.signing import signed_form

TICK = os.sysconf("SC_CLK_TCK")
REGION = "cloudstack"
LAUNCHES = 50  # a basic zone has some 200 addresses


@dataclass(slots=True)
class Server:
    """A server process and how to reach it."""

    name: str
    process: subprocess.Popen[str]
    url: str

    def cpu(self) -> float:
        """CPU seconds that the process has used so far, in user and kernel mode."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self) -> float:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0


@dataclass(slots=True)
class Measure:
    """Milliseconds for one request: median wall time, mean CPU time of the server; and requests per second."""

    wall: float
    cpu: float
    rate: float


class Target:
    """A keep-alive connection that sends prepared requests."""

    def __init__(self, server: Server, path: str = "/") -> None:
        parts = urlsplit(server.url)
        self.server = server
        self.path = parts.path or path
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)

    def send(self, body: bytes, headers: dict[str, str]) -> bytes:
        self.connection.request("POST", self.path, body, headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{self.server.name} answered {response.status}: {answer[:500].decode()}")
        return answer


def measure(send: Callable[[], bytes], server: Server, seconds: float, most: int = 1_000_000) -> Measure:
    """Send one request after another for about that long, after warming up."""
    for _ in range(3):
        send()
    walls: list[float] = []
    cpu, started = server.cpu(), time.perf_counter()
    while len(walls) < most and (time.perf_counter() - started < seconds or len(walls) < 5):
        before = time.perf_counter()
        send()
        walls.append(time.perf_counter() - before)
    spent = time.perf_counter() - started
    return Measure(
        1000 * statistics.median(walls), 1000 * (server.cpu() - cpu) / len(walls), len(walls) / spent
    )


def signed(
    url: str, key: str, secret: str, region: str = REGION, **form: str
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an EC2 request, signed by botocore."""
    body = urlencode({"Version": "2016-11-15", **form}).encode()
    request = AWSRequest(
        "POST", url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    )
    SigV4Auth(Credentials(key, secret), "ec2", region).add_auth(request)
    return body, dict(request.headers.items())


def native(key: str, secret: str, command: str, **params: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a native request, signed as CloudStack wants it."""
    form = signed_form({"command": command, "response": "json", "apiKey": key, **params}, secret)
    return form.encode(), {"Content-Type": "application/x-www-form-urlencoded"}


@contextlib.contextmanager
def process(name: str, command: list[str], ready: str, **environment: str) -> Iterator[Server]:
    """Run a server; its URL is what `ready` finds in its output."""
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if found := re.search(ready, line):
                yield Server(name, child, found[1])
                return
        raise SystemExit(f"{name} did not start")
    finally:
        child.terminate()
        child.wait(30)


@dataclass(slots=True)
class Row:
    """One line of the table."""

    what: str
    bridge: Measure
    beside: str
    other: Measure | None
    aim: str


def start_up(environment: dict[str, str]) -> float:
    """Seconds from starting the process to the first answer of /health."""
    started = time.perf_counter()
    with process(
        "bridge", [sys.executable, "-m", "ec2bridge", "serve"], r"at (http\S+)", **environment
    ) as server:
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.request("GET", "/health")
        connection.getresponse().read()
        return time.perf_counter() - started


def table(rows: list[Row]) -> str:
    """Return the measurements as Markdown."""
    lines = [
        "| request | bridge wall ms | bridge CPU ms | req/s | beside | its wall ms | wall ratio | aim |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for row in rows:
        other = f"{row.other.wall:.2f}" if row.other else ""
        ratio = f"{row.bridge.wall / row.other.wall:.2f}" if row.other else ""
        lines.append(
            f"| {row.what} | {row.bridge.wall:.2f} | {row.bridge.cpu:.2f} | {row.bridge.rate:.0f} "
            f"| {row.beside} | {other} | {ratio} | {row.aim} |"
        )
    return "\n".join(lines)


def run(seconds: float) -> None:
    """Measure everything once and print the table."""
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud = stack.enter_context(
            process(
                "CloudStack", [sys.executable, "-m", "bench.cloud", str(work / "keys.json")], r"at (http\S+)"
            )
        )
        keys = json.loads((work / "keys.json").read_text())
        environment = {
            "EC2BRIDGE_CLOUDSTACK_URL": cloud.url,
            "EC2BRIDGE_SERVICE_API_KEY": keys["service"][0],
            "EC2BRIDGE_SERVICE_SECRET_KEY": keys["service"][1],
            "EC2BRIDGE_REGION": REGION,
            "EC2BRIDGE_LISTEN": "127.0.0.1:0",
            "EC2BRIDGE_STORE": str(work / "bridge.sqlite"),
            "EC2BRIDGE_LOG_LEVEL": "WARNING",
        }
        first = start_up(environment)
        bridge = stack.enter_context(
            process("bridge", [sys.executable, "-m", "ec2bridge", "serve"], r"at (http\S+)", **environment)
        )
        at_rest = bridge.memory()
        moto = stack.enter_context(
            process(
                "moto",
                [sys.executable, "-c", MOTO],
                r"Running on (http://127\S+)",
                MOTO_EC2_LOAD_DEFAULT_AMIS="0",
            )
        )
        rows = measurements(bridge, cloud, moto, keys, seconds)
        print(table(rows))
        print(f"\nStart-up to the first answer: {first:.2f} s (aim: under 1 s)")
        print(
            f"At rest: {at_rest:.0f} MiB resident, {bridge.memory():.0f} MiB after the run (aim: under 120 MiB at rest)"
        )


MOTO = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', '5055'])"


def measurements(
    bridge: Server, cloud: Server, moto: Server, keys: dict[str, list[str]], seconds: float
) -> list[Row]:
    """Measure each request beside what it is to be compared with."""
    rows = []
    to_bridge, to_cloud, to_moto = Target(bridge), Target(cloud), Target(moto)

    def through(account: str, **form: str) -> Measure:
        body, headers = signed(bridge.url + "/", *keys[account], **form)
        return measure(lambda: to_bridge.send(body, headers), bridge, seconds)

    def straight(account: str, *commands: str) -> Measure:
        calls = [native(*keys[account], command) for command in commands]
        return measure(
            lambda: b"".join(to_cloud.send(body, headers) for body, headers in calls), cloud, seconds
        )

    def mocked(**form: str) -> Measure:
        body, headers = signed(moto.url + "/", *keys["one"], "us-east-1", **form)
        return measure(lambda: to_moto.send(body, headers), moto, seconds)

    regions = {"Action": "DescribeRegions"}
    rows.append(Row("DescribeRegions", through("one", **regions), "moto", mocked(**regions), "CPU < 0.5 ms"))
    for account, machines in (("one", 1), ("hundred", 100), ("thousand", 1000)):
        aim = {1: "CPU < 1 ms over native", 100: "", 1000: "ratio ≤ 1.3"}[machines]
        body, headers = signed(bridge.url + "/", *keys[account], Action="DescribeInstances")
        seen = to_bridge.send(body, headers).count(b"<instanceId>")
        if seen < machines:
            raise SystemExit(f"DescribeInstances of {account} shows {seen} machines instead of {machines}")
        bridged = through(account, Action="DescribeInstances")
        both = ("listVirtualMachines", "listVolumes")
        rows.append(Row(f"DescribeInstances, {machines}", bridged, both[0], straight(account, both[0]), aim))
        rows.append(
            Row(f"DescribeInstances, {machines}", bridged, " + ".join(both), straight(account, *both), "")
        )
    described = {"Action": "DescribeInstances"}
    rows.append(
        Row(
            "DescribeInstances, 1",
            through("one", **described),
            "moto, none",
            mocked(**described),
            "10 × moto's req/s",
        )
    )
    rows.append(launches(bridge, cloud, keys))
    return rows


def launches(bridge: Server, cloud: Server, keys: dict[str, list[str]]) -> Row:
    """Measure RunInstances beside deployVirtualMachine."""
    to_bridge, to_cloud = Target(bridge), Target(cloud)
    image, zone, offering, template, native_zone = keys["launch"]
    form = {"ImageId": image, "InstanceType": "t2.micro", "MinCount": "1", "MaxCount": "1"}
    body, headers = signed(
        bridge.url + "/",
        *keys["launcher"],
        Action="RunInstances",
        **form,
        **{"Placement.AvailabilityZone": zone},
    )
    bridged = measure(lambda: to_bridge.send(body, headers), bridge, 2, LAUNCHES)
    deploy, plain = native(
        *keys["launcher"],
        "deployVirtualMachine",
        serviceofferingid=offering,
        templateid=template,
        zoneid=native_zone,
    )
    straight = measure(lambda: to_cloud.send(deploy, plain), cloud, 2, LAUNCHES)
    return Row("RunInstances", bridged, "deployVirtualMachine", straight, "")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure each request")
    run(parser.parse_args().seconds)


if __name__ == "__main__":
    main()
