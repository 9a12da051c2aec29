"""The private addresses of a launch's machines in isolated networks and tiers, chosen before they are deployed.

There CloudStack picks a free address first and takes it later, so that two machines deployed at once may get the same.
With addresses that differ from the start they are deployed side by side. They stand in the launch's journal record
before the first machine is deployed, where all bridges on the store see them. What is taken and cannot be seen here
(routers, machines that are destroyed and not expunged yet) CloudStack refuses, and then another is chosen.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2.journal import Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.interfaces.addresses import PROMISED, addresses_taken, any_free, promised
from ec2bridge.resources.launches.network import Nics
from ec2bridge.resources.places.ranges import blocks

Row = dict[str, Any]

TRIES = 2
"""Addresses that are tried for a machine before the choice is left to CloudStack."""


@dataclass(slots=True, eq=False)
class Addresses:
    """The addresses of a launch's machines, as they stand in the journal: by network, in the order of the machines."""

    work: Work
    nics: Nics
    _refused: dict[int, int] = field(default_factory=dict)
    """How many addresses of a machine CloudStack has refused."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def choose(self, least: int, most: int) -> None:
        """Choose addresses for so many machines, unless the launch has them from before it was sent again."""
        if PROMISED in self.work.lease.value:
            return
        await self._write({uuid: list(range(most)) for uuid in self._networks()})
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
        return {uuid: address for uuid in self._networks() if (address := chosen[uuid][index])}

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

    def _networks(self) -> dict[str, Row]:
        """Return the networks whose addresses are chosen here: the client names none, nor has CloudStack ranges."""
        named = {row["id"] for row, _ in self._named()}
        return {
            row["id"]: row
            for row in self.nics.rows
            if row.get("type") == "Isolated"
            and row["id"] not in named
            and blocks(row)
            and not row.get("specifyipranges")
        }

    def _named(self) -> list[tuple[Row, str]]:
        pairs = zip(self.nics.rows, self.nics.addresses, strict=False)
        return [(row, address) for row, address in pairs if address]

    def _chosen(self) -> Mapping[str, list[str | None]]:
        chosen: Mapping[str, list[str | None]] = self.work.lease.value.get(PROMISED) or {}
        return chosen

    async def _write(self, wanted: Mapping[str, list[int]]) -> None:
        """Choose addresses for some machines in some networks, and write them down."""
        async with self._lock:
            await self._until_alone(wanted)

    async def _until_alone(self, wanted: Mapping[str, list[int]]) -> None:
        ctx, networks = self.work.ctx, self._networks()
        found = await asyncio.gather(*(addresses_taken(ctx, uuid) for uuid in wanted))
        taken = dict(zip(wanted, found, strict=True))
        chosen: dict[str, list[str | None]] = {row["id"]: [address] for row, address in self._named()}
        chosen |= {uuid: list(known) for uuid, known in self._chosen().items()}
        while wanted:
            for uuid, machines in wanted.items():
                known = chosen.setdefault(uuid, [None] * len(machines))
                free = any_free(networks[uuid], {*taken[uuid], *filter(None, known)}, len(machines))
                for index in machines:
                    known[index] = free.pop() if free else None
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
