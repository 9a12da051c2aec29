"""What is ready once the bridge serves."""

import subprocess
import sys

PROGRAM = """
import asyncio

from ec2bridge import config, server
from ec2bridge.wire import model


async def start():
    keys = {"service_api_key": "key", "service_secret_key": "secret"}
    settings = config.load(cloudstack_url="http://127.0.0.1:9/client/api", store="memory", **keys)
    async with server.bridge(settings):
        print(model.service_model.cache_info())


asyncio.run(start())
"""


def test_no_request_waits_for_the_model_of_ec2() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert "currsize=1" in told.stdout, told.stderr
