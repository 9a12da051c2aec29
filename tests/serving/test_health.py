"""/health says whether the process serves, /readyz whether what it stands on does, and the log says it once."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from ec2bridge.serving import health
from tests.conftest import Place


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question is asked anew."""
    monkeypatch.setattr(health, "TTL", 0.0)


def ask(place: Place, path: str) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(f"{place.url}{path}") as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@contextmanager
def cloudstack_down(place: Place) -> Iterator[None]:
    port = urlsplit(place.sim.url).port
    place.run(place.sim.close())
    yield
    place.run(place.sim.start("127.0.0.1", port))


def test_all_is_well(place: Place) -> None:
    assert ask(place, "/health") == (200, {"status": "ok"})
    checks = {"store": "ok", "cloudstack": "ok", "service key": "ok"}
    assert ask(place, "/readyz") == (200, {"status": "ready", "checks": checks})


def test_cloudstack_down_is_not_ready_and_told_once(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ec2bridge")
    with cloudstack_down(place):
        for _ in range(3):
            status, answer = ask(place, "/readyz")
            assert (status, answer["checks"]["cloudstack"], answer["checks"]["store"]) == (
                503,
                "failed",
                "ok",
            )
            assert ask(place, "/health")[0] == 200
    assert ask(place, "/readyz")[0] == 200
    told = [text for text in caplog.messages if "ready" in text and "request" not in text]
    assert len([text for text in told if "Connection refused" in text]) == 1
    assert "ready again: cloudstack" in told


def test_a_service_key_that_is_refused_is_told_apart(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    keys = place.bridge.site.service
    assert keys is not None
    place.bridge.site.service = type(keys)(keys.cloudstack, type(keys.credentials)("gone", "gone", "wrong"))
    status, answer = ask(place, "/readyz")
    assert (status, answer["checks"]) == (503, {"store": "ok", "cloudstack": "ok", "service key": "failed"})
    assert "not ready: service key: service key: CloudStack answered 401" in caplog.text


def test_a_store_that_is_gone_is_not_ready(place: Place) -> None:
    place.run(place.bridge.site.store.close())
    assert ask(place, "/readyz")[1]["checks"] == {"store": "failed", "cloudstack": "ok", "service key": "ok"}


def test_keys_from_a_file_do_for_the_question(make_place: Callable[..., Place], tmp_path: Path) -> None:
    nobody = make_place()
    alice = nobody.sim.accounts["alice"]
    profiles = tmp_path / "cloudstack.ini"
    profiles.write_text(f"[cloudstack]\nkey = {alice.api_key}\nsecret = {alice.secret_key}\n")
    profiles.chmod(0o600)
    place = make_place(
        {
            "cloudstack_url": nobody.sim.url,
            "service_api_key": None,
            "service_secret_key": None,
            "credentials_file": str(profiles),
        }
    )
    assert ask(place, "/readyz")[0] == 200


def test_start_and_stop_are_told(make_place: Callable[..., Place], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ec2bridge")
    place = make_place({"store": "memory", "zones": "regiona=sim-adv"})
    start = "\n".join(caplog.messages)
    assert f"serves region cloudstack at {place.url}" in start
    assert "the store is sqlite://" in start
    assert "CloudStack 4." in start
    assert "answers; zones: regiona = sim-adv" in start
    caplog.clear()
    place.run(place.stack.aclose())
    assert "ec2bridge is stopping in 0 seconds, with 0 tasks under way" in caplog.messages
    assert caplog.messages[-1] == "ec2bridge has stopped"


def test_a_start_without_cloudstack_says_so_and_serves(
    make_place: Callable[..., Place], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ec2bridge")
    place = make_place({"cloudstack_url": "http://127.0.0.1:9/client/api"})
    assert (
        "not ready: cloudstack: CloudStack could not be reached: 127.0.0.1:9: Connection refused"
        in caplog.text
    )
    assert ask(place, "/health")[0] == 200


def test_a_proxy_sees_the_stop_before_the_last_answer(make_place: Callable[..., Place]) -> None:
    place = make_place({"stop_delay": "3"})
    stopping = asyncio.run_coroutine_threadsafe(place.stack.aclose(), place.loop)
    while (found := ask(place, "/health"))[0] == 200:
        pass
    assert found == (503, {"status": "stopping"})
    assert ask(place, "/readyz")[1]["status"] == "stopping"
    assert place.client().describe_regions()["Regions"]
    stopping.result(60)
