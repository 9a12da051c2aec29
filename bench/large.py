"""A large account: what a whole listing of ten thousand machines costs, and what its pages do.

`python -m bench.large` runs this part alone.
"""

import contextlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import limits
from bench.limits import Limit
from bench.progress import doing
from bench.servers import Server, Stall, Target, Work, environment_of, measure, process, signed, stalls

TURNS = 5
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
    stall: Stall | None


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
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return (int(found[1]) / 1024 if found else 0.0) - self.rest


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
    stalls(bridge.server, bridge.stalls)  # those of its start are not this work's
    cpu, started, first = bridge.server.cpu(), time.perf_counter(), 0.0
    for answer in work(bridge):
        first = first or time.perf_counter() - started
        found = _ID.findall(answer)
        if seen.intersection(found):
            raise SystemExit(f"{what}: something was told twice")
        seen.update(found)
    wall, cpu = time.perf_counter() - started, bridge.server.cpu() - cpu
    held = stalls(bridge.server, bridge.stalls)
    return Cost(what, len(seen), cpu, wall, first, bridge.peak(), held[0] if held else None)


def told(stall: Stall | None) -> str:
    """Return what the table says of the longest turn."""
    return f"{stall.cpu:.0f} ms CPU, {stall.wall:.0f} ms: {stall.what}" if stall else "under 10 ms"


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
            f"| {cost.first:.2f} | {cost.memory:.0f} | {told(cost.stall)} |"
        )
    return "\n".join(lines)


def run(seconds: float = 3.0, machines: int = MACHINES, volumes: int = VOLUMES) -> tuple[str, list[Limit]]:
    """Measure all of it, each on a bridge of its own."""
    doing(f"starting a CloudStack with {machines} machines")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        accounts = [f"large={machines}+{volumes}", "one=1", "other=1"]
        command = [sys.executable, "-m", "bench.cloud", str(folder / "keys.json"), *accounts]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())
        # What the simulator computes at the first listing is not the bridge's doing.
        costs: list[Cost] = []
        for what, work in WORKS:
            doing(what)
            with watched(cloud, keys, folder / f"{len(costs)}") as bridge:
                costs.append(measured(what, bridge, work))
        doing("DescribeInstances by id, beside an account of one machine")
        with watched(cloud, keys, folder / "by-id") as bridge:
            known = by_id(bridge, keys, seconds)
        doing("the same at its first use")
        return table(costs), [*held(costs), known, first_use(cloud, keys, folder)]


@contextlib.contextmanager
def watched(cloud: Server, keys: dict[str, list[str]], folder: Path) -> Iterator[Bridge]:
    """Start a bridge whose loop is watched."""
    folder.mkdir(exist_ok=True)
    file = folder / "stalls.json"
    command = [sys.executable, "-m", "bench.watched", str(file), "serve"]
    with process("bridge", command, r"at (http\S+)", **environment_of(cloud, keys, folder)) as server:
        yield Bridge(server, keys["large"], file)


def by_id(bridge: Bridge, keys: dict[str, list[str]], seconds: float) -> Limit:
    """Measure one machine of many by its id, and one of one, by a bridge that knows them."""

    def asked(account: str) -> Work:
        url = bridge.server.url + "/"
        form = {"Action": "DescribeInstances", "InstanceId.1": some_id(bridge, keys[account])}
        body, headers = signed(url, *keys[account], **form)
        return Work(lambda: bridge.target.send(body, headers), bridge.server)

    many, one = measure([asked("large"), asked("one")], seconds)
    return Limit("one machine of ten thousand by id, CPU to that of one of one", many.cpu / one.cpu, most=1.5)


def some_id(bridge: Bridge, keys: list[str]) -> str:
    """Return the id of one of an account's machines."""
    url = bridge.server.url + "/"
    told = bridge.target.send(*signed(url, *keys, Action="DescribeInstances", MaxResults="5"))
    return str(_ID.findall(told)[-1][0].decode())


def first_use(cloud: Server, keys: dict[str, list[str]], folder: Path) -> Limit:
    """Measure the first use of an id by a bridge that has just started on the store of one that knew it, in turns."""
    spent = {"large": 0.0, "one": 0.0}
    idents: dict[str, str] = {}
    for account in spent:
        with watched(cloud, keys, folder / account) as bridge:
            idents[account] = some_id(bridge, keys[account])
            bridge.target.send(*signed(bridge.server.url + "/", *keys[account], Action="DescribeInstances"))
            time.sleep(2)  # what it keeps is written behind its answer
    for _ in range(TURNS):
        for account in spent:
            with watched(cloud, keys, folder / account) as bridge:
                # What every first request costs is another account's.
                some_id(bridge, keys["other"])
                url, before = bridge.server.url + "/", bridge.server.cpu()
                form = {"Action": "DescribeInstances", "InstanceId.1": idents[account]}
                bridge.target.send(*signed(url, *keys[account], **form))
                spent[account] += bridge.server.cpu() - before
    return Limit(
        "the same at its first use, by a bridge that has just started",
        spent["large"] / spent["one"],
        most=1.5,
    )


def held(costs: list[Cost]) -> list[Limit]:
    """Return what these are held to."""
    all_at_once, paged, *_ = costs
    longest = max((cost.stall.cpu for cost in costs if cost.stall), default=0.0)
    return [
        Limit("ten pages of 1,000 machines, CPU to all at once", paged.cpu / all_at_once.cpu, most=1.5),
        Limit("the first of these pages, time to that of all", paged.first / paged.wall, most=0.2),
        Limit("memory over rest while paging, at most", paged.memory, most=100, unit=" MiB"),
        Limit("the loop's longest turn with a large account, CPU", longest, most=50, unit=" ms"),
    ]


if __name__ == "__main__":
    told_of, held_to = run(3.0, *map(int, sys.argv[1:3]))
    print(f"{told_of}\n\n{limits.table(held_to)}")
