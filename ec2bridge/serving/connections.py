"""How many connections a process serves, and who makes room when there are more.

Every connection costs a file and some memory, and a process whose files are used up reaches neither CloudStack nor its
store. So there is a most. When it is reached, those go that have no request under way, the oldest first, of the address
that has the most of these: whoever holds connections without asking anything takes away room of their own alone. Where
all have a request under way, the next connection is answered with Unavailable (503), which SDKs send again.
"""

import asyncio
import ipaddress
import logging
import resource
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from aiohttp import web

from ec2bridge.wire.render import render_error

log = logging.getLogger("ec2bridge")

OTHER_FILES = 256
"""Files that a process has open besides: its store, its connections to CloudStack, what it reads."""
AMPLE = 2**16
"""Files that a process may open if the system lets it, however few connections it takes."""
SHARE = 16
"""The part of all connections that goes at once is one in so many: to find them takes a look at all."""
SAID_EVERY = 60.0
"""Seconds between two lines in the log."""
MOST_HEADERS = 48
"""Headers of a request; clients send up to twenty, and proxies add some. A line has at most 8,190 bytes."""

BUSY = "This endpoint is busy with other requests. Try again in a moment."


class Connections:
    """The connections of one process, and which of them have a request under way."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.turned_away: Counter[str] = Counter(closed=0, refused=0)
        """Those that there was no room for: idle ones that were closed for another, and others that were refused."""
        self.server: web.Server | None = None
        self._busy: set[Any] = set()
        self._said = -SAID_EVERY

    def __len__(self) -> int:
        return 0 if self.server is None else len(self.server.connections)

    @contextmanager
    def busy(self, request: web.Request) -> Iterator[None]:
        """Keep the connection of a request while it is under way."""
        self._busy.add(request.protocol)
        try:
            yield
        finally:
            self._busy.discard(request.protocol)

    def protocol(self, server: web.Server) -> asyncio.Protocol:
        """Return what serves the next connection."""
        self.server = server
        if len(server.connections) < self.most or self._has_room(server):
            return server()
        self._say("refused", 1, "connections are refused, since all that there are have a request under way")
        return _Refusal()

    def _has_room(self, server: web.Server) -> bool:
        """Whether there is room for one more; makes some by closing connections that are idle."""
        held = [one for one in server.connections if one.transport and not one.transport.is_closing()]
        if len(held) < self.most:
            return True
        idle = defaultdict(list)
        for one in held:
            if one not in self._busy:
                idle[_place(one.peername)].append(one)
        if not idle:
            return False
        crowd = max(idle.values(), key=len)
        going = crowd[: max(1, self.most // SHARE)]
        for one in going:
            one.force_close()
        self._say("closed", len(going), "idle connections are closed")
        return True

    def _say(self, how: str, count: int, what: str) -> None:
        self.turned_away[how] += count
        if time.monotonic() - self._said >= SAID_EVERY:
            self._said = time.monotonic()
            log.warning("max_connections (%d) is reached: %s", self.most, what)


def _place(peer: Any) -> str:
    """The address of a client: of IPv6 the network of one site, which has as many addresses as it likes."""
    host = str(peer[0]) if isinstance(peer, tuple) else ""
    if ":" in host:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    return host


class _Refusal(asyncio.Protocol):
    """Answers a connection that there is no room for, and ends it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        ident = str(uuid.uuid4())
        body = render_error("Unavailable", BUSY, request_id=ident)
        headers = {
            "Content-Type": "text/xml;charset=UTF-8",
            "Content-Length": str(len(body)),
            "x-amzn-requestid": ident,
            "Connection": "close",
        }
        lines = ["HTTP/1.1 503 Service Unavailable", *map(": ".join, headers.items()), "", ""]
        transport.write("\r\n".join(lines).encode() + body)
        transport.close()


class Runner(web.AppRunner):
    """Serves an application, where `connections` are given over at most so many."""

    def __init__(self, app: web.Application, connections: Connections | None, **options: Any) -> None:
        super().__init__(app, **options)
        self._of = connections

    @property
    def server(self) -> Any:
        """What makes the protocol of a connection, as sites ask for it."""
        made, of = super().server, self._of
        return made if made is None or of is None else partial(of.protocol, made)


def limit(most: int) -> int:
    """Let the process open the files that so many connections are; returns for how many the system lets it.

    Some more, where it may: a TLS connection counts when its handshake is over, and before that it is a file, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted, ample = most + OTHER_FILES, max(most + OTHER_FILES, AMPLE)
    if soft != resource.RLIM_INFINITY and soft < ample:
        able = ample if hard == resource.RLIM_INFINITY else min(ample, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (able, hard))
            soft = able
        if soft < wanted:
            fewer = max(soft - OTHER_FILES, soft // 2)
            log.warning(
                "max_connections is %d: the system lets the process open no more files (ulimit -n)", fewer
            )
            return fewer
    return most
