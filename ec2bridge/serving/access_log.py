"""The access log: one line a request, whatever became of it, with what an operator looks for at night.

EC2's own audit trail (CloudTrail) tells who did what to which thing and how it ended; CloudStack's events know only
the native calls. The line joins the two: the EC2 action, the ids it touched, its outcome, and the calls it became.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from ec2bridge.cloudstack.calls import NativeCall
from ec2bridge.exchange import Exchange

access = logging.getLogger("ec2bridge.access")

Networks = Iterable[IPv4Network | IPv6Network]


@dataclass(slots=True)
class Tally:
    """The native calls of one request, by command."""

    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


def count_native_call(call: NativeCall) -> None:
    """Count a native call for the request that it is made for, if there is one."""
    counted = tally.get()
    if counted is not None:
        counted.calls[call.command] += 1
        counted.seconds += call.seconds


def write(exchange: Exchange, client: str, status: int, seconds: float, native: Tally) -> None:
    """Log one request; an outcome on this side of the endpoint (5xx) is a warning."""
    fields = {
        "client": client,
        "account": exchange.account,
        "key": exchange.access_key,
        "user": exchange.user,
        "action": exchange.action,
        "ids": list(exchange.ids),
        "status": status,
        "code": exchange.code,
        "ms": round(seconds * 1000, 1),
        "native": dict(native.calls),
        "native_ms": round(native.seconds * 1000, 1),
        "request": exchange.request_id,
        "reason": exchange.reason,
    }
    level = logging.WARNING if status >= 500 else logging.INFO
    access.log(level, "%s", _Line(fields), extra={"fields": fields})


class _Line:
    """The fields as text, made only when somebody reads it."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    def __str__(self) -> str:
        return " ".join(f"{name}={text}" for name, text in self._texts() if text)

    def _texts(self) -> Iterator[tuple[str, str]]:
        for name, value in self.fields.items():
            if name == "native":
                yield name, str(sum(value.values()))
            elif name == "reason":
                yield name, f'"{value}"'.replace("\n", " ") if value else ""
            else:
                yield name, ",".join(value) if isinstance(value, list) else _word(str(value))


_NO_WORD = re.compile(r'[\s"=]')


def _word(text: str) -> str:
    """A value that stays between its neighbours, whatever its owner was named."""
    return f'"{_NO_WORD.sub("_", text)}"' if _NO_WORD.search(text) else text or "-"


def client_address(peer: str | None, forwarded: Iterable[str], trusted: Networks) -> str:
    """Return the address that a request came from: the last one in X-Forwarded-For that no trusted proxy has.

    What stands further left was written by who knows whom; and without a trusted peer, all of it was.
    """
    address = peer or "-"
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    while hops and _is_within(address, trusted):
        hop = _without_port(hops.pop())
        try:
            address = str(ip_address(hop))
        except ValueError:
            break
    return address


def _is_within(address: str, networks: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found.version == network.version and found in network for network in networks)


def _without_port(hop: str) -> str:
    """Some proxies write 192.0.2.1:4711 and [2001:db8::1]:4711."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
