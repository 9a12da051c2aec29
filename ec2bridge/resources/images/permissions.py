"""Who may launch an image.

EC2 names accounts by their digits, and "all". CloudStack's template is public or not, and names accounts of its own
domain; it tells them only one template at a time, and to the template's owner alone.
"""

import asyncio
from typing import Any

from ec2bridge.ec2 import account_ids
from ec2bridge.ec2.context import Context, account_id, owner_of
from ec2bridge.resources.images.lookup import SHARED_WITH_OWNER
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

ALL = "all"


async def holders(ctx: Context, row: Row) -> list[str]:
    """Return the digits of the accounts that a template is shared with; its owner is one if it was said so."""
    answer = await ctx.account.call("listTemplatePermissions", id=row["id"])
    names = (answer.get("templatepermission") or {}).get("account") or ()
    others = [name for name in names if name != row.get("account")]
    for name in others:
        await account_ids.remember(ctx.site, row["domainid"], name)
    digits = [account_id(row["domainid"], name) for name in others]
    return [owner_of(row), *digits] if resource_tags.hidden(row).get(SHARED_WITH_OWNER) else digits


async def executable_by(ctx: Context, rows: list[Row], users: list[str]) -> list[Row]:
    """Return the templates with an explicit launch permission for one of the users ("all" are the public ones)."""
    accounts = {ctx.owner_id if user == "self" else user for user in users}
    private = [row for row in rows if not row.get("ispublic")]
    own = [row for row in private if owner_of(row) == ctx.owner_id]
    # Another's private template was listed because it is shared with the caller; with whom else is not theirs to know.
    found = [row for row in private if owner_of(row) != ctx.owner_id and ctx.owner_id in accounts]
    if ctx.owner_id in accounts:
        found += [row for row in own if resource_tags.hidden(row).get(SHARED_WITH_OWNER)]
    if accounts - {ALL, ctx.owner_id}:
        granted = await asyncio.gather(*(holders(ctx, row) for row in own))
        others = accounts - {ctx.owner_id}
        found += [row for row, names in zip(own, granted, strict=True) if not others.isdisjoint(names)]
    return found + [row for row in rows if row.get("ispublic") and ALL in accounts]
