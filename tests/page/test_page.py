"""The page at `/`: a browser gets it, every AWS client gets what it always got, and nothing on it is secret."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable

import boto3
import pytest
import yaml

from ec2bridge import coverage
from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.exchange import Exchange
from ec2bridge.page.browser import KEPT, History
from ec2bridge.page.settings import snippets
from tests.conftest import Place

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def fetch(url: str, **headers: str) -> tuple[int, str, str]:
    """Return status, content type and text."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_a_browser_gets_the_page(place: Place) -> None:
    status, kind, text = fetch(f"{place.url}/", **HTML)
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert place.url in text
    assert "{{" not in text


def test_it_fetches_nothing_from_elsewhere(place: Place) -> None:
    _, _, text = fetch(f"{place.url}/", **HTML)
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", text)
    assert [link for link in links if not link.startswith("data:")] == []
    assert set(re.findall(r"https?://[\w.:-]+", text)) <= {place.url, "http://www.w3.org"}


def test_nothing_on_it_is_secret(place: Place) -> None:
    place.client().describe_instances()
    _, _, text = fetch(f"{place.url}/", **HTML)
    settings = place.bridge.site.settings
    assert settings.service_secret_key is not None
    keys = [place.sim.accounts[name] for name in ("alice", "keylookup")]
    for secret in (*(key.secret_key for key in keys), *(key.api_key for key in keys), place.sim.url):
        assert secret not in text


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"Accept": "*/*"}),
        ("/", {**HTML, "Authorization": "AWS4-HMAC-SHA256 Credential=x"}),
        ("/?Action=DescribeRegions&Version=2016-11-15", HTML),
        ("/services/Eucalyptus", HTML),
    ],
)
def test_whoever_may_be_a_client_is_answered_as_one(place: Place, path: str, headers: dict[str, str]) -> None:
    status, kind, text = fetch(f"{place.url}{path}", **headers)
    assert status >= 400
    assert kind == "text/xml;charset=UTF-8"
    assert "<Response><Errors>" in text


def test_it_can_be_turned_off(make_place: Callable[..., Place]) -> None:
    place = make_place({"browser_page": False})
    status, kind, _ = fetch(f"{place.url}/", **HTML)
    assert (status, kind) == (403, "text/xml;charset=UTF-8")


def test_it_shows_every_action_as_the_coverage_page_does(place: Place) -> None:
    _, _, text = fetch(f"{place.url}/", **HTML)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    shown = {action["name"]: action for action in json.loads(data[1])}
    rows = coverage.rows()
    assert list(shown) == [row.action for row in rows]
    assert {row.action: list(row.honours) for row in rows} == {
        name: action["honours"] for name, action in shown.items()
    }
    served = sum(row.effect in coverage.SERVED for row in rows)
    assert f"{served} actions are served" in text


def test_a_public_endpoint_and_a_strange_host_are_shown_as_they_are(make_place: Callable[..., Place]) -> None:
    named = make_place({"public_endpoint": "https://ec2.cloud.example"})
    assert '<code id="endpoint">https://ec2.cloud.example</code>' in fetch(f"{named.url}/", **HTML)[2]
    strange = fetch(f"{make_place().url}/", **HTML, Host='x"><script>alert(1)</script>')
    assert "<script>alert" not in strange[2]


def text_of(client: str, place: Place) -> str:
    [found] = [one for one in snippets(place.url, "us-east-1") if one.client == client]
    return found.text


def test_what_it_says_for_boto3_works(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    keys = place.sim.accounts["alice"]
    program = text_of("boto3", place)
    program = program.replace("your CloudStack API key", keys.api_key)
    program = program.replace("your CloudStack secret key", keys.secret_key)
    exec(compile(program, "page", "exec"), {"boto3": boto3})
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("client", ["Ansible", "Prometheus", "Jenkins"])
def test_what_it_says_in_yaml_is_yaml_and_names_the_endpoint(place: Place, client: str) -> None:
    assert place.url in json.dumps(yaml.safe_load(text_of(client, place)))


def test_a_bridge_that_is_no_demo_tells_nobody_what_others_call(place: Place) -> None:
    place.client().describe_instances()
    status, kind, _ = fetch(f"{place.url}/ec2bridge/calls", **HTML)
    assert (status, kind) == (403, "text/xml;charset=UTF-8")


async def test_a_demo_shows_its_last_calls() -> None:
    history = History()
    for number in range(KEPT + 5):
        history.add(
            Exchange(str(number), action=f"Call{number}"), 0.002, [NativeCall("listZones", {}, 0.001, None)]
        )
    assert len(history.calls) == KEPT
    assert history.calls[0].as_dict() == {
        "action": f"Call{KEPT + 4}",
        "code": "ok",
        "ms": 2.0,
        "native": [("listZones", 1.0, "")],
    }
