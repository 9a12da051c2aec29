"""Hours of eight mixed clients, in minutes: what the bridge keeps in memory meanwhile.

    python -m bench.hour [--hours 4]

Bridge and embedded CloudStack run in one process whose clock is put forward whenever nothing is to do, so terminated
machines age as they do and every lease, cache and sweep has its time. What the bridge holds is walked from its own
root, without CloudStack's tables: bytes and objects. Resident memory is the whole process', CloudStack included.
The first hour fills: a terminated machine is shown for one. What is held in the last hour is to be level: its looks are
compared as a whole with those of the hour before, since what one look meets differs by a fifth.
"""

import argparse
import asyncio
import gc
import logging
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from tests.faults import clock
from tests.faults.lab import FAST, Lab
from tests.faults.things import ADVANCED, image

CLIENTS = 8
EVERY = 600.0
"""Seconds between looks."""
SHORTEST, LONGEST = 2.0, 18.0
"""Seconds that a client waits between two requests."""
LEVEL = 1.05
"""The mean of the last hour's looks over that of the hour before: no more than this is level."""
_LEFT_OUT = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType, FrameType)


@dataclass(frozen=True, slots=True)
class Look:
    """What there is at one moment."""

    minute: float
    requests: int
    shown: int
    """Machines that are listed, those terminated in the last hour among them."""
    bytes: int
    objects: int
    resident: float
    kinds: Counter[str]


class Client:
    """One client, which launches, looks, tags, adds volumes and terminates, and forgets nothing it made."""

    def __init__(self, lab: Lab, account: str, number: int) -> None:
        self.lab, self.account = lab, account
        self.lot = random.Random(number)
        self.requests = 0

    async def ask(self, action: str, **request: Any) -> dict[str, Any]:
        await asyncio.sleep(self.lot.uniform(SHORTEST, LONGEST))
        self.requests += 1
        answer: dict[str, Any] = await self.lab.do(action, self.account, **request)
        return answer or {}

    async def live(self, image_id: str) -> None:
        """Go on for ever."""
        while True:
            token = f"{self.lot.random()}"
            place = {"Placement": {"AvailabilityZone": ADVANCED}, "ClientToken": token}
            kind = {"ImageId": image_id, "InstanceType": "t2.micro", "MinCount": 1, "MaxCount": 1}
            made = await self.ask("RunInstances", **kind, **place)
            ident = made["Instances"][0]["InstanceId"]
            tags = [{"Key": "Name", "Value": token}, {"Key": "empty", "Value": ""}]
            await self.ask("CreateTags", Resources=[ident], Tags=tags)
            await self.look(ident)
            volume = (await self.ask("CreateVolume", AvailabilityZone=ADVANCED, Size=1, ClientToken=token))[
                "VolumeId"
            ]
            await self.ask("DescribeVolumes", VolumeIds=[volume])
            await self.look(ident)
            await self.ask("DescribeImages")
            await self.ask("DescribeSecurityGroups")
            await self.ask("TerminateInstances", InstanceIds=[ident])
            await self.ask("DeleteVolume", VolumeId=volume)
            await self.look(ident)

    async def look(self, ident: str) -> None:
        await self.ask("DescribeInstances")
        await self.ask("DescribeInstances", InstanceIds=[ident])
        await self.ask("DescribeInstanceStatus", IncludeAllInstances=True)


def held(root: Any, without: tuple[Any, ...]) -> tuple[int, int, Counter[str]]:
    """Return bytes, number and kinds of all objects that can be reached from a root, but for others' and for code."""
    seen = {id(one) for one in without}
    ahead, total, kinds = [root], 0, Counter[str]()
    while ahead:
        one = ahead.pop()
        if id(one) in seen or isinstance(one, _LEFT_OUT):
            continue
        seen.add(id(one))
        size = sys.getsizeof(one)
        total += size
        kinds[type(one).__qualname__] += 1
        ahead += gc.get_referents(one)
    return total, sum(kinds.values()), kinds


def resident() -> float:
    """MiB of this process in memory."""
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def look(lab: Lab, began: float, clients: list[Client]) -> Look:
    gc.collect()
    listed = await lab.do("DescribeInstances", clients[0].account)
    bridge, loop = lab.running.bridge, asyncio.get_running_loop()
    others = (lab, lab.sim, lab.sim.cloud, lab.sim.dispatcher, lab.running, lab.running.wire, loop, *clients)
    total, objects, kinds = held(bridge, others)
    requests = sum(client.requests for client in clients)
    return Look(
        (time.time() - began) / 60, requests, len(listed["Reservations"]), total, objects, resident(), kinds
    )


async def hours(count: float) -> list[Look]:
    """Have the clients at it for so many hours."""
    with tempfile.TemporaryDirectory(dir=FAST) as directory:
        lab = Lab(Path(directory))
        await lab.start()
        image_id, began = await image(lab), time.time()
        clients = [Client(lab, ("alice", "bob")[number % 2], number) for number in range(CLIENTS)]
        looks = []
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(client.live(image_id)) for client in clients]
            for _ in range(round(count * 3600 / EVERY)):
                await asyncio.sleep(EVERY)
                looks.append(await look(lab, began, clients))
                print(line(looks[-1]), flush=True)
            for task in tasks:
                task.cancel()
        await lab.running.stop()
        await lab.close()
        return looks


HEAD = (
    "| minute | requests | machines of an account shown | KiB held | objects | MiB resident |\n"
    "| ---: | ---: | ---: | ---: | ---: | ---: |"
)


def line(look: Look) -> str:
    """One line of the table."""
    return (
        f"| {look.minute:.0f} | {look.requests} | {look.shown} | {look.bytes / 1024:.0f} | {look.objects}"
        f" | {look.resident:.0f} |"
    )


def main(arguments: list[str]) -> int:
    """Parse the command line; 1 if what is held still grows."""
    parser = argparse.ArgumentParser(prog="python -m bench.hour", description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=4, help="how long the clients are at it")
    options = parser.parse_args(arguments)
    if options.hours < 2:
        parser.error("two hours at least, so that two can be compared")
    logging.disable(logging.CRITICAL)
    print(HEAD)
    looks: list[Look] = clock.run(hours(options.hours))
    looks_an_hour = round(3600 / EVERY)
    last, before = looks[-looks_an_hour:], looks[-2 * looks_an_hour : -looks_an_hour]
    ratio = sum(one.bytes for one in last) / len(last) / (sum(one.bytes for one in before) / len(before))
    more = {kind: last[-1].kinds[kind] - before[-1].kinds[kind] for kind in last[-1].kinds}
    grown = ", ".join(
        f"{count:+d} {kind}" for kind, count in sorted(more.items(), key=lambda one: -one[1])[:12]
    )
    print(f"\nThe last hour over the one before: {ratio:.3f} (level: {LEVEL}); from look to look {grown}")
    return int(ratio > LEVEL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
