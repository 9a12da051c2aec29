"""The process around the bridge: builds it from the settings, serves it, and takes it down.

`app.py` holds the path of a request; here are the things that a request does not see: the HTTP server, TLS, the access
log, metrics and health.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from ec2bridge.app import Bridge
from ec2bridge.auth.profiles import read_profiles
from ec2bridge.auth.secrets import CloudStackSecrets, FileSecrets, SecretProvider
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.calls import Observer
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.directory import Directories
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.kept_ids import KeptIds
from ec2bridge.config import Settings, SettingsError, host_and_port
from ec2bridge.ec2 import background, registry
from ec2bridge.ec2.context import Site
from ec2bridge.ec2.recovery import Recovery
from ec2bridge.mapping import MappingError, load_mappings
from ec2bridge.page.browser import History, Page
from ec2bridge.resources.machines import volumes as machine_volumes
from ec2bridge.serving.access_log import count_native_call
from ec2bridge.serving.announcements import tell_start, tell_stop
from ec2bridge.serving.application import application
from ec2bridge.serving.certificates import Certificate, cloudstack_trust, server_certificate
from ec2bridge.serving.connections import MOST_HEADERS, Connections, Runner, limit
from ec2bridge.serving.health import Health
from ec2bridge.serving.memory import tidy
from ec2bridge.serving.metrics import Metrics
from ec2bridge.serving.throttling import Throttle
from ec2bridge.serving.tracing import exporting
from ec2bridge.serving.workers import BACKLOG, WITHDRAWN, Place
from ec2bridge.store import Store, StoreError
from ec2bridge.wire.model import service_model

log = logging.getLogger("ec2bridge")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PURGE_EVERY = 3600.0
LAST_REQUESTS = 2.0
"""Seconds in which a worker that is replaced answers what still comes over the connections that it has taken."""
LAST_WORDS = 60.0
"""Seconds that requests under way have to come to their end when the process stops."""


def provider(settings: Settings, cloud: CloudStack) -> SecretProvider:
    """Return the source of secrets that the settings name."""
    if settings.credentials_file is not None:
        if settings.service_api_key is not None:
            log.warning(
                "credentials_file wins over the look-up account: only the keys in %s are accepted",
                settings.credentials_file,
            )
        return FileSecrets(settings.credentials_file)
    return CloudStackSecrets(Account(cloud, service_credentials(settings)))


def service_credentials(settings: Settings) -> Credentials:
    """Return the look-up account's keys."""
    key, secret = settings.service_api_key, settings.service_secret_key
    if key is None or secret is None:
        raise SettingsError("No look-up account is set.")
    return Credentials(access_key=key, api_key=key, secret_key=secret.get_secret_value())


def looking(settings: Settings) -> Credentials:
    """Return the keys that an operator's commands see the cloud with: the look-up account's, else the file's first."""
    if settings.service_api_key is None and settings.credentials_file is not None:
        return next(iter(read_profiles(settings.credentials_file).values()))
    return service_credentials(settings)


def cloudstack(settings: Settings) -> CloudStack:
    """Return the endpoint that the settings name, not yet opened; raises SettingsError."""
    return CloudStack(
        settings.cloudstack_url,
        timeout=settings.call_timeout,
        job_timeout=settings.job_timeout,
        tls=cloudstack_trust(settings) or True,
    )


@asynccontextmanager
async def bridge(
    settings: Settings, metrics: Metrics | None = None, observers: Sequence[Observer] = ()
) -> AsyncIterator[Bridge]:
    """Build the bridge and everything it stands on; close it all in the end. Raises SettingsError."""
    registry.load()
    service_model("ec2")  # which the first request would wait for otherwise, and all others with it
    # The model and the tables live as long as the process: a full collection need not walk them each time.
    gc.collect()
    gc.freeze()
    # A large answer makes hundreds of thousands of objects that are no garbage. Looking through all that there is holds
    # the loop for half a second then, and is left to `tidy`; what is young is looked through in small parts.
    gc.set_threshold(5_000, 5, 100_000)
    try:
        mappings = load_mappings(settings.mappings)
        store = Store(None if settings.store == "memory" else settings.store)
        await store.start()
    except (MappingError, StoreError) as error:
        raise SettingsError(str(error)) from None
    cloud = cloudstack(settings)
    cloud.observers.extend(observers)
    await cloud.start()
    try:
        service = Account(cloud, service_credentials(settings)) if settings.service_api_key else None
        site = Site(settings=settings, cloud=cloud, mappings=mappings, store=store, service=service)
        machine_volumes.watch_changes(site)
        ignored = (lambda action, path: metrics.ignored.labels(action, path).inc()) if metrics else None
        stopping = asyncio.Event()
        directories = Directories(cloud, kept=KeptIds(store))
        served = Bridge(site, provider(settings, cloud), directories, on_ignored=ignored)
        if settings.throttle:
            served.throttle = Throttle(mappings.throttling, settings.throttle).take
        served.recovery = Recovery(site, served.secrets, served.directories, settings.recovery_interval)
        tasks = [
            asyncio.create_task(purge(store, stopping), name="purge"),
            asyncio.create_task(tidy(stopping), name="tidy"),
            asyncio.create_task(served.recovery.run(stopping), name="recovery"),
        ]
        try:
            yield served
        finally:
            # Never cancelled: a statement cut off in SQLite leaves a connection that cannot be closed.
            stopping.set()
            await background.stop(site)
            await asyncio.gather(*tasks, directories.close())
    finally:
        await cloud.close()
        await store.close()


async def purge(store: Store, stopping: asyncio.Event) -> None:
    """Remove from the store what has expired, now and every hour."""
    while not stopping.is_set():
        try:
            await store.purge()
        except (SQLAlchemyError, StoreError) as error:
            log.warning("the store could not be purged: %s", str(error).partition("\n")[0])
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), PURGE_EVERY)


@asynccontextmanager
async def listening(
    settings: Settings, history: History | None = None, place: Place | None = None
) -> AsyncIterator[tuple[str, Bridge]]:
    """Serve the bridge while the context is open; yields its URL and itself. The page shows a `history` where given.

    One of several workers has its `place`.
    """
    metrics = Metrics()
    certificate = server_certificate(settings)
    tracing = exporting(settings.traces) if settings.traces else None
    async with AsyncExitStack() as stack:
        if tracing:
            stack.push_async_callback(tracing.close)
        observers = [
            count_native_call,
            metrics.saw_native_call,
            *([tracing.saw_native_call] if tracing else ()),
        ]
        served = await stack.enter_async_context(bridge(settings, metrics, observers))
        health = Health(served)
        metrics.watch(served, health, certificate)
        page = Page(settings, version("ec2bridge"), history) if settings.browser_page else None
        connections = Connections(limit(settings.max_connections))
        metrics.count(connections)
        app = application(served, metrics, health, connections, tracing, page)
        runner = await _runner(stack, app, settings.idle_timeout, connections)
        context = certificate.context if certificate else None
        if place:
            turn = asyncio.get_running_loop().add_signal_handler
            turn(WITHDRAWN, setattr, health, "stopping", True)
            shared = web.SockSite(runner, place.listen, ssl_context=context, backlog=1)
            port = await _share(shared, place.listen)
            pages = await _runner(stack, _metrics_pages(metrics.page), settings.idle_timeout)
            await web.UnixSite(pages, str(place.metrics)).start()
        else:
            port = await _open(runner, settings.listen, context)
            await stack.enter_async_context(showing_metrics(settings, metrics.page))
        if certificate:
            await stack.enter_async_context(renewed(certificate))
        url = url_of(settings.listen, port, "https" if context else "http")
        await tell_start(served, health, url)
        yield url, served
        await tell_stop(served, health, None if place else settings.stop_delay)
        if place:
            await _left_to_the_others(place.listen, served)
    log.info("ec2bridge has stopped")


async def _runner(
    stack: AsyncExitStack, app: web.Application, idle_timeout: float, connections: Connections | None = None
) -> web.AppRunner:
    # AWS takes no packed bodies; what is signed, and what counts against max_body, is what was sent.
    # aiohttp's keep-alive time begins with the connection: it is also what a client has to send its headers in.
    runner = Runner(
        app,
        connections,
        max_headers=MOST_HEADERS,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=idle_timeout,
        shutdown_timeout=LAST_WORDS,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


@asynccontextmanager
async def showing_metrics(settings: Settings, page: Handler) -> AsyncIterator[None]:
    """Show metrics where the settings say so."""
    async with AsyncExitStack() as stack:
        if settings.metrics_listen:
            runner = await _runner(stack, _metrics_pages(page), settings.idle_timeout)
            port = await _open(runner, settings.metrics_listen, None)
            log.info("metrics are at %s/metrics", url_of(settings.metrics_listen, port))
        yield


def _metrics_pages(page: Handler) -> web.Application:
    pages = web.Application()
    pages.router.add_get("/metrics", page)
    return pages


@asynccontextmanager
async def renewed(certificate: Certificate) -> AsyncIterator[None]:
    """Have the certificate read again whenever it is renewed."""
    stopping = asyncio.Event()
    watching = asyncio.create_task(certificate.watch(stopping), name="certificate")
    try:
        yield
    finally:
        stopping.set()
        await watching


async def _open(runner: web.AppRunner, address: str, context: ssl.SSLContext | None) -> int:
    host, port = host_and_port(address)
    site = web.TCPSite(runner, host, port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(cannot_listen(address, error)) from None
    return int(runner.addresses[-1][1])


async def _share(site: web.SockSite, listen: socket.socket) -> int:
    # With its backlog of 1 it takes one connection at a time, so that the other workers have theirs.
    await site.start()
    listen.listen(BACKLOG)
    return int(listen.getsockname()[1])


async def _left_to_the_others(listen: socket.socket, served: Bridge) -> None:
    """Take no more connections; those that have just been taken, and those in use, get another answer, the last one."""
    served.closing = True
    # Not by closing it: asyncio drops a connection that it has taken and not yet begun to serve then.
    asyncio.get_running_loop().remove_reader(listen)
    await asyncio.sleep(LAST_REQUESTS)


def url_of(address: str, port: int, scheme: str = "http") -> str:
    """Return the URL of what listens at an address, on the port that it was given there."""
    host = host_and_port(address)[0]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def cannot_listen(address: str, error: OSError) -> str:
    """Return the sentence for an address that cannot be opened; asyncio's own repeats the address in a tuple."""
    reason = error.strerror or str(error)
    if error.errno and error.errno > 0:
        reason = os.strerror(error.errno)
    return f"Cannot listen on {address}: {reason}."


async def until_stopped() -> None:
    """Return at the first SIGINT or SIGTERM."""
    await told_to_stop().wait()


def told_to_stop() -> asyncio.Event:
    """Return what SIGINT and SIGTERM set from now on."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped
