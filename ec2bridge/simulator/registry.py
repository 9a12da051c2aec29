"""Which function answers which command: `@command("listZones")`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ec2bridge.simulator.call import Call

Answer = dict[str, Any]
Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Command:
    name: str
    handler: Handler
    tables: dict[str, str]


_COMMANDS: dict[str, Command] = {}


def command(name: str, **tables: str) -> Callable[[Handler], Handler]:
    """Register the handler of a command.

    `tables` says of which table the uuids in a parameter are, where the name alone does not tell:
    `@command("startVirtualMachine", id="machines")`. An `ids` parameter follows `id`.
    """

    def register(handler: Handler) -> Handler:
        if "id" in tables:
            tables.setdefault("ids", tables["id"])
        if name.lower() in _COMMANDS:
            raise ValueError(f"two handlers for {name}")
        _COMMANDS[name.lower()] = Command(name, handler, tables)
        return handler

    return register


@lru_cache(maxsize=1)
def commands() -> dict[str, Command]:
    """All commands by lower-cased name; imports every module of `ec2bridge.simulator.commands`."""
    package = importlib.import_module("ec2bridge.simulator.commands")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _COMMANDS
