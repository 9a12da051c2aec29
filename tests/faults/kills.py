"""`make kills`: bridges that die at random moments, of which nothing is lost, left behind or made twice.

A moment is before or after a call of CloudStack's, or before, within or after a transaction of the store's: between two
of those a death makes no difference. A seed chooses the story, the moment of each death and how many there are: the
heir may die, too, over the very same request. A client asks again as AWS's SDKs do.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import postgresql
from tests.faults import clock, pairs, scenarios
from tests.faults.cells import KILLED_AT_RANDOM, Cell, Client, Outcome, Ran, Stage
from tests.faults.lab import FAST, Lab

STORIES = (
    "CreateImage (of a running machine)",
    "CreateNatGateway",
    "CreateVolume",
    "RunInstances (two, with a volume, a public address, a key and tags)",
    "TerminateInstances (with a volume, a public address and a tier)",
    "TerminateInstances (with an Elastic IP and a volume that stays)",
)
HEIRS = 2
"""At most so many of those that take up what was left die, too: an SDK asks three times."""
ALSO = 0.4
"""How likely the next one dies as well."""
LOOKS = 8
PAUSE = 15.0
"""Seconds between looks whether an heir has died, before recovery is given its time in peace."""


@dataclass(frozen=True)
class Kill:
    """The deaths of one run, as parts of the moments that the story has without one."""

    story: str
    seed: int

    def deaths(self, moments: int) -> list[int]:
        """The moment of each bridge's death, counted from 1 in each."""
        lot = random.Random(f"{self.story} {self.seed}")
        found = [lot.randint(1, moments)]
        while len(found) <= HEIRS and lot.random() < ALSO:
            found.append(lot.randint(1, moments))
        return found

    def __str__(self) -> str:
        return f"{self.story} · seed {self.seed}"


@dataclass(frozen=True)
class Death(Kill):
    """One death at a certain moment, its number in the seed's place."""

    def deaths(self, moments: int) -> list[int]:
        return [self.seed]

    def __str__(self) -> str:
        return self.story


class Mourner(Client):
    """A client whose bridges die one after the other."""

    def __init__(self, stage: Stage, deaths: list[int]) -> None:
        super().__init__(stage.lab, stage.scenario.action, stage.request, None)
        self.deaths = deaths
        self.died = 0
        self._doom()

    def _doom(self) -> None:
        wire = self.first.wire
        wire.moments, wire.last = 0, self.deaths[self.died] if self.died < len(self.deaths) else None
        wire.dies = self.broken.set

    async def _start_again(self) -> None:
        self.died += 1
        await super()._start_again()
        self.first = self.lab.running
        self._doom()

    async def mourn(self) -> None:
        """Start each that dies again, and let the last one live."""
        for _ in range(LOOKS):
            await self.see_it_through()
            await asyncio.sleep(PAUSE)
        await self.see_it_through()
        if not self.died:
            # With a database beside it, a story has some moments more or less each time: it dies at its end, then.
            self.first.wire.dead = True
            await self._start_again()
        self.first.wire.last = None


class Graves(Stage):
    """A story whose bridge dies at random moments."""

    moments: int

    async def count(self) -> None:
        """See how many moments the story has without a death."""
        await self.lab.back()
        await self.lab.start()
        client = Mourner(self, [])
        await client.ask("token-1")
        await client.see_it_through()
        self.moments = client.first.wire.moments
        await self.lab.quiet()
        await self.lab.running.stop()

    async def kill(self, kill: Kill) -> Outcome:
        """Play one run with its deaths, and hold it to the rule of all cells."""
        await self.lab.back()
        await self.lab.start()
        client = Mourner(self, kill.deaths(self.moments))
        told = await client.ask("token-1")
        await client.mourn()
        await self.lab.quiet()
        ran = Ran(told, [], await self._inventory(told), came=client.died > 0)
        places = ", ".join(map(str, client.deaths[: client.died]))
        cell = Cell(str(kill), 0, f"moment {places} of {self.moments}", KILLED_AT_RANDOM)
        outcome = await self.outcome(cell, ran)
        await self.lab.running.stop()
        return outcome


def play(story: str, seeds: list[int] | None = None, database: str | None = None) -> list[Outcome]:
    """Play the kills of one story, on a file or on a PostgreSQL that has no other user.

    Without seeds it is one death at each of its moments.
    """

    async def work() -> list[Outcome]:
        with tempfile.TemporaryDirectory(dir=FAST) as directory:
            lab = Lab(Path(directory), database)
            stage = Graves(scenarios.load()[story], lab)
            await stage.set_up()
            await stage.count()
            each = (Death(story, moment) for moment in range(1, stage.moments + 1))
            chosen = each if seeds is None else (Kill(story, seed) for seed in seeds)
            found = [await stage.kill(kill) for kill in chosen]
            await lab.close()
            return found

    outcomes: list[Outcome] = clock.run(work())
    return outcomes


def of(count: int, first: int = 0) -> Iterator[tuple[str, list[int]]]:
    """The seeds of each story: so many kills, dealt out in turn."""
    for place, story in enumerate(STORIES):
        yield story, list(range(first + place, first + count, len(STORIES)))


def run(where: str, count: int, first: int, database: str | None) -> int:
    """Play so many kills and tell what came of them; returns how many did not hold."""
    began, ends, failing = time.monotonic(), Counter[str](), 0
    for story, seeds in of(count, first):
        for outcome in play(story, seeds, database):
            ends[f"{'told success' if outcome.told == '200' else 'told an error'}, {outcome.end}"] += 1
            if outcome.fault:
                failing += 1
                print(f"{where}: {outcome.cell}: {outcome.told} / {outcome.end}\n    {outcome.fault[:1000]}")
    told = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
    print(f"{where}: {count} kills, {failing} failing ({told}), {time.monotonic() - began:.0f} s", flush=True)
    return failing


def main(arguments: list[str]) -> int:
    """Play kills on SQLite and on PostgreSQL, and the stories that two bridges on one PostgreSQL are told at once."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="kills on each kind of store")
    parser.add_argument("--first", type=int, default=0, help="the first seed: another one, other kills")
    parser.add_argument("--sqlite", action="store_true", help="nothing that needs PostgreSQL")
    parser.add_argument("--no-pairs", dest="pairs", action="store_false", help="without the two bridges")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    failing = run("SQLite", options.count, options.first, None)
    if options.sqlite:
        return int(failing > 0)
    with postgresql.server() as server:
        database = server.url
        failing += run("PostgreSQL", options.count, options.first, database)
        if options.pairs:
            failing += pairs.run(database)
    return int(failing > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
