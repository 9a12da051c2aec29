"""Two bridges on one PostgreSQL, both asked at once with one token, and every native call of the first going wrong.

The rule is that of all cells, and the two answers are one. A bridge that dies is not started again: its client is taken
to the other one, as by a load balancer.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ec2bridge.exchange import ids_in
from tests.faults import clock, known, scenarios
from tests.faults.cells import Cell, Client, Outcome, Ran, Stage, cells, idempotency_token
from tests.faults.lab import FAST, GONE, Lab, Running, Told


class Twin(Client):
    """A client of one of two bridges, and of the other when that one dies."""

    def __init__(self, stage: Stage, own: Running, other: Running, cell: Cell | None) -> None:
        stage.lab.running = own
        super().__init__(stage.lab, stage.scenario.action, stage.request, cell)
        self.own, self.other = own, other

    async def _ask_once(self, request: scenarios.Request) -> Told:
        bridge = self.other if self.own.wire.dead else self.own
        asking = asyncio.create_task(bridge.answer(self.action, request))
        breaking = asyncio.create_task(self.broken.wait())
        await asyncio.wait((asking, breaking), return_when=asyncio.FIRST_COMPLETED)
        breaking.cancel()
        if self.broken.is_set():
            self.broken.clear()
            if not asking.done() or asking.cancelled():
                return GONE
        return asking.result()


class Twins(Stage):
    """A story that two bridges are told."""

    pair: tuple[Running, Running]

    async def play(self, cell: Cell | None) -> Ran:
        """Put everything back, and have two clients ask at once."""
        await self.lab.back()
        first, second = self.pair = await Running(self.lab).start(), await Running(self.lab).start()
        twin, client = Twin(self, second, first, None), Twin(self, first, second, cell)
        asking = asyncio.create_task(client.ask("token-1"))
        beginning = asyncio.create_task(first.wire.wrote.wait())
        await asyncio.wait((asking, beginning), return_when=asyncio.FIRST_COMPLETED)
        beginning.cancel()
        other = await twin.ask("token-1")
        told = await asking
        calls = list(first.wire.calls)
        for bridge in self.pair:
            await bridge.idle()
        client.disarm()
        self.lab.running = second if first.wire.dead else first
        await self.lab.quiet()
        said = told if told.ok else other
        # Which calls each of the two makes, the moment decides: one that did not come this time hurts nobody.
        ran = Ran(said, calls, await self._inventory(said), came=True)
        if told.ok and (not other.ok or set(ids_in(told.answer)) != set(ids_in(other.answer))):
            ran.inventory.rows.append(("answer", f"another one: {other} {other.answer}"))
        if cell is None:
            await self.stop()
        return ran

    async def stop(self) -> None:
        """End both."""
        first, second = self.pair
        await second.stop()
        await (first.kill() if first.wire.dead else first.stop())

    async def run(self, cell: Cell) -> Outcome:
        """Play a cell and hold it to the rule."""
        ran = await self.play(cell)
        outcome = await self.outcome(cell, ran)
        await self.stop()
        return outcome


def stories() -> Iterator[str]:
    """The stories of actions that take a token and change something."""
    for name, scenario in scenarios.load().items():
        if idempotency_token(scenario.action) and not scenario.refused:
            yield name


def play(story: str, database: str, wanted: Callable[[Cell], bool] = lambda cell: True) -> list[Outcome]:
    """Play the cells of one story on a PostgreSQL that has no other user."""

    async def work() -> list[Outcome]:
        with tempfile.TemporaryDirectory(dir=FAST) as directory:
            lab = Lab(Path(directory), database)
            stage = Twins(scenarios.load()[story], lab)
            await stage.set_up()
            wholly = [cell for cell in cells(story, stage.norm.calls) if wanted(cell)]
            found = [await stage.run(cell) for cell in wholly]
            await lab.close()
            return found

    outcomes: list[Outcome] = clock.run(work())
    return outcomes


def unexpected(story: str, outcomes: list[Outcome]) -> list[Outcome]:
    """The cells that do not hold, but for those that do not with one bridge either."""
    expected = known.failing([story])
    return [one for one in outcomes if one.fault and str(one.cell) not in expected]


def run(database: str) -> int:
    """Play all cells of all stories and tell what came of them; returns how many did not hold."""
    count = failing = 0
    for story in stories():
        began, outcomes = time.monotonic(), play(story, database)
        bad = unexpected(story, outcomes)
        count, failing = count + len(outcomes), failing + len(bad)
        print(f"two bridges: {story}: {len(outcomes)} cells, {time.monotonic() - began:.0f} s", flush=True)
        for outcome in bad:
            print(f"  {outcome.cell}: {outcome.told} / {outcome.end}\n    {outcome.fault[:1000]}")
    print(f"two bridges: {count} cells, {failing} failing")
    return failing
