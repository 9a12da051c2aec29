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
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import crowds, ended, large, limits, real, turns, workers
from bench.limits import Limit
from bench.progress import doing
from bench.servers import (
    Measure,
    Server,
    Target,
    Work,
    environment_of,
    free_port,
    measure,
    native,
    process,
    signed,
)

LAUNCHES = 50  # a basic zone has some 200 addresses
ACCOUNTS = ("one=1", "hundred=100", "thousand=1000", "launcher=0")


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
    doing("starting a CloudStack with its machines")
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud = stack.enter_context(
            process(
                "CloudStack",
                [sys.executable, "-m", "bench.cloud", str(work / "keys.json"), *ACCOUNTS],
                r"at (http\S+)",
            )
        )
        keys = json.loads((work / "keys.json").read_text())
        environment = environment_of(cloud, keys, work)
        doing("starting a bridge twice, and moto")
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


MOTO = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{free_port()}'])"


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

    doing("DescribeRegions, beside moto")
    bridged, other = measure([through("one", "DescribeRegions"), mocked("DescribeRegions")], seconds)
    rows = [Row("DescribeRegions", bridged, "moto", other, "CPU < 0.5 ms")]
    aims = {1: "CPU < 1 ms over native", 100: "", 1000: "ratio ≤ 1.3"}
    for account, machines in (("one", 1), ("hundred", 100), ("thousand", 1000)):
        doing(f"DescribeInstances, {machines}")
        listing = through(account, "DescribeInstances")
        if (seen := listing.send().count(b"<instanceId>")) < machines:
            raise SystemExit(f"DescribeInstances of {account} shows {seen} machines instead of {machines}")
        one, both = ("listVirtualMachines",), ("listVirtualMachines", "listVolumes")
        bridged, *others = measure([listing, straight(account, *one), straight(account, *both)], seconds)
        what = f"DescribeInstances, {machines}"
        rows.append(Row(what, bridged, one[0], others[0], aims[machines]))
        rows.append(Row(what, bridged, " + ".join(both), others[1], ""))
    changing, plain = through("thousand", "DescribeInstances"), straight("thousand", "listVirtualMachines")
    doing("DescribeInstances while machines change, and beside moto")
    change = changer(cloud, keys["thousand"])
    bridged, other = measure([after(change, changing), after(change, plain)], seconds)
    rows.append(Row("DescribeInstances, 1000, one changed", bridged, "the same", other, ""))
    bridged, other = measure([through("one", "DescribeInstances"), mocked("DescribeInstances")], seconds)
    rows.append(Row("DescribeInstances, 1", bridged, "moto, none", other, "10 × moto's req/s"))
    doing("RunInstances")
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


def local(options: argparse.Namespace) -> int:
    """Measure on this machine alone; the limits come last, all in one table."""
    run(options.seconds)
    held: list[Limit] = []
    for title, part in PARTS:
        told, limits_of_it = part(options.seconds)
        print(f"\n{title}\n\n{told}", flush=True)
        held += limits_of_it
    print(f"\nWhat is held to a limit:\n\n{limits.table(held)}")
    return 0


PARTS: tuple[tuple[str, Callable[[float], tuple[str, list[Limit]]]], ...] = (
    (f"Many clients of one account of {crowds.MACHINES} machines:", crowds.run),
    ("Machines that were terminated:", ended.run),
    (
        f"An account of {large.MACHINES} machines and twice as many volumes, each line a bridge of its own:",
        large.run,
    ),
    (f"Long requests in an account of {turns.MACHINES} machines:", turns.run),
    ("Two workers beside one:", workers.run),
)


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure each request")
    mine = parser.add_argument_group("in front of a management server of your own")
    mine.add_argument("--cloudstack-url", help="its API, such as https://cloud.example/client/api")
    mine.add_argument("--keys", type=Path, help="a file of profiles with keys, such as ~/.cloudstack.ini")
    mine.add_argument("--profile", help="the user's section in that file, where there are several")
    mine.add_argument(
        "--look-up", help="the look-up account's section; without it the bridge reads the file itself"
    )
    mine.add_argument("--zone", help="name or uuid, where there are several; likewise:")
    for what in ("template", "offering", "network"):
        mine.add_argument(f"--{what}", help="name or uuid")
    mine.add_argument("--machines", type=int, default=50, help="how many to launch at once (50)")
    mine.add_argument("--rounds", type=int, default=5, help="how many to launch in turn, by either API (5)")
    mine.add_argument("--polls", type=int, default=50, help="how often to list (50)")
    options = parser.parse_args()
    if options.cloudstack_url is None:
        return local(options)
    if options.keys is None:
        parser.error("--cloudstack-url needs --keys")
    return real.run(options)


if __name__ == "__main__":
    sys.exit(main())
