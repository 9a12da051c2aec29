"""Many clients that poll one account at once: what each waits, and what that costs CloudStack.

The clients are one process of their own, so that the bridge's loop is not theirs. Each has a connection and sends its
next request as soon as it has the answer; all begin in the same moment.
"""

import asyncio
import json
import re
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

METRIC = re.compile(r'^ec2bridge_cloudstack_seconds_count\{command="(\w+)"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class Crowd:
    """What came of it: answers a second, milliseconds that a client waited, native calls an answer."""

    clients: int
    seconds: float
    rate: float
    median: float
    p99: float
    longest: float
    native: float


async def native_calls(session: aiohttp.ClientSession, metrics: str) -> float:
    """Return how many native calls the bridge has made so far."""
    async with session.get(metrics) as response:
        page = await response.text()
    return sum(float(number) for _, number in METRIC.findall(page))


async def poll(
    session: aiohttp.ClientSession, url: str, request: tuple[bytes, dict[str, str]], until: float
) -> list[float]:
    """Send a request again and again; return what each answer took, in seconds."""
    body, headers = request
    walls = []
    while (started := time.perf_counter()) < until:
        async with session.post(url, data=body, headers=headers) as response:
            answer = await response.read()
        if response.status != 200:
            raise SystemExit(f"the bridge answered {response.status}: {answer[:500].decode()}")
        walls.append(time.perf_counter() - started)
    return walls


async def crowd(
    url: str, metrics: str, request: tuple[bytes, dict[str, str]], clients: int, seconds: float
) -> Crowd:
    """Have that many clients poll for some seconds."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, skip_auto_headers=("User-Agent", "Accept-Encoding")
    ) as session:
        await poll(session, url, request, time.perf_counter() + 0.2)
        before, started = await native_calls(session, metrics), time.perf_counter()
        polls = (poll(session, url, request, started + seconds) for _ in range(clients))
        walls = sorted(wall for found in await asyncio.gather(*polls) for wall in found)
        took = time.perf_counter() - started
        calls = await native_calls(session, metrics) - before
    return Crowd(
        clients,
        took,
        len(walls) / took,
        1000 * statistics.median(walls),
        1000 * walls[int(len(walls) * 0.99)],
        1000 * walls[-1],
        calls / len(walls),
    )


def main() -> None:
    """Read what to do from standard input, as JSON, and write what came of it."""
    asked: dict[str, Any] = json.load(sys.stdin)
    request = asked["body"].encode(), asked["headers"]
    found = asyncio.run(crowd(asked["url"], asked["metrics"], request, asked["clients"], asked["seconds"]))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
