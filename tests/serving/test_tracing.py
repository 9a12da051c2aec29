"""OpenTelemetry traces, as a collector receives them over OTLP."""

import builtins
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ec2bridge.config import SettingsError
from ec2bridge.serving.tracing import exporting
from tests.conftest import Place
from tests.launching import launch

Spans = list[Any]


class Collector(HTTPServer):
    """What receives spans."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: Spans = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.services: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/traces"
        for group in sent.resource_spans:
            self.server.services |= {
                fact.value.string_value for fact in group.resource.attributes if fact.key == "service.name"
            }
            self.server.spans += [span for scope in group.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def facts(span: Any) -> dict[str, Any]:
    return {fact.key: fact.value.string_value or fact.value.int_value for fact in span.attributes}


def test_a_request_is_a_span_with_its_native_calls_in_it(
    make_place: Callable[..., Place], collector: Collector
) -> None:
    place = make_place({"traces": collector.url})
    launch(place.client())
    place.run(place.stack.aclose())  # what has not been sent is sent at the stop
    [launched] = [span for span in collector.spans if span.name == "EC2/RunInstances"]
    assert collector.services == {"ec2bridge"}
    assert facts(launched)["rpc.method"] == "RunInstances"
    assert facts(launched)["http.response.status_code"] == 200
    assert facts(launched)["enduser.id"] == "alice"
    below = [span for span in collector.spans if span.parent_span_id == launched.span_id]
    deploys = [span for span in below if span.name == "CloudStack/deployVirtualMachine"]
    assert len(deploys) == 1
    assert launched.start_time_unix_nano <= deploys[0].start_time_unix_nano
    assert deploys[0].end_time_unix_nano <= launched.end_time_unix_nano
    text = str(collector.spans)
    keys = place.sim.accounts["alice"]
    assert keys.api_key not in text
    assert keys.secret_key not in text


def test_a_clients_own_trace_is_gone_on_with(make_place: Callable[..., Place], collector: Collector) -> None:
    place = make_place({"traces": f"{collector.url}/v1/traces"})
    client = place.client()
    trace = "0af7651916cd43dd8448eb211c80319c"
    client.meta.events.register(
        "before-send.ec2.*",
        lambda request, **_: request.headers.update({"Traceparent": f"00-{trace}-b7ad6b7169203331-01"}),
    )
    client.describe_key_pairs()
    place.run(place.stack.aclose())
    [asked] = [span for span in collector.spans if span.name == "EC2/DescribeKeyPairs"]
    assert asked.trace_id.hex() == trace
    assert asked.parent_span_id.hex() == "b7ad6b7169203331"


def test_a_collector_that_is_away_disturbs_nobody(make_place: Callable[..., Place]) -> None:
    place = make_place({"traces": "http://127.0.0.1:9"})
    assert place.client().describe_regions()["Regions"]


def test_without_the_packages_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SettingsError, match=r"pip install 'ec2bridge\[otel\]'"):
        exporting("http://127.0.0.1:4318")
