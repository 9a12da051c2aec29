"""The HTTP application around the bridge: what is measured, logged and looked after with every request."""

import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from aiohttp import web

from ec2bridge.app import EXCHANGE, Bridge
from ec2bridge.page.browser import CALLS, Page, is_browser
from ec2bridge.serving import access_log
from ec2bridge.serving.access_log import Tally, client_address, tally
from ec2bridge.serving.connections import Connections
from ec2bridge.serving.health import Health
from ec2bridge.serving.metrics import Metrics
from ec2bridge.serving.regions import OtherRegions
from ec2bridge.serving.tracing import Tracing

SLOWEST_READER = 60
"""Seconds for which a client may take nothing of its answer."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    served: Bridge,
    metrics: Metrics,
    health: Health,
    connections: Connections,
    tracing: Tracing | None,
    page: Page | None,
) -> web.Application:
    """Return the aiohttp application: any path is the EC2 endpoint, since old clients sign paths of their own."""
    proxies = served.site.settings.trusted_proxies

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is not None:
            handler = served.handle  # a target that is no path: "*", or nothing that begins with a slash
        give_up_slow_readers(request)
        native = Tally()
        tally.set(native)
        started = time.perf_counter()
        with connections.busy(request), metrics.under_way.track_inprogress(), spanned(request) as span:
            response = await handler(request)
            exchange = request.get(EXCHANGE)
            if exchange is not None:
                seconds = time.perf_counter() - started
                client = client_address(
                    request.remote, request.headers.getall("X-Forwarded-For", ()), proxies
                )
                metrics.saw_request(exchange.action, exchange.code, seconds)
                access_log.write(exchange, client, response.status, seconds, native)
                if tracing and span:
                    tracing.answered(span, exchange, response.status, client)
        return response

    def spanned(request: web.Request) -> AbstractContextManager[Any]:
        return tracing.request(request) if tracing else nullcontext()

    app = web.Application(middlewares=[observe], client_max_size=served.site.settings.max_body)
    app.router.add_get("/health", health.live)
    app.router.add_get("/readyz", health.ready)
    endpoint: Handler = served.handle
    if served.site.settings.regions:
        others = OtherRegions(served)
        app.cleanup_ctx.append(others.opened)
        endpoint = others.handle

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (page.show if page and is_browser(request) else endpoint)(request)

    if page and page.history is not None:
        app.router.add_get(CALLS, page.calls)
    app.router.add_route("*", "/{path:.*}", answer)
    return app


def give_up_slow_readers(request: web.Request) -> None:
    """Have the system end a connection whose other side takes nothing of an answer for a minute."""
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):  # it has gone already
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SLOWEST_READER * 1000)
