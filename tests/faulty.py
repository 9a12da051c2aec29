"""A way to CloudStack that loses calls and answers, for tests of what the bridge makes of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ec2bridge.ec2 import background
from tests.conftest import Place

LOST_CALL, LOST_ANSWER, SILENCE, FAILED_JOB = "lost call", "lost answer", "silence", "failed job"


class Way:
    """A proxy in front of an embedded CloudStack."""

    def __init__(self, cloud: Place) -> None:
        self.cloud = cloud
        self.plan: dict[str, list[str | dict[str, Any] | None]] = {}
        self.seen: Counter[str] = Counter()
        self.silent = asyncio.Event()
        self.meeting: dict[str, asyncio.Barrier] = {}

    def meet(self, command: str, count: int) -> None:
        """Have no call of a command go on before so many of them have come."""
        self.meeting[command] = asyncio.Barrier(count)

    def next(self, command: str, *modes: str | dict[str, Any] | None) -> None:
        """Have the next calls of a command go so, each: None for well, a dict for an error that it is refused with."""
        self.plan[command] = list(modes)

    async def start(self) -> str:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/client/api", self._forward)
        self.server = TestServer(app)
        # What is silent is cut off in the end, and not waited for.
        await self.server.start_server(shutdown_timeout=0)
        self.cloud.stack.push_async_callback(self.server.close)
        return str(self.server.make_url("/client/api"))

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        command = parse_qs(body.decode())["command"][0]
        self.seen[command] += 1
        if command in self.meeting:
            await asyncio.wait_for(self.meeting[command].wait(), 30)
        modes = self.plan.get(command)
        mode = modes.pop(0) if modes else None
        if isinstance(mode, dict):
            return web.json_response({f"{command.lower()}response": mode}, status=mode["errorcode"])
        if mode == LOST_CALL:
            return self._hang_up(request)
        headers = {"Content-Type": request.headers["Content-Type"]}
        url = self.cloud.sim.url
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as got:
            answer = web.Response(status=got.status, body=await got.read(), headers=got.headers)
        if mode == LOST_ANSWER:
            return self._hang_up(request)
        if mode == FAILED_JOB and modes is not None and b'"jobstatus":0' in (answer.body or b""):
            modes.insert(0, mode)
        elif mode == FAILED_JOB:
            failure = {"errorcode": 431, "errortext": "Invalid size, out of allowed range."}
            told = {"jobstatus": 2, "jobresultcode": 530, "jobresult": failure}
            return web.json_response({"queryasyncjobresultresponse": told})
        if mode == SILENCE:
            self.silent.set()
            await asyncio.sleep(3600)
        return answer

    @staticmethod
    def _hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()


def behind(
    make_place: Callable[..., Place], cloud: Place | None = None, **settings: Any
) -> tuple[Place, Way]:
    """Return a bridge whose CloudStack is another place's, and the way between them."""
    cloud = cloud or make_place()
    way = Way(cloud)
    service = cloud.sim.accounts["keylookup"]
    front = make_place(
        {
            "cloudstack_url": cloud.run(way.start()),
            "service_api_key": service.api_key,
            "service_secret_key": service.secret_key,
            **settings,
        }
    )
    front.sim = cloud.sim
    return front, way


KILLS = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("buried"),
]
"""For modules that kill bridges: what is killed may leave a connection that nobody closes, as a kill does."""


def kill_during(front: Place, way: Way, work: Callable[[], Any]) -> None:
    """End the bridge's work in the middle, as a kill does: nothing is undone, and nothing more is written."""

    async def die() -> None:
        await way.silent.wait()
        await background.stop(front.bridge.site)

    asyncio.run_coroutine_threadsafe(die(), front.loop)
    work()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
