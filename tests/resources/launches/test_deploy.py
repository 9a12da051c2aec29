"""How the machines of launches are handed to CloudStack."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import Place
from tests.launching import ADVANCED, ids, launch, placed, until


class Counter:
    """A CloudStack that takes its time for each deploy, and counts how many it is given at once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.under_way = self.most = 0

    async def start(self) -> str:
        app = web.Application()
        app.router.add_post("/client/api", self.forward)
        self.server = TestServer(app)
        await self.server.start_server()
        return str(self.server.make_url("/client/api"))

    async def forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        deploy = parse_qs(body.decode()).get("command") == ["deployVirtualMachine"]
        self.under_way += deploy
        self.most = max(self.most, self.under_way)
        try:
            if deploy:
                await asyncio.sleep(0.1)
            headers = {"Content-Type": request.headers["Content-Type"]}
            async with (
                aiohttp.ClientSession() as session,
                session.post(self.url, data=body, headers=headers) as answer,
            ):
                return web.Response(status=answer.status, body=await answer.read(), headers=answer.headers)
        finally:
            self.under_way -= deploy


def test_machines_of_an_isolated_network_are_deployed_one_after_the_other(
    make_place: Callable[..., Place],
) -> None:
    cloud = make_place()
    counter = Counter(cloud.sim.url)
    service = cloud.sim.accounts["keylookup"]
    front = make_place(
        {
            "cloudstack_url": cloud.run(counter.start()),
            "service_api_key": service.api_key,
            "service_secret_key": service.secret_key,
        }
    )
    alice = cloud.sim.accounts["alice"]
    ec2 = front.client(aws_access_key_id=alice.api_key, aws_secret_access_key=alice.secret_key)

    try:
        with ThreadPoolExecutor(2) as pool:  # two launches at once, of three machines each
            launches = list(pool.map(lambda _: launch(ec2, 3, **placed(ADVANCED)), range(2)))
        machines = until(ec2, "running", *(ident for made in launches for ident in ids(made)))
    finally:
        cloud.run(counter.server.close())

    assert counter.most == 1
    assert len({machine["PrivateIpAddress"] for machine in machines}) == 6
