"""What `check` looks at without asking CloudStack: files, addresses, the store.

Each setting is either looked at by a check, here or in `cloud.py`, or stands in NO_LOOK with the reason.
"""

import asyncio
import os
import socket
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from cryptography.x509 import load_pem_x509_certificate
from sqlalchemy.exc import SQLAlchemyError

from ec2bridge import store_files, store_tables
from ec2bridge.auth.profiles import FileSecrets
from ec2bridge.cloudstack.reaching import reason
from ec2bridge.config import Settings, SettingsError, host_and_port
from ec2bridge.database import Database, UnansweredError
from ec2bridge.mapping import TABLES, MappingError, load_mappings
from ec2bridge.operator.findings import Finding, bad, note, ok
from ec2bridge.serving.certificates import cloudstack_trust, server_certificate
from ec2bridge.store import Store, StoreError
from ec2bridge.store_tables import TablesError
from ec2bridge.wire.model import aws_regions

NO_LOOK = {
    "require_region": "a switch",
    "default_vpc_cidr": "held to be a network when it is read",
    "lenient": "a switch",
    "iam_instance_profiles": "held to its two values when it is read",
    "enforce_groups_in_vpcs": "a switch; what follows from it is told zone by zone",
    "job_timeout": "any positive number will do",
    "call_timeout": "any positive number will do",
    "recovery_interval": "any positive number will do",
    "max_body": "any positive number will do",
    "max_connections": "the process says when it starts where it may not open as many files",
    "browser_page": "a switch",
    "workers": "held to its range, and to a store that they can share, when it is read",
    "log_level": "held to its four values when it is read",
    "log_format": "held to its two values when it is read",
    "throttle": "any number will do",
    "idle_timeout": "any positive number will do",
    "stop_delay": "any number will do",
}
"""Settings that need no look beyond the one when they are read, and why."""

Look = Callable[[Settings], Awaitable[Finding | Iterable[Finding]]]

SOON = 14 * 86400.0
PATIENCE = 5.0
"""Seconds to wait for another region's bridge."""
WAIT = 2.0
"""Seconds to wait for a store that is locked."""
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs")


async def store(settings: Settings) -> list[Finding]:
    """Look at the store: there, writable, whole, not locked, and shared only as it can be."""
    if settings.store == "memory":
        return [
            note(
                "it lies in memory: launch templates, gateways and route tables end with the process, and no second"
                " bridge sees them",
                "set store to a file, or to a PostgreSQL for several bridges",
            )
        ]
    try:
        opened = Store(settings.store)
        if not opened.database.is_sqlite:
            return [await _server(opened)]
        return list(_file(store_files.file_of(settings.store)))
    except StoreError as error:
        return [bad(str(error), "correct the setting store")]


async def _server(opened: Store) -> Finding:
    shown = opened.url.render_as_string(hide_password=True)
    database = Database(opened.url)
    try:
        await database.start(store_tables.check)  # which changes nothing
    except TablesError as error:
        if "yet" not in str(error):
            return bad(f"{shown}: {error}", "ec2bridge store check tells more")
        return note(f"{shown} answers, and has no tables yet; the first start makes them")
    except ImportError as error:
        return bad(f"the Python package {error.name} is not installed", "pip install 'ec2bridge[postgres]'")
    except (SQLAlchemyError, UnansweredError, OSError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        return bad(
            f"{shown} does not answer: {reason}",
            "start PostgreSQL, or correct host, user, password and database in the setting store",
        )
    finally:
        await database.close()
    return ok(f"{shown} answers")


def _file(file: Path) -> Iterator[Finding]:
    folder = file.absolute().parent
    if not folder.is_dir():
        yield bad(f"there is no folder {folder}", f"mkdir -p {folder}, owned by whoever runs the bridge")
        return
    try:
        # A file without a name: access(2) tells root that it may write where nobody can.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        yield bad(
            f"the folder {folder} cannot be written ({error.strerror}), and SQLite writes files beside its own",
            f"chown {_user()} {folder}, make room on its disk, or run the check as the bridge's user",
        )
        return
    kind = _file_system(folder)
    if kind.startswith(NETWORK_FILE_SYSTEMS):
        yield bad(
            f"{folder} is on a network file system ({kind}), where SQLite's locks do not hold",
            "put the file on a local disk, or use a PostgreSQL for several bridges",
        )
    if not file.exists():
        yield note(f"there is no file {file} yet; the first start makes it")
        return
    if not os.access(file, os.R_OK | os.W_OK):
        yield bad(f"{file} cannot be read and written by this user", f"chown {_user()} {file}")
        return
    try:
        held = str(store_files.look(file))
        _can_be_written(file)
    except StoreError as error:
        yield bad(str(error).rstrip("."), "ec2bridge store restore BACKUP, or name another file")
        return
    except sqlite3.Error as error:
        yield bad(
            f"{file} cannot be written: {error}",
            "end the program that holds it open (`fuser -v` names it), or free space on the disk",
        )
        return
    yield ok(f"{file}: {held}")
    users = _users(file)
    if len(users) > 1:
        yield note(
            f"{file} is open in {len(users)} processes ({', '.join(map(str, users))}): bridges may share a file on one"
            " machine only",
            "use a PostgreSQL for bridges on several machines",
        )


def _can_be_written(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=WAIT, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())


def _file_system(folder: Path) -> str:
    """Return the kind of the file system that a folder is on, as the kernel names it."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    real = folder.resolve()
    above = [(len(mount[1]), mount[2]) for mount in mounts if real.is_relative_to(mount[1])]
    return max(above, default=(0, ""))[1]


def _users(file: Path) -> list[int]:
    """Return the processes that have a file open, as far as this user may see them."""
    there, found = file.resolve(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(Path(os.readlink(entry)) == there for entry in (process / "fd").iterdir()):
                found.append(int(process.name))
        except OSError:
            continue
    return [number for number in found if number != os.getpid()]


async def tls(settings: Settings) -> Finding:
    """Look at the certificate that clients are shown: a pair, not swapped, not expired."""
    chain, key = settings.tls_certificate, settings.tls_key
    if chain is None or key is None:
        return ok("none: clients speak HTTP, or a proxy ends TLS")
    try:
        held = chain.read_bytes(), key.read_bytes()
    except OSError as error:
        return bad(
            f"{error.filename} cannot be read: {error.strerror}", "let the bridge's user read both files"
        )
    if b"PRIVATE KEY" in held[0] and b"CERTIFICATE" not in held[0] and b"CERTIFICATE" in held[1]:
        return bad(
            f"the two are swapped: {chain} holds the key and {key} the certificate",
            f"tls_certificate = {str(key)!r}, tls_key = {str(chain)!r}",
        )
    try:
        certificate = server_certificate(settings)
        parsed = load_pem_x509_certificate(held[0])
    except (SettingsError, ValueError) as error:
        return bad(
            str(error).rstrip("."),
            "name the PEM chain (server's own first) and the key that it was issued for, without a password",
        )
    now = time.time()
    days = (parsed.not_valid_after_utc.timestamp() - now) / 86400
    if days < 0:
        return bad(f"{chain} expired {-days:.0f} days ago", "renew it; the bridge reads it again by itself")
    if parsed.not_valid_before_utc.timestamp() > now:
        return bad(
            f"{chain} is not valid before {parsed.not_valid_before_utc:%Y-%m-%d %H:%M} UTC", "set the clock"
        )
    if certificate is not None and days * 86400 < SOON:
        return note(f"{chain} expires in {days:.0f} days", "renew it; the bridge reads it again by itself")
    return ok(f"{chain} is good for {days:.0f} days")


async def ca(settings: Settings) -> Finding:
    """Look at the CA that CloudStack's certificate is held against."""
    if settings.cloudstack_ca is None:
        return ok("the system's CAs")
    try:
        cloudstack_trust(settings)
    except SettingsError as error:
        return bad(str(error).rstrip("."), "name a PEM file with the CA's certificate")
    return ok(f"{settings.cloudstack_ca}, besides the system's CAs")


async def mappings(settings: Settings) -> Finding:
    """Look at the tables: readable, and a folder of one's own has at least one."""
    try:
        tables = load_mappings(settings.mappings)
    except MappingError as error:
        return bad(str(error).rstrip("."), "correct the table, or leave the setting mappings out")
    if settings.mappings is None:
        return ok(f"those of the package, {len(tables.instance_types.types)} instance types")
    own = sorted(path.name for path in settings.mappings.glob("*.yaml"))
    if not own:
        return bad(
            f"the folder {settings.mappings} has no tables: the package's are used, all of them",
            f"copy the table that you change there ({', '.join(TABLES)}), or leave the setting out",
        )
    return ok(f"{', '.join(own)} of {settings.mappings}, the rest of the package")


async def endpoint(settings: Settings) -> Finding:
    """Look at the URL that clients are told."""
    url, region = settings.public_endpoint, settings.region
    if url is None:
        return ok("none: clients are told the host that they came by")
    parts = urlsplit(url)
    wanted = "write the URL that clients reach the bridge by, such as https://ec2.cloud.example"
    try:
        port = parts.port
    except ValueError:
        return bad(f"{url!r} has no port that is a number", wanted)
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in url:
        return bad(f"{url!r} is no URL", wanted)
    if parts.query or parts.fragment or parts.username:
        return bad(f"{url!r} has more than scheme, host and port", wanted)
    if parts.path.strip("/"):
        return note(
            f"{url!r} has a path, which DescribeRegions cannot tell and many clients do not take", wanted
        )
    if settings.tls_certificate is not None and parts.scheme == "http":
        return bad(f"{url!r} says http, and the bridge serves TLS", f"https://{parts.netloc}")
    if url in (other for name, other in settings.regions.items() if name != region):
        return bad(f"{url!r} is another region's endpoint, too (regions)", "give each bridge its own")
    try:
        socket.getaddrinfo(parts.hostname, port or parts.scheme)
    except OSError:
        return bad(
            f"the name {parts.hostname} cannot be resolved from here",
            f"correct it, or make a record. {wanted}",
        )
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return note(f"{url!r} is good on this machine alone", wanted)
    return ok(url)


async def listens(settings: Settings) -> list[Finding]:
    """Look at the addresses to listen on: this machine's, free, and two."""
    found = []
    for name, address in (("listen", settings.listen), ("metrics_listen", settings.metrics_listen)):
        if address is not None:
            found.append(_listen(name, address))
    if settings.metrics_listen == settings.listen:
        found.append(
            bad("listen and metrics_listen are the same address", "give metrics_listen another port")
        )
    return found


def _listen(name: str, address: str) -> Finding:
    host, port = host_and_port(address)
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind)) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(place)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == 98:
            return note(
                f"{name}: something listens at {address} already; perhaps this bridge", "or take another port"
            )
        return bad(f"{name}: {address}: {reason}", "name an address of this machine, or 0.0.0.0 for all")
    return ok(f"{name} = {address}")


async def keys(settings: Settings) -> list[Finding]:
    """Look at where secrets come from."""
    if settings.credentials_file is None:
        return [ok("users' secrets are read with the look-up account")]
    found = []
    if settings.service_api_key is not None:
        found.append(
            bad(
                f"credentials_file wins over the look-up account: only the keys in {settings.credentials_file} are"
                " accepted, and no other user of the cloud can sign in",
                "leave out credentials_file, or service_api_key and service_secret_key",
            )
        )
    try:
        FileSecrets(settings.credentials_file)
    except SettingsError as error:
        return [
            *found,
            bad(str(error).rstrip("."), "write sections with key and secret, as in ~/.cloudstack.ini"),
        ]
    return [*found, ok(f"the keys in {settings.credentials_file}")]


async def region(settings: Settings) -> list[Finding]:
    """Look at the region's name, and whether the other regions' bridges answer."""
    if len(set(settings.regions.values())) < len(settings.regions):
        return [bad("two of the settings' regions have one endpoint", "give each region its own bridge")]
    own = ok(settings.region)
    if settings.region not in aws_regions():
        own = note(
            f"{settings.region} is no region of AWS's: Terraform's provider wants skip_region_validation, and others"
            " refuse it",
            "a name of AWS's own (us-east-1) suits all clients; docs/adr/0006 says why",
        )
    others = {name: url for name, url in settings.regions.items() if name != settings.region}
    return [own, *await asyncio.gather(*(_other(name, url) for name, url in sorted(others.items())))]


async def _other(name: str, url: str) -> Finding:
    fix = "start it, or correct regions: what is signed for that region is handed on there"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
            session.get(f"{url}/health") as answer,
        ):
            if answer.status == 200:
                return ok(f"{name}: {url} answers")
            return note(f"{name}: {url}/health answers {answer.status}: it is stopping, or no bridge", fix)
    except TimeoutError:
        return note(f"{name}: {url} does not answer within {PATIENCE:g} seconds", fix)
    except aiohttp.ClientError as error:
        return note(f"{name}: {url} does not answer: {reason(error)}", fix)


async def around(settings: Settings) -> list[Finding]:
    """Look at what goes to other programs: traces, and proxies whose word is taken."""
    found = []
    if settings.traces and find_spec("opentelemetry") is None:
        found.append(
            bad("traces are set, and OpenTelemetry is not installed", "pip install 'ec2bridge[otel]'")
        )
    wide = [str(network) for network in settings.trusted_proxies if network.prefixlen == 0]
    if wide:
        found.append(
            note(
                f"trusted_proxies has {', '.join(wide)}: any client may write its own address into the log",
                "name the proxies' own networks",
            )
        )
    return found or [ok(f"traces to {settings.traces}" if settings.traces else "no traces")]


LOOKS: tuple[tuple[str, Look, tuple[str, ...]], ...] = (
    ("the keys", keys, ("credentials_file", "service_api_key", "service_secret_key")),
    ("the region", region, ("region", "regions")),
    ("the addresses", listens, ("listen", "metrics_listen")),
    ("the public endpoint", endpoint, ("public_endpoint",)),
    ("the store", store, ("store",)),
    ("the TLS certificate", tls, ("tls_certificate", "tls_key")),
    ("CloudStack's CA", ca, ("cloudstack_ca",)),
    ("the mappings", mappings, ("mappings",)),
    ("traces and proxies", around, ("traces", "trusted_proxies")),
)
"""Title, look, and the settings that it is about."""
