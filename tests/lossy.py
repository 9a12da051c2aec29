"""A wire to CloudStack that loses answers: a proxy in front of the embedded one, for tests of what is not known."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web

from tests.conftest import Place


class Lossy:
    """Passes every call on, and drops the connection where it is told to: before the call arrives, or after."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.lost: dict[tuple[str, int], bool] = {}
        """Command and its how-manieth call → whether CloudStack hears of it."""
        self.refused: dict[tuple[str, int], int] = {}
        """Command and its how-manieth call → the errorcode with which it is refused before any effect."""
        self.seen: Counter[str] = Counter()
        self.url = ""

    async def start(self) -> None:
        self.session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_post("/{path:.*}", self._pass)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        port = self.runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/client/api"

    async def close(self) -> None:
        await self.runner.cleanup()
        await self.session.close()

    async def _pass(self, request: web.Request) -> web.Response:
        body = await request.read()
        command = parse_qs(body.decode())["command"][0]
        self.seen[command] += 1
        if code := self.refused.pop((command, self.seen[command]), None):
            text = {"errorcode": code, "cserrorcode": 4350, "errortext": "There is no room for it"}
            return web.json_response({f"{command.lower()}response": text}, status=code)
        arrives = self.lost.pop((command, self.seen[command]), None)
        if arrives is False:
            return self._drop(request)
        headers = {"Content-Type": request.headers["Content-Type"]}
        async with self.session.post(self.target, data=body, headers=headers) as response:
            answer = await response.read()
            status, date = response.status, response.headers.get("Date", "")
        if arrives:
            return self._drop(request)
        return web.Response(
            status=status, body=answer, content_type="application/json", headers={"Date": date}
        )

    def _drop(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@contextmanager
def lossy(place: Place) -> Iterator[Lossy]:
    """Have the place's bridge reach CloudStack over a wire that loses answers."""
    cloud = place.bridge.site.cloud
    wire, straight = Lossy(cloud.url), cloud.url
    place.run(wire.start())
    cloud.url = wire.url
    try:
        yield wire
    finally:
        cloud.url = straight
        place.run(wire.close())


def refuse(wire: Lossy, command: str, number: int = 1, code: int = 533) -> None:
    """Have the next call of a command (or one after it) refused; 533 is CloudStack's lack of capacity."""
    wire.refused[command, wire.seen[command] + number] = code


def lose(wire: Lossy, command: str, number: int = 1, *, arrives: bool = True) -> None:
    """Lose the answer to the next call of a command (or one after it), whether or not CloudStack hears of the call."""
    wire.lost[command, wire.seen[command] + number] = arrives
