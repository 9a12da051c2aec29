"""Several processes that serve one socket: `--workers N`.

The first process opens the socket and serves nothing itself. It starts the workers, which inherit the socket, so that a
connection is taken by whichever of them is free, and none is refused while one of them starts or stops. It starts one
again that has died; at SIGHUP it replaces all, one after the other, each once its successor serves: with new settings,
and new code if there is some. What they share is the store.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from ec2bridge.config import SettingsError, host_and_port

log = logging.getLogger("ec2bridge")

BACKLOG = 1024
"""Connections that may wait for a worker to take them."""
READY_WITHIN = 60.0
"""Seconds that a worker may take to start."""
WITHDRAWN = signal.SIGUSR2
"""Has a worker's /health say that all stop soon; it goes on serving."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a worker that has died is started again."""
LIVED = 60.0
"""Seconds after which a worker has lived long enough for its successor to be started soon."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is given by the process that started it: two sockets, and where to show its metrics."""

    listen: socket.socket
    starter: socket.socket
    """Whoever started this process: it is told when this one serves, and its end is seen here."""
    metrics: Path

    @classmethod
    def read(cls, text: str) -> "Place":
        """Return what `--worker` says."""
        listen, starter, metrics = text.split(":", 2)
        return cls(socket.socket(fileno=int(listen)), socket.socket(fileno=int(starter)), Path(metrics))

    def tell_ready(self, stopped: asyncio.Event) -> None:
        """Tell the process that started this one that it serves, and stop when that one is gone."""
        self.starter.setblocking(False)
        self.starter.send(b".")
        asyncio.get_running_loop().add_reader(self.starter, stopped.set)


def opened(address: str) -> socket.socket:
    """Return a listening socket; raises OSError."""
    host, port = host_and_port(address)
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


@dataclass(slots=True, eq=False)
class Worker:
    """One process that serves."""

    number: int
    metrics: Path
    process: asyncio.subprocess.Process
    control: socket.socket
    since: float

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGTERM has it end what is under way and stop."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


@dataclass(slots=True)
class Workers:
    """The processes that serve a socket. `command` starts one, with `--worker` and where its place is added."""

    command: Sequence[str]
    count: int
    listen: socket.socket
    folder: Path
    running: dict[int, Worker] = field(default_factory=dict)
    _stopping: bool = False
    _started: int = 0
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)
    _replacing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start all; raises SettingsError when one ends at once, having said why itself."""
        started = await asyncio.gather(*(self._start(n) for n in range(self.count)), return_exceptions=True)
        failures = [outcome for outcome in started if isinstance(outcome, BaseException)]
        if failures:
            await self.stop()
            raise failures[0]
        self._keepers = [asyncio.create_task(self._keep(n), name=f"worker {n}") for n in range(self.count)]

    async def _start(self, number: int) -> Worker:
        """Start a process and wait until it serves; it takes the number's place then."""
        self._started += 1
        metrics = self.folder / f"{number}-{self._started}.sock"
        control, given = socket.socketpair()
        control.setblocking(False)
        descriptors = self.listen.fileno(), given.fileno()
        place = ":".join(map(str, (*descriptors, metrics)))
        with given:
            # A session of its own: what a terminal sends at Ctrl-C is for the first process.
            process = await asyncio.create_subprocess_exec(
                *self.command, "--worker", place, pass_fds=descriptors, start_new_session=True
            )
        worker = Worker(number, metrics, process, control, asyncio.get_running_loop().time())
        try:
            ready = await _says_ready(control)
        except asyncio.CancelledError:
            # All stop meanwhile: it must not go on alone, in a folder that is gone.
            await _ended(worker)
            raise
        if not ready:
            await _ended(worker)
            raise SettingsError(f"Worker {number} did not start; what it said about that stands above.")
        self.running[number] = worker
        return worker

    async def _keep(self, number: int) -> None:
        """Start a worker again whenever it has died."""
        pause = FIRST_PAUSE
        while True:
            worker = self.running[number]
            code = await worker.process.wait()
            if self._stopping:
                return
            worker.control.close()
            if self.running[number] is not worker:
                continue  # it was replaced
            log.warning("worker %d (process %d) has died: exit code %d", number, worker.process.pid, code)
            loop = asyncio.get_running_loop()
            pause = FIRST_PAUSE if loop.time() - worker.since > LIVED else min(2 * pause, LONGEST_PAUSE)
            while not self._stopping:
                await asyncio.sleep(pause)
                try:
                    async with self._replacing:
                        await self._start(number)
                    break
                except (SettingsError, OSError) as error:
                    pause = min(2 * pause, LONGEST_PAUSE)
                    log.error("%s It is tried again in %g seconds.", error, pause)

    async def replace(self) -> None:
        """Replace all workers, one after the other, each once its successor serves."""
        async with self._replacing:
            for number in range(self.count):
                old = self.running[number]
                try:
                    new = await self._start(number)
                except (SettingsError, OSError) as error:
                    log.error("%s The workers go on as they are.", error)
                    return
                old.send(signal.SIGTERM)
                log.info("worker %d: process %d follows %d", number, new.process.pid, old.process.pid)

    async def stop(self, delay: float = 0) -> None:
        """Have all end what is under way, and wait for them; for `delay` seconds before, their /health says so."""
        self._stopping = True
        if delay:
            log.info("ec2bridge is stopping in %g seconds", delay)
            for worker in self.running.values():
                worker.send(WITHDRAWN)
            await asyncio.sleep(delay)
        for worker in self.running.values():
            worker.send(signal.SIGTERM)
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*(worker.process.wait() for worker in self.running.values()))
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def metrics_page(self, _: web.Request) -> web.Response:
        """Serve the metrics of all workers in one page, each with the label `worker`."""
        workers = [self.running[number] for number in sorted(self.running)]
        pages = await asyncio.gather(*(_page_of(worker.metrics) for worker in workers))
        registry = CollectorRegistry()
        registry.register(
            _Together({worker.number: page for worker, page in zip(workers, pages, strict=True)})
        )
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Together(Collector):
    """Several pages as one."""

    def __init__(self, pages: dict[int, str]) -> None:
        self.pages = pages

    def collect(self) -> list[Metric]:
        found: dict[str, Metric] = {}
        for number, page in self.pages.items():
            for family in text_string_to_metric_families(page):
                name = family.name
                together = found.setdefault(name, Metric(name, family.documentation, family.type))
                for sample in family.samples:
                    labels = {**sample.labels, "worker": str(number)}
                    together.samples.append(sample._replace(labels=labels))
        return list(found.values())


async def _page_of(path: Path) -> str:
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.get("http://worker/metrics") as answer,
        ):
            return await answer.text()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("a worker does not tell its metrics: %s", error)
        return ""


async def _ended(worker: Worker) -> None:
    """Have a process end that does not serve yet."""
    worker.send(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(worker.process.wait(), 5)
    if worker.process.returncode is None:
        worker.process.kill()
    worker.control.close()


async def _says_ready(control: socket.socket) -> bool:
    """Whether a worker says that it serves; one that ends without having says nothing."""
    try:
        return bool(await asyncio.wait_for(asyncio.get_running_loop().sock_recv(control, 1), READY_WITHIN))
    except (TimeoutError, OSError):
        return False


@contextlib.asynccontextmanager
async def workers(
    command: Sequence[str], count: int, listen: socket.socket, stop_delay: float
) -> AsyncIterator[Workers]:
    """Have so many processes serve a socket while the context is open; SIGHUP replaces them."""
    with tempfile.TemporaryDirectory(prefix="ec2bridge-") as folder:
        served = Workers(command, count, listen, Path(folder))
        loop = asyncio.get_running_loop()
        replacing: set[asyncio.Task[None]] = set()

        def replace() -> None:
            log.info("the workers are replaced")
            task = loop.create_task(served.replace())
            replacing.add(task)
            task.add_done_callback(replacing.discard)

        await served.start()
        loop.add_signal_handler(signal.SIGHUP, replace)
        try:
            yield served
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            for task in replacing:
                task.cancel()
            await served.stop(stop_delay)
            await asyncio.gather(*replacing, return_exceptions=True)


def command_line() -> list[str]:
    """Return what starts this program again as it was started."""
    return [sys.executable, "-m", "ec2bridge", *sys.argv[1:]]
