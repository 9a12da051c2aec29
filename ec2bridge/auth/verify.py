"""Who asks: verifies the signature of a request, in the order of AWS's document.

SigV4 in the Authorization header or in the query string (presigned), SigV2 in the parameters; GET and POST. The scope
is verified as the client signed it: clients put odd regions and services there when an endpoint is no AWS host name.

What fails answers with a code of AWS's pages "Error codes for the Amazon EC2 API" and "Common Error Types" (which
give the statuses), and with the words of AWS where they are known:

| what is wrong                                                     | code                        | status |
| ----------------------------------------------------------------- | --------------------------- | ------ |
| no signature at all                                               | MissingAuthenticationToken  | 403    |
| another algorithm; a part or the date missing or unreadable       | IncompleteSignature         | 400    |
| SignatureVersion or SignatureMethod that version 2 does not have  | InvalidParameterValue       | 400    |
| Timestamp and Expires together                                    | InvalidParameterCombination | 400    |
| signed more than 15 minutes ago or ahead; past its expiry         | RequestExpired              | 400    |
| scope: its date is not the request's, no aws4_request, the region | SignatureDoesNotMatch       | 403    |
| Host not signed; a signed header that is absent or named twice    | SignatureDoesNotMatch       | 403    |
| unknown or disabled key, any session token                        | AuthFailure                 | 401    |
| the same on STS                                                   | InvalidClientTokenId        | 403    |
| body or signature differ; X-Amz-Target not signed                 | SignatureDoesNotMatch       | 403    |
| parameters that are no UTF-8 or have broken escapes               | MalformedQueryString        | 404    |
| a body that is no form (multipart, JSON)                          | InvalidQueryParameter       | 400    |

Where AWS differs from its pages, or we from them:
- EC2 itself hides a wrong signature behind AuthFailure; its page has the code for credentials that could not be
  validated. SignatureDoesNotMatch is what the other services and AWS's page on signing errors say, and tells the user
  where to look. Like theirs, it tells a caller that the access key exists, and nothing else.
- The pages grant 15 minutes after the expiry of a presigned request, too. Here it ends when its signer said.
- A payload hash of UNSIGNED-PAYLOAD is S3's; EC2's parameters travel in the body, so it will do for an empty one only.
"""

import hmac
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import NoReturn

from ec2bridge.auth import sigv2, sigv4
from ec2bridge.auth.query import Pairs, parse
from ec2bridge.auth.secrets import SecretProvider
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.errors import Ec2Error
from ec2bridge.gently import aside
from ec2bridge.wire.aws_json import CONTENT_TYPE
from ec2bridge.wire.model import redact_query

log = logging.getLogger(__name__)

SKEW = timedelta(minutes=15)
ANY_TIME = timedelta(days=10_000_000)
LARGE = 64 * 1024
"""Bytes of a request that are read and checked in a thread."""
LONGEST_PRESIGNED = 7 * 24 * 3600
STS_VERSION = "2011-06-15"
FORM = "application/x-www-form-urlencoded"
TARGET = "x-amz-target"
"""The header by which a client that sends JSON names its operation."""

_BASIC_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_DEFAULT_PORT = re.compile(r":(?:80|443)\Z")
_PORT = re.compile(r":\d+\Z", re.ASCII)

Headers = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request exactly as on the wire: `path` and `query` (without its "?") undecoded, headers as received."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """A request whose signature held: who signed it, and its decoded parameters in order, query before body."""

    credentials: Credentials
    form: list[tuple[str, str]]
    service: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its own signature, before anything of it is believed."""

    access_key: str
    signature: str
    date: datetime
    timestamp: str
    late: timedelta = SKEW
    """How long after `date` the request may arrive."""
    early: timedelta = SKEW
    scope: tuple[str, str, str, str] | None = None
    """Date, region, service and terminator; None in version 2, which has none."""
    signed_headers: str = ""
    presigned: bool = False
    method: str = sigv4.ALGORITHM
    session_token: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A request taken apart for the checks: headers by lower-case name, parameters decoded."""

    request: RawRequest
    headers: Headers
    query: Pairs
    form: Pairs


async def verify(
    request: RawRequest, provider: SecretProvider, *, now: datetime, regions: frozenset[str] | None = None
) -> Verified:
    """Return who signed a request and what it asks; raise Ec2Error when its signature does not hold.

    `regions` are those that a scope may name; None accepts whatever was signed.
    """
    # A large request takes a while to be read and checked, and anybody may send one: others are served meanwhile.
    is_large = len(request.body) + len(request.query) > LARGE
    reading = await aside(is_large, read, request)
    claim = read_claim(reading)
    check_time(claim, now)
    check_scope(claim, regions)
    check_signed_headers(claim, reading.headers)
    credentials = await find_credentials(claim, reading, provider)
    payload_hash = check_payload(claim, reading)
    await aside(is_large, check_signature, claim, reading, payload_hash, credentials.secret_key)
    _, region, service, _ = claim.scope or (None, None, None, None)
    return Verified(credentials, reading.form, service, region)


def read(request: RawRequest) -> Reading:
    """Take a request apart; raise when its parameters cannot be read."""
    headers: Headers = {}
    for name, value in request.headers:
        headers.setdefault(name.lower(), []).append(value)
    pairs = parse(request.query)
    return Reading(request, headers, pairs, pairs + _body_pairs(request.body, headers))


def _body_pairs(body: bytes, headers: Headers) -> Pairs:
    if not body:
        return []
    kind = headers.get("content-type", [FORM])[0].partition(";")[0].strip().lower()
    if kind == CONTENT_TYPE and TARGET in headers:
        return []  # it has no parameters to sign: version 4 covers it by its hash
    if kind != FORM:
        raise Ec2Error(
            "InvalidQueryParameter", f"A request body must be {FORM}; the Content-Type is {kind!r}."
        )
    try:
        return parse(body.decode())
    except UnicodeDecodeError:
        raise Ec2Error("MalformedQueryString", "The body of the request is not UTF-8.") from None


def read_claim(reading: Reading) -> Claim:
    """Tell the scheme and read its parts."""
    authorization = reading.headers.get("authorization")
    if authorization:
        return _v4_header_claim(authorization[0], reading.headers)
    parameters = dict(reading.query)
    if not parameters.keys().isdisjoint(("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature")):
        return _v4_query_claim(parameters, reading.headers)
    form = dict(reading.form)
    if not form.keys().isdisjoint(("AWSAccessKeyId", "Signature", "SignatureVersion")):
        return _v2_claim(form)
    raise Ec2Error("MissingAuthenticationToken", "Request is missing Authentication Token")


def _v4_header_claim(authorization: str, headers: Headers) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    _check_algorithm(algorithm)
    named = (part.strip().partition("=") for part in rest.split(","))
    parts = {name: value for name, _, value in named}
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not parts.get(name)
    ]
    sent = headers.get("x-amz-date") or headers.get("date")
    if not sent:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing or not sent:
        raise Ec2Error("IncompleteSignature", " ".join(missing))
    date, timestamp = _v4_date(sent[0])
    access_key, scope = _credential(parts["Credential"])
    return Claim(
        access_key=access_key,
        signature=parts["Signature"],
        date=date,
        timestamp=timestamp,
        scope=scope,
        signed_headers=parts["SignedHeaders"],
        session_token=headers.get("x-amz-security-token", [""])[0],
    )


def _v4_query_claim(parameters: dict[str, str], headers: Headers) -> Claim:
    _check_algorithm(parameters.get("X-Amz-Algorithm", ""))
    names = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires")
    missing = [name for name in names if not parameters.get(name)]
    if missing:
        raise Ec2Error(
            "IncompleteSignature", f"AWS query-string parameters must include {', '.join(missing)}."
        )
    date, timestamp = _v4_date(parameters["X-Amz-Date"])
    access_key, scope = _credential(parameters["X-Amz-Credential"])
    return Claim(
        access_key=access_key,
        signature=parameters["X-Amz-Signature"],
        date=date,
        timestamp=timestamp,
        late=_lifetime(parameters["X-Amz-Expires"]),
        scope=scope,
        signed_headers=parameters["X-Amz-SignedHeaders"],
        presigned=True,
        session_token=parameters.get("X-Amz-Security-Token") or headers.get("x-amz-security-token", [""])[0],
    )


def _check_algorithm(algorithm: str) -> None:
    if algorithm != sigv4.ALGORITHM:
        raise Ec2Error("IncompleteSignature", f"Unsupported AWS 'algorithm': '{algorithm[:40]}'.")


def _credential(text: str) -> tuple[str, tuple[str, str, str, str]]:
    parts = text.split("/")
    if len(parts) != 5 or not parts[0]:
        raise Ec2Error(
            "IncompleteSignature",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
        )
    access_key, date, region, service, terminator = parts
    return access_key, (date, region, service, terminator)


def _lifetime(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= LONGEST_PRESIGNED):
        raise Ec2Error(
            "IncompleteSignature",
            f"X-Amz-Expires must be a number of seconds between 1 and {LONGEST_PRESIGNED} (a week).",
        )
    return timedelta(seconds=int(text))


def _v4_date(text: str) -> tuple[datetime, str]:
    """Return the moment and the spelling that was signed; a Date header is signed in the spelling of X-Amz-Date."""
    try:
        if _BASIC_DATE.fullmatch(text):
            return datetime.fromisoformat(text), text
        date = _in_utc(parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):  # the last two from odd dates in email.utils
        raise Ec2Error(
            "IncompleteSignature", "Date must be in ISO-8601 'basic format' (YYYYMMDD'T'HHMMSS'Z')."
        ) from None
    return date, date.strftime("%Y%m%dT%H%M%SZ")


def _in_utc(date: datetime) -> datetime:
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


def _v2_claim(form: dict[str, str]) -> Claim:
    for name in ("AWSAccessKeyId", "Signature", "SignatureVersion", "SignatureMethod"):
        if not form.get(name):
            raise Ec2Error("IncompleteSignature", f"The request must contain the parameter {name}.")
    if form["SignatureVersion"] != "2":
        raise Ec2Error(
            "InvalidParameterValue", "The value of SignatureVersion is invalid. Valid versions are 2 and 4."
        )
    if form["SignatureMethod"] not in sigv2.METHODS:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The value of SignatureMethod is invalid. Valid are {', '.join(sigv2.METHODS)}.",
        )
    expires = "Expires" in form
    timestamp = _v2_timestamp(form)
    return Claim(
        access_key=form["AWSAccessKeyId"],
        signature=form["Signature"],
        date=_v2_date(timestamp),
        timestamp=timestamp,
        late=timedelta(0) if expires else SKEW,
        early=ANY_TIME if expires else SKEW,
        method=form["SignatureMethod"],
        session_token=form.get("SecurityToken", ""),
    )


def _v2_timestamp(form: dict[str, str]) -> str:
    if "Timestamp" in form and "Expires" in form:
        raise Ec2Error(
            "InvalidParameterCombination", "The parameters Timestamp and Expires must not be used together."
        )
    timestamp = form.get("Timestamp") or form.get("Expires")
    if not timestamp:
        raise Ec2Error("IncompleteSignature", "The request must contain the parameter Timestamp or Expires.")
    return timestamp


def _v2_date(text: str) -> datetime:
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Ec2Error(
            "IncompleteSignature", "Timestamp and Expires must be ISO-8601 dates (YYYY-MM-DDTHH:MM:SSZ)."
        ) from None


def check_time(claim: Claim, now: datetime) -> None:
    """Refuse what was signed too long ago, or ahead of its time."""
    age = now - claim.date
    if not -claim.early <= age <= claim.late:
        raise Ec2Error(
            "RequestExpired",
            f"Request has expired. Its date is {claim.date:%Y-%m-%dT%H:%M:%SZ}, the current date is"
            f" {now:%Y-%m-%dT%H:%M:%SZ}.",
        )


def check_scope(claim: Claim, regions: frozenset[str] | None) -> None:
    """Refuse a scope of another day or, where regions matter, of another region."""
    if claim.scope is None:
        return
    date, region, _, terminator = claim.scope
    if terminator != sigv4.TERMINATOR:
        _mismatch(f"Credential should be scoped with a valid terminator: '{sigv4.TERMINATOR}'.")
    if date != claim.timestamp[:8]:
        _mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
    if regions is not None and region not in regions:
        _mismatch(f"Credential should be scoped to a valid region: {', '.join(sorted(regions))}.")


def check_signed_headers(claim: Claim, headers: Headers) -> None:
    """Refuse a signature that does not cover the host and the operation, or covers what did not arrive."""
    if claim.scope is None:
        if TARGET in headers:
            _mismatch("A signature of version 2 does not cover the header X-Amz-Target: sign with version 4.")
        return
    names = claim.signed_headers.split(";")
    for name in ("Host", *(("X-Amz-Target",) if TARGET in headers else ())):
        if name.lower() not in names:
            _mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    if len(set(names)) < len(names):
        # The few bytes of a name again and again would each time stand for all of the header.
        _mismatch("A header is named twice among the 'SignedHeaders'.")
    missing = [name for name in names if name not in headers]
    if missing:
        _mismatch(f"Signed headers are missing from the request: {', '.join(missing)[:200]}.")


async def find_credentials(claim: Claim, reading: Reading, provider: SecretProvider) -> Credentials:
    """Return the credentials of the access key; raise when it is none of ours, in the words of the service."""
    sts = (claim.scope is not None and claim.scope[2] == "sts") or ("Version", STS_VERSION) in reading.form
    try:
        # Session tokens come from STS calls that this endpoint does not have: none can be valid.
        credentials = None if claim.session_token else await provider.lookup(claim.access_key)
    except Ec2Error as error:
        if sts and error.code == "AuthFailure":
            raise Ec2Error("InvalidClientTokenId", error.message) from None
        raise
    if credentials is None:
        if sts:
            raise Ec2Error("InvalidClientTokenId", "The security token included in the request is invalid.")
        raise Ec2Error("AuthFailure", "AWS was not able to validate the provided access credentials")
    return credentials


def check_payload(claim: Claim, reading: Reading) -> str:
    """Return the hash of the body as it is signed; version 2 signs the parameters in the body instead."""
    if claim.scope is None:
        return ""
    actual = sha256(reading.request.body).hexdigest()
    declared = reading.headers.get("x-amz-content-sha256", [actual])[0]
    if declared == sigv4.UNSIGNED_PAYLOAD and not reading.request.body:
        return declared
    if declared != actual:
        _mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
    return actual


def check_signature(claim: Claim, reading: Reading, payload_hash: str, secret_key: str) -> None:
    """Compare the signature with those that the secret gives, in constant time."""
    sent = claim.signature.encode("utf-8", "surrogateescape")
    for expected in _signatures(claim, reading, payload_hash, secret_key):
        if hmac.compare_digest(expected.encode(), sent):
            return
    _mismatch(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
        " Access Key and signing method. Consult the service documentation for details."
    )


def _signatures(claim: Claim, reading: Reading, payload_hash: str, secret_key: str) -> Iterator[str]:
    """The signatures that would do: one for each way in which clients name the host."""
    if claim.scope is None:
        return _v2_signatures(claim, reading, secret_key)
    return _v4_signatures(claim, claim.scope, reading, payload_hash, secret_key)


def _v4_signatures(
    claim: Claim, scope: tuple[str, str, str, str], reading: Reading, payload_hash: str, secret_key: str
) -> Iterator[str]:
    request = reading.request
    pairs = reading.query
    if claim.presigned:
        pairs = [pair for pair in pairs if pair[0] != "X-Amz-Signature"]
    key = sigv4.signing_key(secret_key, *scope[:3])
    names = claim.signed_headers.split(";")
    for host in _v4_hosts(",".join(reading.headers["host"])):
        headers = sigv4.canonical_headers({**reading.headers, "host": [host]}, names)
        canonical = sigv4.canonical_request(
            request.method, request.path, pairs, headers, claim.signed_headers, payload_hash
        )
        text = sigv4.string_to_sign(claim.timestamp, "/".join(scope), canonical)
        _show(reading, "canonical request %r, string to sign %r", canonical, text)
        yield sigv4.signature(key, text)


def _v4_hosts(host: str) -> Iterator[str]:
    """The host as sent; without the default port, which some clients send and leave out of the signature."""
    yield host
    if _DEFAULT_PORT.search(host):
        yield _DEFAULT_PORT.sub("", host)


def _v2_signatures(claim: Claim, reading: Reading, secret_key: str) -> Iterator[str]:
    request = reading.request
    # boto 2 signs the host without its port, botocore with it; AWS's document asks for lower case.
    host = reading.headers.get("host", [""])[0]
    canonical = sigv2.canonical_query(reading.form)
    for name in dict.fromkeys((host.lower(), _PORT.sub("", host.lower()), host)):
        text = sigv2.with_host(request.method, name, request.path, canonical)
        _show(reading, "string to sign %r", text)
        yield sigv2.signature(secret_key, text, claim.method)


def _show(reading: Reading, line: str, *texts: str) -> None:
    if log.isEnabledFor(logging.DEBUG):
        action = dict(reading.form).get("Action", "")
        log.debug(line, *(redact_query(action, text) for text in texts))


def _mismatch(message: str) -> NoReturn:
    raise Ec2Error("SignatureDoesNotMatch", message)
