"""What is known of a request so far: enough to render an answer at any point, and to log it.

A refusal must come in the client's own shape, and be told of in the log, before anybody knows who asked: so the claims
of a request are read from bytes that nobody has verified, and made harmless.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any
from urllib.parse import unquote

from ec2bridge.auth.verify import RawRequest
from ec2bridge.wire.aws_json import CONTENT_TYPE
from ec2bridge.wire.model import Operation, redact

DEFAULT_VERSION = "2016-11-15"
STS_VERSION = "2011-06-15"
SSM_TARGET = "AmazonSSM."
"""How the header X-Amz-Target begins by which a client of SSM names its operation."""
MOST_IDS = 50
VERSION = re.compile(r"20\d\d-\d\d-\d\d\Z")

_CREDENTIAL = re.compile(r"Credential=([^,\s]{1,600})")
_HARMFUL = re.compile(r"[^A-Za-z0-9_.:/+~@-]")
_ID = re.compile(
    r"[a-z]{1,10}(?:-[a-z]{1,10}){0,2}-[0-9a-f]{8}(?:[0-9a-f]{9})?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_NAMES = frozenset({"GroupName", "KeyName", "LaunchTemplateName", "PublicIp"})
"""Members by which clients name a thing instead of by its id."""


@dataclass(slots=True)
class Exchange:
    """One request on its way."""

    request_id: str
    service: str = "ec2"
    version: str = DEFAULT_VERSION
    action: str = "-"
    access_key: str = "-"
    code: str = "ok"
    account: str = "-"
    user: str = "-"
    ids: tuple[str, ...] = ()
    """The things that the request named, and those that it made."""
    reason: str = ""
    """What CloudStack said, where it refused."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer that are other than EC2's."""

    def asked(self, op: Operation, request: Mapping[str, Any]) -> None:
        """Note the ids that a request names; what the model calls sensitive is not looked at."""
        self._touched(ids_in(redact(op, request), _NAMES))

    def answered(self, op: Operation, result: Any) -> None:
        """Note the ids that an answer names, unless the request only asked."""
        if not op.name.startswith(("Describe", "Get", "Search", "List")):
            self._touched(ids_in(result))

    def _touched(self, found: Iterable[str]) -> None:
        self.ids = tuple(islice(dict.fromkeys(chain(self.ids, found)), MOST_IDS))


def read_claims(raw: RawRequest, exchange: Exchange) -> None:
    """Read service, version, key and action from bytes that nobody has verified."""
    sent = b"&" + raw.query.encode("utf-8", "surrogateescape") + b"&" + raw.body
    version = _parameter(sent, b"Version")
    if version == STS_VERSION:
        exchange.service, exchange.version = "sts", STS_VERSION
    elif VERSION.match(version):
        exchange.version = version
    exchange.action = harmless(_parameter(sent, b"Action")) or "-"
    target = header(raw, "x-amz-target")
    if target.startswith(SSM_TARGET):
        exchange.service, exchange.action = "ssm", harmless(target.removeprefix(SSM_TARGET)) or "-"
        exchange.headers = {"Content-Type": CONTENT_TYPE}
    key = _credential(raw, sent).partition("/")[0] or _parameter(sent, b"AWSAccessKeyId")
    exchange.access_key = harmless(key) or "-"


def signed_for(raw: RawRequest) -> tuple[str, str]:
    """Return the region and the service that a signature claims to be made for; empty for version 2 and without one."""
    parts = _credential(raw, b"&" + raw.query.encode("utf-8", "surrogateescape")).split("/")
    return (parts[2], parts[3]) if len(parts) == 5 else ("", "")


def header(raw: RawRequest, wanted: str) -> str:
    """Return a header by its name in lower case; empty where it is not there."""
    return next((value for name, value in raw.headers if name.lower() == wanted), "")


def _credential(raw: RawRequest, sent: bytes) -> str:
    """What version 4 names the key by: key, date, region, service, terminator, between slashes."""
    if found := _CREDENTIAL.search(header(raw, "authorization")):
        return found[1]
    return _parameter(sent, b"X-Amz-Credential")


def _parameter(sent: bytes, name: bytes) -> str:
    """The first value of a parameter, cut short; found without taking two megabytes apart."""
    start = sent.find(b"&" + name + b"=")
    if start < 0:
        return ""
    value = sent[start + len(name) + 2 :][:400].partition(b"&")[0]
    return unquote(value.decode("latin-1"))


def harmless(text: str) -> str:
    """A claim, fit for a log: no white space, no quotes, no end of line, no end of the terminal's patience."""
    return _HARMFUL.sub("?", text[:128])


def ids_in(value: Any, naming: frozenset[str] = frozenset(), name: str = "") -> Iterator[str]:
    """The ids in members, in order, and the values of members that name things otherwise."""
    if isinstance(value, Mapping):
        for member, inner in value.items():
            yield from ids_in(inner, naming, member)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from ids_in(inner, naming, name)
    elif isinstance(value, str) and (_ID.fullmatch(value) or (name in naming and value)):
        yield harmless(value)
