"""The command line's `ec2bridge store`: backup, restore and check of the bridge's store."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ec2bridge import config, server, store_files, store_tables
from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.config import Settings, SettingsError
from ec2bridge.operator.standing import reached
from ec2bridge.serving import belonging
from ec2bridge.store import Store, StoreError

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
    """Read the whole store and say what it holds; exit code 1 when it is not sound, or not of the settings' cloud."""
    try:
        location = store or config.store_location(config_file)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    if not Store(location).database.is_sqlite:
        held = asyncio.run(_in_a_database(location))
    else:
        place = file_of(config_file, location)
        held = f"{place}: {told(lambda: store_files.look(place))}"
    click.echo(held)
    try:
        settings = config.load(config_file, store=store)
    except SettingsError as error:
        click.echo(f"Not compared with a cloud: {str(error).partition(chr(10))[0]}")
        return
    if found := asyncio.run(_doubts(settings, location)):
        raise click.ClickException("\n".join(f"The store is doubtful: {doubt}." for doubt in found))
    click.echo(f"It belongs to the cloud at {settings.cloudstack_url}.")


async def _in_a_database(location: str) -> str:
    opened = Store(location)
    try:
        await opened.start(store_tables.check)
        schema = await opened.database.run(store_tables.check, reads=True)
        return f"{opened.url!r}: {store_files.Contents(schema, await opened.count_kinds())}"
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    finally:
        await opened.close()


async def _doubts(settings: Settings, location: str) -> list[str]:
    """Return what speaks against the store; ends with a sentence for the operator where the cloud cannot be asked."""
    try:
        async with reached(settings) as cloud:
            return await belonging.compared(location, Account(cloud, server.looking(settings)))
    except (CloudStackError, SettingsError) as error:
        raise click.ClickException(f"It cannot be compared with the cloud: {error}") from None
    except StoreError as error:
        raise click.ClickException(str(error)) from None
