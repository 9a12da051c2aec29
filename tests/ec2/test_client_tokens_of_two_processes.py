"""A token launches once, even when it is used at once by two processes that share nothing but the store."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.launching import code_of, described, ids, launch


@contextmanager
def bridges(place: Place, store: Path, count: int) -> Iterator[list[Any]]:
    """Clients of so many bridges, each a process of its own, in front of the place's CloudStack."""
    service, alice = place.sim.accounts["keylookup"], place.sim.accounts["alice"]
    settings = {
        "EC2BRIDGE_CLOUDSTACK_URL": place.sim.url,
        "EC2BRIDGE_SERVICE_API_KEY": service.api_key,
        "EC2BRIDGE_SERVICE_SECRET_KEY": service.secret_key,
        "EC2BRIDGE_REGION": REGION,
        "EC2BRIDGE_LISTEN": "127.0.0.1:0",
        "EC2BRIDGE_STORE": str(store),
    }
    command = [sys.executable, "-m", "ec2bridge", "serve"]
    running = [
        subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        yield [
            boto3.session.Session().client(
                "ec2",
                endpoint_url=url_of(process),
                region_name=REGION,
                aws_access_key_id=alice.api_key,
                aws_secret_access_key=alice.secret_key,
                config=Config(retries={"total_max_attempts": 1}),
            )
            for process in running
        ]
    finally:
        for process in running:
            process.terminate()
            process.communicate(timeout=20)


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://\S+", line)
        if found:
            return found[0]
    raise AssertionError("the bridge ended without a word")


def test_one_token_used_at_once_by_two_processes_launches_once(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place()
    with bridges(place, tmp_path / "store.sqlite", 2) as clients, ThreadPoolExecutor(6) as pool:
        image = clients[0].describe_images()["Images"][0]["ImageId"]
        for round_ in range(3):
            token = f"once-{round_}"
            answers = list(
                pool.map(lambda ec2, t=token: ids(launch(ec2, 2, ImageId=image, ClientToken=t)), clients * 3)
            )
            assert answers == [answers[0]] * 6
            assert len(described(clients[1])) == 2 * (round_ + 1)
        for ec2 in clients:
            with pytest.raises(ClientError) as error:
                launch(ec2, 3, ImageId=image, ClientToken="once-0")
            assert code_of(error) == "IdempotentParameterMismatch"
        assert len(described(clients[0])) == 6
