"""User data as clients send it and CloudStack keeps it: Base64, which AWS checks at once."""

import base64
import binascii

from ec2bridge.errors import Ec2Error


def checked(sent: str | None) -> str | None:
    """Return user data in Base64 as CloudStack takes it, or raise InvalidUserData.Malformed.

    Line breaks alone may stand in it, as old clients and `base64` wrap it. Compressed data is data like any other.
    """
    text = (sent or "").replace("\r", "").replace("\n", "")
    if not text:
        return None
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Ec2Error("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    return text
