"""What machines cost that were terminated within the hour: DescribeInstances of one account without and with them.

`python -m bench.ended [LIVING] [ENDED]` runs this part alone. One machine is launched and terminated; the records of
the others are copies of what that has left in the store.
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
from collections.abc import Callable
from pathlib import Path

from bench import limits
from bench.limits import Limit
from bench.progress import doing
from bench.servers import Server, Target, Work, environment_of, free_port, measure, process, signed
from ec2bridge.store import Store

LIVING, ENDED = 200, 2_400
PATIENCE = 60.0
_INSTANCE = re.compile(r"<item><instanceId>(i-[0-9a-f]+)</instanceId>")
_TERMINATED = "<instanceState><code>48</code>"
Ask = Callable[..., str]


def asking(target: Target, keys: list[str]) -> Ask:
    """Return what sends one request and returns its answer."""

    def ask(action: str, **form: str) -> str:
        return target.send(*signed(target.server.url + "/", *keys, Action=action, **form)).decode()

    return ask


def terminate_one(ask: Ask, launch: list[str]) -> None:
    """Launch a machine, terminate it, and wait until it is shown as terminated."""
    place = {"ImageId": launch[0], "InstanceType": "t2.micro", "Placement.AvailabilityZone": launch[1]}
    (ident,) = _INSTANCE.findall(ask("RunInstances", **place, MinCount="1", MaxCount="1"))
    ask("TerminateInstances", **{"InstanceId.1": ident})
    ends = time.monotonic() + PATIENCE
    while _TERMINATED not in ask("DescribeInstances", **{"InstanceId.1": ident}):
        if time.monotonic() > ends:
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
        ident = str(uuid.uuid4())
        row = {**record["row"], "id": ident, "name": f"VM-{ident}"}
        await store.put(account, "machine", ident, {**record, "row": row}, ttl=3600)
    await store.close()


def run(seconds: float = 3.0, living: int = LIVING, ended: int = ENDED) -> tuple[str, list[Limit]]:
    """Measure both in turns, each on a bridge of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        doing(f"{ended} machines that were terminated")
        command = [sys.executable, "-m", "bench.cloud", str(folder / "keys.json"), f"busy={living}"]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())

        def bridge(name: str) -> Server:
            place = folder / name
            place.mkdir(exist_ok=True)
            settings = environment_of(cloud, keys, place)
            settings["EC2BRIDGE_METRICS_LISTEN"] = f"127.0.0.1:{free_port()}"
            serve = [sys.executable, "-m", "ec2bridge", "serve"]
            return running.enter_context(process("bridge", serve, r"at (http\S+)", **settings))

        with contextlib.ExitStack() as running:
            target = running.enter_context(contextlib.closing(Target(bridge("ended"))))
            terminate_one(asking(target, keys["busy"]), keys["launch"])
        asyncio.run(multiply(folder / "ended" / "bridge.sqlite", ended))
        running = stack
        doing("DescribeInstances without and with them")

        def polled(name: str, shown: int) -> Work:
            target = stack.enter_context(contextlib.closing(Target(bridge(name))))
            if (told := asking(target, keys["busy"])("DescribeInstances").count(_TERMINATED)) != shown:
                raise SystemExit(f"{told} terminated machines are shown instead of {shown}")
            body, headers = signed(target.server.url + "/", *keys["busy"], Action="DescribeInstances")
            return Work(lambda: target.send(body, headers), target.server)

        without, with_them = measure([polled("none", 0), polled("ended", ended)], seconds)
    ratio = with_them.cpu / without.cpu
    return (
        f"DescribeInstances of {living} machines: {without.cpu:.2f} ms of CPU; with {ended} more terminated"
        f" within the hour, {with_them.cpu:.2f} ms, {ratio:.2f} times",
        [Limit(f"DescribeInstances with {ended} terminated machines, CPU to that with none", ratio, most=2)],
    )


if __name__ == "__main__":
    told_of, held_to = run(10.0, *map(int, sys.argv[1:3]))
    print(f"{told_of}\n\n{limits.table(held_to)}")
