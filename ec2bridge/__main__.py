"""The command line: serve, demo, simulator, init, check, store, coverage, explain."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from ec2bridge import config, server
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.config import Settings, SettingsError
from ec2bridge.serving import logs
from ec2bridge.serving.workers import Place, command_line, opened, workers
from ec2bridge.simulator.releases import NAMED
from ec2bridge.store_commands import store, which_settings

USUAL_FILE = "ec2bridge.toml"
Command = Callable[..., Any]
Result = TypeVar("Result")


def settings_options(command: Command) -> Command:
    """Give a command `--config` and one flag for each setting."""
    for name, info in reversed(Settings.model_fields.items()):
        flag = f"--{name.replace('_', '-')}"
        if info.annotation is bool:
            decorate = click.option(
                f"{flag}/--no-{name.replace('_', '-')}", default=None, help=config.described(name)
            )
        else:
            decorate = click.option(flag, metavar="VALUE", help=config.described(name))
        command = decorate(command)
    return which_settings(command)


def load(config_file: Path | None, flags: dict[str, Any]) -> Settings:
    """Return the settings, or end with a sentence for the operator."""
    try:
        settings = config.load(config_file, **flags)
    except SettingsError as error:
        unread = config_file is None and Path(USUAL_FILE).exists()
        hint = f"\nThere is a file {USUAL_FILE} here, which is read only if asked for: --config {USUAL_FILE}"
        raise click.ClickException(f"{error}{hint if unread else ''}") from None
    logs.to_stderr(settings.log_level, as_json=settings.log_format == "json")
    return settings


def finish(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's coroutine and return its result; what is wrong with the settings ends it with a sentence."""
    try:
        return asyncio.run(work)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(130)


def run(work: Coroutine[Any, Any, int]) -> None:
    """Run a command's coroutine; its result is the exit code."""
    sys.exit(finish(work))


def address(_: click.Context, __: click.Parameter, value: str) -> str:
    """Refuse what is not HOST:PORT."""
    try:
        config.host_and_port(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="ec2bridge")
def main() -> None:
    """An AWS EC2 endpoint for a CloudStack cloud."""


@main.command()
@settings_options
@click.option("--worker", hidden=True, help="what one of several processes is given by the first")
def serve(config_file: Path | None, worker: str | None, **flags: Any) -> None:
    """Serve the bridge in front of a CloudStack cloud."""
    settings = load(config_file, flags)
    if worker is not None:
        run(serve_as_worker(settings, Place.read(worker)))
    if settings.workers > 1:
        run(serve_by_workers(settings))

    async def work() -> int:
        stopped = server.told_to_stop()  # while it starts, too
        async with server.listening(settings) as (url, _):
            if settings.log_format == "text":  # who collects JSON finds it in the log
                click.echo(f"ec2bridge serves region {settings.region} at {url}")
            await stopped.wait()
        return 0

    run(work())


async def serve_as_worker(settings: Settings, place: Place) -> int:
    """Serve a socket that another process has opened, together with others."""
    stopped = server.told_to_stop()
    async with server.listening(settings, place=place):
        place.tell_ready(stopped)
        await stopped.wait()
    return 0


async def serve_by_workers(settings: Settings) -> int:
    """Serve by several processes."""
    stopped = server.told_to_stop()
    try:
        listen = opened(settings.listen)
    except OSError as error:
        raise SettingsError(server.cannot_listen(settings.listen, error)) from None
    with listen:
        async with (
            workers(command_line(), settings.workers, listen, settings.stop_delay) as served,
            server.showing_metrics(settings, served.metrics_page),
        ):
            scheme = "https" if settings.tls_certificate else "http"
            url = server.url_of(settings.listen, listen.getsockname()[1], scheme)
            if settings.log_format == "text":
                click.echo(
                    f"ec2bridge serves region {settings.region} at {url}, by {settings.workers} workers"
                )
            await stopped.wait()
    return 0


release_option = click.option(
    "--release",
    type=click.Choice(list(NAMED)),
    default=list(NAMED)[-1],
    show_default=True,
    help="the release of CloudStack to play",
)


@main.command()
@click.option(
    "--listen",
    default="127.0.0.1:8788",
    show_default=True,
    callback=address,
    help="HOST:PORT of the EC2 endpoint",
)
@click.option(
    "--cloudstack-listen",
    default="127.0.0.1:0",
    show_default=True,
    callback=address,
    help="HOST:PORT of the embedded CloudStack",
)
@click.option("--once", is_flag=True, help="end after the tour; exit code 0 only if all of it held")
@click.option("--no-tour", is_flag=True, help="only serve")
@click.option(
    "--env-file", type=click.Path(path_type=Path), help="write the endpoint and keys for a shell to source"
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="keep the embedded CloudStack's data in this SQLite file"
)
@release_option
def demo(
    listen: str,
    cloudstack_listen: str,
    once: bool,
    no_tour: bool,
    env_file: Path | None,
    data: Path | None,
    release: str,
) -> None:
    """Try it: an embedded CloudStack, a bridge, a tour."""
    try:
        from ec2bridge import demo as show
    except ModuleNotFoundError as error:
        if error.name != "boto3":
            raise
        raise click.ClickException(
            "The demo plays its tour with boto3: pip install '.[demo]', or make demo in a checkout."
        ) from None

    logs.to_stderr("WARNING", "%(levelname)s %(name)s: %(message)s")
    options = show.Options(
        listen,
        cloudstack_listen,
        tour=not no_tour,
        stay=not once,
        env_file=env_file,
        data=data,
        release=release,
    )
    run(show.play(options))


@main.command()
@click.option(
    "--listen", default="127.0.0.1:8080", show_default=True, callback=address, help="HOST:PORT to serve on"
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="keep the data in this SQLite file; in memory without"
)
@click.option(
    "--faults",
    type=click.Path(path_type=Path, exists=True),
    help="have calls go wrong as the [[fault]] tables of this TOML file say: mode, command, number, account, seconds",
)
@release_option
def simulator(listen: str, data: Path | None, release: str, faults: Path | None) -> None:
    """Serve the embedded CloudStack alone."""
    from ec2bridge import simulator_process

    logs.to_stderr("INFO")
    run(simulator_process.serve(listen, data, release, faults))


ADMIN_KEY, ADMIN_SECRET = "EC2BRIDGE_ADMIN_API_KEY", "EC2BRIDGE_ADMIN_SECRET_KEY"
admin_option = click.option(
    "--admin-key",
    metavar="KEY",
    envvar=ADMIN_KEY,
    show_envvar=True,
    help=f"a root administrator's API key, used once and kept nowhere; its secret from {ADMIN_SECRET} or asked for",
)


def administrator(key: str | None) -> Credentials | None:
    """Return an administrator's keys; the secret comes from the environment or from the keyboard, never from a flag."""
    if not key:
        return None
    secret = os.environ.get(ADMIN_SECRET)
    if not secret and sys.stdin.isatty():
        secret = click.prompt("Its secret key", hide_input=True)
    if not secret:
        raise click.UsageError(f"The secret of --admin-key is not known: set {ADMIN_SECRET}.")
    return Credentials(key, key, secret)


@main.command()
@settings_options
@click.option("--output", type=click.Path(path_type=Path), default=Path(USUAL_FILE), show_default=True)
@admin_option
@click.option(
    "--account-name", default="ec2bridge", show_default=True, help="the look-up account, and its role"
)
@click.option("--users-role", default="User", show_default=True, help="the role of those who will use EC2")
@click.option(
    "--show-commands", is_flag=True, help="print CloudMonkey commands that make the look-up account"
)
def init(
    config_file: Path | None,
    output: Path,
    admin_key: str | None,
    account_name: str,
    users_role: str,
    show_commands: bool,
    **flags: Any,
) -> None:
    """Look at the cloud and write a commented settings file.

    With an administrator's key it also makes the account that looks up users' keys, and writes that account's keys into
    the file. Where a person sits at the terminal it asks for what no flag, variable or file tells.
    """
    from ec2bridge.operator import init as writing
    from ec2bridge.operator import lookup_account

    if show_commands:
        click.echo(lookup_account.commands(account_name, users_role), nl=False)
        return
    if output.exists():
        raise click.ClickException(f"{output} exists already; name another file with --output.")
    if config_file is None and sys.stdin.isatty():
        flags, admin_key = asked(flags, admin_key)
    root = administrator(admin_key)
    if root is not None and flags.get("service_api_key") is None:
        flags |= {"service_api_key": root.api_key, "service_secret_key": root.secret_key}
    settings = load(config_file, flags)
    done = finish(writing.looked(settings, root, account_name, users_role))
    try:
        writing.write(output, done.text, secret=done.made is not None)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}.") from None
    click.echo(f"Wrote {output}:\n\n{writing.without_secrets(done)}")
    for line in done.told:
        click.echo(line)
    click.echo(f"Next: ec2bridge check --config {output}")


def asked(flags: dict[str, Any], admin_key: str | None) -> tuple[dict[str, Any], str | None]:
    """Ask the person at the terminal for what neither flags nor variables tell."""

    def given(name: str) -> bool:
        return flags.get(name) is not None or f"{config.PREFIX}{name.upper()}" in os.environ

    answers = dict(flags)
    for name, question in (
        ("cloudstack_url", "CloudStack's API (https://cloud.example/client/api)"),
        ("region", "The region's name for clients"),
        ("listen", "HOST:PORT to listen on"),
    ):
        if not given(name):
            default = Settings.model_fields[name].default
            answers[name] = click.prompt(question, default=default if isinstance(default, str) else None)
    if not given("service_api_key") and not given("credentials_file") and not admin_key:
        click.echo("The bridge looks up users' keys with an account of its own.")
        answers["service_api_key"] = (
            click.prompt("Its API key (empty: have it made now)", default="", show_default=False) or None
        )
        if answers["service_api_key"]:
            answers["service_secret_key"] = click.prompt("Its secret key", hide_input=True)
        else:
            admin_key = click.prompt("A root administrator's API key, used once and kept nowhere")
    return answers, admin_key


@main.command()
@settings_options
@click.option(
    "--access-key", metavar="KEY", help="a user's key: tells zone by zone what will work for that user"
)
@admin_option
@click.option(
    "--launch", is_flag=True, help="with --access-key: launch the smallest machine and remove it again"
)
@click.option("--zone", metavar="ZONE", help="the availability zone for --launch")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def check(
    config_file: Path | None,
    access_key: str | None,
    admin_key: str | None,
    launch: bool,
    zone: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Say what will not work with these settings, this cloud and a user's key, and what to do about it.

    The secret of --access-key is read with the look-up account, else from AWS_SECRET_ACCESS_KEY, else asked for. Exit
    codes: 0 all will work (there may be notes), 1 something will not, 2 the command line is wrong.
    """
    from ec2bridge.operator.check import Asked
    from ec2bridge.operator.check import check as look
    from ec2bridge.operator.findings import BAD, Finding, Report

    if launch and access_key is None:
        raise click.UsageError("--launch needs --access-key: the machine must be somebody's.")
    root, report = administrator(admin_key), Report(as_json)
    try:
        settings = config.load(config_file, **flags)
    except SettingsError as error:
        if not as_json:
            load(config_file, flags)
        for sentence in str(error).splitlines():
            report.add(Finding(BAD, sentence, "", "the settings"))
        sys.exit(report.end())
    logs.to_stderr("WARNING")
    run(look(settings, Asked(access_key, root, launch, zone), report))


@main.command()
@settings_options
@click.option("--pid", type=int, metavar="PID", help="ask the bridge that runs as this process instead")
def health(config_file: Path | None, pid: int | None, **flags: Any) -> None:
    """Ask the bridge that runs with these settings whether it is well; exit code 1 when it is not."""
    from ec2bridge.serving import probe

    if pid is None:
        settings = load(config_file, flags)
        listen, tls = settings.listen, settings.tls_certificate is not None
    else:
        listen, tls = listens(pid)
    if wrong := probe.answer(listen, tls=tls):
        raise click.ClickException(wrong)
    click.echo("ok")


def listens(pid: int) -> tuple[str, bool]:
    """Return where a process of ours listens, and whether with TLS."""
    from ec2bridge.serving import probe

    try:
        words, environment = probe.command_of(pid)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    os.environ.update(environment)
    flags = main.commands[words[0]].make_context(words[0], list(words[1:])).params
    if words[0] != "serve":
        return str(flags["listen"]), False
    flags.pop("worker", None)
    settings = load(flags.pop("config_file"), flags)
    return settings.listen, settings.tls_certificate is not None


@main.command()
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.option("--markdown", is_flag=True, help="print the table of the documentation")
def coverage(as_json: bool, markdown: bool) -> None:
    """Print what each EC2 action comes to."""
    from ec2bridge import coverage as table

    rows = table.rows()
    if as_json:
        click.echo(json.dumps([row.as_dict() for row in rows], indent=2))
    else:
        click.echo(table.markdown(rows) if markdown else table.text(rows))


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@which_settings
@click.option(
    "--access-key",
    metavar="KEY",
    envvar="AWS_ACCESS_KEY_ID",
    show_envvar=True,
    help="whose request it would be",
)
@click.option(
    "--log", "log_file", metavar="FILE", help="the log that has a request; - for the standard input"
)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.argument(
    "request", nargs=-1, required=True, type=click.UNPROCESSED, metavar="ACTION [OPTION...] | REQUEST-ID"
)
def explain(
    config_file: Path | None,
    access_key: str | None,
    log_file: str | None,
    as_json: bool,
    request: tuple[str, ...],
) -> None:
    """Say what the bridge does with an action, would do with a request, or did with one that the log has.

    An action alone (RunInstances, run-instances): what of it is served. With the options that awscli takes: offering,
    network, zone, and the native calls that it would become if the owner of --access-key sent it; nothing is changed. A
    request id with --log: what became of it. The command's own options stand before the action.
    """
    from ec2bridge.operator import logged

    if logged.is_request_id(request[0]):
        if log_file is None and request[1:2] == ("--log",) and len(request) == 3:
            log_file = request[2]
        if log_file is None:
            raise click.UsageError(
                "A request id needs --log FILE, or --log - and the log on the standard input."
            )
        try:
            with click.open_file(log_file, encoding="utf-8", errors="replace") as lines:
                found = logged.explain(lines, request[0])
        except OSError as error:
            raise click.ClickException(f"The log {log_file} cannot be read: {error.strerror}.") from None
        if not found:
            raise click.ClickException(f"The log has no request {request[0]}.")
        click.echo(json.dumps(found, indent=2) if as_json else "\n".join(found))
    elif len(request) == 1:
        explain_action(request[0], as_json=as_json)
    else:
        explain_request(config_file, access_key, request, as_json=as_json)


def explain_action(name: str, *, as_json: bool) -> None:
    """Print what is known of one action."""
    from ec2bridge import coverage as table
    from ec2bridge.wire.command_line import action_named

    wanted = (action_named(name) or name).lower()
    found = [row for row in table.rows() if row.action.lower() == wanted]
    if not found:
        raise click.ClickException(f"AWS has no action called {name}.")
    click.echo(json.dumps(found[0].as_dict(), indent=2) if as_json else table.explain(found[0]))


def explain_request(
    config_file: Path | None, access_key: str | None, words: tuple[str, ...], *, as_json: bool
) -> None:
    """Print what a request would become; exit code 1 when it would be refused."""
    from ec2bridge.operator import explain as telling
    from ec2bridge.wire.command_line import CommandLineError, read

    try:
        op, form = read(words)
    except CommandLineError as error:
        raise click.ClickException(str(error)) from None
    settings = load(config_file, {})
    if access_key is None:
        raise click.UsageError("Whose request? Name the user's key: --access-key KEY.")
    logs.to_stderr("WARNING")
    told = finish(telling.explain(settings, access_key, op, form))
    click.echo(json.dumps(told.as_dict(), indent=2) if as_json else "\n".join(told.lines()))
    sys.exit(1 if told.error else 0)


main.add_command(store)


if __name__ == "__main__":
    main()
