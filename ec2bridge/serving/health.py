"""Whether the process serves (`/health`), and whether what it stands on does (`/readyz`).

A bridge whose CloudStack or store is down still answers, with what clients need to hear (503, try again), so a proxy
should go by `/health`; whoever is to be woken up goes by `/readyz`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from ec2bridge.app import Bridge
from ec2bridge.auth.profiles import read_profiles
from ec2bridge.cloudstack.cache import Cached
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable

log = logging.getLogger("ec2bridge")

TTL = 5.0
"""Seconds for which a finding stands: anybody may ask, and CloudStack must not hear of it each time."""
PATIENCE = 5.0
OK = "ok"
SERVICE_KEY = "service key"

Findings = dict[str, str]


@dataclass(slots=True)
class Health:
    """Looks at what the bridge stands on."""

    bridge: Bridge
    stopping: bool = False
    _found: Cached = field(default_factory=lambda: Cached(TTL))
    _said: Findings = field(default_factory=dict)

    async def live(self, _: web.Request) -> web.Response:
        """Answer 200 while the process serves, 503 once it has been told to stop."""
        if self.stopping:
            return web.json_response({"status": "stopping"}, status=503)
        return web.json_response({"status": OK})

    async def ready(self, _: web.Request) -> web.Response:
        """Answer 200 while everything that the bridge stands on answers; anybody may ask, so why stands in the log."""
        checks = {
            name: OK if finding == OK else "failed" for name, finding in (await self.findings()).items()
        }
        ready = not self.stopping and set(checks.values()) == {OK}
        status = "ready" if ready else "stopping" if self.stopping else "not ready"
        return web.json_response({"status": status, "checks": checks}, status=200 if ready else 503)

    async def findings(self) -> Findings:
        """Return what is wrong with each thing, or OK; a few seconds old at most."""
        return await self._found.get(None, self._look)

    async def _look(self) -> Findings:
        store, cloud = await asyncio.gather(_within(self._store), _within(self._cloudstack))
        found = {"store": store, "cloudstack": cloud}
        if found["cloudstack"].startswith(SERVICE_KEY):
            found = {**found, "cloudstack": OK, SERVICE_KEY: cloud}
        else:
            found[SERVICE_KEY] = OK if cloud == OK else "unknown, because CloudStack does not answer"
        self._tell(found)
        return found

    async def _store(self) -> None:
        await self.bridge.site.store.ready()

    async def _cloudstack(self) -> None:
        await self.bridge.site.cloud.send("listCapabilities", {}, self._credentials())

    def _credentials(self) -> Credentials:
        if self.bridge.site.service is not None:
            return self.bridge.site.service.credentials
        file = self.bridge.site.settings.credentials_file
        if file is None:
            raise RuntimeError("The settings name neither a look-up account nor a file with keys.")
        return next(iter(read_profiles(file).values()))

    def _tell(self, found: Findings) -> None:
        """Log what has changed, once."""
        for name, finding in found.items():
            before = self._said.get(name, OK)
            if finding != OK and before == OK:
                log.warning("not ready: %s: %s", name, finding)
            elif finding == OK and before != OK:
                log.info("ready again: %s", name)
        self._said = found


async def _within(look: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await look()
    except TimeoutError:
        return f"no answer within {PATIENCE:g} seconds"
    except CloudStackUnavailable as error:
        return error.errortext
    except CloudStackError as error:
        return f"{SERVICE_KEY}: CloudStack answered {error.errorcode} {error.errortext}"
    except Exception as error:  # whatever it is, it is what stands in the way
        return str(error).partition("\n")[0] or type(error).__name__
    return OK
