"""The ACL lists that the bridge writes for tiers in which machines are: made, put in place, removed.

CloudStack reconfigures its router for every item that changes in a list which a tier has. So a list is written while
no tier has it, takes the old one's place in one job, and the old one goes. What a list stands for is said in its
description: the tier, and the list that EC2 shows as the subnet's network ACL, so that both change in that one job.
"""

import asyncio
import logging
import re
import time
import uuid
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
    """A list of the bridge's: its uuid, the uuids of its tier and of the list that it stands for, when it was made.

    `name` ends with the stem of the work that it was written for.
    """

    uuid: str
    tier: str
    base: str
    at: int
    name: str = ""


def read(row: Row) -> Written | None:
    """Return what a list says of itself; None for one that the bridge has not written."""
    found = _OURS.fullmatch(row.get("description") or "")
    if not found or not found[3].isdigit():
        return None
    return Written(row["id"], found[1], found[2], int(found[3]), row.get("name") or "")


def is_abandoned(written: Written) -> bool:
    """Whether whoever wrote a list that no tier has must have died over it."""
    return written.at + STALE < time.time()


def is_of(written: Written, stem: str) -> bool:
    """Whether a list was written for the work of this stem."""
    return f":{stem}-" in written.name


async def write(ctx: Context, vpc: str, tier: str, base: str, rules: Rules, stem: str) -> str:
    """Make a list that no tier has yet and return its uuid; one that cannot be finished is removed."""
    row = await ctx.account.job(
        "createNetworkACLList",
        # A name of its own, by which it is found again when the answer is lost.
        name=f"{NAME}{tier}:{stem}-{uuid.uuid4().hex[:8]}",
        description=_TEXT.format(tier, base, int(time.time())),
        vpcid=vpc,
    )
    made = str(row["id"])
    pairs = [(egress, item) for egress in (False, True) for item in rules[egress]]
    params = [item.native(number, egress) for number, (egress, item) in enumerate(pairs, start=1)]
    try:
        for start in range(0, len(params), AT_ONCE):
            some = params[start : start + AT_ONCE]
            await asyncio.gather(*(ctx.account.job("createNetworkACL", aclid=made, **one) for one in some))
    except BaseException:
        await discard(ctx, made)
        raise
    return made


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
