"""The private addresses of a launch's machines in isolated networks and tiers, chosen before they are deployed.

There CloudStack picks a free address first and takes it later, so that two machines deployed at once may get the same.
With addresses that differ from the start they are deployed side by side. They stand in the launch's journal record
before the first machine is deployed, where all bridges on the store see them. What is taken and cannot be seen here
(routers, machines that are destroyed and not expunged yet) CloudStack refuses, and then another is chosen. A refusal
costs a machine in state Error and most of a deployment's time, so addresses that were seen in use come last.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.interfaces.addresses import PROMISED, addresses_taken, any_free, promised
from ec2bridge.resources.launches.network import Nics
from ec2bridge.resources.places.ranges import blocks
from ec2bridge.resources.places.zones import cached

Row = dict[str, Any]

KEPT = 24 * 3600.0
"""Seconds for which addresses in use are remembered: as long as CloudStack keeps what is destroyed, by default."""
TRIES = 2
"""Addresses that are tried for a machine before the choice is left to CloudStack."""


@dataclass(slots=True, eq=False)
class Addresses:
    """The addresses of a launch's machines, as they stand in the journal: by network, in the order of the machines."""

    work: Work
    nics: Nics
    taken: dict[str, set[str]]
    """Network → addresses taken there, of the networks that have been asked already; each is used once."""
    _refused: dict[int, int] = field(default_factory=dict)
    """How many addresses of a machine CloudStack has refused."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def choose(self, least: int, most: int) -> None:
        """Choose addresses for so many machines, unless the launch has them from before it was sent again."""
        if PROMISED in self.work.lease.value:
            return
        await self._write({uuid: list(range(most)) for uuid in self.nics.chosen_here})
        if any(sum(map(bool, chosen)) < least for chosen in self._chosen().values()):
            raise Ec2Error(
                "InsufficientFreeAddressesInSubnet",
                "The specified subnet does not have enough free addresses to satisfy the request.",
            )

    def of(self, index: int) -> dict[str, str]:
        """Return network → address of one machine, of those that have been chosen."""
        if self._refused.get(index, 0) >= TRIES:
            return {}
        chosen = self._chosen()
        return {uuid: address for uuid in self.nics.chosen_here if (address := chosen[uuid][index])}

    def are_known(self, index: int) -> bool:
        """Whether CloudStack has none left to choose where it might choose the same twice."""
        known = self.of(index)
        return all(row.get("type") != "Isolated" or row["id"] in known for row in self.nics.rows)

    async def refused(self, index: int) -> bool:
        """Choose anew for a machine that CloudStack has refused; whether it is worth another attempt."""
        chosen = self.of(index)
        if not chosen:
            return False
        self._refused[index] = self._refused.get(index, 0) + 1
        if self._refused[index] < TRIES:
            await self._write({uuid: [index] for uuid in chosen})
        return True

    def _chosen(self) -> Mapping[str, list[str | None]]:
        chosen: Mapping[str, list[str | None]] = self.work.lease.value.get(PROMISED) or {}
        return chosen

    async def _write(self, wanted: Mapping[str, list[int]]) -> None:
        """Choose addresses for some machines in some networks, and write them down."""
        async with self._lock:
            await self._until_alone(wanted)

    async def _taken(self, network: str) -> set[str]:
        """Return what is taken in a network: as the plan has read it, and after a refusal anew."""
        known = self.taken.pop(network, None)
        return known if known is not None else await addresses_taken(self.work.ctx, network)

    async def _until_alone(self, wanted: Mapping[str, list[int]]) -> None:
        ctx, networks = self.work.ctx, self.nics.chosen_here
        found = await asyncio.gather(*(self._taken(uuid) for uuid in wanted))
        taken = dict(zip(wanted, found, strict=True))
        chosen: dict[str, list[str | None]] = {row["id"]: [address] for row, address in self.nics.named}
        chosen |= {uuid: list(known) for uuid, known in self._chosen().items()}
        while wanted:
            for uuid, machines in wanted.items():
                known = chosen.setdefault(uuid, [None] * len(machines))
                seen = await _seen(ctx, uuid)
                free = _rested(networks[uuid], {*taken[uuid], *filter(None, known)}, seen, len(machines))
                for index in machines:
                    known[index] = free.pop(0) if free else None
                for address in (*taken[uuid], *filter(None, known)):
                    seen.pop(address, None)
                    seen[address] = None
            await self.work.lease.write(**{PROMISED: chosen})
            # Of two that chose the same in the same moment at least one sees it, and gives way.
            others = await promised(ctx, but=self.work.lease.key)
            for uuid in wanted:
                taken[uuid] |= others.get(uuid, set())
            clashes = {
                uuid: [index for index in machines if chosen[uuid][index] in others.get(uuid, ())]
                for uuid, machines in wanted.items()
            }
            wanted = {uuid: machines for uuid, machines in clashes.items() if machines}


async def _seen(ctx: Context, network: str) -> dict[str, None]:
    """Return the addresses of a network that were in use in the last day, the latest last; it is written into."""
    seen: dict[str, None] = await cached(ctx, "addresses-seen", KEPT).get(
        (ctx.account.cache_key, network), _none_yet
    )
    return seen


async def _none_yet() -> dict[str, None]:
    return {}


def _rested(network: Row, taken: set[str], seen: dict[str, None], count: int) -> list[str]:
    """Return up to so many free addresses, those first that were not in use lately, then those not for the longest."""
    fresh = any_free(network, taken | seen.keys(), count)
    ranges = blocks(network)
    rested = (
        address
        for address in seen
        if address not in taken and any(ipaddress.ip_address(address) in block for block in ranges)
    )
    return [*fresh, *islice(rested, count - len(fresh))]
