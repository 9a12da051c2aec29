"""The whole path of a request, in order.

    bytes → raw form → auth.verify → wire.parse → {EC2 members} → action → {EC2 members} → wire.render → XML

SSM's few requests go the same way, with JSON (`wire.aws_json`) at both ends.

`Bridge.answer` is that line. It renders success and failure at one exit, so an action returns data or raises an error
and knows neither XML nor HTTP.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ec2bridge.auth.secrets import SecretProvider
from ec2bridge.auth.verify import RawRequest, Verified, verify
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.calls import NativeCall, collect_calls
from ec2bridge.cloudstack.directory import Directories
from ec2bridge.cloudstack.errors import CloudStackError, to_ec2
from ec2bridge.ec2 import account_ids, client_tokens, registry, unserved
from ec2bridge.ec2.context import (
    Context,
    DryRunAccount,
    DryRunReached,
    Site,
    account_id,
)
from ec2bridge.ec2.own_store import DryRunStore, LookingStore, OwnStore, PatientStore, only_looks
from ec2bridge.ec2.recovery import Recovery
from ec2bridge.ec2.registry import Action, Request
from ec2bridge.errors import Ec2Error
from ec2bridge.exchange import STS_VERSION, VERSION, Exchange, harmless, read_claims, signed_for
from ec2bridge.gently import aside
from ec2bridge.store import StoreUnavailable
from ec2bridge.wire import aws_json, foreign, parse, render
from ec2bridge.wire.model import Operation, operation

log = logging.getLogger("ec2bridge")

PASSING = frozenset(
    {
        "DependencyViolation",
        "IncorrectInstanceState",
        "IncorrectState",
        "InvalidIPAddress.InUse",
        "InvalidSnapshot.InUse",
        "Resource.AlreadyAssociated",
        "VolumeInUse",
    }
)
"""What is in the way only for the moment: AWS's dry run asks who may do what, not whether it is the time."""
BODY_TIMEOUT = 60.0
"""Seconds that a request may take to arrive: each one on its way holds memory, and nobody knows yet who sends it."""

LARGE_BODY, LARGE_BODIES = 2**16, 32
"""Bytes of a body from which on it has to wait for its turn, and how many are read at a time.

What waits stays with its sender, whom nobody knows yet: a thousand of two megabytes would be all the memory there is.
"""

LARGE = 2**20
"""Bytes from which on an answer is sent in parts."""

EXCHANGE = web.RequestKey("exchange", Exchange)

MANY = 2_000
"""Parameters from which on a request is taken apart in a thread."""

_ORIGIN = re.compile(r"\A[a-z]+://[^/?]*", re.IGNORECASE)
"""What a proxy's client puts before the path; every server must understand it (RFC 9112, 3.2.2)."""


@dataclass(slots=True)
class Bridge:
    """The endpoint: verifies, parses, performs and renders."""

    site: Site
    secrets: SecretProvider
    directories: Directories
    on_ignored: Callable[[str, str], None] | None = None
    """Called with action and parameter when a lenient bridge lets an unsupported parameter pass."""
    throttle: Callable[[str, str, Request], None] | None = None
    """Called with access key, action and parameters of a verified request; raises RequestLimitExceeded."""
    recovery: Recovery | None = None
    """What takes up records whose keys were gone, with those of their account's next request."""
    closing: bool = False
    """Whether connections end with the answer, since this process stops and another one goes on."""
    large_bodies: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_BODIES))
    trace: Callable[[Exchange, float, list[NativeCall]], None] | None = None
    """Called after each answer with the request, the seconds and the native calls that it took: the demo shows them."""

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Answer one HTTP request; the access log reads `exchange` from the request."""
        exchange = Exchange(str(uuid.uuid4()))
        http[EXCHANGE] = exchange
        if self.trace is None:
            status, parts = await self.answer(http, exchange)
        else:
            started = time.perf_counter()
            with collect_calls() as calls:
                status, parts = await self.answer(http, exchange)
            self.trace(exchange, time.perf_counter() - started, list(calls))
        headers = {
            "Content-Type": "text/xml;charset=UTF-8",
            "x-amzn-RequestId": exchange.request_id,
            "Server": "ec2bridge",
            **exchange.headers,
        }
        if len(parts) == 1 or sum(map(len, parts)) < LARGE:
            response = web.Response(status=status, body=b"".join(parts), headers=headers)
            if self.closing:
                response.force_close()
            return response
        return await _sent_in_parts(http, web.StreamResponse(status=status, headers=headers), parts)

    async def answer(self, http: web.Request, exchange: Exchange) -> tuple[int, list[bytes]]:
        """Return HTTP status and the parts of the XML: the one exit for success and failure."""
        try:
            raw = await read_raw(http, self.large_bodies)
            read_claims(raw, exchange)
            if other := _of_another_service(http, raw, exchange):
                exchange.service, exchange.code = other.service, other.code
                exchange.headers = {"Content-Type": other.content_type, **other.headers}
                return other.status, [other.body]
            verified = await verify(raw, self.secrets, now=datetime.now(UTC), regions=self.regions())
            op = identify_operation(verified, exchange)
            in_json = op.service == "ssm"
            if in_json:
                request = aws_json.parse(op, raw.body)
            else:
                request = await aside(len(verified.form) > MANY, parse.parse, op, verified.form)
            if self.throttle:
                self.throttle(exchange.access_key, op.name, request)
            exchange.asked(op, request)
            endpoint = self.site.settings.public_endpoint or f"{http.scheme}://{http.host}"
            result = await self.perform(op, request, verified, exchange, endpoint)
            exchange.answered(op, result)
            if in_json:
                return 200, [aws_json.render(op, result)]
            parts = await render.render_in_turns(
                op, result, version=exchange.version, request_id=exchange.request_id
            )
        except Ec2Error as error:
            return self.refuse(error, exchange)
        except StoreUnavailable as error:
            exchange.reason = str(error)
            sentence = "What this endpoint keeps cannot be reached at the moment. Try again in a while."
            return self.refuse(Ec2Error("Unavailable", sentence), exchange)
        except Exception:
            log.exception("request %s: %s failed", exchange.request_id, exchange.action)
            sentence = f"An internal error has occurred. The operator's log has it under request {exchange.request_id}."
            return self.refuse(Ec2Error("InternalError", sentence), exchange)
        return 200, parts

    def regions(self) -> frozenset[str] | None:
        """The regions that a signature's scope may carry; None when any will do."""
        return frozenset((self.site.settings.region,)) if self.site.settings.require_region else None

    async def perform(
        self, op: Operation, request: Request, verified: Verified, exchange: Exchange, endpoint: str
    ) -> Any:
        """Run the action with the caller's own keys; CloudStack's refusals come out as EC2's."""
        entry = registry.find(op.name, op.service) or unserved.entry(op)
        registry.check_members(entry, request, lenient=self.lenient(entry))
        account = Account(self.site.cloud, verified.credentials)
        try:
            ctx = await self.context(op, request, verified, exchange, endpoint, account)
            if not only_looks(op.name):
                # CloudStack would be told of what cannot be written down.
                await self.site.store.answer()
            if self.recovery:
                self.recovery.notice(ctx)
            if ctx.dry_run:
                return await dry_run(entry, ctx, request)
            return await client_tokens.once(entry.handler, op, ctx, request)
        except CloudStackError as error:
            exchange.reason = str(error)
            raise await to_ec2(
                error, account, self.site.mappings.errors, on_bad_key=self.secrets.forget
            ) from error

    async def context(
        self,
        op: Operation,
        request: Request,
        verified: Verified,
        exchange: Exchange,
        endpoint: str,
        account: Any,
    ) -> Context:
        """Assemble what the action is given; a dry run gets an account and a store that refuse to change anything."""
        asks_dry_run = bool(request.get("DryRun"))
        identity = await self.secrets.identify(verified.credentials, account)
        exchange.account, exchange.user = account_id(identity.domain_id, identity.account), identity.user_name
        own = OwnStore(self.site.store, identity)
        store = LookingStore(own) if only_looks(op.name) or asks_dry_run else PatientStore(own)
        if verified.credentials.project_id is None:
            await account_ids.remember(self.site, identity.domain_id, identity.account)
        return Context(
            site=self.site,
            credentials=verified.credentials,
            identity=identity,
            account=DryRunAccount(account) if asks_dry_run else account,
            store=DryRunStore(store) if asks_dry_run else store,
            directory=self.directories.of(account),
            endpoint=endpoint,
            request_id=exchange.request_id,
            operation=op.name,
            dry_run=asks_dry_run,
        )

    def lenient(self, entry: Action) -> Callable[[str], None] | None:
        """Return what to do with a parameter that the action does not honour; None refuses it."""
        if not self.site.settings.lenient:
            return None

        def note(path: str) -> None:
            log.warning("%s: the parameter %s is not supported and was ignored", entry.name, path)
            if self.on_ignored:
                self.on_ignored(entry.name, path)

        return note

    def refuse(self, error: Ec2Error, exchange: Exchange) -> tuple[int, list[bytes]]:
        """Render an error in the service's own shape."""
        if exchange.service == "ssm":
            exchange.code = aws_json.error_code(error.code)
            status, body = aws_json.render_error(error.code, error.message)
            return status, [body]
        exchange.code = error.code
        body = render.render_error(
            error.code,
            error.message,
            request_id=exchange.request_id,
            service=exchange.service,
            version=exchange.version,
        )
        return error.status, [body]


def _of_another_service(http: web.Request, raw: RawRequest, exchange: Exchange) -> foreign.Refusal | None:
    """Return the refusal of a request that is none of those that are served, in its own protocol."""
    if exchange.service == "ssm" and registry.find(exchange.action, "ssm"):
        return None
    return foreign.refusal(
        harmless(signed_for(raw)[1]),
        "" if exchange.action == "-" else exchange.action,
        target=harmless(http.headers.get("X-Amz-Target", "")),
        content_type=http.headers.get("Content-Type", ""),
        path=raw.path,
        request_id=exchange.request_id,
    )


async def _sent_in_parts(
    http: web.Request, response: web.StreamResponse, parts: list[bytes]
) -> web.StreamResponse:
    """Send a large answer as fast as the client takes it; each part's memory is free once it is sent.

    A part that is large enough is sent as it is: what is answered again and again need not be copied each time.
    """
    response.content_length = sum(map(len, parts))
    await response.prepare(http)
    parts.reverse()
    while parts:
        some = [parts.pop()]
        size = len(some[0])
        while parts and size < render.PART and len(parts[-1]) < render.PART:
            some.append(parts.pop())
            size += len(some[-1])
        await response.write(b"".join(some))
    await response.write_eof()
    return response


async def read_raw(http: web.Request, large_bodies: asyncio.Semaphore) -> RawRequest:
    """Take the request as it came off the wire: the signature covers those bytes, not what a library made of them."""
    length = http.content_length
    is_large = http.body_exists and (length is None or length > LARGE_BODY)
    try:
        async with asyncio.timeout(BODY_TIMEOUT), large_bodies if is_large else nullcontext():
            body = await http.read()
    except TimeoutError:
        raise Ec2Error("RequestTimeout", "The body of the request did not arrive in time.") from None
    except (ConnectionError, web.RequestPayloadError):
        raise Ec2Error("RequestTimeout", "The client went away before all of its request had come.") from None
    except web.HTTPRequestEntityTooLarge:
        raise Ec2Error("RequestEntityTooLarge", "The request is larger than this endpoint accepts.") from None
    path, _, query = _ORIGIN.sub("", http.raw_path).partition("?")
    path = path or "/"
    if not path.startswith("/"):
        raise Ec2Error(
            "InvalidRequest", f"The target of the request, {path!r:.200}, does not begin with a slash."
        )
    headers = tuple(
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in http.raw_headers
    )
    return RawRequest(http.method, path, query, headers, body)


def identify_operation(verified: Verified, exchange: Exchange) -> Operation:
    """Find the operation that Action and Version name, or a header of SSM's: all three share the endpoint."""
    exchange.access_key = verified.credentials.access_key
    if exchange.service == "ssm" and (asked := operation(exchange.action, "ssm")):
        return asked
    form = dict(verified.form)
    for name in ("Action", "Version"):
        if sum(given == name for given, _ in verified.form) > 1:
            raise Ec2Error("MalformedQueryString", f"The parameter {name} must not be given more than once.")
    name, version = form.get("Action", ""), form.get("Version", "")
    if verified.service == "sts" or version == STS_VERSION:
        exchange.service, exchange.version = "sts", STS_VERSION
    elif version:
        if not VERSION.match(version):
            raise Ec2Error("NoSuchVersion", f"The requested version ({version}) is not valid.")
        exchange.version = version
    if not name:
        raise Ec2Error("MissingAction", "The request is missing an Action parameter.")
    op = operation(name, exchange.service)
    if op is None:
        raise Ec2Error("InvalidAction", f"The action {name:.200} is not valid for this web service.")
    exchange.action = op.name
    return op


async def dry_run(entry: Action, ctx: Context, request: Request) -> Any:
    """Do all that can be done without changing anything, then answer as AWS does: always with an error."""
    allowed = await asyncio.gather(*map(ctx.account.may_call, entry.native))
    denied = [command for command, may in zip(entry.native, allowed, strict=True) if not may]
    if denied:
        raise Ec2Error(
            "UnauthorizedOperation",
            f"You are not authorized to perform this operation: your CloudStack role may not call {', '.join(denied)}.",
        )
    try:
        with suppress(DryRunReached):
            await entry.handler(ctx, request)
    except Ec2Error as error:
        if error.code not in PASSING:
            raise
    raise Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
