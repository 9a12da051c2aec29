"""Networks and VPCs that EC2 has deleted while CloudStack still holds them.

A terminated machine is gone for EC2; but where nobody may expunge it, CloudStack keeps its NIC, and so its network,
until its own expunge a day later. Such a network is hidden at once, and really deleted by whoever lists networks
once CloudStack lets it go.
"""

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import background
from ec2bridge.ec2.context import Context
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

KIND = "leaving"
AGAIN = 300.0
"""Seconds between two attempts to delete an object."""
_COMMANDS = MappingProxyType({"subnet": "deleteNetwork", "vpc": "deleteVPC"})
_GONE = ("doesn't exist", "Unable to find", "entity does not exist")


async def hide(ctx: Context, kind: str, uuid: str, vpc: str | None = None) -> None:
    """Let nobody see a VPC, or a subnet (of a `vpc`), any more, and delete it when CloudStack lets it go."""
    value = {"kind": kind, "vpc": vpc, "at": time.time() + AGAIN}
    await ctx.store.put(ctx.owner_id, KIND, uuid, value)


async def hidden(ctx: Context) -> dict[str, Mapping[str, Any]]:
    """Return uuid → record of what is hidden; what is due is tried again in the background."""
    found = {entry.key: entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)}
    held = {value["vpc"] for value in found.values()}
    # A VPC can go only after its subnets.
    due = [uuid for uuid, value in found.items() if value["at"] <= time.time() and uuid not in held]
    if due and not ctx.dry_run:
        background.leave(ctx.site, _finish(ctx, due), "what is left of deleted networks")
    return found


async def _finish(ctx: Context, due: list[str]) -> None:
    for uuid in due:
        entry = await ctx.store.entry(ctx.owner_id, KIND, uuid)
        if entry is None or entry.value["at"] > time.time():
            continue
        later = {**entry.value, "at": time.time() + AGAIN}
        # Of several replicas, the one that writes this does the work.
        if await ctx.store.replace(ctx.owner_id, KIND, uuid, later, entry.version):
            await _delete(ctx, entry.value["kind"], uuid)


async def _delete(ctx: Context, kind: str, uuid: str) -> None:
    try:
        await ctx.account.job(_COMMANDS[kind], id=uuid)
    except CloudStackUnavailable:
        return
    except CloudStackError as error:
        if not any(text in error.errortext for text in _GONE):
            log.info("%s %s, which EC2 has deleted, is still held by CloudStack: %s", kind, uuid, error)
            return
    await ctx.store.delete(ctx.owner_id, KIND, uuid)
    await resource_tags.forget(ctx, kind, uuid)
