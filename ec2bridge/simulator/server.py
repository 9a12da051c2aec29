"""The cloud's HTTP face: `/client/api`, GET and POST, JSON and XML."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.dispatcher import Dispatcher
from ec2bridge.simulator.errors import ApiError
from ec2bridge.simulator.faults import Plan, Reply
from ec2bridge.simulator.populate import populate
from ec2bridge.simulator.releases import NEWEST
from ec2bridge.simulator.seed import DEFAULT_SEED, Seed
from ec2bridge.simulator.tables import Row

PATH = "/client/api"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1;mode=block",
    "content-security-policy": "style-src=self",
}


@dataclass(frozen=True)
class Keys:
    api_key: str
    secret_key: str


class Simulator:
    """A running CloudStack.

    `async with Simulator(job_time=0.02) as sim:` serves at `sim.url` until the block ends. `sim.accounts["alice"]`
    has the keys; `sim.calls` counts the commands received, also those that were refused; `sim.cloud` is the state,
    `sim.faults` what is to go wrong.
    """

    def __init__(
        self,
        *,
        seed: Seed = DEFAULT_SEED,
        path: str | None = None,
        job_time: float = 0.5,
        settings: dict[str, Any] | None = None,
        strict: bool = False,
        version: str = NEWEST,
    ) -> None:
        self.cloud = Cloud(
            seed=seed, path=path, job_time=job_time, settings=settings, strict=strict, version=version
        )
        self.dispatcher = Dispatcher(self.cloud)
        self.calls: Counter[str] = Counter()
        self.faults = Plan(self.cloud.tables, self.cloud.jobs)
        self.url = ""
        self._runner: web.AppRunner | None = None

    @property
    def accounts(self) -> dict[str, Keys]:
        """The first key pair of every user, by user name."""
        names = {user["id"]: user["username"] for user in self.cloud.tables["users"]}
        keys: dict[str, Keys] = {}
        for key in self.cloud.tables["userkeys"]:
            keys.setdefault(names[key["userid"]], Keys(key["apikey"], key["secretkey"]))
        return keys

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", PATH, self._handle)
        app.router.add_route("*", PATH + "/", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.url = f"http://{host}:{bound}{PATH}"

    async def close(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        await self.cloud.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def populate(self, account: str, machines: int) -> list[Row]:
        """Running machines of an account, made at once and without jobs."""
        return populate(self.cloud, account, machines)

    async def settle(self) -> None:
        """Wait until no job is running."""
        await self.cloud.jobs.settle()

    async def _handle(self, request: web.Request) -> web.Response:
        reply = self.respond(await _parameters(request))
        if reply is None:
            if request.transport is not None:
                request.transport.abort()
            reply = Reply(500, b"")  # which nobody gets
        headers = {**_HEADERS, "Content-Type": f"{reply.kind};charset=utf-8"}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    def respond(self, params: list[tuple[str, str]]) -> Reply | None:
        """What goes over the wire in answer to a call; None where a planned fault ends the connection."""
        lowered = {name.lower(): value for name, value in params}
        self.calls[lowered.get("command", "")] += 1
        if self.faults.faults:
            return self.faults.answer(lowered, lambda: self._perform(params, lowered))
        return self._perform(params, lowered)[0]

    def _perform(self, params: list[tuple[str, str]], lowered: dict[str, str]) -> tuple[Reply, Row]:
        status = 200
        try:
            envelope, answer = self.dispatcher.perform(params)
        except ApiError as error:
            status, envelope, answer = error.status, error.envelope or "errorresponse", error.body()
        as_json = lowered.get("response") == "json"
        return _reply(status, envelope, answer, as_json, self.cloud.version), answer


async def _parameters(request: web.Request) -> list[tuple[str, str]]:
    """Query and form together: CloudStack's clients use either."""
    params = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
    if request.method == "POST":
        body = (await request.read()).decode("utf-8", "replace")
        params += parse_qsl(body, keep_blank_values=True)
    return params


def _reply(status: int, envelope: str, answer: Row, as_json: bool, version: str) -> Reply:
    if as_json:
        body = json.dumps({envelope: answer}, ensure_ascii=False, separators=(",", ":"))
        kind = "application/json"
    else:
        inner = "".join(_xml(name, value) for name, value in answer.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?><{envelope} cloud-stack-version="{version}">{inner}</{envelope}>'
        kind = "text/xml"
    return Reply(status, body.encode("utf-8", "surrogatepass"), kind)


def _xml(name: str, value: Any) -> str:
    """A list repeats its element, an empty one leaves nothing; a dict nests."""
    if isinstance(value, list):
        return "".join(_xml(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(_xml(key, item) for key, item in value.items())}</{name}>"
    if isinstance(value, bool):
        value = str(value).lower()
    return f"<{name}>{escape(str(value))}</{name}>"
