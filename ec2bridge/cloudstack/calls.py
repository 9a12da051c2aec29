"""The native calls that a request became, for whoever wants to see them: the demo, metrics, tests."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ec2bridge.cloudstack.errors import CloudStackError

SECRETS = frozenset({"password", "userdata", "privatekey"})


@dataclass(frozen=True, slots=True)
class NativeCall:
    """One call to CloudStack as observers see it: never with keys or signature, secret values replaced."""

    command: str
    params: Mapping[str, str]
    seconds: float
    error: CloudStackError | None


Observer = Callable[[NativeCall], None]

collected: ContextVar[list[NativeCall] | None] = ContextVar("native_calls", default=None)


@contextmanager
def collect_calls() -> Iterator[list[NativeCall]]:
    """The native calls made inside the block, by this task and those that it starts."""
    calls: list[NativeCall] = []
    token = collected.set(calls)
    try:
        yield calls
    finally:
        collected.reset(token)
