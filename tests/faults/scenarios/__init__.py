"""One story for each action that changes something: what was there before, and what is asked for."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from ec2bridge.ec2 import registry
from tests.faults.lab import Lab

Request = dict[str, Any]
SetUp = Callable[[Lab], Awaitable[Request]]


@dataclass(frozen=True)
class Scenario:
    """An action, and the coroutine function that prepares the place and returns the request."""

    action: str
    title: str
    set_up: SetUp
    describe: str
    refused: str = ""
    """The code with which the action answers always: there is nothing for it to do on a CloudStack cloud."""
    stays: re.Pattern[str] = re.compile(r"(?!)")
    """Lines of what the account has for good from its first use on, as an account of AWS's has it from the start."""
    anywhere: bool = False
    """Whether an Elastic IP that serves nothing may lie in another network afterwards."""
    unnamed: bool = False
    """Whether what is gone counts as deleted: sent again, it succeeds, and cannot tell any more what that was."""

    @property
    def name(self) -> str:
        return f"{self.action} ({self.title})" if self.title else self.action


_scenarios: dict[str, Scenario] = {}


def scenario(
    action: str,
    title: str = "",
    *,
    describe: str = "DescribeInstances",
    refused: str = "",
    stays: str = "(?!)",
    anywhere: bool = False,
    unnamed: bool = False,
) -> Callable[[SetUp], SetUp]:
    """Tell the story of an action; `describe` is what the client asks for afterwards."""

    def register(set_up: SetUp) -> SetUp:
        told = Scenario(action, title, set_up, describe, refused, re.compile(stays), anywhere, unnamed)
        if told.name in _scenarios:
            raise ValueError(f"two scenarios called {told.name}")
        _scenarios[told.name] = told
        return set_up

    return register


def load() -> dict[str, Scenario]:
    """Return every scenario by name."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return dict(sorted(_scenarios.items()))


def changing_actions() -> list[str]:
    """The EC2 actions that are served and change something."""
    registry.load()
    return [
        entry.name
        for entry in registry.served()
        if entry.service == "ec2"
        and entry.effect == "served"
        and not entry.name.startswith(("Describe", "Get"))
    ]
