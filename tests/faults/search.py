"""Random stories: several clients, one or two bridges on one store, answers that are lost, and bridges that die.

A cell has one fault in one action. A story has a dozen actions, some at once and some sent twice, by two accounts, on
things that they share, with faults and deaths at random moments. Nobody knows what such a story should come to. So when
all is quiet it is held to what must be so after any (`held.py`); then everything is deleted through EC2, and CloudStack
and the store have to hold what they held at the beginning. `python -m tests.faults.search --count 200` plays more than
the suite does; a failure names the seed, and `--tell` prints the stories.
"""

import argparse
import asyncio
import contextvars
import logging
import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from ec2bridge.ec2 import background
from ec2bridge.exchange import ids_in
from ec2bridge.simulator import faults
from ec2bridge.simulator.faults import Fault
from tests.faults import clock, held, things
from tests.faults.cells import ATTEMPTS, idempotency_token
from tests.faults.deeds import DEEDS, Client, NothingError, Request
from tests.faults.lab import FAST, GONE, QUIET, Asked, Lab, Running, Told

ACCOUNTS = ("alice", "bob")
MODES = tuple(faults.MODES)
BURIAL = 0.5
"""Seconds for which a bridge that died stays away."""

_owner: contextvars.ContextVar["Bridge | None"] = contextvars.ContextVar("owner", default=None)
_owners: WeakKeyDictionary[asyncio.Task[Any], "Bridge | None"] = WeakKeyDictionary()


def _task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """Make a task that belongs to the bridge in whose name it was begun."""
    task = asyncio.Task(work, loop=loop, **options)
    _owners[task] = _owner.get()
    return task


class Bridge(Running):
    """One of several bridge processes in the loop: when it dies, its own tasks end and no others."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.died = asyncio.Event()
        self.wire.dies = self.died.set

    async def start(self) -> "Bridge":
        token = _owner.set(self)
        try:
            await super().start()
        finally:
            _owner.reset(token)
        return self

    async def answer(self, action: str, request: Request, account: str = "alice") -> Told:
        """Answer as `Running` does, or break the connection when the process dies."""
        token = _owner.set(self)
        asking = asyncio.create_task(super().answer(action, request, account))
        _owner.reset(token)
        dying = asyncio.create_task(self.died.wait())
        await asyncio.wait((asking, dying), return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        return asking.result() if asking.done() and not asking.cancelled() else GONE

    def _own(self) -> list[asyncio.Task[Any]]:
        jobs = self.lab.sim.cloud.jobs._tasks
        return [task for task in asyncio.all_tasks() if _owners.get(task) is self and task not in jobs]

    async def kill(self) -> None:
        self.wire.dead = True
        database = self.bridge.site.store.database
        if isinstance(database, Asked):
            database.cut()
        with clock.outside():
            while tasks := self._own():
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            with suppress(asyncio.CancelledError):
                await self.stack.aclose()


class Place:
    """A cloud with two accounts, which all stories begin in."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    async def set_up(self) -> None:
        lab = self.lab
        await lab.empty()
        await lab.start()
        self.image = await things.image(lab)
        for account in ACCOUNTS:
            # The default subnet of an account comes with its first address.
            made = await lab.do("AllocateAddress", account, Domain="vpc")
            await lab.do("ReleaseAddress", account, AllocationId=made["AllocationId"])
            await held.look(lab.running, account)
        await lab.quiet()
        self.known = await lab.inventory()
        self.lines = self.known.lines(self.known)
        self.idents = await self._idents()
        await self._furnish()
        self.furniture = await self._idents() - self.idents
        await lab.keep()

    async def _idents(self) -> set[str]:
        return held.idents(*[await held.look(self.lab.running, account) for account in ACCOUNTS])

    async def _furnish(self) -> None:
        """Have alice begin with one thing of each kind."""
        lab = self.lab
        of, subnet = await things.tier(lab)
        group = await things.group(lab, of)
        await things.machine(lab, SubnetId=subnet, SecurityGroupIds=[group])
        await things.attached(lab)
        await things.address(lab)
        await things.interface(lab, subnet)
        await things.gateway(lab)
        await lab.quiet()


class Story:
    """One story."""

    def __init__(self, seed: int, place: Place) -> None:
        self.place, self.lab = place, place.lab
        self.lot = random.Random(f"story {seed}")
        self.clients = {account: Client(account, self.lot, place.image) for account in ACCOUNTS}
        if self.lot.random() < 0.75:
            self.clients["alice"].learn(place.furniture)
        self.bridges: list[Bridge] = []
        self.told: list[str] = []
        self.failures: list[str] = []
        self.tokens = 0

    def say(self, text: str) -> None:
        self.told.append(text)

    def fail(self, text: str) -> None:
        """Note what does not hold."""
        self.failures.append(text)
        self.say(f"!!! {text}")

    async def play(self) -> None:
        """Play it to its end, and hold what is there then to what must be so."""
        await self.lab.back()
        for _ in range(self.lot.choice((1, 1, 2))):
            self.bridges.append(await Bridge(self.lab).start())
        self.lab.running = self.bridges[0]
        burying = asyncio.create_task(self._bury())
        self._plan_faults()
        await self._act(self.lot.randint(6, 14))
        self.lab.sim.faults.faults.clear()
        for bridge in self.bridges:
            bridge.wire.last = None
        await self.quiet()
        burying.cancel()
        self.say("--- quiet")
        await held.check(self)
        await held.delete_all(self)
        await self.quiet()
        await held.check_left(self)
        for bridge in self.bridges:
            await bridge.stop()

    def _plan_faults(self) -> None:
        for _ in range(self.lot.choice((0, 1, 1, 2, 3))):
            seconds, code = self.lot.choice((5.0, 30.0, 90.0)), self.lot.choice((530, 531, 431))
            fault = Fault(self.lot.choice(MODES), "", self.lot.randint(1, 40), "", seconds, code)
            self.lab.sim.faults.faults.append(fault)
            self.say(str(fault))

    async def _act(self, steps: int) -> None:
        open_ones: list[asyncio.Task[None]] = []
        deaths = [self.lot.randrange(steps) for _ in range(self.lot.choice((0, 0, 1, 1, 2)))]
        for step in range(steps):
            for _ in range(deaths.count(step)):
                wire = self.bridges[self.lot.randrange(len(self.bridges))].wire
                wire.last = wire.moments + self.lot.randint(1, 150)
            for number in range(self.lot.choice((1, 1, 1, 2, 3))):
                pause = number and self.lot.choice((0, 0.05, 0.3, 1.0))
                open_ones.append(asyncio.create_task(self._deed(pause, twice=self.lot.random() < 0.15)))
            if self.lot.random() < 0.8:
                await asyncio.gather(*open_ones)
                open_ones.clear()
            await asyncio.sleep(self.lot.choice((0, 0, 0.1, 1, 10, 70)))
        await asyncio.gather(*open_ones)

    def _chosen(self, client: Client) -> tuple[str, Request]:
        names, weights = list(DEEDS), [weight for weight, _ in DEEDS.values()]
        while True:
            [action] = self.lot.choices(names, weights)
            with suppress(NothingError):
                return action, DEEDS[action][1](client)

    async def _deed(self, pause: float, *, twice: bool) -> None:
        client = self.clients[self.lot.choice(("alice", "alice", "alice", "bob"))]
        action, request = self._chosen(client)
        if token := idempotency_token(action):
            self.tokens += 1
            request[token] = f"token-{self.tokens}"
        await asyncio.sleep(pause)
        self.say(f"{client.account}: {action} {request}" + " twice" * twice)
        asked = [self.ask(action, request, client.account) for _ in range(1 + bool(twice and token))]
        answers = await asyncio.gather(*asked)
        for told in answers:
            named = set(ids_in(told.answer)) if told.ok else set()
            self.say(f"  {action}: {told} {'' if action.startswith('Describe') else sorted(named)}")
            client.learn(named - self.place.idents)
        if len({frozenset(ids_in(told.answer)) for told in answers if told.ok}) > 1:
            self.fail(f"{action} with one token has two answers")
        if answers[0].ok and action.startswith(("Delete", "Terminate", "Release", "Deregister")):
            client.forget(ids_in(request))

    async def ask(self, action: str, request: Request, account: str) -> Told:
        """Have a client ask as AWS's SDKs do, each time the bridge that a load balancer chooses."""
        told = GONE
        for attempt in range(ATTEMPTS):
            if not (living := [bridge for bridge in self.bridges if not bridge.wire.dead]):
                await asyncio.sleep(2**attempt)
                continue
            told = await self.lot.choice(living).answer(action, request, account)
            if told.code == "InternalError" and "Internal error executing command" not in told.message:
                self.fail(f"{action}: {told}")
            if not told.unknown:
                break
            await asyncio.sleep(2**attempt)
        return told

    async def _bury(self) -> None:
        while True:
            await asyncio.sleep(BURIAL)
            for place, bridge in enumerate(self.bridges):
                if bridge.wire.dead:
                    self.say(f"bridge {place} has died")
                    await bridge.kill()
                    self.bridges[place] = await Bridge(self.lab).start()
            self.lab.running = self.bridges[0]

    async def quiet(self) -> None:
        """Give what goes on, and what is to be taken up, its time."""
        for pause in QUIET:
            await asyncio.sleep(pause)
            for account in ACCOUNTS:
                await self.lab.running.answer("DescribeInstances", {}, account)
            for bridge in self.bridges:
                await bridge.idle()
                if background.count(bridge.bridge.site):
                    self.fail("something in the background does not end")
            await self.lab.sim.settle()
        await asyncio.sleep(1)


@contextmanager
def _same_ids(seed: int) -> Iterator[None]:
    """Have what is drawn by lot be the same each time: by ids things are put in order."""
    lot, real = random.Random(seed), uuid.uuid4
    random.seed(seed)
    uuid.uuid4 = lambda: uuid.UUID(int=lot.getrandbits(128), version=4)
    try:
        yield
    finally:
        uuid.uuid4 = real


def play(seeds: list[int], database: str | None = None, *, tell: bool = False) -> list[str]:
    """Play the stories of some seeds, on a file or on a PostgreSQL that has no other user; returns what fails."""

    async def work() -> list[str]:
        asyncio.get_running_loop().set_task_factory(_task)
        found = []
        with tempfile.TemporaryDirectory(dir=FAST) as directory:
            lab = Lab(Path(directory), database)
            place = Place(lab)
            await place.set_up()
            for seed in seeds:
                story = Story(seed, place)
                with _same_ids(seed):
                    await story.play()
                found += [f"seed {seed}: {failure}" for failure in story.failures]
                if tell:
                    print(f"seed {seed}", *story.told, sep="\n", flush=True)
            await lab.close()
        return found

    failures: list[str] = clock.run(work())
    return failures


def command(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return what plays stories in a process of its own, where also sets are in the same order each time."""
    return [sys.executable, "-m", "tests.faults.search", *arguments], {**os.environ, "PYTHONHASHSEED": "0"}


def main(arguments: list[str]) -> int:
    """Play stories and tell what does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.search", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="stories")
    parser.add_argument("--first", type=int, default=0, help="the first seed: another one, other stories")
    parser.add_argument("--tell", action="store_true", help="print the stories")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    failures = play(list(range(options.first, options.first + options.count)), tell=options.tell)
    if failures:
        print(*failures, sep="\n")
    print(f"{options.count} stories, {len(failures)} failures, {time.monotonic() - began:.0f} s")
    return int(bool(failures))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        words, environment = command(*sys.argv[1:])
        os.execve(words[0], words, environment)
    sys.exit(main(sys.argv[1:]))
