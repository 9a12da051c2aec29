"""The manual pages and shell completions, made from the command line itself (`make docs` writes them)."""

from collections.abc import Mapping
from inspect import cleandoc
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from click_man.man import ManPage

from ec2bridge import __version__
from ec2bridge.__main__ import main

DEPLOY = Path(__file__).parent.parent / "deploy"
SHELLS = ("bash", "fish", "zsh")


def pages() -> dict[Path, str]:
    """Return the manual pages by the files they belong into: one of the program, one of each command."""
    top = click.Context(main, info_name="ec2bridge")
    found = {"ec2bridge": page(top, main.commands)}
    for name, command in main.commands.items():
        found[f"ec2bridge-{name}"] = page(
            click.Context(command, info_name=name, parent=top), getattr(command, "commands", {})
        )
    return {DEPLOY / "man" / f"{name}.1": text for name, text in found.items()}


def page(ctx: click.Context, commands: Mapping[str, click.Command]) -> str:
    """Return one manual page; a date would make every page stale every day."""
    made = ManPage(ctx.command_path)
    made.version, made.date = __version__, " "
    made.short_help = made.description = cleandoc(ctx.command.help or "")
    made.synopsis = " ".join(ctx.command.collect_usage_pieces(ctx))
    records = (option.get_help_record(ctx) for option in ctx.command.params)
    made.options = [record for record in records if record is not None]
    made.commands = [(name, cleandoc(command.help or "")) for name, command in commands.items()]
    return str(made)


def completions() -> dict[Path, str]:
    """Return what each shell sources, by the files they belong into."""
    found = {}
    for shell in SHELLS:
        completion = get_completion_class(shell)
        assert completion is not None
        source = (
            completion.source_template
            % completion(main, {}, "ec2bridge", "_EC2BRIDGE_COMPLETE").source_vars()
        )
        found[DEPLOY / "completion" / f"ec2bridge.{shell}"] = source.strip() + "\n"
    return found


def write() -> None:
    """Write all of them; remove pages of commands that there are no more."""
    made = {**pages(), **completions()}
    for path in (DEPLOY / "man").glob("*.1"):
        if path not in made:
            path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
