"""`ec2bridge check`: everything that `serve` will use, and for a user's key what will work in each zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from ec2bridge import server
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.config import Settings, SettingsError
from ec2bridge.errors import Ec2Error
from ec2bridge.operator import cloud, local, user
from ec2bridge.operator.cloud import Look, refused
from ec2bridge.operator.findings import BAD, Finding, Report, Stop, bad
from ec2bridge.operator.round_trip import RoundTrip
from ec2bridge.operator.standing import context, credentials, reached, standing


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asked for beyond the settings."""

    access_key: str | None = None
    administrator: Credentials | None = None
    launch: bool = False
    zone: str | None = None


async def check(settings: Settings, asked: Asked, report: Report) -> int:
    """Look at everything, and return the exit code: 1 when something will not work."""
    for title, look, _ in local.LOOKS:
        await report.look(title, "", partial(_of_files, look, settings))
    try:
        async with reached(settings) as there:
            await _cloud(settings, there, report)
            if asked.access_key is not None:
                await _user(settings, there, asked, report)
    except Stop:
        pass
    except SettingsError as error:
        if not any(
            finding.text == str(error).rstrip(".") for finding in report.found
        ):  # told already, with its fix
            report.add(Finding(BAD, str(error), "", "the user's key" if asked.access_key else "the settings"))
    return report.end()


async def _of_files(look: local.Look, settings: Settings) -> Finding | Iterable[Finding]:
    try:
        return await look(settings)
    except (OSError, UnicodeDecodeError) as error:
        return bad(str(error), "let the bridge's user read it")


async def _cloud(settings: Settings, there: CloudStack, report: Report) -> None:
    try:
        account = Account(there, server.looking(settings))
    except SettingsError:
        raise Stop from None  # told among the keys
    for title, look, _ in cloud.LOOKS:
        await report.look(title, "", partial(_of_cloud, look, settings, account))
        if look is cloud.answers and report.found[-1].level == BAD:
            raise Stop


async def _of_cloud(look: Look, settings: Settings, account: Account) -> Finding | Iterable[Finding]:
    try:
        return await look(settings, account)
    except CloudStackUnavailable as error:
        return bad(error.errortext, "see that cloudstack_url is the API's, and is reached from this machine")
    except CloudStackError as error:
        return bad(refused(error), "correct service_api_key and service_secret_key, or the account's role")


async def _user(settings: Settings, there: CloudStack, asked: Asked, report: Report) -> None:
    async with standing(settings, there) as bridge:
        who = await credentials(bridge, asked.access_key or "")
        try:
            ctx = await context(bridge, who, "DescribeInstances", {})
            await user.look(report, ctx)
            await user.limits(report, Account(there, asked.administrator) if asked.administrator else None)
            if asked.launch:
                await RoundTrip(bridge, who, ctx, asked.zone).play(report)
        except CloudStackError as error:
            report.add(
                Finding(BAD, refused(error), "see that key and secret belong together", "the user's key")
            )
        except Ec2Error as error:
            report.add(
                Finding(BAD, error.message, "see that key and secret belong together", "the user's key")
            )
