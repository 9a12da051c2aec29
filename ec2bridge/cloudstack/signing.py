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
from functools import lru_cache
from urllib.parse import quote

LONGEST_KEPT = 64
"""Characters of a value whose encoding is remembered."""

_BARE = re.compile(r"[A-Za-z0-9.*_-]*")
_OF_BASE64 = str.maketrans({"+": "%2B", "/": "%2F", "=": "%3D"})


def encode(value: str) -> str:
    """One value as CloudStack signs it and as it goes on the wire."""
    if _BARE.fullmatch(value):
        return value
    return _quoted(value) if len(value) <= LONGEST_KEPT else _quote(value)


def _quote(value: str) -> str:
    return quote(value, safe="*").replace("~", "%7E")


# The same few come with every call: when it expires, which details it wants.
_quoted = lru_cache(1024)(_quote)


def signed_form(params: Mapping[str, str], secret_key: str) -> str:
    """The form-encoded body of a request, `params` and their signature."""
    pairs = [(name, encode(value)) for name, value in sorted(params.items())]
    # The server signs the names as it decoded them, so only the body encodes them.
    canonical = "&".join(f"{name}={value}" for name, value in pairs).lower()
    digest = hmac.digest(secret_key.encode(), canonical.encode(), hashlib.sha1)
    pairs.append(("signature", base64.b64encode(digest).decode().translate(_OF_BASE64)))
    return "&".join(f"{encode(name)}={value}" for name, value in pairs)
