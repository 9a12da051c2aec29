"""The ACL lists that the bridge writes for tiers in which machines are: made, put in place, removed.

CloudStack reconfigures its router for every item that changes in a list which a tier has. So a list is written while
no tier has it, takes the old one's place in one job, and the old one goes. What a list stands for is said in its
description: the tier, and the list that EC2 shows as the subnet's network ACL, so that both change in that one job.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.resources.network_acls.tier_rules import Item
from ec2bridge.resources.tags.resource_tags import RESERVED

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
Rules = Mapping[bool, Sequence[Item]]
"""Items of a list, those for what goes out under True."""

NAME = RESERVED
"""How the names of such lists begin; they go on with the tier's uuid."""
AT_ONCE = 10
"""Items that are written together."""
STALE = 900.0
"""Seconds after which a list that no tier has is nobody's work any more."""
_TEXT = "Written by the EC2 endpoint: security groups of tier {} within network ACL {}, at {}"
_OURS = re.compile(re.escape(_TEXT).replace(r"\{\}", "([0-9a-z-]+)"))


@dataclass(frozen=True, slots=True)
class Written:
    """A list of the bridge's: its uuid, the uuids of its tier and of the list that it stands for, when it was made."""

    uuid: str
    tier: str
    base: str
    at: int


def read(row: Row) -> Written | None:
    """Return what a list says of itself; None for one that the bridge has not written."""
    found = _OURS.fullmatch(row.get("description") or "")
    return Written(row["id"], found[1], found[2], int(found[3])) if found and found[3].isdigit() else None


def is_abandoned(written: Written) -> bool:
    """Whether whoever wrote a list that no tier has must have died over it."""
    return written.at + STALE < time.time()


async def write(ctx: Context, vpc: str, tier: str, base: str, rules: Rules) -> str:
    """Make a list that no tier has yet and return its uuid; one that cannot be finished is removed."""
    row = await ctx.account.job(
        "createNetworkACLList",
        name=f"{NAME}{tier}",
        description=_TEXT.format(tier, base, int(time.time())),
        vpcid=vpc,
    )
    uuid = str(row["id"])
    pairs = [(egress, item) for egress in (False, True) for item in rules[egress]]
    params = [item.native(number, egress) for number, (egress, item) in enumerate(pairs, start=1)]
    try:
        for start in range(0, len(params), AT_ONCE):
            some = params[start : start + AT_ONCE]
            await asyncio.gather(*(ctx.account.job("createNetworkACL", aclid=uuid, **one) for one in some))
    except BaseException:
        await discard(ctx, uuid)
        raise
    return uuid


async def put(ctx: Context, tier: str, acl: str, instead: str) -> None:
    """Give a tier a list; when its router does not take it, CloudStack is told again that the tier has the other."""
    try:
        await ctx.account.job("replaceNetworkACLList", aclid=acl, networkid=tier)
    except CloudStackError:
        if not instead:
            raise
        # It is noted as the tier's before the router is asked, and would be taken for settled from then on.
        try:
            await ctx.account.job("replaceNetworkACLList", aclid=instead, networkid=tier)
        except CloudStackError as error:
            log.warning("tier %s could not be given its former list back: %s", tier, error)
        raise


async def discard(ctx: Context, uuid: str) -> None:
    """Remove a list that no tier has; what cannot be removed now is found again later."""
    try:
        await ctx.account.job("deleteNetworkACLList", id=uuid)
    except CloudStackError as error:
        log.warning(
            "the network ACL list %s, which is no longer needed, could not be removed: %s", uuid, error
        )
