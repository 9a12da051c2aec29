"""Many clients of one account at once: what each waits, and what that costs CloudStack.

The clients are one process of their own, so that the bridge's loop is not theirs. Each has a connection and sends its
next request as soon as it has the answer; all begin in the same moment. There are reads, of which each client begins
with another, and writes, one in so many requests.
"""

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import aiohttp

Request = tuple[bytes, dict[str, str]]

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


def in_order(reads: list[Request], writes: list[Request], every: int, first: int) -> Iterator[Request]:
    """Yield the requests of one client for ever: the reads in turn, and one in `every` a write."""
    for number in count(first):
        if writes and number % every == every - 1:
            yield writes[number // every % len(writes)]
        else:
            yield reads[number % len(reads)]


async def client(
    session: aiohttp.ClientSession, url: str, requests: Iterator[Request], until: float
) -> list[float]:
    """Send one request after the other; return what each answer took, in seconds."""
    walls = []
    while (started := time.perf_counter()) < until:
        body, headers = next(requests)
        async with session.post(url, data=body, headers=headers) as response:
            answer = await response.read()
        if response.status != 200:
            raise SystemExit(f"the bridge answered {response.status}: {answer[:500].decode()}")
        walls.append(time.perf_counter() - started)
    return walls


async def crowd(
    url: str,
    metrics: str,
    reads: list[Request],
    writes: list[Request],
    every: int,
    clients: int,
    seconds: float,
) -> Crowd:
    """Have so many clients at it for so long."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, skip_auto_headers=("User-Agent", "Accept-Encoding")
    ) as session:
        await client(session, url, in_order(reads, [], 0, 0), time.perf_counter() + 0.2)
        before, started = await native_calls(session, metrics), time.perf_counter()
        # Each a write's turn apart from the next, so that not all write in the same moment.
        works = (
            client(session, url, in_order(reads, writes, every, number), started + seconds)
            for number in range(clients)
        )
        walls = sorted(wall for found in await asyncio.gather(*works) for wall in found)
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
    for kind in ("reads", "writes"):
        asked[kind] = [(body.encode(), headers) for body, headers in asked[kind]]
    print(json.dumps(asdict(asyncio.run(crowd(**asked)))))


if __name__ == "__main__":
    main()
