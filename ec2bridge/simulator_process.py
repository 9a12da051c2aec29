"""The embedded CloudStack as a process of its own, for `ec2bridge simulator`."""

from pathlib import Path

import click

from ec2bridge import config, server
from ec2bridge.simulator.server import Simulator


async def serve(listen: str, data: Path | None, release: str, faults: Path | None = None) -> int:
    """Serve until Ctrl-C, after showing the keys of the accounts that are there from the start."""
    host, port = config.host_and_port(listen)
    simulator = Simulator(path=str(data) if data else None, version=release)
    if faults:
        try:
            simulator.faults.read(faults)
        except (OSError, ValueError, TypeError) as error:
            raise config.SettingsError(f"The faults in {faults} cannot be read: {error}.") from None
    try:
        await simulator.start(host, port)
    except OSError as error:
        raise config.SettingsError(server.cannot_listen(listen, error)) from None
    try:
        click.echo(f"The embedded CloudStack {release} serves at {simulator.url}\n")
        for name, account in simulator.accounts.items():
            click.echo(f"{name}\n  API key     {account.api_key}\n  secret key  {account.secret_key}")
        click.echo(
            "\nkeylookup is the account for a bridge: its keys are service_api_key and service_secret_key."
        )
        await server.until_stopped()
    finally:
        await simulator.close()
    return 0
