"""What an operator asks before and after the first start: `ec2bridge init` and `ec2bridge check`.

Both look at the cloud through the same client, settings and mappings as the bridge itself, and change nothing in it.
"""

import string
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import click

from ec2bridge import server
from ec2bridge.auth.profiles import read_profiles
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.config import Settings, SettingsError
from ec2bridge.ec2 import releases

LEAST_VERSION = (4, 18)
UNVERIFIED = 401


class Finding(Exception):
    """Something that will not work, in a sentence that says what to do about it."""


@asynccontextmanager
async def looking(settings: Settings) -> AsyncIterator[Account]:
    """Yield the account that `init` and `check` see the cloud with: the look-up account, else the file's first."""
    cloud = server.cloudstack(settings)
    await cloud.start()
    try:
        yield Account(cloud, _credentials(settings))
    finally:
        await cloud.close()


def _credentials(settings: Settings) -> Credentials:
    if settings.service_api_key is None and settings.credentials_file is not None:
        return next(iter(read_profiles(settings.credentials_file).values()))
    return server.service_credentials(settings)


async def settings_file(settings: Settings) -> str:
    """Return a settings file with a name for each zone of the cloud."""
    async with looking(settings) as account:
        try:
            zones = sorted(await account.list("listZones"), key=lambda row: row["name"])
        except CloudStackUnavailable as error:
            raise SettingsError(f"The zones cannot be listed: {error.errortext}.") from None
        except CloudStackError as error:
            raise SettingsError(f"The zones cannot be listed: {_refused(error)}.") from None
    lines = [
        "# ec2bridge: settings. Keys are better kept in EC2BRIDGE_SERVICE_API_KEY and EC2BRIDGE_SERVICE_SECRET_KEY.",
        f"cloudstack_url = {_quoted(settings.cloudstack_url)}",
        f"region = {_quoted(settings.region)}",
        f"listen = {_quoted(settings.listen)}",
        f"store = {_quoted(settings.store)}",
        "",
        "# Availability zone = CloudStack zone. Clients keep these names in their states: add, never rename.",
        "[zones]",
    ]
    lines += [
        f"{_quoted(settings.region + letter)} = {_quoted(row['id'])} # {row['name']}"
        for letter, row in zip(string.ascii_lowercase, zones, strict=False)
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


async def check(settings: Settings) -> int:
    """Run every check and print what it found; exit code 1 when something will not work."""
    checks: tuple[tuple[str, Callable[[Settings, Account], Awaitable[str]]], ...] = (
        ("CloudStack answers", _answers),
        ("its version", _version),
        ("zones", _zones),
    )
    if settings.service_api_key is not None:
        checks += (
            ("the look-up account reads users' keys", _reads_keys),
            ("it does not read more than it should", _reads_no_more),
            ("termination releases what a machine held", _releases),
        )
    bad = 0
    async with looking(settings) as account:
        for title, look in checks:
            try:
                click.echo(f"ok    {title}: {await look(settings, account)}")
            except Finding as finding:
                bad += 1
                click.echo(f"BAD   {title}: {finding}")
            except CloudStackUnavailable as error:
                click.echo(f"BAD   {title}: {error.errortext}. Nothing else can be checked.")
                return 1
            except CloudStackError as error:
                bad += 1
                click.echo(f"BAD   {title}: {_refused(error)}.")
                if look is _answers:
                    click.echo("Nothing else can be checked.")
                    break
    return 1 if bad else 0


def _refused(error: CloudStackError) -> str:
    answer = f"CloudStack answered {error.errorcode} {error.errortext}"
    if error.errorcode != UNVERIFIED:
        return answer
    return f"{answer}: the API key is unknown or disabled, or the secret key is not its own"


async def _answers(settings: Settings, account: Account) -> str:
    await account.capabilities()
    offset = account.cloudstack.clock_offset
    return settings.cloudstack_url + (f" (its clock is {offset:+.0f} s off, allowed for)" if offset else "")


async def _version(settings: Settings, account: Account) -> str:
    version = str((await account.capabilities()).get("cloudstackversion", ""))
    parts = tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())
    if parts < LEAST_VERSION:
        raise Finding(f"{version} is older than 4.18, the oldest that ec2bridge supports")
    lacking = [f"{need.what} ({need.since})" for need in releases.missing(version)]
    return f"{version}, where what needs a later one is refused: {', '.join(lacking)}" if lacking else version


async def _reads_keys(settings: Settings, account: Account) -> str:
    own = account.credentials.api_key
    users = await account.list("listUsers")
    kind = next(
        (user.get("roletype") for user in users if user.get("apikey") == own), users[0].get("roletype")
    )
    if kind != "Admin":
        raise Finding(
            f"its role is of type {kind}, which does not show other users' keys; see docs/operators.md"
        )
    commands = await account.apis()
    if "apikeyfilter" in commands.get("listUserKeys", ()):
        return "listUserKeys"
    if "getUser" in commands and "getUserKeys" in commands:
        return "getUser and getUserKeys"
    raise Finding("its role allows neither listUserKeys nor getUser with getUserKeys; see docs/operators.md")


async def _reads_no_more(settings: Settings, account: Account) -> str:
    extra = sorted(
        {"listHosts", "listConfigurations", "createAccount", "updateConfiguration"}
        & set(await account.apis())
    )
    if extra:
        raise Finding(
            f"its role also allows {', '.join(extra)}: give it a role of its own, see docs/operators.md"
        )
    return "no administrator's commands"


async def _zones(settings: Settings, account: Account) -> str:
    rows = await account.list("listZones")
    known = {row["id"] for row in rows} | {row["name"] for row in rows}
    unknown = [f"{name} = {target}" for name, target in settings.zones.items() if target not in known]
    if unknown:
        raise Finding(f"the settings name zones that the cloud does not have: {', '.join(unknown)}")
    named = set(settings.zones.values())
    missing = [row["name"] for row in rows if settings.zones and not named & {row["id"], row["name"]}]
    if missing:
        raise Finding(f"zones without a name in the settings, which no client will see: {', '.join(missing)}")
    return ", ".join(row["name"] for row in rows)


async def _releases(settings: Settings, account: Account) -> str:
    # Whether users may expunge is not to be seen here: CloudStack tells an account of type Admin that it may.
    if not settings.expunge:
        return "the settings keep the bridge from expunging: where users may not, CloudStack frees networks later"
    if "expungeVirtualMachine" not in await account.apis():
        raise Finding(
            "the look-up account may not expunge where users may not: allow it expungeVirtualMachine"
        )
    return "the look-up account expunges where users may not"
