"""The embedded CloudStack that the benchmarks run against: accounts with machines.

`python -m bench.cloud KEYS.JSON NAME=MACHINES[+VOLUMES] …` writes the keys, serves, and prints its URL.
"""

import asyncio
import json
import sys
from pathlib import Path

from ec2bridge.ids import ec2_id
from ec2bridge.simulator import populate
from ec2bridge.simulator.seed import ACCOUNTS, AccountSeed, Seed
from ec2bridge.simulator.server import Simulator

ZONE, OFFERING = "sim-basic", "t2.micro"


def facts(simulator: Simulator) -> dict[str, list[str]]:
    """Return the keys by account, and what a launch needs under both APIs."""
    tables = simulator.cloud.tables
    keys = {name: [pair.api_key, pair.secret_key] for name, pair in simulator.accounts.items()}
    zone = next(row["id"] for row in tables["zones"] if row["name"] == ZONE)
    offering = next(row["id"] for row in tables["serviceofferings"] if row["name"] == OFFERING)
    template = next(row["id"] for row in tables["templates"] if row.get("isfeatured") and row.get("isready"))
    launch = [ec2_id("ami", template), ZONE, offering, template, zone]
    return {**keys, "service": keys["keylookup"], "launch": launch}


def wanted(words: list[str]) -> dict[str, tuple[int, int]]:
    """Return account → how many machines it has, and how many volumes beside their roots."""
    found = {}
    for word in words:
        name, _, counts = word.partition("=")
        machines, _, volumes = counts.partition("+")
        found[name] = int(machines or 0), int(volumes or 0)
    return found


async def serve(keys: Path, accounts: dict[str, tuple[int, int]]) -> None:
    """Serve until the process is stopped."""
    extra = tuple(AccountSeed(name) for name in accounts)
    simulator = Simulator(seed=Seed(accounts=(*ACCOUNTS, *extra)), job_time=0.05)
    simulator.cloud.unlimited_accounts |= {account.name for account in extra}
    for account, (machines, volumes) in accounts.items():
        populate.add_volumes(simulator.cloud, simulator.populate(account, machines), volumes)
    await asyncio.to_thread(keys.write_text, json.dumps(facts(simulator)))
    async with simulator:
        print(f"serving at {simulator.url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), wanted(sys.argv[2:])))
