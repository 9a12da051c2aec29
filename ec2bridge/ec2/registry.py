"""The table of actions: what each one serves, honours, ignores and asks of CloudStack.

EC2 clients send parameters that CloudStack has no place for. Dropping one in silence would be a lie, so an action
declares the members it honours and those that do no harm; everything else a client sends is refused by name
(`check_members`). The coverage table of the documentation is generated from these declarations.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from ec2bridge.ec2 import refused_members
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error

Request = dict[str, Any]
"""The members of a request, as botocore's model names them."""
Answer = dict[str, Any]
"""The members of an answer."""
Handler = Callable[[Context, Request], Awaitable[Any]]

# Handled for every action in one place: see `ec2/describe.py` and `resources/tags`.
CENTRAL = frozenset({"DryRun", "Filters", "Filter", "NextToken", "MaxResults"})

SPELT_OUT: Mapping[str, tuple[Any, ...]] = {
    "SpotOptions.InstanceInterruptionBehavior": ("terminate",),
    "SpotOptions.SingleInstanceType": (False,),
    "SpotOptions.SingleAvailabilityZone": (False,),
    "OnDemandOptions.SingleInstanceType": (False,),
    "OnDemandOptions.SingleAvailabilityZone": (False,),
    "ConnectionTrackingSpecification.TcpEstablishedTimeout": (350, 432000),
    "ConnectionTrackingSpecification.UdpStreamTimeout": (180,),
    "ConnectionTrackingSpecification.UdpTimeout": (30,),
    "EnaSrdSpecification.EnaSrdEnabled": (False,),
    "EnaSrdUdpSpecification.EnaSrdUdpEnabled": (False,),
    "EnablePrimaryIpv6": (False,),
    "LocalTarget": (False,),
}
"""What clients send who spell AWS's own defaults out, by the end of a member's path, whatever the action.

A connection's time is another for each kind of machine: both of AWS's are here.
"""


@dataclass(frozen=True, slots=True)
class Action:
    """One EC2 (or STS) action as this bridge serves it.

    `honours` and `ignores` name members by dotted path without list indices ("Placement.AvailabilityZone"); a path
    covers all that lies below it. `ignores` gives the reason. `defaults` lists values that ask for nothing beyond
    what AWS does by default, and are accepted although the member is not honoured. `native` are the CloudStack
    commands that a plain call needs (checked on DryRun).
    """

    name: str
    handler: Handler
    service: str = "ec2"
    honours: frozenset[str] = frozenset()
    ignores: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    native: tuple[str, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    effect: str = "served"


_actions: dict[tuple[str, str], Action] = {}


def action(
    name: str,
    *,
    service: str = "ec2",
    honours: tuple[str, ...] = (),
    ignores: Mapping[str, str] | None = None,
    defaults: Mapping[str, tuple[Any, ...]] | None = None,
    native: tuple[str, ...] = (),
) -> Callable[[Handler], Handler]:
    """Register the decorated coroutine function as the handler of EC2 action `name`."""

    def register(handler: Handler) -> Handler:
        add(
            Action(
                name,
                handler,
                service=service,
                honours=frozenset(honours),
                ignores=ignores or {},
                defaults=defaults or {},
                native=native,
            )
        )
        return handler

    return register


def add(entry: Action) -> None:
    """Put an action into the table; two of one name are a programming error."""
    key = (entry.service, entry.name)
    if key in _actions:
        raise ValueError(f"two handlers for {entry.name}")
    _actions[key] = entry


def find(name: str, service: str = "ec2") -> Action | None:
    """Return the action of that exact name, or None when it is not served."""
    return _actions.get((service, name))


def served() -> list[Action]:
    """Return every registered action, by name."""
    return sorted(_actions.values(), key=lambda entry: entry.name)


def load(package: str = "ec2bridge.actions") -> None:
    """Import every module of the actions' package, so that the table is whole."""
    for module in walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)


def check_members(entry: Action, request: Request, *, lenient: Callable[[str], None] | None = None) -> None:
    """Refuse the first sent member that the action neither honours nor ignores, and say why.

    An empty value, or one that AWS would assume anyway, asks for nothing and is accepted. With `lenient` the member
    is reported to it instead of refused.
    """
    for path, value in _leaves(request):
        if not _is_covered(entry, path) and not _is_default(entry, path, value):
            if lenient is None:
                raise Ec2Error(
                    "UnsupportedOperation",
                    f"The parameter {path} with the value '{as_sent(value)}' is not supported by {entry.name}:"
                    f" {refused_members.reason(entry.name, path)}. A bridge with the setting lenient ignores it.",
                )
            lenient(path)


def refused(entry: Action, paths: Iterable[str]) -> dict[str, str]:
    """Return those of the scalar members of an action that it refuses, each with the reason."""
    return {path: refused_members.reason(entry.name, path) for path in paths if not _is_covered(entry, path)}


def as_sent(value: Any) -> str:
    """Return a value as the client wrote it, for a sentence that names it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    elif value not in (None, ""):
        yield path, value


def _is_covered(entry: Action, path: str) -> bool:
    while path:
        if path in entry.honours or path in entry.ignores or path in CENTRAL:
            return True
        path = path.rpartition(".")[0]
    return False


def _is_default(entry: Action, path: str, value: Any) -> bool:
    if value in entry.defaults.get(path, ()):
        return True
    return any(value in values and f".{path}".endswith(f".{end}") for end, values in SPELT_OUT.items())
