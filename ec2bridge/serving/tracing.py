"""OpenTelemetry traces: a span for each request, and in it one for each native call.

An optional extra (`ec2bridge[otel]`): where the setting `traces` is empty, nothing of it is imported.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.config import SettingsError
from ec2bridge.exchange import Exchange

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

PATIENCE = 5.0
"""Seconds that a collector may take; at the stop nobody waits longer for one that is away."""


def exporting(url: str) -> "Tracing":
    """Return what sends spans to an OTLP collector; raise SettingsError without the packages for it."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"traces: the Python package {error.name} is not installed (pip install 'ec2bridge[otel]')."
        ) from None
    resource = Resource.create({"service.name": "ec2bridge", "service.version": version("ec2bridge")})
    provider = TracerProvider(resource=resource)
    endpoint = url if url.rstrip("/").endswith("/v1/traces") else f"{url.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=PATIENCE)))
    return Tracing(provider)


class Tracing:
    """Makes the spans."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("ec2bridge", version("ec2bridge"))

    @contextmanager
    def request(self, http: web.Request) -> Iterator["Span"]:
        """Open a span for a request, below the one that the client names in `traceparent`, if any."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(
            "ec2",
            context=extract({name.lower(): text for name, text in http.headers.items()}),
            kind=SpanKind.SERVER,
        ) as span:
            yield span

    def answered(self, span: "Span", exchange: Exchange, status: int, client: str) -> None:
        """Write onto a request's span what became of it."""
        from opentelemetry.trace import StatusCode

        span.update_name(f"{exchange.service.upper()}/{exchange.action}")
        facts: dict[str, Any] = {
            "rpc.system": "aws-api",
            "rpc.service": exchange.service.upper(),
            "rpc.method": exchange.action,
            "aws.request_id": exchange.request_id,
            "http.response.status_code": status,
            "client.address": client,
            "enduser.id": exchange.user,
            "ec2bridge.account": exchange.account,
            "ec2bridge.ids": exchange.ids,
            "ec2bridge.code": exchange.code,
        }
        span.set_attributes(facts)
        if status >= 500:
            span.set_status(StatusCode.ERROR, exchange.code)

    def saw_native_call(self, call: NativeCall) -> None:
        """Make a span of a native call that has just ended, below that of the request it is made for."""
        from opentelemetry.trace import SpanKind, StatusCode

        now = time.time_ns()
        span = self._tracer.start_span(
            f"CloudStack/{call.command}",
            kind=SpanKind.CLIENT,
            start_time=now - int(call.seconds * 1e9),
            attributes={"rpc.system": "cloudstack", "rpc.method": call.command},
        )
        if call.error is not None:
            span.set_status(StatusCode.ERROR, str(call.error))
        span.end(now)

    async def close(self) -> None:
        """Send what has not been sent."""
        await asyncio.to_thread(self._provider.shutdown)
