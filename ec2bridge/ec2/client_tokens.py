"""ClientToken: a request that is sent again has its effect once.

CloudStack has no idempotency token. The record of a token lives in the store, where a unique key keeps other tasks,
processes and replicas out; the answer is kept for a day and given again. A record whose bearer died is taken over
once its lease is out: an action that makes things under names derived from the token then finds what was made. What
the journal has of the request goes in the moment in which the answer is kept.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from ec2bridge.ec2 import leases
from ec2bridge.ec2.context import Context, Ending
from ec2bridge.ec2.leases import Lease, LostError
from ec2bridge.ec2.registry import Handler, Request
from ec2bridge.errors import Ec2Error
from ec2bridge.store import Entry
from ec2bridge.wire.model import Operation

KEEP = 24 * 3600.0
BEAT = 5.0
LEASE = 20.0
"""Seconds without a beat after which the bearer of a record is taken to have died with its process."""
POLL = 0.1
MOST = 255
"""Characters of a token, which is kept for a day. AWS says 64, and some clients send more."""


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
        held = await _take(ctx, kind, token, digest)
        if isinstance(held, Lease):
            try:
                return await _bear(held, handler, request)
            except LostError:
                if not held.lost:
                    raise
                # Whoever took this request for dead has done it again under the same names: their answer counts.
                continue
        if held["digest"] != digest:
            raise Ec2Error(
                "IdempotentParameterMismatch",
                f"The client token '{token}' was used before by {op.name} with other parameters.",
            )
        if "answer" in held:
            return _revive(held["answer"])
        await asyncio.sleep(POLL)


async def _take(ctx: Context, kind: str, token: str, digest: str) -> Lease | Mapping[str, Any]:
    """Return the lease of a token that nobody bears, or the record of who does."""
    while True:
        if lease := await leases.begin(ctx, kind, token, {"digest": digest}, KEEP):
            return lease
        known: Entry | None = await ctx.store.entry(ctx.owner_id, kind, token)
        if known is None:
            continue
        if "answer" in known.value or known.value["digest"] != digest:
            return dict(known.value)
        if lease := await leases.take(ctx, kind, known, LEASE, KEEP):
            ctx.again = True
            return lease
        return dict(known.value)


async def _bear(lease: Lease, handler: Handler, request: Request) -> Any:
    """Run the handler and keep its answer; raises LostError when somebody else bears the token by then."""
    ctx = lease.ctx
    beat, ending = asyncio.create_task(lease.beat(BEAT)), Ending()
    ctx.ending = ending
    try:
        answer = await handler(ctx, request)
    except BaseException:
        with suppress(LostError):
            await asyncio.shield(asyncio.ensure_future(lease.end()))
        raise
    finally:
        ctx.ending = None
        beat.cancel()
    kept = {"digest": lease.value["digest"], "answer": _freeze(answer)}
    await asyncio.shield(asyncio.ensure_future(_answered(lease, kept, ending)))
    return answer


async def _answered(lease: Lease, kept: Mapping[str, Any], ending: Ending) -> None:
    await lease.leave(kept, KEEP, *ending.along)
    for begin in ending.then:
        begin()


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
