"""The instances of a large account, a part at a time: for clients that page, and for filters that keep few.

Nothing is remembered of them but the volumes, trimmed; so memory is bounded by the part.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.walking import Stretch
from ec2bridge.ec2.chunks import spot
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Chunk, Item
from ec2bridge.ec2.registry import Request
from ec2bridge.gently import gently
from ec2bridge.resources.instances.cache import translated
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.machines import records as machine_records
from ec2bridge.resources.machines import volumes as machine_volumes
from ec2bridge.resources.machines.lookup import DETAILS, remembered, walked

Row = dict[str, Any]

PART = 500
"""Machines in a part, of those that only records tell of."""
LISTED, REMEMBERED = "m", "r"
"""Whether a place is among the machines that CloudStack lists, or behind them, among those only records tell of."""


@dataclass(frozen=True, slots=True)
class InstanceChunks:
    """Machines as CloudStack lists them, and then those that are no longer listed but still shown."""

    take_up: Callable[[Context, machine_records.Records], Awaitable[None]]
    """Called with the records before any machine is told."""
    unless: Callable[[Request], bool]
    """Whether a request is one that is better answered at once."""

    async def are_many(self, ctx: Context, request: Request) -> bool:
        """Whether the account has so many machines."""
        return not self.unless(request) and await ctx.account.are_many("listVirtualMachines", details=DETAILS)

    def at_first(self) -> int | None:
        """How many machines can be asked for their volumes alone: more would wait for those of all."""
        return machine_volumes.FIRST

    async def after(self, ctx: Context, place: str, wanted: int | None) -> AsyncIterator[Chunk]:
        """Yield the instances behind a place: `m:`, the number of the walk, and a spot; or `r:` and an uuid."""
        known = await machine_records.records(ctx)
        await self.take_up(ctx, known)
        part, _, rest = (place or LISTED).partition(":")
        if part == REMEMBERED:
            gone = await remembered(ctx, known, rest, None)
        else:
            number, _, place_in_it = rest.partition(":")
            # Who walks from the beginning sees all that are listed.
            listed = None if rest else set[str]()
            async for stretch, machines in walked(ctx, known, spot(place_in_it), wanted):
                rows = [row for _, row in machines]
                if listed is not None:
                    listed.update(row["id"] for row in stretch.rows)
                volumes = await machine_volumes.for_walk(ctx, number, rows)
                number = volumes.number
                facts = await gather_facts(ctx, rows, known, volumes.volumes)
                items: list[tuple[int, Item]] = []
                async for some in gently(machines):
                    items += [(index, translated(facts, row)) for index, row in some]
                gone = [] if stretch.more else await remembered(ctx, known, "", listed)
                yield Chunk(items, stretch.more or bool(gone), _places(number, stretch))
        facts = await gather_facts(ctx, gone, known)
        async for part_of_them in gently(gone, PART):
            told = [(index, translated(facts, row)) for index, row in enumerate(part_of_them)]
            yield Chunk(told, part_of_them[-1] is not gone[-1], _uuids(part_of_them))


def _places(number: str, stretch: Stretch) -> Callable[[int], str]:
    return lambda index: f"{LISTED}:{number}:{stretch.after(index)}"


def _uuids(rows: list[Row]) -> Callable[[int], str]:
    return lambda index: f"{REMEMBERED}:{rows[index]['id']}"
