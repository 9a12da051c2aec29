"""A bridge without its endpoint: what `check` and `explain` ask as, through the same layers as a request.

No recovery runs, no record is taken up, and what stands here lets no native call through that would change something,
unless it is asked for (`check --launch`).
"""

import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from ec2bridge import server
from ec2bridge.app import Bridge
from ec2bridge.auth.verify import Verified
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.directory import Directories
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.config import Settings, SettingsError
from ec2bridge.ec2 import background, registry
from ec2bridge.ec2.context import Context, Site
from ec2bridge.errors import Ec2Error
from ec2bridge.exchange import Exchange
from ec2bridge.mapping import MappingError, load_mappings
from ec2bridge.store import Store, StoreError
from ec2bridge.wire.model import operation

SECRET_VARIABLE = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - its name


@asynccontextmanager
async def reached(settings: Settings) -> AsyncIterator[CloudStack]:
    """Yield the settings' CloudStack, opened."""
    cloud = server.cloudstack(settings)
    await cloud.start()
    try:
        yield cloud
    finally:
        await cloud.close()


@asynccontextmanager
async def standing(settings: Settings, cloud: CloudStack, *, store: bool = False) -> AsyncIterator[Bridge]:
    """Yield a bridge that serves nobody; with the settings' own store where that is there and asked for."""
    registry.load()
    kept = Store(settings.store if store and is_there(settings.store) else None)
    try:
        mappings = load_mappings(settings.mappings)
        await kept.start()
    except (MappingError, StoreError) as error:
        raise SettingsError(str(error)) from None
    try:
        service = Account(cloud, server.service_credentials(settings)) if settings.service_api_key else None
        site = Site(settings=settings, cloud=cloud, mappings=mappings, store=kept, service=service)
        try:
            yield Bridge(site, server.provider(settings, cloud), Directories(cloud))
        finally:
            await background.stop(site)  # it needs the store to its end
    finally:
        await kept.close()


def is_there(location: str) -> bool:
    """Whether a store exists: to look at a cloud makes none."""
    if location == "memory":
        return False
    return "://" in location or Path(location).exists()


async def credentials(bridge: Bridge, access_key: str, *, ask: bool = True) -> Credentials:
    """Return a user's keys: the secret is the look-up account's to know, else the environment's, else asked for.

    Raises SettingsError with a sentence.
    """
    known = (
        os.environ.get(SECRET_VARIABLE) if os.environ.get("AWS_ACCESS_KEY_ID") in (None, access_key) else None
    )
    if known:
        key, _, project = access_key.partition(":")
        return Credentials(access_key=access_key, api_key=key, secret_key=known, project_id=project or None)
    try:
        found = await bridge.secrets.lookup(access_key)
        why = "CloudStack knows no such key"
    except Ec2Error as error:
        found, why = None, error.message
    if found is not None:
        return found
    if ask and sys.stdin.isatty():
        key, _, project = access_key.partition(":")
        secret = click.prompt(f"{why} The secret key of {access_key}", hide_input=True)
        return Credentials(access_key=access_key, api_key=key, secret_key=secret, project_id=project or None)
    raise SettingsError(f"The secret of {access_key} is not to be had: {why}. Set {SECRET_VARIABLE} to it.")


async def context(
    bridge: Bridge, who: Credentials, action: str, request: dict[str, Any], account: Any = None
) -> Context:
    """Return what an action would be given that these credentials ask for; a dry run unless the account says other."""
    op = operation(action)
    if op is None:
        raise LookupError(action)
    asked = {**request, "DryRun": True} if account is None else request
    verified = Verified(who, [], "ec2", bridge.site.settings.region)
    endpoint = bridge.site.settings.public_endpoint or f"http://{bridge.site.settings.listen}"
    native = account or Account(bridge.site.cloud, who)
    return await bridge.context(op, asked, verified, Exchange(str(uuid.uuid4())), endpoint, native)
