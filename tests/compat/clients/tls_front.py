"""A TLS front on loopback before an endpoint, for clients that speak nothing but https.

Every byte is passed on, so that the Host header stays as it was signed.
"""

import asyncio
import ssl
import subprocess
import threading
from urllib.parse import urlsplit


def before(endpoint, place):
    """Start a front and return its host and port, and the file with its certificate."""
    certificate, key = place / "certificate.pem", place / "key.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
        f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        stderr=subprocess.DEVNULL,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    behind = urlsplit(endpoint)

    async def both(near, to_near):
        plain = behind.scheme == "http"
        far, to_far = await asyncio.open_connection(
            behind.hostname, behind.port or (80 if plain else 443), ssl=None if plain else True
        )
        await asyncio.gather(_pass(near, to_far), _pass(far, to_near), return_exceptions=True)

    async def start():
        return await asyncio.start_server(both, "127.0.0.1", 0, ssl=context)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(start())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return f"127.0.0.1:{server.sockets[0].getsockname()[1]}", str(certificate)


async def _pass(one, other):
    try:
        while part := await one.read(65536):
            other.write(part)
            await other.drain()
    finally:
        other.close()
