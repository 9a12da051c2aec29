"""What machines that were terminated within the hour cost: DescribeInstances of an account with 2,400, and with none.

`python -m bench.ended` runs this part alone.
"""

import contextlib
import json
import re
import sys
import tempfile
import time
from pathlib import Path

from bench.limits import Limit
from bench.progress import doing
from bench.servers import Server, Target, Work, environment_of, measure, process, signed

LIVING, ENDED, AT_ONCE = 200, 2_400, 100
PATIENCE = 300.0
_INSTANCE = re.compile(rb"<item><instanceId>(i-[0-9a-f]+)</instanceId>")
_TERMINATED = b"<instanceState><code>48</code>"


def ask(bridge: Server, keys: list[str], action: str, **form: str) -> bytes:
    """Send one request."""
    with contextlib.closing(Target(bridge)) as target:
        return target.send(*signed(bridge.url + "/", *keys, Action=action, **form))


def end(bridge: Server, keys: list[str], launch: list[str], machines: int) -> None:
    """Launch so many machines and terminate them, some at a time; wait until all are shown as terminated."""
    for _ in range(0, machines, AT_ONCE):
        form = {"ImageId": launch[0], "InstanceType": "t2.micro", "Placement.AvailabilityZone": launch[1]}
        count = {"MinCount": str(AT_ONCE), "MaxCount": str(AT_ONCE)}
        ids = _INSTANCE.findall(ask(bridge, keys, "RunInstances", **form, **count))
        named = {f"InstanceId.{number}": ident.decode() for number, ident in enumerate(ids, 1)}
        ask(bridge, keys, "TerminateInstances", **named)
        ends = time.monotonic() + PATIENCE
        filters = {"Filter.1.Name": "instance-state-name", "Filter.1.Value.1": "shutting-down"}
        while _INSTANCE.search(ask(bridge, keys, "DescribeInstances", **filters)):
            if time.monotonic() > ends:
                raise SystemExit("machines that were terminated do not end")
            time.sleep(0.2)


def run(seconds: float = 3.0, ended: int = ENDED) -> tuple[str, list[Limit]]:
    """Measure an account without them and one with them, in turns."""
    doing(f"terminating {ended} machines")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        accounts = [f"none={LIVING}", f"busy={LIVING}"]
        command = [sys.executable, "-m", "bench.cloud", str(folder / "keys.json"), *accounts]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())
        serve = [sys.executable, "-m", "ec2bridge", "serve"]
        bridge = stack.enter_context(
            process("bridge", serve, r"at (http\S+)", **environment_of(cloud, keys, folder))
        )
        end(bridge, keys["busy"], keys["launch"], ended)
        if (shown := ask(bridge, keys["busy"], "DescribeInstances").count(_TERMINATED)) != ended:
            raise SystemExit(f"{shown} terminated machines are shown instead of {ended}")
        doing("listing them, beside an account without")
        target = stack.enter_context(contextlib.closing(Target(bridge)))

        def polled(account: str) -> Work:
            body, headers = signed(bridge.url + "/", *keys[account], Action="DescribeInstances")
            return Work(lambda: target.send(body, headers), bridge)

        without, with_them = measure([polled("none"), polled("busy")], seconds)
        ratio = with_them.cpu / without.cpu
        return (
            f"DescribeInstances of {LIVING} machines: {without.cpu:.2f} ms of CPU; with {ended} more terminated"
            f" within the hour, {with_them.cpu:.2f} ms, {ratio:.2f} times",
            [
                Limit(
                    f"DescribeInstances with {ended} terminated machines, CPU to that with none",
                    ratio,
                    most=2,
                )
            ],
        )


if __name__ == "__main__":
    told, _ = run()
    print(told)
