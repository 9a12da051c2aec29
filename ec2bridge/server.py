"""The process around the bridge: builds it from the settings, serves it, and takes it down.

`app.py` holds the path of a request; here are the things that a request does not see: the HTTP server, TLS, the access
log, metrics and health.
"""

import asyncio
import gc
import logging
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from ec2bridge.app import EXCHANGE, Bridge
from ec2bridge.auth.secrets import CloudStackSecrets, FileSecrets, SecretProvider
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.directory import Directories
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.config import Settings, SettingsError, host_and_port
from ec2bridge.ec2 import background, registry
from ec2bridge.ec2.context import Site
from ec2bridge.mapping import MappingError, load_mappings
from ec2bridge.resources.machines import volumes as machine_volumes
from ec2bridge.store import Store, StoreError

log = logging.getLogger("ec2bridge")
access = logging.getLogger("ec2bridge.access")

PURGE_EVERY = 3600.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Metrics:
    """What Prometheus may know: counts and times by action and code, never keys or parameters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ec2bridge_requests", "EC2 requests answered", ["action", "code"], registry=self.registry
        )
        self.seconds = Histogram(
            "ec2bridge_request_seconds",
            "Seconds to answer an EC2 request",
            ["action"],
            registry=self.registry,
        )
        self.native = Histogram(
            "ec2bridge_cloudstack_seconds",
            "Seconds of native calls",
            ["command", "ok"],
            registry=self.registry,
        )
        self.ignored = Counter(
            "ec2bridge_ignored_parameters",
            "Unsupported parameters that a lenient bridge ignored",
            ["action", "parameter"],
            registry=self.registry,
        )

    def saw_request(self, action: str, code: str, seconds: float) -> None:
        """Count one answer; a name that is no served action is counted as "other", so labels stay bounded."""
        label = action if registry.find(action) or registry.find(action, "sts") else "other"
        self.requests.labels(label, code).inc()
        self.seconds.labels(label).observe(seconds)

    def saw_native_call(self, call: NativeCall) -> None:
        """Observe one call to CloudStack."""
        self.native.labels(call.command, "true" if call.error is None else "false").observe(call.seconds)

    async def page(self, _: web.Request) -> web.Response:
        """Serve the exposition format."""
        return web.Response(
            body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def provider(settings: Settings, cloud: CloudStack) -> SecretProvider:
    """Return the source of secrets that the settings name."""
    if settings.credentials_file is not None:
        return FileSecrets(settings.credentials_file)
    return CloudStackSecrets(Account(cloud, service_credentials(settings)))


def service_credentials(settings: Settings) -> Credentials:
    """Return the look-up account's keys."""
    key, secret = settings.service_api_key, settings.service_secret_key
    if key is None or secret is None:
        raise SettingsError("No look-up account is set.")
    return Credentials(access_key=key, api_key=key, secret_key=secret.get_secret_value())


@asynccontextmanager
async def bridge(settings: Settings, metrics: Metrics | None = None) -> AsyncIterator[Bridge]:
    """Build the bridge and everything it stands on; close it all in the end. Raises SettingsError."""
    registry.load()
    # The model and the tables live as long as the process: a full collection need not walk them each time.
    gc.collect()
    gc.freeze()
    # A large answer makes hundreds of thousands of objects that are no garbage; looking for it that often is waste.
    gc.set_threshold(50_000, 20, 100)
    try:
        mappings = load_mappings(settings.mappings)
        store = Store(None if settings.store == "memory" else settings.store)
        await store.start()
    except (MappingError, StoreError) as error:
        raise SettingsError(str(error)) from None
    cloud = CloudStack(
        settings.cloudstack_url, timeout=settings.call_timeout, job_timeout=settings.job_timeout
    )
    await cloud.start()
    try:
        if metrics:
            cloud.observers.append(metrics.saw_native_call)
        service = Account(cloud, service_credentials(settings)) if settings.service_api_key else None
        site = Site(settings=settings, cloud=cloud, mappings=mappings, store=store, service=service)
        machine_volumes.watch_changes(site)
        ignored = (lambda action, path: metrics.ignored.labels(action, path).inc()) if metrics else None
        stopping = asyncio.Event()
        purging = asyncio.create_task(purge(store, stopping), name="purge")
        try:
            yield Bridge(site, provider(settings, cloud), Directories(cloud), on_ignored=ignored)
        finally:
            # Never cancelled: a statement cut off in SQLite leaves a connection that cannot be closed.
            stopping.set()
            await background.stop(site)
            await purging
    finally:
        await cloud.close()
        await store.close()


async def purge(store: Store, stopping: asyncio.Event) -> None:
    """Remove from the store what has expired, now and every hour."""
    while not stopping.is_set():
        try:
            await store.purge()
        except SQLAlchemyError as error:
            log.warning("the store could not be purged: %s", type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), PURGE_EVERY)


def application(served: Bridge, metrics: Metrics) -> web.Application:
    """Return the aiohttp application: any path is the EC2 endpoint, since old clients sign paths of their own."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        exchange = request.get(EXCHANGE)
        if exchange is not None:
            seconds = time.perf_counter() - started
            metrics.saw_request(exchange.action, exchange.code, seconds)
            access.info(
                "%s %s %s %s %s %.1fms %s",
                request.remote,
                exchange.access_key,
                exchange.action,
                response.status,
                exchange.code,
                seconds * 1000,
                exchange.request_id,
            )
        return response

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application(middlewares=[observe], client_max_size=served.site.settings.max_body)
    app.router.add_get("/health", health)
    app.router.add_route("*", "/{path:.*}", served.handle)
    return app


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the server's TLS context, or None without a certificate; raise SettingsError for a bad one."""
    if settings.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"The TLS certificate {settings.tls_certificate} or its key cannot be used: {error}."
        ) from None
    return context


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[tuple[str, Bridge]]:
    """Serve the bridge while the context is open; yields its URL and itself."""
    metrics = Metrics()
    context = tls_context(settings)
    async with bridge(settings, metrics) as served:
        # AWS takes no packed bodies; what is signed, and what counts against max_body, is what was sent.
        runner = web.AppRunner(application(served, metrics), access_log=None, auto_decompress=False)
        await runner.setup()
        pages = web.Application()
        pages.router.add_get("/metrics", metrics.page)
        metrics_runner = web.AppRunner(pages, access_log=None)
        await metrics_runner.setup()
        try:
            port = await _open(runner, settings.listen, context)
            if settings.metrics_listen:
                await _open(metrics_runner, settings.metrics_listen, None)
            host = host_and_port(settings.listen)[0]
            shown = f"[{host}]" if ":" in host else host
            yield f"{'https' if context else 'http'}://{shown}:{port}", served
        finally:
            await metrics_runner.cleanup()
            await runner.cleanup()


async def _open(runner: web.AppRunner, address: str, context: ssl.SSLContext | None) -> int:
    host, port = host_and_port(address)
    site = web.TCPSite(runner, host, port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(cannot_listen(address, error)) from None
    return int(runner.addresses[-1][1])


def cannot_listen(address: str, error: OSError) -> str:
    """Return the sentence for an address that cannot be opened; asyncio's own repeats the address in a tuple."""
    reason = error.strerror or str(error)
    if error.errno and error.errno > 0:
        reason = os.strerror(error.errno)
    return f"Cannot listen on {address}: {reason}."


async def until_stopped() -> None:
    """Return at the first SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
