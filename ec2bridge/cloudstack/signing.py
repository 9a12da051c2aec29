"""CloudStack's request signature, version 3, exactly as the management server computes it.

The server encodes each value as Java's URLEncoder does with `+` turned into `%20`, sorts the parameters by
name with regard to case, lower-cases the whole query and takes its HMAC-SHA1. Python's `quote` differs from
Java's encoder in two characters: it leaves `~` bare, and it encodes `*` unless told not to.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

_BARE = re.compile(r"[A-Za-z0-9.*_-]*")


def encode(value: str) -> str:
    """One value as CloudStack signs it and as it goes on the wire."""
    if _BARE.fullmatch(value):
        return value
    return quote(value, safe="*").replace("~", "%7E")


def signed_form(params: Mapping[str, str], secret_key: str) -> str:
    """The form-encoded body of a request, `params` and their signature."""
    pairs = [(name, encode(value)) for name, value in sorted(params.items())]
    # The server signs the names as it decoded them, so only the body encodes them.
    canonical = "&".join(f"{name}={value}" for name, value in pairs).lower()
    digest = hmac.digest(secret_key.encode(), canonical.encode(), hashlib.sha1)
    pairs.append(("signature", encode(base64.b64encode(digest).decode())))
    return "&".join(f"{encode(name)}={value}" for name, value in pairs)
