"""What the log says when the bridge starts and stops: what a person wants to know who reads it at night."""

import asyncio
import logging
from importlib.metadata import version

from ec2bridge.app import Bridge
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import background
from ec2bridge.serving import belonging
from ec2bridge.serving.health import OK, Health
from ec2bridge.store import StoreUnavailable

log = logging.getLogger("ec2bridge")

PATIENCE = 20.0
"""Seconds that the comparison of store and cloud may take."""


async def tell_start(served: Bridge, health: Health, url: str) -> None:
    """Log what a person wants to know who has just started the bridge, or finds at night that somebody did."""
    settings, store = served.site.settings, served.site.store.url
    log.info("ec2bridge %s serves region %s at %s", version("ec2bridge"), settings.region, url)
    log.info("the store is %s", store.render_as_string(hide_password=True))
    findings = await health.findings()
    if findings["cloudstack"] != OK:
        # Told by health already, as a warning.
        log.info(
            "until CloudStack at %s answers, every request is told to try again", settings.cloudstack_url
        )
        return
    if served.site.service is None:
        log.info("CloudStack at %s answers", settings.cloudstack_url)
        return
    try:
        about = await served.site.service.capabilities()
        found = await served.site.service.list("listZones")
    except CloudStackError as error:
        log.warning("CloudStack at %s answers: %s", settings.cloudstack_url, error)
        return
    zones = ", ".join(f"{name} = {target}" for name, target in settings.zones.items())
    zones = zones or ", ".join(sorted(str(row["name"]) for row in found))
    log.info(
        "CloudStack %s at %s answers; zones: %s",
        about.get("cloudstackversion"),
        settings.cloudstack_url,
        zones,
    )
    await _tell_doubts(served, served.site.service)


async def _tell_doubts(served: Bridge, account: Account) -> None:
    """Log what speaks against the store's being this cloud's; a large cloud must not hold up the start for long."""
    store = served.site.store
    try:
        async with asyncio.timeout(PATIENCE):
            found = await belonging.doubts(store, account, notes=True)
    except (CloudStackError, StoreUnavailable, TimeoutError) as error:
        log.info("the store is not compared with the cloud: %s", error or "no answer in time")
        return
    for doubt in found:
        log.warning("the store %r is doubtful: %s", store.url, doubt)


async def tell_stop(served: Bridge, health: Health, delay: float | None) -> None:
    """Log that the bridge stops, turn /health, and go on for as long as a proxy takes to see that.

    One of several workers may stop while the others go on: then there is no delay, and no proxy is to see anything.
    """
    if delay is None:
        log.info("a worker is stopping, with %d tasks under way", background.count(served.site))
        return
    health.stopping = True
    tasks = background.count(served.site)
    log.info("ec2bridge is stopping in %g seconds, with %d tasks under way", delay, tasks)
    await asyncio.sleep(delay)
