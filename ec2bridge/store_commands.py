"""The command line's `ec2bridge store`: backup, restore and check of the bridge's store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ec2bridge import config, store_files
from ec2bridge.config import SettingsError
from ec2bridge.store import StoreError

Command = Callable[..., Any]


def which_settings(command: Command) -> Command:
    """Give a command `--config`."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        envvar="EC2BRIDGE_CONFIG",
        help="a TOML file with settings",
    )(command)


def which_store(command: Command) -> Command:
    """Give a command `--config` and `--store`: a backup needs neither a cloud nor keys."""
    command = click.option("--store", metavar="VALUE", help="the store, if not the one of the settings")(
        command
    )
    return which_settings(command)


def file_of(config_file: Path | None, named: str | None) -> Path:
    """Return the store's file, or end with a sentence for the operator."""
    try:
        return store_files.file_of(named or config.store_location(config_file))
    except (SettingsError, StoreError) as error:
        raise click.ClickException(str(error)) from None


def told(work: Callable[[], store_files.Contents]) -> store_files.Contents:
    """Do the work, or end with a sentence for the operator."""
    try:
        return work()
    except StoreError as error:
        raise click.ClickException(str(error)) from None


@click.group()
def store() -> None:
    """Back up, restore and check what the bridge keeps outside of CloudStack."""


@store.command()
@which_store
@click.argument("file", type=click.Path(path_type=Path))
def backup(config_file: Path | None, store: str | None, file: Path) -> None:
    """Copy the store, as of one moment, into the new FILE; bridges may go on."""
    place = file_of(config_file, store)
    click.echo(f"Wrote {file}: {told(lambda: store_files.backup(place, file))}")


@store.command()
@which_store
@click.option("--over", is_flag=True, help="replace what the store holds")
@click.argument("file", type=click.Path(path_type=Path))
def restore(config_file: Path | None, store: str | None, over: bool, file: Path) -> None:
    """Make the store what the backup FILE holds; stop the bridges first."""
    place = file_of(config_file, store)
    click.echo(f"Restored {place}: {told(lambda: store_files.restore(file, place, over=over))}")


@store.command()
@which_store
def check(config_file: Path | None, store: str | None) -> None:
    """Read the whole store and say what it holds; exit code 1 when it is not sound."""
    place = file_of(config_file, store)
    click.echo(f"{place}: {told(lambda: store_files.look(place))}")
