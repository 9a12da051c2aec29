"""`make bench`: what the speed claims rest on, as ratios within one run.

Three servers run as processes of their own: the embedded CloudStack, a bridge in front of it, and moto's server. The
same signed requests go to the bridge and to moto; the same native listing goes to CloudStack directly, in turns with
the bridge's. Wall time is seen from the client, CPU time is the servers' own: the bridge's, and CloudStack's behind it.
Machines are noisy and differ: read the ratios, and of those first that of CPU, which other work on the machine hardly
changes.
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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
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
    """Milliseconds for one request: median wall time, mean CPU time of the server and of what is behind it."""

    wall: float
    cpu: float
    behind: float
    rate: float
    """Requests per second of waiting."""


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


@dataclass(slots=True)
class Work:
    """A request to be measured: how it is sent, who answers it, and who stands behind that server."""

    send: Callable[[], Any]
    server: Server
    behind: Server | None = None
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def some(self, seconds: float, most: int) -> None:
        """Send one request after another for about that long."""
        servers = [self.server, self.behind or self.server]
        before, ends, number = [server.cpu() for server in servers], time.perf_counter() + seconds, 0
        while number < most and (time.perf_counter() < ends or number < 2):
            started = time.perf_counter()
            self.send()
            self.walls.append(time.perf_counter() - started)
            number += 1
        for place, server in enumerate(servers):
            self.cpu[place] += server.cpu() - before[place]

    def measured(self) -> Measure:
        """What came of it."""
        cpu, behind = (1000 * spent / len(self.walls) for spent in self.cpu)
        rate = len(self.walls) / sum(self.walls)
        return Measure(1000 * statistics.median(self.walls), cpu, behind if self.behind else 0.0, rate)


TURNS = 5


def measure(works: Sequence[Work], seconds: float, most: int = 1_000_000) -> list[Measure]:
    """Measure requests in turns, after warming up, so that what else the machine does falls on all of them alike."""
    for work in works:
        for _ in range(3):
            work.send()
    for _ in range(TURNS):
        for work in works:
            work.some(seconds / TURNS, most // TURNS)
    return [work.measured() for work in works]


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
                # A server that writes a line for each request stands still once nobody reads them.
                threading.Thread(target=child.stdout.read, daemon=True).start()
                yield Server(name, child, found[1])
                return
        raise SystemExit(f"{name} did not start")
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@dataclass(slots=True)
class Row:
    """One line of the table."""

    what: str
    bridge: Measure
    beside: str
    other: Measure
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
        "| request | wall ms | CPU ms | and behind it | req/s | beside | wall ms | CPU ms | req/s "
        "| wall ratio | CPU ratio | aim |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        bridge, other = row.bridge, row.other
        work = (bridge.cpu + bridge.behind) / other.cpu if other.cpu else 0.0
        lines.append(
            f"| {row.what} | {bridge.wall:.2f} | {bridge.cpu:.2f} | {bridge.behind:.2f} | {bridge.rate:.0f} "
            f"| {row.beside} | {other.wall:.2f} | {other.cpu:.2f} | {other.rate:.0f} "
            f"| {bridge.wall / other.wall:.2f} | {work:.2f} | {row.aim} |"
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
            "EC2BRIDGE_METRICS_LISTEN": METRICS,
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
        print("\nMany clients that poll one account of 200 machines at once (DescribeInstances):\n")
        print(crowds(bridge, keys, seconds))
        print(f"\nStart-up to the first answer: {first:.2f} s (aim: under 1 s)")
        print(
            f"At rest: {at_rest:.0f} MiB resident, {bridge.memory():.0f} MiB after the run (aim: under 120 MiB at rest)"
        )


METRICS = "127.0.0.1:5056"
CROWDS = (1, 8, 64, 512)


def crowds(bridge: Server, keys: dict[str, list[str]], seconds: float) -> str:
    """Have ever more clients poll one account, and return what each waited for and what CloudStack was asked."""
    body, headers = signed(bridge.url + "/", *keys["polled"], Action="DescribeInstances")
    asked = {
        "url": f"{bridge.url}/",
        "metrics": f"http://{METRICS}/metrics",
        "body": body.decode(),
        "headers": headers,
        "seconds": seconds,
    }
    lines = [
        "| clients | answers/s | median ms | p99 ms | longest ms | native calls an answer | CPU ms an answer |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for clients in CROWDS:
        before = bridge.cpu()
        done = subprocess.run(
            [sys.executable, "-m", "bench.crowd"],
            input=json.dumps({**asked, "clients": clients}),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        cpu = 1000 * (bridge.cpu() - before) / (found["rate"] * found["seconds"])
        lines.append(
            f"| {clients} | {found['rate']:.0f} | {found['median']:.0f} | {found['p99']:.0f} | {found['longest']:.0f} "
            f"| {found['native']:.3f} | {cpu:.2f} |"
        )
    return "\n".join(lines)


MOTO = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', '5055'])"


def measurements(
    bridge: Server, cloud: Server, moto: Server, keys: dict[str, list[str]], seconds: float
) -> list[Row]:
    """Measure each request beside what it is to be compared with."""
    to_bridge, to_cloud, to_moto = Target(bridge), Target(cloud), Target(moto)

    def through(account: str, action: str) -> Work:
        body, headers = signed(bridge.url + "/", *keys[account], Action=action)
        return Work(lambda: to_bridge.send(body, headers), bridge, cloud)

    def straight(account: str, *commands: str) -> Work:
        calls = [native(*keys[account], command) for command in commands]
        return Work(lambda: [to_cloud.send(body, headers) for body, headers in calls], cloud)

    def mocked(action: str) -> Work:
        body, headers = signed(moto.url + "/", *keys["one"], "us-east-1", Action=action)
        return Work(lambda: to_moto.send(body, headers), moto)

    bridged, other = measure([through("one", "DescribeRegions"), mocked("DescribeRegions")], seconds)
    rows = [Row("DescribeRegions", bridged, "moto", other, "CPU < 0.5 ms")]
    aims = {1: "CPU < 1 ms over native", 100: "", 1000: "ratio ≤ 1.3"}
    for account, machines in (("one", 1), ("hundred", 100), ("thousand", 1000)):
        listing = through(account, "DescribeInstances")
        if (seen := listing.send().count(b"<instanceId>")) < machines:
            raise SystemExit(f"DescribeInstances of {account} shows {seen} machines instead of {machines}")
        one, both = ("listVirtualMachines",), ("listVirtualMachines", "listVolumes")
        bridged, *others = measure([listing, straight(account, *one), straight(account, *both)], seconds)
        what = f"DescribeInstances, {machines}"
        rows.append(Row(what, bridged, one[0], others[0], aims[machines]))
        rows.append(Row(what, bridged, " + ".join(both), others[1], ""))
    changing, plain = through("thousand", "DescribeInstances"), straight("thousand", "listVirtualMachines")
    change = changer(cloud, keys["thousand"])
    bridged, other = measure([after(change, changing), after(change, plain)], seconds)
    rows.append(Row("DescribeInstances, 1000, one changed", bridged, "the same", other, ""))
    bridged, other = measure([through("one", "DescribeInstances"), mocked("DescribeInstances")], seconds)
    rows.append(Row("DescribeInstances, 1", bridged, "moto, none", other, "10 × moto's req/s"))
    rows.append(launches(bridge, cloud, keys))
    return rows


def changer(cloud: Server, keys: list[str]) -> Callable[[], None]:
    """Return what gives one machine another name, beside the bridge."""
    target = Target(cloud)
    listed = json.loads(target.send(*native(*keys, "listVirtualMachines")))["listvirtualmachinesresponse"]
    machine, number = listed["virtualmachine"][0]["id"], iter(range(1_000_000))

    def change() -> None:
        name = f"name-{next(number)}"
        target.send(*native(*keys, "updateVirtualMachine", id=machine, displayname=name))

    return change


def after(before: Callable[[], None], work: Work) -> Work:
    """Have something happen before each request; what it costs CloudStack counts as CloudStack's."""
    send = work.send

    def both() -> Any:
        before()
        return send()

    return Work(both, work.server, work.behind)


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
    deploy, plain = native(
        *keys["launcher"],
        "deployVirtualMachine",
        serviceofferingid=offering,
        templateid=template,
        zoneid=native_zone,
    )
    works = [
        Work(lambda: to_bridge.send(body, headers), bridge, cloud),
        Work(lambda: to_cloud.send(deploy, plain), cloud),
    ]
    bridged, straight = measure(works, 4, LAUNCHES)
    return Row("RunInstances", bridged, "deployVirtualMachine", straight, "")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure each request")
    run(parser.parse_args().seconds)


if __name__ == "__main__":
    main()
