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


@main.command()
@settings_options
@click.option("--output", type=click.Path(path_type=Path), default=Path(USUAL_FILE), show_default=True)
def init(config_file: Path | None, output: Path, **flags: Any) -> None:
    """Write a settings file with a name for each zone."""
    from ec2bridge import operator

    settings = load(config_file, flags)
    if output.exists():
        raise click.ClickException(f"{output} exists already; name another file with --output.")

    text = finish(operator.settings_file(settings))
    output.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {output}:\n\n{text}\nNext: ec2bridge check --config {output}")


@main.command()
@settings_options
def check(config_file: Path | None, **flags: Any) -> None:
    """Say what will not work with these settings and this cloud."""
    from ec2bridge import operator

    settings = load(config_file, flags)
    run(operator.check(settings))


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


@main.command()
@click.argument("action")
def explain(action: str) -> None:
    """Say what the bridge does with one EC2 action."""
    from ec2bridge import coverage as table

    found = [row for row in table.rows() if row.action.lower() == action.lower()]
    if not found:
        raise click.ClickException(f"AWS has no action called {action}.")
    click.echo(table.explain(found[0]))


main.add_command(store)


if __name__ == "__main__":
    main()
