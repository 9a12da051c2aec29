"""From EC2's account digits back to CloudStack's accounts.

The 12 digits are a hash, so the way back leads only to accounts that have been seen: those that called the bridge, and
the owners of shared images. They are kept in the store, under no account, so that all replicas know them.
"""

from typing import Any

from ec2bridge.actions._context import Context, Site, account_id

KIND = "account"
EVERYONE = ""
"""The store's account of what belongs to nobody."""


async def remember(site: Site, domain: str | None, account: str | None) -> None:
    """Take note of an account; one that this process has noted costs a look into a set."""
    seen: set[str] = site.caches.setdefault("accounts-seen", set())
    if not domain or not account:
        return
    digits = account_id(domain, account)
    if digits not in seen:
        await site.store.put(EVERYONE, KIND, digits, {"domain": domain, "account": account})
        seen.add(digits)


async def find(ctx: Context, digits: str) -> dict[str, Any] | None:
    """Return the domain's uuid and the account's name behind digits, or None when they were never seen."""
    found: dict[str, Any] | None = await ctx.site.store.get(EVERYONE, KIND, digits.replace("-", ""))
    return found
