"""A cloud, a store and a bridge in one loop, which can be put back to a moment and killed at any call.

The bridge is the real one, from the parsed request to CloudStack's API and to the store's file. Only two things are
put in its way, both at its seams: CloudStack is called without sockets, and everything that it does to the world ends
at once when it is killed.
"""

import asyncio
import json
import os
import pickle
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from sqlalchemy import event, text
from sqlalchemy.engine import URL

from ec2bridge import config, server, store
from ec2bridge.app import Bridge
from ec2bridge.auth.verify import Verified
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.database import Database
from ec2bridge.ec2 import background
from ec2bridge.errors import Ec2Error
from ec2bridge.exchange import Exchange
from ec2bridge.simulator.faults import Fault, Reply
from ec2bridge.simulator.server import Simulator
from ec2bridge.store import Store
from ec2bridge.wire import render
from ec2bridge.wire.model import operation
from tests.faults import clock
from tests.faults.inventory import Inventory, of_cloud, of_store

JOB_TIME = 0.2
JOB_TIMEOUT = 20.0
QUIET = (45.0, 200.0, 400.0)
"""Seconds between looks at the end: leases run out, and the sweep comes by more than once."""
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()

# The tables are read from files once: a bridge is started thousands of times.
server.load_mappings = cache(server.load_mappings)


def _waited_for(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def wait(*arguments: Any) -> Any:
        with clock.outside():
            return await method(*arguments)

    return wait


class Asked(Database):
    """A database that is a process of its own: while it works, no clock is hurried."""

    _run = _waited_for(Database._run)  # type: ignore[assignment]
    close = _waited_for(Database.close)  # type: ignore[assignment]

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.opened: list[Any] = []
        self.listens = False

    async def _transact(self, engine: Any, work: Any, threads: Any) -> Any:
        if not (self.is_sqlite or self.listens):
            event.listen(engine.sync_engine, "connect", lambda opened, _: self.opened.append(opened))
            self.listens = True
        return await super()._transact(engine, work, threads)

    def cut(self) -> None:
        """End all connections as a process that dies does: what was not committed is undone, and locks are gone."""
        for opened in self.opened:
            opened.driver_connection.terminate()


store.Database = Asked  # type: ignore[misc]


@dataclass(frozen=True)
class Told:
    """What a client heard in the end: an answer, or an error's code; status 0 when the connection broke."""

    status: int
    code: str = ""
    message: str = ""
    answer: Any = None

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def unknown(self) -> bool:
        """Whether it leaves open what has happened: SDKs try again."""
        return self.status == 0 or self.status >= 500

    def __str__(self) -> str:
        return "200" if self.ok else f"{self.status} {self.code}: {self.message}"


GONE = Told(0, "ConnectionError", "the connection broke")


@dataclass(frozen=True)
class Native:
    """One native call of a run."""

    command: str
    job: bool

    @property
    def is_read(self) -> bool:
        return self.command.startswith(("list", "query", "get"))

    @property
    def is_poll(self) -> bool:
        return self.command == "queryAsyncJobResult"


Trip = Callable[[bool], Any]
"""What happens at the call of the cell, before (False) and after (True) its effect."""


@dataclass
class Wire:
    """The calls of one bridge to CloudStack, without sockets."""

    sim: Simulator
    calls: list[Native] = field(default_factory=list)
    fault: Fault | None = None
    """What the simulator is to do with the call of that number."""
    trips: dict[int, Trip] = field(default_factory=dict)
    dead: bool = False
    wrote: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the first call that changes something."""
    moments: int = 0
    """How many moments have passed at which it makes a difference that the bridge dies."""
    last: int | None = None
    """The moment of which it dies, counted from 1."""
    dies: Callable[[], None] = lambda: None

    def moment(self) -> None:
        """Let a moment pass, and have the bridge die of it if it is the last; raises CancelledError in its name."""
        self.moments += 1
        if self.moments == self.last:
            self.dead = True
            self.dies()
        self._alive()

    @asynccontextmanager
    async def post(self, _url: str, data: bytes, **_: Any) -> Any:
        # A turn of the loop on the way there and on the way back, as over a socket.
        await asyncio.sleep(0)
        self.moment()
        params = parse_qsl(data.decode(), keep_blank_values=True)
        command = dict(params)["command"]
        number = len(self.calls)
        self.calls.append(Native(command, False))
        if not self.calls[number].is_read:
            self.wrote.set()
        trip = self.trips.get(number)
        if trip:
            trip(False)
        self._alive()
        if self.fault and self.fault.number == number + 1:
            self.sim.faults.faults.append(self.fault)
            self.fault.number, self.fault = self.fault.seen + 1, None
        reply = self.sim.respond(params)
        if trip:
            trip(True)
        await asyncio.sleep(0)
        self.moment()
        if reply is None:
            raise aiohttp.ServerDisconnectedError
        if b'"jobid"' in reply.body and not self.calls[number].is_read:
            self.calls[number] = Native(command, True)
        yield Answered(reply)

    def _alive(self) -> None:
        if self.dead:
            raise asyncio.CancelledError

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Answered:
    """A reply as aiohttp shows it."""

    reply: Reply
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return self.reply.status

    async def read(self) -> bytes:
        return self.reply.body


class Running:
    """One bridge process."""

    def __init__(self, lab: "Lab") -> None:
        self.lab = lab
        self.wire = Wire(lab.sim)
        self.stack = AsyncExitStack()
        self.bridge: Bridge

    async def start(self) -> "Running":
        self.bridge = await self.stack.enter_async_context(server.bridge(self.lab.settings))
        cloud = self.bridge.site.cloud
        if cloud._session is not None:
            await cloud._session.close()
        cloud._session = self.wire  # type: ignore[assignment]
        database = self.bridge.site.store.database
        real = database.run

        async def run(work: Any, **options: Any) -> Any:
            self.wire.moment()
            doing = asyncio.ensure_future(real(work, **options))
            await asyncio.sleep(0)
            self.wire.moment()
            done = await doing
            self.wire.moment()
            return done

        database.run = run  # type: ignore[method-assign]
        return self

    async def stop(self) -> None:
        await self.stack.aclose()

    async def kill(self) -> None:
        """End it at once: whatever it still wants to tell CloudStack or the store is not heard."""
        self.wire.dead = True
        spared = self.lab.others()
        database = self.bridge.site.store.database
        if isinstance(database, Asked):
            database.cut()
        with clock.outside():
            while tasks := [task for task in asyncio.all_tasks() if task not in spared]:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            with suppress(asyncio.CancelledError):
                await self.stack.aclose()

    async def answer(self, action: str, request: dict[str, Any], account: str = "alice") -> Told:
        """Answer one parsed request as `Bridge.answer` does."""
        op = operation(action, "ec2")
        assert op is not None, action
        keys = self.lab.sim.accounts[account]
        credentials = Credentials(keys.api_key, keys.api_key, keys.secret_key)
        verified = Verified(credentials, [], "ec2", self.lab.settings.region)
        exchange = Exchange(self.lab.request_id())
        try:
            result = await self.bridge.perform(op, request, verified, exchange, "http://bridge")
            render.render(op, result, version=exchange.version, request_id=exchange.request_id)
        except Ec2Error as error:
            return Told(error.status, error.code, error.message)
        except Exception as error:
            return Told(500, "InternalError", repr(error))
        return Told(200, answer=result)

    async def idle(self) -> None:
        """Wait until nothing goes on in the background."""
        for _ in range(600):
            if self.wire.dead or not background.count(self.bridge.site):
                return
            await asyncio.sleep(1)


class Lab:
    """The place of one scenario, with a file for a store, or a database that has no other user."""

    def __init__(self, directory: Path, database: str | None = None, **cloud: Any) -> None:
        self.sim = Simulator(job_time=JOB_TIME, strict=True, **cloud)
        self.sim.url = "http://cloudstack/client/api"
        self.file = directory / "store.sqlite"
        self.database = Store(database) if database else None
        """What is kept of a PostgreSQL is read and put back by a connection of the lab's own."""
        service = self.sim.accounts["keylookup"]
        self.settings = config.load(
            cloudstack_url=self.sim.url,
            service_api_key=service.api_key,
            service_secret_key=service.secret_key,
            region="cloudstack",
            store=database or str(self.file),
            job_timeout=JOB_TIMEOUT,
            iam_instance_profiles="ignore",
        )
        self.running: Running
        self.requests = 0
        self.memory = b""
        self.mine: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        self.running = await Running(self).start()

    async def restart(self) -> None:
        """Start the next process on what the last one left."""
        await self.start()

    def request_id(self) -> str:
        self.requests += 1
        return f"00000000-0000-4000-8000-{self.requests:012d}"

    def others(self) -> set[asyncio.Task[Any]]:
        """The tasks that are no bridge's: CloudStack's jobs and the harness's own."""
        current = asyncio.current_task()
        return {*self.sim.cloud.jobs._tasks, *self.mine, *({current} if current else ())}

    async def do(self, action: str, account: str = "alice", **request: Any) -> Any:
        """Have something done that must succeed."""
        told = await self.running.answer(action, request, account)
        assert told.ok, f"{action}: {told}"
        return told.answer

    async def quiet(self) -> None:
        """Give what goes on, and what is to be taken up, its time."""
        for pause in QUIET:
            await asyncio.sleep(pause)
            await self.running.answer("DescribeInstances", {})
            await self.running.idle()
            await self.sim.settle()
        await asyncio.sleep(1)

    async def keep(self) -> None:
        """Remember this moment, and let the bridge go."""
        await self.quiet()
        await self.running.stop()
        self.memory = pickle.dumps(
            {table.name: (table._live, table._removed, table._last_number) for table in self.sim.cloud.tables}
        )
        self.stored = {path.name: path.read_bytes() for path in self._files()}
        self.entries = await self._entries(self.database) if self.database else []

    async def back(self) -> None:
        """Put cloud and store back to that moment, with no bridge running."""
        jobs = self.sim.cloud.jobs
        await jobs.close()
        jobs._tasks.clear()
        jobs._queues.clear()
        jobs._latest.clear()
        jobs.fates.clear()
        self.sim.faults.faults.clear()
        remembered = pickle.loads(self.memory)
        for table in self.sim.cloud.tables:
            table._live, table._removed, table._last_number = remembered.get(table.name, ({}, {}, 0))
            table._index.clear()
            table._indexed_as.clear()
            table.version += 1
        self.sim.cloud.shown.clear()
        self.sim.dispatcher._callers.clear()
        for path in self._files():
            path.unlink()
        for name, content in self.stored.items():
            (self.file.parent / name).write_bytes(content)
        await self._put_back()

    async def _put_back(self) -> None:
        def write(connection: Any) -> None:
            connection.execute(text("DELETE FROM entries"))
            if self.entries:
                names = ", ".join(self.entries[0])
                marks = ", ".join(f":{name}" for name in self.entries[0])
                connection.execute(
                    text(f"INSERT INTO entries ({names}) VALUES ({marks})"),
                    [dict(row) for row in self.entries],
                )

        if self.database:
            await self.database.database.run(write)

    async def empty(self) -> None:
        """Begin with a database that has nothing in it."""
        if self.database:
            await self.database.start()
            self.entries: list[Any] = []
            await self._put_back()

    def _files(self) -> list[Path]:
        return sorted(self.file.parent.glob(f"{self.file.name}*"))

    async def inventory(self) -> Inventory:
        """All that there is."""
        rows = await self._entries(self.running.bridge.site.store)
        return Inventory([*of_cloud(self.sim.cloud.tables), *of_store(rows)])

    @staticmethod
    async def _entries(kept: Store) -> list[Any]:
        def entries(connection: Any) -> list[Any]:
            return [dict(row) for row in connection.execute(text("SELECT * FROM entries")).mappings()]

        return await kept.database.run(entries)

    async def close(self) -> None:
        await self.sim.cloud.close()
        if self.database:
            await self.database.close()
        for path in self._files():
            path.unlink()


def plainly(answer: Any) -> Any:
    """An answer as JSON would have it."""
    return json.loads(json.dumps(answer, default=str))


def counted(calls: list[Native]) -> Counter[str]:
    return Counter(call.command for call in calls)
