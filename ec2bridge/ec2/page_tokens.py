"""NextToken: an authenticated place in a listing.

AWS's token is opaque. Ours carries the key of the last item that was answered and a hash of the request, signed with
the caller's own secret: any replica can check it, nobody else can make one, and nothing has to be stored.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from ec2bridge.errors import Ec2Error

_MAC = 16


def make(secret: str, request: Mapping[str, Any], place: str) -> str:
    """Return the token that continues `request` after the item whose key is `place`."""
    body = place.encode()
    return base64.urlsafe_b64encode(_mac(secret, request, body) + body).decode()


def read(secret: str, request: Mapping[str, Any], token: str) -> str:
    """Return the place in a token made for the same caller and request, else raise InvalidNextToken."""
    try:
        raw = base64.urlsafe_b64decode(token.encode())
        place = raw[_MAC:].decode()
    except ValueError:
        raise invalid() from None
    if not hmac.compare_digest(raw[:_MAC], _mac(secret, request, raw[_MAC:])):
        raise invalid()
    return place


def _mac(secret: str, request: Mapping[str, Any], body: bytes) -> bytes:
    # MaxResults may change from page to page, as on AWS.
    shape = {
        name: value for name, value in request.items() if name not in ("NextToken", "MaxResults", "DryRun")
    }
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True, default=str).encode()).digest()
    return hmac.digest(b"ec2bridge next-token" + secret.encode(), digest + body, "sha256")[:_MAC]


def invalid() -> Ec2Error:
    """Return the error for a token that is not ours, or not of this request."""
    return Ec2Error(
        "InvalidNextToken", "The NextToken is not valid for this request. Start the listing again."
    )
