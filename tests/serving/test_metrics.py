"""What Prometheus sees of a bridge, read with its own client's parser."""

from collections.abc import Callable
from importlib.metadata import version
from urllib.parse import urlsplit

import pytest

from ec2bridge.serving import health
from tests.conftest import Place
from tests.launching import launch, started
from tests.serving.scraping import Samples, shown

Reader = Callable[[], Samples]


@pytest.fixture
def both(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> tuple[Place, Reader]:
    monkeypatch.setattr(health, "TTL", 0.0)
    return shown(make_place, caplog)


@pytest.fixture
def place(both: tuple[Place, Reader]) -> Place:
    """A place that shows metrics."""
    return both[0]


@pytest.fixture
def read(both: tuple[Place, Reader]) -> Reader:
    """The metrics at the moment."""
    return both[1]


def test_version_and_process_are_shown(read: Callable[[], Samples]) -> None:
    found = read()
    [built] = found["ec2bridge_build_info"]
    assert version("ec2bridge") in built.split(",")
    assert found["process_resident_memory_bytes"][""] > 10e6
    assert found["process_open_fds"][""] > 3
    assert found["process_cpu_seconds_total"][""] > 0


def test_requests_and_native_calls_are_counted(place: Place, read: Callable[[], Samples]) -> None:
    place.client().describe_key_pairs()
    place.client().describe_key_pairs()
    found = read()
    assert found["ec2bridge_requests_total"]["DescribeKeyPairs,ok"] == 2
    assert found["ec2bridge_request_seconds_count"]["DescribeKeyPairs"] == 2
    assert found["ec2bridge_cloudstack_seconds_count"]["listSSHKeyPairs,true"] == 2
    assert found["ec2bridge_cache_entries"]["secrets"] == 1
    assert found["ec2bridge_requests_under_way"][""] == 0


def test_reading_a_parameter_is_counted(place: Place, read: Callable[[], Samples]) -> None:
    place.client(service="ssm").get_parameter(Name="/ec2bridge/image/Rocky-Linux-9")
    assert read()["ec2bridge_requests_total"]["GetParameter,ok"] == 1


def test_buckets_go_up_to_ten_minutes(place: Place, read: Callable[[], Samples]) -> None:
    place.client().describe_regions()
    found = read()
    for name in ("ec2bridge_request_seconds_bucket", "ec2bridge_cloudstack_seconds_bucket"):
        ends = [part for labels in found[name] for part in labels.split(",") if part[0].isdigit()]
        assert max(map(float, ends)) == 600


def test_an_outage_is_seen(place: Place, read: Callable[[], Samples]) -> None:
    assert read()["ec2bridge_cloudstack_up"][""] == 1
    port = urlsplit(place.sim.url).port
    place.run(place.sim.close())
    found = read()
    place.run(place.sim.start("127.0.0.1", port))
    assert found["ec2bridge_cloudstack_up"][""] == 0
    assert found["ec2bridge_service_key_valid"][""] == 0
    assert found["ec2bridge_store_up"][""] == 1


def test_what_is_under_way_is_seen(place: Place, read: Callable[[], Samples]) -> None:
    with place.holding("deployVirtualMachine"):
        launch(place.client())
        found = read()
        assert found["ec2bridge_jobs_waiting"][""] == 1
        assert found["ec2bridge_tasks"][""] >= 1
        assert found["ec2bridge_store_entries"]["machine"] == 1
    started(place.client())


def test_no_key_is_in_any_of_it(place: Place, read: Callable[[], Samples]) -> None:
    launch(place.client())
    text = str(read())
    assert place.sim.accounts["alice"].api_key not in text
    assert "alice" not in text
