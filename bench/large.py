"""A large account: what a whole listing of ten thousand machines costs, and what its pages do.

`python -m bench.large` runs this part alone.
"""

import contextlib
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.progress import doing
from bench.servers import Server, Target, environment_of, process, signed

MACHINES, VOLUMES = 10_000, 10_000
"""Machines, each with its root, and volumes beside the roots."""
_TOKEN = re.compile(rb"<nextToken>([^<]+)</nextToken>")
_ID = re.compile(rb"<instancesSet><item><instanceId>(i-[0-9a-f]+)|<item><volumeId>(vol-[0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Cost:
    """What some requests cost: seconds of the bridge's CPU and of waiting, for the first answer too; MiB over rest."""

    what: str
    told: int
    cpu: float
    wall: float
    first: float
    memory: float
    stall: str


class Bridge:
    """A bridge of its own for each measurement, so that nothing is warm that a client would find cold."""

    def __init__(self, server: Server, keys: list[str], stalls: Path) -> None:
        self.server, self.keys, self.stalls = server, keys, stalls
        self.target = Target(server)
        self.rest = server.memory()

    def ask(self, action: str, **form: str) -> bytes:
        """Send one request."""
        return self.target.send(*signed(self.server.url + "/", *self.keys, Action=action, **form))

    def peak(self) -> float:
        """The most MiB that the process had since it started, over what it had at rest."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return (int(found[1]) / 1024 if found else 0.0) - self.rest

    def longest(self) -> list[Any]:
        """What held the loop longest since the last time."""
        self.stalls.unlink(missing_ok=True)
        os.kill(self.server.process.pid, signal.SIGUSR1)
        # The handler runs once the loop wakes.
        for _ in range(100):
            with contextlib.suppress(OSError, json.JSONDecodeError):
                return list(json.loads(self.stalls.read_text()))
            self.server.wake()
            time.sleep(0.05)
        return []


def pages(bridge: Bridge, action: str, size: int, **form: str) -> Iterator[bytes]:
    """Page as the SDKs' paginators do."""
    token: dict[str, str] = {}
    while True:
        answer = bridge.ask(action, MaxResults=str(size), **form, **token)
        yield answer
        found = _TOKEN.search(answer)
        if not found:
            return
        token = {"NextToken": found[1].decode()}


def whole(bridge: Bridge) -> Iterator[bytes]:
    yield bridge.ask("DescribeInstances")


def paged(bridge: Bridge) -> Iterator[bytes]:
    yield from pages(bridge, "DescribeInstances", 1000)


def hundred(bridge: Bridge) -> Iterator[bytes]:
    yield bridge.ask("DescribeInstances", MaxResults="100")


def volumes(bridge: Bridge) -> Iterator[bytes]:
    yield bridge.ask("DescribeVolumes")


def paged_volumes(bridge: Bridge) -> Iterator[bytes]:
    yield from pages(bridge, "DescribeVolumes", 1000)


def nothing(bridge: Bridge) -> Iterator[bytes]:
    yield bridge.ask("DescribeInstances", **{"Filter.1.Name": "tag:Name", "Filter.1.Value.1": "none"})


WORKS = (
    ("DescribeInstances, all at once", whole),
    ("in pages of 1,000", paged),
    ("the first 100", hundred),
    ("those with tag:Name=none", nothing),
    ("DescribeVolumes, all at once", volumes),
    ("in pages of 1,000", paged_volumes),
)


def measured(what: str, bridge: Bridge, work: Callable[[Bridge], Iterator[bytes]]) -> Cost:
    """Do it once, on a bridge that has done nothing yet."""
    seen: set[tuple[bytes, bytes]] = set()
    bridge.longest()  # those of its start are not this work's
    cpu, started, first = bridge.server.cpu(), time.perf_counter(), 0.0
    for answer in work(bridge):
        first = first or time.perf_counter() - started
        found = _ID.findall(answer)
        if seen.intersection(found):
            raise SystemExit(f"{what}: something was told twice")
        seen.update(found)
    wall, cpu = time.perf_counter() - started, bridge.server.cpu() - cpu
    stalls = bridge.longest()
    stall = f"{stalls[0][0]:.0f} ms CPU, {stalls[0][1]:.0f} ms: {stalls[0][2]}" if stalls else "under 10 ms"
    return Cost(what, len(seen), cpu, wall, first, bridge.peak(), stall)


def table(costs: list[Cost]) -> str:
    """Return the measurements as Markdown."""
    lines = [
        "| request | told | CPU s | to the whole | wall s | first answer s | MiB over rest "
        "| the loop's longest stall |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    whole = 1.0
    for cost in costs:
        whole = cost.cpu if "all at once" in cost.what else whole
        lines.append(
            f"| {cost.what} | {cost.told} | {cost.cpu:.2f} | {cost.cpu / whole:.2f} | {cost.wall:.2f} "
            f"| {cost.first:.2f} | {cost.memory:.0f} | {cost.stall} |"
        )
    return "\n".join(lines)


def by_id(bridge: Bridge, ident: str) -> Cost:
    """Ask a bridge that has answered nothing yet for one machine, and what it has done at rest is not in it."""
    cpu, started = bridge.server.cpu(), time.perf_counter()
    bridge.ask("DescribeInstances", **{"InstanceId.1": ident})
    wall, cpu = time.perf_counter() - started, bridge.server.cpu() - cpu
    return Cost("", 1, cpu, wall, wall, bridge.peak(), "")


TURNS = 5


def first_use(cloud: Server, keys: dict[str, list[str]], folder: Path) -> str:
    """Measure the first use of an id by a bridge that has just started, of many machines and of one, in turns."""
    found: dict[str, list[Cost]] = {"large": [], "single": []}
    idents: dict[str, str] = {}
    for turn in range(TURNS + 1):
        for account, costs in found.items():
            doing(f"one machine by its id, {account}, {turn}")
            place = folder / account
            place.mkdir(exist_ok=True)
            command = [sys.executable, "-m", "ec2bridge", "serve"]
            with process("bridge", command, r"at (http\S+)", **environment_of(cloud, keys, place)) as server:
                bridge = Bridge(server, keys[account], place / "stalls.json")
                if turn:
                    # What every first request costs is another account's.
                    Bridge(server, keys["other"], place / "stalls.json").ask("DescribeInstances")
                    costs.append(by_id(bridge, idents[account]))
                else:
                    # The bridge before it, which has answered for the account.
                    idents[account] = [
                        one.decode() for one, _ in _ID.findall(bridge.ask("DescribeInstances"))
                    ][-1]
                    time.sleep(2)
    lines = [
        "| DescribeInstances of one by its id, at its first use | CPU ms | wall ms |",
        "| --- | ---: | ---: |",
    ]
    for account, what in (("single", "among one"), ("large", "among all")):
        cpu = 1000 * sum(cost.cpu for cost in found[account]) / TURNS
        wall = 1000 * statistics.median(cost.wall for cost in found[account])
        lines.append(f"| {what} | {cpu:.0f} | {wall:.0f} |")
    return "\n".join(lines)


def run(machines: int = MACHINES, volumes: int = VOLUMES) -> str:
    """Measure all of it, each on a bridge of its own."""
    doing(f"starting a CloudStack with {machines} machines")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [
            sys.executable,
            "-m",
            "bench.cloud",
            str(folder / "keys.json"),
            f"large={machines}+{volumes}",
            "single=1",
            "other=1",
        ]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())
        # What the simulator computes at the first listing is not the bridge's doing.
        costs: list[Cost] = []
        for what, work in WORKS:
            doing(what)
            stalls = folder / f"stalls-{len(costs)}.json"
            command = [sys.executable, "-m", "bench.watched", str(stalls), "serve"]
            place = folder / f"{len(costs)}"
            place.mkdir()
            settings = environment_of(cloud, keys, place)
            with process("bridge", command, r"at (http\S+)", **settings) as server:
                costs.append(measured(what, Bridge(server, keys["large"], stalls), work))
        return f"{table(costs)}\n\n{first_use(cloud, keys, folder)}"


if __name__ == "__main__":
    print(run(*map(int, sys.argv[1:3])))
