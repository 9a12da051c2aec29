"""Signature version 2, as pure functions: string to sign, signature.

AWS has retired it, and boto 2, jclouds, libcloud and Eucalyptus' tools still sign with it. All parameters are signed,
whether they came in the query string or in a form body.
"""

import hmac
from base64 import b64encode
from types import MappingProxyType

from ec2bridge.auth import query

METHODS = MappingProxyType({"HmacSHA1": "sha1", "HmacSHA256": "sha256"})


def string_to_sign(method: str, host: str, path: str, pairs: query.Pairs) -> str:
    """Return the string to sign; `pairs` are all decoded parameters of the request."""
    return with_host(method, host, path, canonical_query(pairs))


def with_host(method: str, host: str, path: str, canonical: str) -> str:
    """Return the string to sign of a query that is canonical already, which is the costly part."""
    return f"{method}\n{host}\n{path or '/'}\n{canonical}"


def canonical_query(pairs: query.Pairs) -> str:
    """Return all parameters but the signature, sorted and encoded."""
    # Sorted by the bytes of the name before it is escaped, unlike version 4; UTF-8 keeps the order of code points.
    signed = sorted([pair for pair in pairs if pair[0] != "Signature"], key=lambda pair: pair[0])
    encoded = [(query.encode(name), query.encode(value)) for name, value in signed]
    return query.join(encoded)


def signature(secret_key: str, text: str, signature_method: str) -> str:
    """Return the signature of a string to sign, in Base64."""
    key, message = secret_key.encode(), text.encode("utf-8", "surrogateescape")
    return b64encode(hmac.digest(key, message, METHODS[signature_method])).decode()
