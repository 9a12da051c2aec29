"""Requests that were signed for another of the operator's regions go to that region's bridge.

A client has one endpoint in its configuration and names the region with each command (`--region`), which then stands
in the signature's scope alone. So a request for a region that the setting `regions` names is handed on as it came,
byte for byte, Host header and all, since the signature covers them. Nothing of it is verified here: the other bridge
does that, and hears nothing from here that the client could not have sent it itself.
"""

import uuid
from collections.abc import AsyncIterator, Mapping

import aiohttp
from aiohttp import web
from yarl import URL

from ec2bridge.app import EXCHANGE, Bridge, read_raw
from ec2bridge.auth.verify import RawRequest
from ec2bridge.cloudstack.reaching import reason
from ec2bridge.errors import Ec2Error
from ec2bridge.exchange import Exchange, read_claims, signed_for
from ec2bridge.serving.access_log import client_address

VIA = "1.1 ec2bridge"
"""The Via header of a request that was handed on once: it is not handed on again, whatever the settings say."""
CONNECT = 5.0
PART = 64 * 1024
_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-forwarded-for",
    }
)
"""Headers that are of one connection (RFC 9110, 7.6.1), and those that are added to here."""


class OtherRegions:
    """The operator's other bridges."""

    def __init__(self, bridge: Bridge) -> None:
        settings = bridge.site.settings
        self.bridge, self.proxies = bridge, settings.trusted_proxies
        self.endpoints: Mapping[str, str] = {
            name: url for name, url in settings.regions.items() if name != settings.region
        }
        # The other bridge waits as long for its CloudStack's jobs.
        self.patience = settings.job_timeout + settings.call_timeout
        self._session: aiohttp.ClientSession | None = None

    async def opened(self, _: web.Application) -> AsyncIterator[None]:
        """Hold connections to the other bridges while the application runs."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=self.patience)
        async with aiohttp.ClientSession(
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        ) as self._session:
            yield

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Answer a request here, or have the bridge of its region answer it."""
        if any("ec2bridge" in value for value in http.headers.getall("Via", ())):
            return await self.bridge.handle(http)
        try:
            raw = await read_raw(http, self.bridge.large_bodies)
        except Ec2Error:
            return await self.bridge.handle(http)  # which refuses it in the client's own shape
        region, _ = signed_for(raw)
        if region not in self.endpoints:
            return await self.bridge.handle(http)
        exchange = http[EXCHANGE] = Exchange(str(uuid.uuid4()))
        read_claims(raw, exchange)
        try:
            return await self._hand_on(http, raw, region, exchange)
        except Ec2Error as error:
            status, parts = self.bridge.refuse(error, exchange)
            return web.Response(
                status=status,
                body=b"".join(parts),
                headers={"Content-Type": "text/xml;charset=UTF-8", **exchange.headers},
            )

    async def _hand_on(
        self, http: web.Request, raw: RawRequest, region: str, exchange: Exchange
    ) -> web.StreamResponse:
        if self._session is None:
            raise RuntimeError("the application has not been started")
        exchange.reason = f"handed on to {region}"
        target = f"{self.endpoints[region]}{raw.path}{'?' if raw.query else ''}{raw.query}"
        try:
            async with self._session.request(
                raw.method,
                URL(target, encoded=True),
                data=raw.body or None,
                headers=self._headers(http, raw),
                allow_redirects=False,
            ) as got:
                exchange.code = "ok" if got.status < 400 else "handed on"
                response = web.StreamResponse(
                    status=got.status,
                    headers=[(name, value) for name, value in got.headers.items() if _goes_on(name)],
                )
                response.content_length = got.content_length
                await response.prepare(http)
                async for part in got.content.iter_chunked(PART):
                    await response.write(part)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, TimeoutError) as error:
            why = reason(error) if isinstance(error, aiohttp.ClientError) else "no answer in time"
            exchange.reason = f"handing on to {region}: {why}"
            if http.writer.output_size:  # too late for an error: the client sees that the answer broke off
                raise
            raise Ec2Error(
                "Unavailable", f"The region {region} cannot be reached. Try again later."
            ) from None

    def _headers(self, http: web.Request, raw: RawRequest) -> list[tuple[str, str]]:
        kept = [(name, value) for name, value in raw.headers if _goes_on(name)]
        forwarded = http.headers.getall("X-Forwarded-For", ())
        # The other bridge believes it if it trusts this one, as any proxy.
        client = client_address(http.remote, forwarded, self.proxies)
        return [*kept, ("X-Forwarded-For", client), ("Via", VIA)]


def _goes_on(name: str) -> bool:
    return name.lower() not in _OF_THE_CONNECTION
