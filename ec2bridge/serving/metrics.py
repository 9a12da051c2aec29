"""What Prometheus may know: counts and times by action, command and code, never keys or parameters."""

import platform
from collections.abc import Iterator, Sized
from importlib.metadata import version
from typing import Any

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from ec2bridge.app import Bridge
from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.ec2 import background, registry
from ec2bridge.serving.certificates import Certificate
from ec2bridge.serving.connections import Connections
from ec2bridge.serving.health import OK, Health
from ec2bridge.wire.model import SERVICES

# Up to ten minutes: an image of a large volume takes as long, and what stands in +Inf cannot be told apart.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        built = Gauge(
            "ec2bridge_build_info",
            "Version of the bridge and of Python",
            ["version", "python"],
            registry=self.registry,
        )
        built.labels(version("ec2bridge"), platform.python_version()).set(1)
        self.requests = self._counter(
            "ec2bridge_requests", "EC2 requests answered, by outcome", "action", "code"
        )
        self.seconds = self._histogram(
            "ec2bridge_request_seconds", "Seconds to answer an EC2 request", "action"
        )
        self.native = self._histogram(
            "ec2bridge_cloudstack_seconds", "Seconds of calls to CloudStack", "command", "ok"
        )
        self.ignored = self._counter(
            "ec2bridge_ignored_parameters",
            "Unsupported parameters that a lenient bridge let pass",
            "action",
            "parameter",
        )
        self.under_way = Gauge(
            "ec2bridge_requests_under_way", "EC2 requests that wait for their answer", registry=self.registry
        )
        self.health: Health | None = None

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(name, what, labels, registry=self.registry, buckets=BUCKETS)

    def count(self, connections: Connections) -> None:
        """Show how many connections there are, and how many there was no room for."""
        self.registry.register(_Held(connections))

    def saw_request(self, action: str, code: str, seconds: float) -> None:
        """Count one answer; a name that is no served action is counted as "other", so labels stay bounded."""
        label = action if any(registry.find(action, service) for service in SERVICES) else "other"
        self.requests.labels(label, code).inc()
        self.seconds.labels(label).observe(seconds)

    def saw_native_call(self, call: NativeCall) -> None:
        """Observe one call to CloudStack."""
        self.native.labels(call.command, "true" if call.error is None else "false").observe(call.seconds)

    def watch(self, bridge: Bridge, health: Health, certificate: Certificate | None) -> None:
        """Show the state of a bridge, too, as it is when somebody asks."""
        self.health = health
        self.state = State(bridge, certificate)
        self.registry.register(self.state)

    async def page(self, _: web.Request) -> web.Response:
        """Serve the exposition format."""
        if self.health is not None:
            await self.state.refresh(self.health)
        return web.Response(
            body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


class _Held(Collector):
    """What connections there are."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield _gauge("ec2bridge_connections", "Connections of clients", len(self.connections))
        family = CounterMetricFamily(
            "ec2bridge_connections_turned_away",
            "Connections that there was no room for: idle ones closed for another, and others refused",
            labels=["how"],
        )
        for how, count in self.connections.turned_away.items():
            family.add_metric([how], count)
        yield family


class State(Collector):
    """What is the case at the moment: what answers, what is under way, what is kept."""

    def __init__(self, bridge: Bridge, certificate: Certificate | None) -> None:
        self.bridge = bridge
        self.certificate = certificate
        self._findings: dict[str, str] = {}
        self._entries: dict[str, int] = {}

    async def refresh(self, health: Health) -> None:
        """Ask what only answers later: CloudStack and the store."""
        self._findings = await health.findings()
        if self._findings["store"] == OK:
            self._entries = await self.bridge.site.store.count_kinds()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        up = {name: float(finding == OK) for name, finding in self._findings.items()}
        if up:
            yield _gauge("ec2bridge_cloudstack_up", "Whether CloudStack answers", up.pop("cloudstack"))
            yield _gauge("ec2bridge_store_up", "Whether the store answers", up.pop("store"))
            yield _gauge(
                "ec2bridge_service_key_valid",
                "Whether CloudStack takes the look-up account's key",
                *up.values(),
            )
        yield _gauge(
            "ec2bridge_jobs_waiting",
            "CloudStack's jobs that are waited for",
            self.bridge.site.cloud.jobs.waiting,
        )
        yield _gauge(
            "ec2bridge_tasks",
            "Work that goes on after its request was answered",
            background.count(self.bridge.site),
        )
        yield _gauges(
            "ec2bridge_store_entries",
            "Entries of the store: journal and machine are under way, token:… answers to client tokens",
            "kind",
            self._entries,
        )
        yield _gauges("ec2bridge_cache_entries", "What is kept in memory", "cache", self._caches())
        offset = self.bridge.site.cloud.clock_offset
        yield _gauge("ec2bridge_cloudstack_clock_offset_seconds", "CloudStack's clock less this one", offset)
        if self.certificate is not None:
            yield _gauge(
                "ec2bridge_certificate_expires_timestamp_seconds",
                "When the TLS certificate expires",
                self.certificate.expires,
            )

    def _caches(self) -> dict[str, int]:
        cloud = self.bridge.site.cloud
        known: dict[str, Any] = {
            "answers": cloud.unchanged,
            "capabilities": cloud._capabilities,
            "commands": cloud._parameters,
            "directories": self.bridge.directories,
            "secrets": self.bridge.secrets,
        }
        return {name: len(cache) for name, cache in known.items() if isinstance(cache, Sized)}


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _gauges(name: str, what: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
