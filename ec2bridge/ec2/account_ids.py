"""From EC2's account digits back to CloudStack's accounts.

The 12 digits are a hash, so the way back leads only to accounts that have been seen: those that called the bridge, and
the owners of shared images. They are kept in the store, under no account, so that all replicas know them.
"""

import logging
from typing import Any

from ec2bridge.ec2.context import Context, Site, account_id
from ec2bridge.store import StoreUnavailable

log = logging.getLogger(__name__)

KIND = "account"
EVERYONE = ""
"""The store's account of what belongs to nobody."""
SEVERAL: dict[str, Any] = {}
"""What stands for digits that several accounts have: a share must not reach the wrong one."""


async def remember(site: Site, domain: str | None, account: str | None) -> None:
    """Take note of an account; one that this process has noted costs a look into a set."""
    seen: set[tuple[str, str]] = site.caches.setdefault("accounts-seen", set())
    if not domain or not account:
        return
    if (domain, account) in seen:
        return
    digits, who = account_id(domain, account), {"domain": domain, "account": account}
    try:
        if not await site.store.put_new(EVERYONE, KIND, digits, who):
            known = await site.store.get(EVERYONE, KIND, digits)
            if known not in (None, who):
                log.warning(
                    "%s and %s have the account id %s: nothing can be shared with it", who, known, digits
                )
                await site.store.put(EVERYONE, KIND, digits, SEVERAL)
    except StoreUnavailable:
        # The next request notes it: whoever only looks need not wait for that.
        return
    seen.add((domain, account))


async def find(ctx: Context, digits: str) -> dict[str, Any] | None:
    """Return the domain's uuid and the account's name behind digits, or None when they were never seen."""
    found: dict[str, Any] | None = await ctx.site.store.get(EVERYONE, KIND, digits.replace("-", ""))
    return None if found == SEVERAL else found
