"""One account of 200 machines under 1, 8, 64 and 512 connections: polls alone, mixed reads, and nine reads to a write.

`python -m bench.crowds` runs this part alone.
"""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import limits
from bench.crowd import Crowd, Request
from bench.limits import Limit
from bench.progress import doing
from bench.servers import METRICS, Server, Stall, Target, environment_of, process, signed, stalls

MACHINES = 200
CROWDS = (1, 8, 64, 512)
READS = (
    "DescribeInstances",
    "DescribeVolumes",
    "DescribeImages",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DescribeAddresses",
    "DescribeTags",
    "DescribeRegions",
)
WRITE = 10
"""One in so many requests is a write."""
_INSTANCE = re.compile(r"<item><instanceId>(i-[0-9a-f]+)</instanceId>")


@dataclass(frozen=True, slots=True)
class Load:
    """Requests, and what the table calls them."""

    what: str
    reads: list[Request]
    writes: list[Request]


@dataclass(frozen=True, slots=True)
class Met:
    """What a crowd met."""

    what: str
    workers: int
    crowd: Crowd
    cpu: float
    """Milliseconds of the bridge's CPU an answer."""
    stall: Stall | None
    """The longest turn of the loop, of one worker."""

    def line(self) -> str:
        """One line of the table."""
        found = self.crowd
        if self.workers > 1:
            stall = ""
        else:
            stall = f"{self.stall.cpu:.0f} ms: {self.stall.what}" if self.stall else "under 10 ms"
        return (
            f"| {self.what} | {self.workers} | {found.clients} | {found.rate:.0f} | {found.median:.0f}"
            f" | {found.p99:.0f} | {found.longest:.0f} | {found.native:.3f} | {self.cpu:.2f} | {stall} |"
        )


HEAD = (
    "| requests | workers | clients | answers/s | median ms | p99 ms | longest ms | native calls an answer"
    " | CPU ms an answer | the loop's longest turn |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
)


def loads(bridge: Server, keys: list[str]) -> list[Load]:
    """Prepare what is asked for: polls, reads of all kinds, and these with writes."""

    def request(action: str, **form: str) -> Request:
        return signed(bridge.url + "/", *keys, Action=action, **form)

    poll = request("DescribeInstances")
    with contextlib.closing(Target(bridge)) as target:
        ids = _INSTANCE.findall(target.send(*poll).decode())
    if len(ids) != MACHINES:
        raise SystemExit(f"DescribeInstances shows {len(ids)} machines instead of {MACHINES}")
    by_id = [request("DescribeInstances", **{"InstanceId.1": ident}) for ident in ids[:: MACHINES // 8]]
    reads = [one for pair in zip((request(action) for action in READS), by_id, strict=True) for one in pair]
    tag = {"Tag.1.Key": "role"}
    writes = [
        request("CreateTags", **{"ResourceId.1": ident, **tag, "Tag.1.Value": value})
        for value in ("web", "database")
        for ident in ids
    ]
    return [
        Load("DescribeInstances", [poll], []),
        Load("mixed reads", reads, []),
        Load("mixed reads, CreateTags 90:10", reads, writes),
    ]


def met(bridge: Server, load: Load, clients: int, workers: int, seconds: float, file: Path) -> Met:
    """Have a crowd of one size at it."""
    asked = {
        "url": f"{bridge.url}/",
        "metrics": f"http://{METRICS}/metrics",
        "reads": [(body.decode(), headers) for body, headers in load.reads],
        "writes": [(body.decode(), headers) for body, headers in load.writes],
        "every": WRITE,
        "clients": clients,
        "seconds": seconds,
    }
    if workers == 1:
        stalls(bridge, file)
    before = bridge.cpu()
    command = [sys.executable, "-m", "bench.crowd"]
    done = subprocess.run(command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
    found = Crowd(**json.loads(done.stdout))
    cpu = 1000 * (bridge.cpu() - before) / (found.rate * found.seconds)
    held = stalls(bridge, file) if workers == 1 else []
    return Met(load.what, workers, found, cpu, held[0] if held else None)


def measured(seconds: float, crowds: Sequence[int] = CROWDS) -> Iterator[Met]:
    """Measure one worker, then two, each a bridge of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [sys.executable, "-m", "bench.cloud", str(folder / "keys.json"), f"polled={MACHINES}"]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())
        file = folder / "stalls.json"
        for workers in (1, 2):
            settings = {**environment_of(cloud, keys, folder), "EC2BRIDGE_WORKERS": str(workers)}
            serve = ["bench.watched", str(file)] if workers == 1 else ["ec2bridge"]
            with process(
                "bridge", [sys.executable, "-m", *serve, "serve"], r"at (http[^\s,]+)", **settings
            ) as bridge:
                for load in loads(bridge, keys["polled"]):
                    doing(f"{load.what}, by {workers} worker{'s' if workers > 1 else ''}")
                    for clients in crowds:
                        yield met(bridge, load, clients, workers, seconds, file)


def run(seconds: float = 3.0) -> tuple[str, list[Limit]]:
    """Measure all of it; the table, and the ratios that are held to a limit."""
    found = list(measured(seconds))
    polls = {one.crowd.clients: one for one in found if one.workers == 1 and one.what == "DescribeInstances"}
    alone, most = polls[1].crowd, polls[512].crowd
    around = 1000 * 512 / most.rate
    held = max((one.stall.cpu for one in found if one.stall), default=0.0)
    return "\n".join([HEAD, *(one.line() for one in found)]), [
        Limit("native calls a poll of one client", alone.native, most=1.1),
        Limit("native calls a poll of 64 clients", polls[64].crowd.native, most=0.116),
        Limit("answers a second to 64 clients, to those to one", polls[64].crowd.rate / alone.rate, least=5),
        Limit(
            "the longest wait of 512 clients, to the time in which each has an answer",
            most.longest / around,
            most=3,
        ),
        Limit("the loop's longest turn under all crowds, CPU", held, most=50, unit=" ms"),
    ]


if __name__ == "__main__":
    told_of, held_to = run()
    print(f"{told_of}\n\n{limits.table(held_to)}")
