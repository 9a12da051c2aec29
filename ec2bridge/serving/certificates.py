"""TLS on both sides: the certificate that the bridge shows, read again when it is renewed, and CloudStack's CA.

Certificates live for weeks now and are renewed by programs that know nothing of the bridge: whoever has to restart it
then will one day forget.
"""

import asyncio
import logging
import os
import ssl
from contextlib import suppress
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate

from ec2bridge.config import Settings, SettingsError

log = logging.getLogger("ec2bridge")

LOOK_EVERY = 5.0
"""Seconds between two looks at the files."""


class Certificate:
    """The server's certificate and its context; raises SettingsError for files that cannot be used."""

    def __init__(self, chain: Path, key: Path) -> None:
        self.chain, self.key = chain, key
        self._seen = self._stamp()
        self.context = self._read()
        self.expires = self._expiry()

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.chain, self.key)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"The TLS certificate {self.chain} or its key cannot be used: {_reason(error)}."
            ) from None
        return context

    def _expiry(self) -> float:
        return load_pem_x509_certificate(self.chain.read_bytes()).not_valid_after_utc.timestamp()

    def _stamp(self) -> list[tuple[int, int, int]]:
        states = (os.stat(path) for path in (self.chain, self.key))
        return [(state.st_mtime_ns, state.st_size, state.st_ino) for state in states]

    def renew(self) -> bool:
        """Read the files again if they have changed; what cannot be used is told once and not taken."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            # Into a context of its own first: half of a pair must not spoil the one that serves.
            self._read()
            self.context.load_cert_chain(self.chain, self.key)
            self.expires = self._expiry()
        except (SettingsError, OSError, ValueError) as error:
            log.error("the certificate has changed and cannot be used, the old one still is: %s", error)
            return False
        log.info("the TLS certificate %s was read again", self.chain)
        return True

    async def watch(self, stopping: asyncio.Event) -> None:
        """Look at the files every few seconds until the process stops."""
        while not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), LOOK_EVERY)
            self.renew()


def server_certificate(settings: Settings) -> Certificate | None:
    """Return the certificate that the settings name, if any; raise SettingsError for a bad one."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)


def cloudstack_trust(settings: Settings) -> ssl.SSLContext | None:
    """Return what CloudStack's certificate is held against: the system's CAs and, where it is set, its own."""
    if settings.cloudstack_ca is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(settings.cloudstack_ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"cloudstack_ca: {settings.cloudstack_ca} holds no PEM certificates: {_reason(error)}."
        ) from None
    return context


def _reason(error: OSError) -> str:
    """What OpenSSL says, without its own line numbers."""
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is not the certificate's"
        return (
            error.reason.replace("_", " ").lower() if error.reason else "no PEM certificate or key is in it"
        )
    return error.strerror or str(error)
