"""Large listings of which each row is an item, a part at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.walking import Spot, Stretch
from ec2bridge.ec2 import page_tokens
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Chunk, Item
from ec2bridge.ec2.registry import Request

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowChunks:
    """The rows of a command, translated by `items`, which leaves out what EC2 does not show."""

    command: str
    items: Callable[[Context, list[Row]], Awaitable[list[Item]]]
    uuid: Callable[[Item], str]
    """Which row an item is made of."""

    async def are_many(self, ctx: Context, request: Request) -> bool:
        """Whether there are so many rows."""
        return bool(await ctx.account.are_many(self.command))

    def at_first(self) -> int | None:
        """A first page may be as large as any."""
        return None

    async def after(self, ctx: Context, place: str, wanted: int | None) -> AsyncIterator[Chunk]:
        """Yield the items behind a spot."""
        async for stretch in ctx.account.walk(self.command, spot(place), wanted):
            numbers = {row["id"]: number for number, row in enumerate(stretch.rows)}
            items = await self.items(ctx, stretch.rows)
            yield Chunk([(numbers[self.uuid(item)], item) for item in items], stretch.more, _places(stretch))


def spot(text: str) -> Spot:
    """Return the spot that a place tells; raises InvalidNextToken."""
    try:
        return Spot.read(text) if text else Spot()
    except ValueError:
        raise page_tokens.invalid() from None


def _places(stretch: Stretch) -> Callable[[int], str]:
    return lambda index: str(stretch.after(index))
