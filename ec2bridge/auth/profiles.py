"""Secrets from a file of profiles: one person's bridge in front of a cloud that they only use.

Reads `~/.cloudstack.ini` (`key`, `secret`) and CloudMonkey's configuration (`apikey`, `secretkey`) as they are. A
profile may add `access_key`, an alias in AWS's shape (`AKIA…`) for clients that insist on one, and `project`, the uuid
of the project that it works in.
"""

import configparser
import logging
import re
import stat
from dataclasses import replace
from pathlib import Path

from ec2bridge.auth.credentials import Identity, identify, is_project, split_project
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.cache import Cached
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.config import SettingsError

log = logging.getLogger(__name__)

IDENTITY_TTL = 300.0

Stamp = tuple[int, int, int]


class FileSecrets:
    """Finds secrets in a file, which is read again when it has changed.

    What is wrong with the file stops the start (SettingsError); later it is logged, and what was read before stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identities = Cached(IDENTITY_TTL)
        try:
            self._stamp = _stamp(path)
            self._profiles = read_profiles(path)
        except OSError as error:
            raise SettingsError(f"The credentials file {path} cannot be read: {error.strerror}.") from None

    async def lookup(self, access_key: str) -> Credentials | None:
        """Return the credentials of an access key, an alias, or either with a project."""
        self._refresh()
        if access_key in self._profiles:
            return self._profiles[access_key]
        parts = split_project(access_key)
        if parts is None or parts[0] not in self._profiles:
            return None
        return replace(self._profiles[parts[0]], access_key=access_key, project_id=parts[1])

    def forget(self, access_key: str) -> None:
        """Drop whom the key stood for; the key itself stands in the file."""
        self._identities.forget(access_key)

    async def identify(self, credentials: Credentials, account: Account) -> Identity:
        """Return whom verified credentials stand for, asked of CloudStack with those credentials."""
        return await self._identities.get(credentials.access_key, lambda: identify(account))

    def _refresh(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._profiles = read_profiles(self._path)
        except (OSError, SettingsError) as error:
            log.error("the credentials file was not read again, what it said before still holds: %s", error)


def _stamp(path: Path) -> Stamp:
    """What differs once a file has been written or replaced."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_profiles(path: Path) -> dict[str, Credentials]:
    """Return the credentials in a file by access key; raise SettingsError with the place of what is wrong."""
    if path.stat().st_mode & stat.S_IROTH:
        log.warning("the credentials file %s can be read by every user of this machine: chmod 600 it", path)
    text, parser = _parsed(path)
    profiles: dict[str, Credentials] = {}
    for name in parser.sections():
        credentials = _profile(f"{path}, line {_line(text, name)}, [{name}]", parser[name])
        if credentials is None:
            continue
        if credentials.access_key in profiles:
            raise SettingsError(
                f"{path}, line {_line(text, name)}, [{name}]: another profile has the same access key;"
                " give one of them an access_key of its own."
            )
        profiles[credentials.access_key] = credentials
    if not profiles:
        raise SettingsError(f"The credentials file {path} has no section with a key and a secret.")
    return profiles


def _parsed(path: Path) -> tuple[str, configparser.ConfigParser]:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        text = path.read_text(encoding="utf-8-sig")
        parser.read_string(text, str(path))
    except UnicodeDecodeError:
        raise SettingsError(f"The credentials file {path} is not UTF-8 text.") from None
    except configparser.Error as error:
        raise SettingsError(f"The credentials file {path} is no INI file: {_reason(error)}.") from None
    return text, parser


def _reason(error: configparser.Error) -> str:
    """Name the place of a syntax error; the parser's own words would quote the line, which may hold a secret."""
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}, [{error.section}]: {error.option} is given twice"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: the section [{error.section}] is given twice"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno}: a [section] must come first"
    if isinstance(error, configparser.ParsingError):
        return f"line {error.errors[0][0]}: neither a [section] nor name = value"
    return type(error).__name__


def _profile(place: str, section: configparser.SectionProxy) -> Credentials | None:
    """Return a section's credentials; None for one without keys, as CloudMonkey's [core] is."""
    key = section.get("key") or section.get("apikey") or ""
    secret = section.get("secret") or section.get("secretkey") or ""
    if not key and not secret:
        return None
    if not key or not secret:
        lacking = "key (or apikey)" if secret else "secret (or secretkey)"
        raise SettingsError(f"{place}: {lacking} is missing.")
    access_key = section.get("access_key") or key
    for name, value in (("key", key), ("access_key", access_key)):
        if split_project(value) != (value, None):
            raise SettingsError(f"{place}: {name} has characters that an access key cannot have.")
    project = section.get("project") or None
    if project and not is_project(project):
        raise SettingsError(f"{place}: project must be the project's uuid, not {project!r}.")
    return Credentials(access_key, key, secret, project_id=project)


def _line(text: str, section: str) -> int:
    """Return the line of a section's header: the parser does not keep it."""
    header = re.compile(rf"\s*\[{re.escape(section)}\]")
    return next(number for number, line in enumerate(text.splitlines(), 1) if header.match(line))
