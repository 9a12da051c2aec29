"""Signature version 4, as pure functions: canonical request, string to sign, signature.

Follows AWS's "Create a signed AWS API request" (IAM User Guide). What the page leaves open is settled as AWS's own
signers do it: outside S3 the path is normalised and escaped once more as it stands on the wire, and runs of blanks in a
header count as one.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote_from_bytes

from ec2bridge.auth import query

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_BLANKS = re.compile(r"[ \t]+")


def canonical_path(path: str) -> str:
    """Return the path as signed: without empty and dot segments, each segment of the wire escaped once more."""
    if path in ("", "/"):
        return "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    end = "/" if kept and path.endswith("/") else ""
    normal = "/" + "/".join(kept) + end
    return quote_from_bytes(normal.encode("utf-8", "surrogateescape"), safe="/~")


def canonical_query(pairs: query.Pairs) -> str:
    """Return the query string as signed: every name and value escaped, then sorted by name and by value."""
    return query.join(sorted([(query.encode(name), query.encode(value)) for name, value in pairs]))


def canonical_headers(headers: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
    """Return a line for each signed header, the values of a repeated one joined by commas in their order."""
    return "".join([f"{name}:{','.join(map(_folded, headers[name]))}\n" for name in names])


def _folded(value: str) -> str:
    return _BLANKS.sub(" ", value.strip(" \t"))


def canonical_request(
    method: str, path: str, pairs: query.Pairs, headers: str, signed_headers: str, payload_hash: str
) -> str:
    """Return the canonical request; `headers` is what `canonical_headers` made."""
    return "\n".join(
        (method, canonical_path(path), canonical_query(pairs), headers, signed_headers, payload_hash)
    )


def string_to_sign(timestamp: str, scope: str, canonical: str) -> str:
    """Return the string to sign; `scope` is date/region/service/aws4_request."""
    digest = sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"


@lru_cache(maxsize=1024)
def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """Return the key of a day, region and service; kept, because a client signs a whole day's requests with it."""
    key = b"AWS4" + secret_key.encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
    return key


def signature(key: bytes, text: str) -> str:
    """Return the signature of a string to sign, in hexadecimal."""
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256").hex()
