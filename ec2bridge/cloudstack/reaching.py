"""Why CloudStack could not be reached, in words that an operator can act on.

The HTTP client tells it by the names of its exceptions; what was wrong (a name, a port, a certificate) stands inside.
"""

import os
import ssl

import aiohttp


def reason(error: aiohttp.ClientError) -> str:
    """Return what went wrong, as the end of the sentence "CloudStack could not be reached: …"."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _distrust(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"no TLS connection to {error.host}:{error.port} ({_of_tls(error.os_error)})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port}: {_of_system(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "its answer broke off"
    if isinstance(error, aiohttp.InvalidURL):
        return f"{error} is no URL"
    if isinstance(error, aiohttp.ClientOSError):
        return _of_system(error)
    return str(error) or "no answer that can be read as HTTP"


def may_pass(error: aiohttp.ClientError) -> bool:
    """Whether asking again may help: no certificate becomes valid by it."""
    return not isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL))


def _distrust(error: Exception) -> str:
    found = getattr(error, "verify_message", "") or str(error)
    advice = (
        "" if "match" in found or "expired" in found else "; the setting cloudstack_ca names a private CA"
    )
    return f"its certificate is not trusted ({found.rstrip('.')}){advice}"


def _of_tls(error: OSError) -> str:
    found = getattr(error, "reason", None)
    if found == "WRONG_VERSION_NUMBER":
        return "what answers there is not TLS: http:// instead of https://?"
    return (
        str(found).replace("_", " ").lower()
        if isinstance(error, ssl.SSLError) and found
        else _of_system(error)
    )


def _of_system(error: OSError) -> str:
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or "the connection broke"
