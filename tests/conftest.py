"""The place that most tests happen in: an embedded CloudStack, a bridge in front of it, and real boto3 clients.

Both servers run in a thread with an event loop of their own and are reached over HTTP like any others.
"""

import asyncio
import gc
import json
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import settings as hypothesis_settings

from ec2bridge import config, server
from ec2bridge.app import Bridge
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.simulator.releases import NAMED, NEWEST, Version, version_of
from ec2bridge.simulator.server import Simulator
from ec2bridge.store import StoreError
from ec2bridge.store_kinds import kind_of
from tests.compat.options import OPTIONS
from tests.release_runs import Recorder, line

REGION = "cloudstack"

# Examples take as long as the machine makes them take: no test is about that.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Here and not in the compatibility suite: pytest asks only the outermost conftest for options."""
    group = parser.getgroup("compat", "the endpoint that clients are driven against")
    for name, (variable, what) in OPTIONS.items():
        group.addoption(f"--{name}", help=f"{what} ({variable})")
    group.addoption("--only", default="", help="run these clients alone, separated by commas")
    parser.addoption(
        "--release",
        choices=list(NAMED),
        help="run what drives the bridge, against that release of CloudStack",
    )
    parser.addoption(
        "--record", help="with --release: a folder for what each action came to (release_runs.py)"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "since(release): needs what came with that release of CloudStack")
    Place.release = config.getoption("--release") or NEWEST
    if folder := config.getoption("--record"):
        Place.recorder = Recorder(Path(folder))
        config.pluginmanager.register(Place.recorder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--release`, leave what drives no bridge, and what tests a thing that the release has not got."""
    if config.getoption("--release") is None:
        return
    # What is recorded is also what a release lacks.
    release = NEWEST if config.getoption("--record") else Place.release
    left = [item for item in items if not _is_for(item, version_of(release))]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def _is_for(item: pytest.Item, release: Version) -> bool:
    drives = "make_place" in getattr(item, "fixturenames", ())
    return drives and all(version_of(mark.args[0]) <= release for mark in item.iter_markers("since"))


_session = boto3.session.Session()


class Place:
    """A running embedded CloudStack and bridge."""

    release = NEWEST
    """The release of CloudStack to play, where a test does not ask for one."""
    recorder: Recorder | None = None

    def __init__(self, settings: dict[str, Any] | None = None, **cloud: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.native: list[NativeCall] = []
        self.thread = threading.Thread(target=self.loop.run_forever, name="place", daemon=True)
        self.thread.start()
        self.run(self._start(settings or {}, cloud))

    async def _start(self, changed: dict[str, Any], cloud: dict[str, Any]) -> None:
        # Strict: a misspelt native parameter fails, where a real server would ignore it.
        self.sim = Simulator(**{"job_time": 0.02, "strict": True, "version": self.release, **cloud})
        await self.sim.start("127.0.0.1", 0)
        self.stack.push_async_callback(self.sim.close)
        service = self.sim.accounts["keylookup"]
        settings = config.load(
            **{
                "cloudstack_url": self.sim.url,
                "service_api_key": service.api_key,
                "service_secret_key": service.secret_key,
                "region": REGION,
                "listen": "127.0.0.1:0",
                "store": "memory",
                **changed,
            }
        )
        self.url, self.bridge = await self.stack.enter_async_context(server.listening(settings))
        self.bridge.site.cloud.observers.append(self.native.append)
        self.stack.push_async_callback(self._no_unknown_kinds)  # while the store is still open

    url: str
    sim: Simulator
    bridge: Bridge

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the servers' loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def client(self, account: str = "alice", service: str = "ec2", **changed: Any) -> Any:
        """Return an ordinary boto3 client with the account's keys; it never retries, so tests see each answer."""
        keys = self.sim.accounts[account]
        options = {
            "endpoint_url": self.url,
            "region_name": REGION,
            "aws_access_key_id": keys.api_key,
            "aws_secret_access_key": keys.secret_key,
            "config": Config(retries={"total_max_attempts": 1}),
            **changed,
        }
        client = _session.client(service, **options)
        # The last of each line stands for it.
        if self.recorder and service == "ec2" and self.sim.cloud.version in NAMED.values():
            self.recorder.watch(client, line(self.sim.cloud.version))
        return client

    def store_owner(self, account: str = "alice") -> str:
        """Return the name under which the store holds what the bridge keeps for an account."""

        async def name() -> str:
            credentials = await self.bridge.secrets.lookup(self.sim.accounts[account].api_key)
            assert credentials is not None
            native = Account(self.bridge.site.cloud, credentials)
            who = await self.bridge.secrets.identify(credentials, native)
            return f"{who.domain_id}/{who.account}"

        return str(self.run(name()))

    def commands(self, work: Callable[[], Any]) -> list[str]:
        """Return the native commands that the work became, in order."""
        before = len(self.native)
        work()
        return [call.command for call in self.native[before:]]

    def another_bridge(self) -> tuple[str, Bridge]:
        """Start a second bridge with the same settings, in front of the same CloudStack; return its URL and itself."""
        settings = self.bridge.site.settings
        return self.run(self.stack.enter_async_context(server.listening(settings)))  # type: ignore[no-any-return]

    @contextmanager
    def holding(self, *commands: str) -> Iterator[None]:
        """Have no job of these commands end in the block, so that what is seen in it rests on no time."""
        held = self.sim.cloud.jobs.held
        held.update((command, asyncio.Event()) for command in commands)
        try:
            yield
        finally:
            for command in commands:
                self.loop.call_soon_threadsafe(held.pop(command).set)

    async def unknown_kinds(self) -> set[str]:
        """Return the kinds of records in the store that the table of kinds lacks; a test's own is one letter."""
        held = await self.bridge.site.store.count_kinds()
        return {kind for kind in held if len(kind) > 1 and kind_of(kind) is None}

    async def _no_unknown_kinds(self) -> None:
        try:
            unknown = await self.unknown_kinds()
        except StoreError:
            return  # a test has taken it away
        assert unknown == set(), "kinds of records that ec2bridge/store_kinds.py does not have"

    def close(self) -> None:
        """Stop both servers and the loop; open tasks are given the time to end."""
        for body, answer in self.bridge.site.cloud.unchanged:
            [came] = json.loads(body).values()
            assert came == answer, "what is used again when CloudStack says the same was changed"
        self.run(self.stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture
def buried() -> Iterator[None]:
    """What a killed bridge left open is collected now, unmourned, and not in a later test that it would fail."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def make_place() -> Iterator[Callable[..., Place]]:
    """A function that starts a place with other settings; all are closed in the end."""
    places: list[Place] = []

    def make(settings: dict[str, Any] | None = None, **cloud: Any) -> Place:
        places.append(Place(settings, **cloud))
        return places[-1]

    yield make
    for place in places:
        place.close()


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """An embedded CloudStack with a fresh install's settings and a bridge in front of it."""
    return make_place()


@pytest.fixture
def ec2(place: Place) -> Any:
    """Alice's boto3 client."""
    return place.client()
