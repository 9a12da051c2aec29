"""What machines cost that were terminated within the hour: DescribeInstances of one account without and with them.

`python -m bench.ended [LIVING] [ENDED]`. One machine is launched and terminated; the records of the others are copies
of what that has left in the store.
"""

import asyncio
import contextlib
import json
import re
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.progress import doing
from bench.servers import Server, Target, Work, environment_of, measure, process, signed
from ec2bridge.store import Store

LIVING, ENDED = 200, 2400
SECONDS = 10.0
PATIENCE = 60.0


@contextlib.contextmanager
def bridge(settings: dict[str, str], metrics: int) -> Iterator[Server]:
    settings = {**settings, "EC2BRIDGE_METRICS_LISTEN": f"127.0.0.1:{metrics}"}
    command = [sys.executable, "-m", "ec2bridge", "serve"]
    with process("bridge", command, r"at (http\S+)", **settings) as server:
        yield server


def ask(server: Server, keys: list[str], action: str, **form: str) -> str:
    return Target(server).send(*signed(server.url + "/", *keys, Action=action, **form)).decode()


def terminate_one(server: Server, keys: list[str], launch: list[str]) -> None:
    """Launch a machine and terminate it."""
    image, zone = launch[:2]
    place = {"Placement.AvailabilityZone": zone, "InstanceType": "t2.micro"}
    told = ask(server, keys, "RunInstances", ImageId=image, MinCount="1", MaxCount="1", **place)
    ident = re.findall(r"<instanceId>(i-\w+)", told)[0]
    for action, state in (("DescribeInstances", "running"), ("TerminateInstances", "")):
        deadline = time.monotonic() + PATIENCE
        while f"<name>{state}" not in ask(server, keys, action, **{"InstanceId.1": ident}):
            if time.monotonic() > deadline:
                raise SystemExit(f"{ident} is not {state} after {PATIENCE:g} seconds")
            time.sleep(0.1)
    deadline = time.monotonic() + PATIENCE
    while "terminated" not in ask(server, keys, "DescribeInstances", **{"InstanceId.1": ident}):
        if time.monotonic() > deadline:
            raise SystemExit(f"{ident} has not ended after {PATIENCE:g} seconds")
        time.sleep(0.1)


async def multiply(file: Path, count: int) -> None:
    """Have the record of the machine that has ended so many times."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        query = "SELECT account, value FROM entries WHERE kind = 'machine'"
        account, text = connection.execute(query).fetchone()
    record = json.loads(text)
    store = Store(str(file))
    await store.start()
    for _ in range(count - 1):
        uuid4 = str(uuid.uuid4())
        row = {**record["row"], "id": uuid4, "name": f"VM-{uuid4}"}
        await store.put(account, "machine", uuid4, {**record, "row": row}, ttl=3600)
    await store.close()


def run(living: int = LIVING, ended: int = ENDED) -> str:
    """Measure both in turns, each on a bridge of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        doing(f"starting a CloudStack with {living} machines")
        command = [sys.executable, "-m", "bench.cloud", str(folder / "keys.json"), f"busy={living}"]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())
        places = [folder / "none", folder / "ended"]
        for place in places:
            place.mkdir()
        settings = [environment_of(cloud, keys, place) for place in places]
        doing(f"{ended} machines that were terminated")
        with bridge(settings[1], 5057) as server:
            terminate_one(server, keys["busy"], keys["launch"])
        asyncio.run(multiply(Path(settings[1]["EC2BRIDGE_STORE"]), ended))
        servers = [stack.enter_context(bridge(own, 5057 + nth)) for nth, own in enumerate(settings)]
        doing("DescribeInstances without and with them")
        targets = [Target(server) for server in servers]
        asked = [signed(server.url + "/", *keys["busy"], Action="DescribeInstances") for server in servers]
        works = [
            Work(partial(target.send, *form), server)
            for target, form, server in zip(targets, asked, servers, strict=True)
        ]
        bare, full = measure(works, SECONDS)
        sizes = [len(work.send()) for work in works]
    lines = [
        "| terminated within the hour | CPU ms | wall ms | MB an answer |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for count, found, size in ((0, bare, sizes[0]), (ended, full, sizes[1])):
        lines.append(f"| {count} | {found.cpu:.1f} | {found.wall:.1f} | {size / 1e6:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(run(*map(int, sys.argv[1:3])))
