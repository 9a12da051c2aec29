"""Two requests at once, through two bridges on one store: one is held at each moment while the other is answered.

A moment is a call to CloudStack or a turn of the store, before it and after it. Whatever the moment, what the two
clients were told, and what CloudStack and the store hold in the end, has to be what it is when one request follows the
other, in one order or the other. `python -m tests.faults.races "NAME"` plays the races that begin so.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.faults import clock, held
from tests.faults.inventory import Inventory, difference
from tests.faults.lab import FAST, Lab, Running, Told
from tests.faults.racing import RACES, Deed, SetUp

PATIENCE = 5.0
"""Seconds after which the other request is taken to wait for the one that is held, which goes on then."""
AFTERWARDS = ("DescribeAddresses", "DescribeNatGateways", "DescribeNetworkInterfaces", "DescribeVpcs")
"""What clients look at in the end: whoever looks sees to what jobs have come to."""


@dataclass
class Gate:
    """Where a bridge is held: before the moment of that number."""

    at: int | None = None
    seen: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def moment(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.reached.set()
            await self.opened.wait()


class Held(Running):
    """A bridge that can be held at a moment."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.gate = Gate()

    async def start(self) -> "Held":
        await super().start()
        self.bridge.site.cloud._session = self  # type: ignore[assignment]
        database = self.bridge.site.store.database
        real = database.run

        async def run(work: Any, **options: Any) -> Any:
            await self.gate.moment()
            return await real(work, **options)

        database.run = run  # type: ignore[method-assign]
        return self

    @asynccontextmanager
    async def post(self, url: str, data: bytes, **options: Any) -> Any:
        """Call CloudStack, as a session of aiohttp's does."""
        await self.gate.moment()
        async with self.wire.post(url, data, **options) as answered:
            await self.gate.moment()
            yield answered

    async def close(self) -> None:
        """Nothing is open."""


Pair = tuple[Held, Held]
Story = Callable[[Pair], Awaitable[list[Told]]]


@dataclass(frozen=True)
class End:
    """What the two were told, and what there is."""

    told: tuple[str, str]
    lines: Counter[str]


@dataclass
class Race:
    """Two requests, and what there is before them."""

    name: str
    set_up: SetUp
    lab: Lab
    deeds: tuple[Deed, Deed] = (("", {}), ("", {}))
    known: Inventory = field(default_factory=lambda: Inventory([]))

    async def prepare(self) -> None:
        await self.lab.empty()
        await self.lab.start()
        self.deeds = await self.set_up(self.lab)
        await held.look(self.lab.running, "alice")
        await self.lab.keep()
        self.known = await self._played(self._nothing)

    async def play(self, every: int = 1) -> list[str]:
        """Play all moments, or one in so many; returns what does not hold, with the moments at which it does not."""
        ends = [await self._ended(partial(self._one_after_the_other, order)) for order in ((0, 1), (1, 0))]
        failures: dict[str, list[int]] = {}
        for first in (0, 1):
            for moment in count(1, every):
                gate = Gate(moment)
                end = await self._ended(partial(self._held, first, gate))
                if not gate.reached.is_set():
                    break
                if end not in ends:
                    what = f"{self.deeds[first][0]} held: {self._told(end, ends)}"
                    failures.setdefault(what, []).append(moment)
        return [f"{what} (at {', '.join(map(str, moments))})" for what, moments in failures.items()]

    def _told(self, end: End, ends: list[End]) -> str:
        nearest = min(ends, key=lambda one: (one.told != end.told, len(difference(end.lines, one.lines))))
        return " ".join([*end.told, *(line[:200] for line in difference(end.lines, nearest.lines))])

    async def _ended(self, story: Story) -> End:
        told: list[Told] = []

        async def play(pair: Pair) -> None:
            told.extend(await story(pair))

        found = await self._played(play)
        one, other = (answer.code or "ok" for answer in told)
        # A VPC's source NAT address is the first that it takes, and nobody who asks EC2 sees it.
        return End((one, other), found.without_first_ways_out(self.known).lines(self.known))

    async def _played(self, story: Callable[[Pair], Awaitable[None]]) -> Inventory:
        """Put everything back, play, and return what there is when all is quiet."""
        lab = self.lab
        await lab.back()
        pair = await Held(lab).start(), await Held(lab).start()
        lab.running = pair[0]
        await story(pair)
        for bridge in pair:
            await bridge.idle()
        await lab.quiet()
        for _ in range(2):
            for question in AFTERWARDS:
                await lab.running.answer(question, {})
            await lab.running.idle()
            await lab.sim.settle()
        found = await lab.inventory()
        for bridge in pair:
            await bridge.stop()
        return found

    async def _nothing(self, pair: Pair) -> None:
        """Only look."""

    async def _one_after_the_other(self, order: tuple[int, int], pair: Pair) -> list[Told]:
        told: dict[int, Told] = {}
        for number in order:
            told[number] = await pair[number].answer(*self.deeds[number])
            await pair[number].idle()
        return [told[0], told[1]]

    async def _held(self, first: int, gate: Gate, pair: Pair) -> list[Told]:
        """Hold the one at a moment until the other was answered, or waits for it."""
        pair[first].gate = gate
        going = asyncio.create_task(pair[first].answer(*self.deeds[first]))
        reaching = asyncio.create_task(gate.reached.wait())
        await asyncio.wait((going, reaching), return_when=asyncio.FIRST_COMPLETED)
        reaching.cancel()
        other = asyncio.create_task(pair[1 - first].answer(*self.deeds[1 - first]))
        await asyncio.wait((other,), timeout=PATIENCE)
        gate.opened.set()
        told = {first: await going, 1 - first: await other}
        return [told[0], told[1]]


def play(name: str, every: int = 1) -> list[str]:
    """Play one race, all its moments or one in so many, and return what does not hold."""

    async def work() -> list[str]:
        with tempfile.TemporaryDirectory(dir=FAST) as directory:
            lab = Lab(Path(directory))
            one = Race(name, RACES[name], lab)
            await one.prepare()
            failures = await one.play(every)
            await lab.close()
            return failures

    failures: list[str] = clock.run(work())
    return failures


def _play(every: int, name: str) -> tuple[str, list[str], float]:
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    return name, play(name, every), time.monotonic() - began


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.races", description=__doc__)
    parser.add_argument("names", nargs="*", help="only races that begin so")
    parser.add_argument("--every", type=int, default=1, help="one in so many moments")
    parser.add_argument("--jobs", type=int, default=2, help="processes beside one another")
    options = parser.parse_args(arguments)
    wanted = [name for name in sorted(RACES) if not options.names or name.startswith(tuple(options.names))]
    bad = 0
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=8) as pool:
        for name, failures, seconds in pool.imap_unordered(partial(_play, options.every), wanted):
            bad += len(failures)
            print(f"{name}: {len(failures)} failing, {seconds:.0f} s", flush=True)
            for failure in failures:
                print(f"  {failure}", flush=True)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
