"""What aiohttp hands over is enough: real clients against a real socket."""

import asyncio
import base64
from datetime import UTC, datetime
from urllib.parse import urlencode

import boto3
import pytest
from aiohttp import ClientSession, web
from botocore.config import Config
from botocore.exceptions import ClientError
from yarl import URL

from ec2bridge.app import read_raw
from ec2bridge.auth.verify import verify
from ec2bridge.errors import Ec2Error
from tests.auth.signing import KEY, PROJECT, SECRET, Keys, presigned_v4, signed_v2, signed_v4

ANSWER = (
    '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>{}</requestId>'
    "<regionInfo/></DescribeRegionsResponse>"
)


@pytest.fixture
async def endpoint(aiohttp_server):
    """The URL of a server that verifies requests, and what it has verified."""
    seen = []

    async def handle(http: web.Request) -> web.Response:
        try:
            seen.append(
                await verify(await read_raw(http, asyncio.Semaphore()), Keys(), now=datetime.now(UTC))
            )
        except Ec2Error as error:
            text = f"<Response><Errors><Error><Code>{error.code}</Code><Message>{error.message}</Message>"
            return web.Response(text=text + "</Error></Errors></Response>", status=error.status)
        return web.Response(text=ANSWER.format(seen[-1].credentials.access_key), content_type="text/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    server = await aiohttp_server(app)
    return str(server.make_url("")).rstrip("/"), seen


def client(url: str, key: str = KEY, secret: str = SECRET):
    return boto3.session.Session().client(
        "ec2",
        endpoint_url=url,
        region_name="cloudstack",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("path", ["", "/", "/services/compute", "/a%20b/%C3%A9", "//x/../y/"])
async def test_boto3_with_any_path(endpoint, path):
    url, seen = endpoint
    filters = [{"Name": "tag:a b+c", "Values": ["x~*/é☃%41", ""]}]
    await asyncio.to_thread(client(url + path).describe_regions, Filters=filters)
    form = dict(seen[0].form)
    assert form["Filter.1.Name"] == "tag:a b+c"
    assert form["Filter.1.Value.1"] == "x~*/é☃%41"


async def test_boto3_in_a_project_and_presigned(endpoint):
    url, seen = endpoint
    await asyncio.to_thread(client(url, f"{KEY}:{PROJECT}").describe_regions)
    assert seen[0].credentials.access_key == f"{KEY}:{PROJECT}"
    regions = {"RegionNames": ["a b"]}
    presigned = client(url).generate_presigned_url("describe_regions", Params=regions, HttpMethod="GET")
    async with ClientSession() as session, session.get(URL(presigned, encoded=True)) as response:
        assert response.status == 200
    assert ("RegionName.1", "a b") in seen[1].form


async def test_boto3_sees_the_codes(endpoint):
    url, _ = endpoint
    for wrong, code, status in (
        (client(url, key="AKIDUNKNOWN"), "AuthFailure", 401),
        (client(url, secret="wrong"), "SignatureDoesNotMatch", 403),
    ):
        with pytest.raises(ClientError) as caught:
            await asyncio.to_thread(wrong.describe_regions)
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(
    "sign", [signed_v4, signed_v2, presigned_v4, lambda *a, **k: signed_v4(*a, method="GET", **k)]
)
async def test_user_data_and_odd_characters_survive_the_way(endpoint, sign):
    url, seen = endpoint
    params = {
        "Action": "RunInstances",
        "UserData": base64.b64encode(bytes(range(256))).decode(),
        "T": "a b+c~*é\0",
    }
    request = sign(params, url=url + "/services/compute/")
    target = URL(f"{url}{request.path}" + (f"?{request.query}" if request.query else ""), encoded=True)
    async with (
        ClientSession() as session,
        session.request(request.method, target, data=request.body, headers=list(request.headers)) as response,
    ):
        assert response.status == 200, await response.text()
    assert urlencode(params) == urlencode(seen[0].form[: len(params)])
