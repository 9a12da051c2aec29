"""ClientToken: a request that is sent again has its effect once.

CloudStack has no idempotency token. The record of a token lives in the store, where a unique key keeps other tasks,
processes and replicas out; the answer is kept for a day and given again. A record whose bearer died is taken over
once its lease is out: an action that makes things under names derived from the token then finds what was made.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import Handler, Request
from ec2bridge.errors import Ec2Error
from ec2bridge.store import Entry
from ec2bridge.wire.model import Operation

log = logging.getLogger(__name__)

KEEP = 24 * 3600.0
BEAT = 5.0
LEASE = 20.0
"""Seconds without a beat after which the bearer of a record is taken to have died with its process."""
POLL = 0.1
MOST = 255
"""Characters of a token, which is kept for a day. AWS says 64, and some clients send more."""


@dataclass(slots=True)
class _Lease:
    """The record of a token while this request bears it; each write rests on the version before.

    A bearer that was taken for dead finds out at its next write, and overwrites neither its heir's record nor answer.
    """

    ctx: Context
    kind: str
    token: str
    digest: str
    version: int
    lost: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def beat(self) -> None:
        """Tell every few seconds that the bearer lives, until the lease is lost."""
        while not self.lost:
            await asyncio.sleep(BEAT)
            try:
                await self._write({})
            except Exception as error:
                # A store that is busy may take the next one; if not, the lease runs out as it should.
                log.warning("the record of a client token could not be renewed: %s", type(error).__name__)

    async def finish(self, answer: Any) -> bool:
        """Keep the answer for whoever sends the token again; False when somebody else bears it by now."""
        return await self._write({"answer": _freeze(answer)})

    async def drop(self) -> None:
        """Leave no record of a request that failed."""
        await self._write({}, ttl=0.0)

    async def _write(self, more: Mapping[str, Any], ttl: float = KEEP) -> bool:
        async with self._lock:
            if self.lost:
                return False
            record = {"digest": self.digest, "at": time.time(), **more}
            place = (self.ctx.owner_id, self.kind, self.token)
            if await self.ctx.store.replace(*place, record, self.version, ttl=ttl):
                self.version += 1
            else:
                self.lost = True
            return not self.lost


async def once(handler: Handler, op: Operation, ctx: Context, request: Request) -> Any:
    """Run the handler, or return what it returned the first time for this caller, action and token.

    Raises IdempotentParameterMismatch when the token was used with other parameters. A failed request leaves no
    record: sent again, it is tried again, as on AWS.
    """
    token = next((request[name] for name in op.idempotency_tokens if request.get(name)), None)
    if token is None:
        return await handler(ctx, request)
    if len(token) > MOST:
        raise Ec2Error(
            "InvalidParameterValue", f"The client token '{token[:MOST]}…' is longer than {MOST} characters."
        )
    kind, digest = f"token:{op.name}", _digest(op, request)
    while True:
        lease = await _take(ctx, kind, token, digest)
        if isinstance(lease, _Lease):
            answer = await _bear(lease, handler, request)
            if not lease.lost:
                return answer
            # Whoever took this request for dead has done it again under the same names: their answer counts.
            continue
        if lease.value["digest"] != digest:
            raise Ec2Error(
                "IdempotentParameterMismatch",
                f"The client token '{token}' was used before by {op.name} with other parameters.",
            )
        if "answer" in lease.value:
            return _revive(lease.value["answer"])
        await asyncio.sleep(POLL)


async def _take(ctx: Context, kind: str, token: str, digest: str) -> _Lease | Entry:
    """Return the lease of a token that nobody bears, or the record of who does."""
    place = (ctx.owner_id, kind, token)
    while True:
        record = {"digest": digest, "at": time.time()}
        if await ctx.store.put_new(*place, record, ttl=KEEP):
            return _Lease(ctx, kind, token, digest, 1)
        known: Entry | None = await ctx.store.entry(*place)
        if known is None:
            continue
        abandoned = "answer" not in known.value and known.value["at"] + LEASE < time.time()
        if not abandoned or known.value["digest"] != digest:
            return known
        if await ctx.store.replace(*place, record, known.version, ttl=KEEP):
            ctx.again = True
            return _Lease(ctx, kind, token, digest, known.version + 1)


async def _bear(lease: _Lease, handler: Handler, request: Request) -> Any:
    beat = asyncio.create_task(lease.beat())
    try:
        answer = await handler(lease.ctx, request)
    except BaseException:
        await asyncio.shield(lease.drop())
        raise
    else:
        await lease.finish(answer)
        return answer
    finally:
        beat.cancel()


def _digest(op: Operation, request: Request) -> str:
    body = {name: value for name, value in request.items() if name not in op.idempotency_tokens}
    return hashlib.sha256(_ordered(body).encode()).hexdigest()


def _ordered(value: Any) -> str:
    """Write a value down whatever the order of its lists: clients in Go send tags in another one each time."""
    if isinstance(value, dict):
        value = {name: _ordered(inner) for name, inner in value.items()}
    elif isinstance(value, list):
        value = sorted(_ordered(inner) for inner in value)
    return json.dumps(value, sort_keys=True, default=str)


def _freeze(value: Any) -> Any:
    """Make an answer fit for JSON: a time becomes {"~t": ISO 8601}."""
    if isinstance(value, datetime):
        return {"~t": value.isoformat()}
    if isinstance(value, dict):
        return {name: _freeze(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_freeze(inner) for inner in value]
    return value


def _revive(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"~t"}:
            return datetime.fromisoformat(value["~t"])
        return {name: _revive(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_revive(inner) for inner in value]
    return value
