"""Per-key limits of requests, as AWS's token buckets; off unless the setting `throttle` turns them on.

CloudStack has one limit for all calls of an account (`api.throttling.*`), and one EC2 request may become many of them.
These count EC2 requests, as AWS does: a bucket for each action, and for what is done to machines one that counts them.
A process counts for itself.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.errors import Ec2Error
from ec2bridge.mapping import Bucket, Throttling

MOST_BUCKETS = 50_000
READING = ("Describe", "Get", "List", "Search")
_NARROW = ("Filters", "MaxResults", "NextToken")


@dataclass(slots=True)
class Throttle:
    """The buckets of all keys; `scale` multiplies AWS's figures."""

    table: Throttling
    scale: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _buckets: "OrderedDict[tuple[str, str], tuple[float, float]]" = field(default_factory=OrderedDict)

    def take(self, key: str, action: str, request: Mapping[str, Any]) -> None:
        """Count a request of a key; raise RequestLimitExceeded when its bucket is empty."""
        wanted = [(f"{action}{self._suffix(action, request)}", self._bucket_of(action, request), 1.0)]
        if action in self.table.machines:
            bucket = self.table.machines[action]
            wanted.append((f"{action}/machines", bucket, min(_machines(request), bucket[0] * self.scale)))
        if not all(self._level(key, name, bucket) >= cost for name, bucket, cost in wanted):
            raise Ec2Error("RequestLimitExceeded", "Request limit exceeded.")
        for name, bucket, cost in wanted:
            self._keep((key, name), self._level(key, name, bucket) - cost)

    def _suffix(self, action: str, request: Mapping[str, Any]) -> str:
        return "/all" if self._reads_all(action, request) else ""

    def _reads_all(self, action: str, request: Mapping[str, Any]) -> bool:
        named = any(name in _NARROW or name.endswith("Ids") for name, value in request.items() if value)
        return action in self.table.reading_all.actions and not named

    def _bucket_of(self, action: str, request: Mapping[str, Any]) -> Bucket:
        if action in self.table.actions:
            return self.table.actions[action]
        if self._reads_all(action, request):
            return self.table.reading_all.limit
        return self.table.reading if action.startswith(READING) else self.table.changing

    def _level(self, key: str, name: str, bucket: Bucket) -> float:
        most, refill = (figure * self.scale for figure in bucket)
        # A bucket so small that no request would ever pass holds one.
        most = max(most, 1.0)
        known = self._buckets.get((key, name))
        return most if known is None else min(most, known[0] + (self.clock() - known[1]) * refill)

    def _keep(self, place: tuple[str, str], level: float) -> None:
        self._buckets[place] = (level, self.clock())
        self._buckets.move_to_end(place)
        # The one used least recently has filled up again, or nearly so.
        while len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)


def _machines(request: Mapping[str, Any]) -> float:
    return float(len(request.get("InstanceIds") or ()) or request.get("MaxCount") or 1)
