"""The ids of large accounts in the store, for a bridge that has not seen them.

Only a listing of all tells which uuid an id is made of. Where that takes many pages, the uuids that a caller has seen
are kept, by the first digits of their ids, so that another bridge, or this one after a restart, looks at a few. What
is kept is a hint: a uuid that names nothing any more is found out by whoever asks CloudStack for it, and an id that is
not there is listed as before.
"""

import logging
from collections.abc import Iterable

from ec2bridge import ids
from ec2bridge.cloudstack.pages import PAGE_SIZE
from ec2bridge.gently import gently
from ec2bridge.store import Change, Store, StoreError

log = logging.getLogger(__name__)

MANY = PAGE_SIZE
"""Objects of a kind from which on their ids are kept: fewer are listed in one page."""
STARTS = 2
"""How many digits all ids of a record begin with."""
MOST = 200
"""Ids in a record: the last that were seen."""
KEPT = 30 * 24 * 3600.0
"""Seconds for which a record is kept after the last id was added."""


class KeptIds:
    """What callers have seen, in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def beside(self, caller: str, kind: str, starts: Iterable[str]) -> list[str]:
        """Return the uuids whose ids begin with any of these digits; none where the store does not answer."""
        try:
            found = await self._known(caller, kind, list(starts))
            return [native_id for some in found.values() for native_id in some]
        except StoreError as error:
            log.info("ids cannot be looked for in the store: %s", error)
            return []

    async def add(self, caller: str, kind: str, native_ids: Iterable[str]) -> None:
        """Keep uuids; raises StoreError."""
        fresh: dict[str, list[str]] = {}
        async for some in gently(list(native_ids)):
            for native_id in some:
                fresh.setdefault(ids.digits_of(kind, native_id)[:STARTS], []).append(native_id)
        known = await self._known(caller, kind, list(fresh))
        changes = [
            Change(_kind(kind), start, list(dict.fromkeys([*known[start], *some]))[-MOST:], KEPT)
            for start, some in fresh.items()
        ]
        await self.store.together(caller, *changes)

    async def _known(self, caller: str, kind: str, starts: list[str]) -> dict[str, list[str]]:
        found = await self.store.some(caller, _kind(kind), starts)
        return {start: list(found.get(start) or ()) for start in starts}


def _kind(kind: str) -> str:
    return f"ids:{kind}"
