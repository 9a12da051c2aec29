"""The commands of CloudStack 4.23 with their parameters, as its own `listApis` reported them.

`apis.json` holds one command a line: `params` maps a name to its type (`!` marks a required one), or to type and
the release it came with; `response` names the fields of the answer; `user` marks what the User role may call;
`envelope` stands where the answer's envelope is not `<command>response`; `class` is the `cmd` of its jobs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

FULL_VERSION = (4, 23)


@dataclass(frozen=True)
class Param:
    name: str
    type: str
    required: bool
    since: str


@dataclass(frozen=True)
class Api:
    name: str
    asynchronous: bool
    user: bool
    since: str
    envelope: str
    job_class: str
    params: dict[str, Param]
    response: tuple[str, ...]

    @property
    def actual_name(self) -> str:
        """The name that error texts use: the envelope without its ending."""
        return self.envelope.removesuffix("response")


@lru_cache(maxsize=1)
def _raw() -> dict[str, dict[str, Any]]:
    text = resources.files("ec2bridge.simulator").joinpath("apis.json").read_text("utf-8")
    return {name.lower(): {"name": name, **entry} for name, entry in json.loads(text).items()}


def _param(name: str, entry: str | list[str]) -> Param:
    kind, since = (entry, "") if isinstance(entry, str) else entry
    return Param(name, kind.rstrip("!"), kind.endswith("!"), since)


def version_of(text: str) -> tuple[int, ...]:
    """`4.18.0.0` → (4, 18): releases are compared by their first two numbers."""
    parts = text.replace("-SNAPSHOT", "").split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


@lru_cache(maxsize=4096)
def find(command: str, version: tuple[int, ...] = FULL_VERSION) -> Api | None:
    """The command in any case of its name, as the given release has it; None where there is no such command."""
    entry = _raw().get(command.lower())
    if entry is None or version_of(entry.get("since", "")) > version:
        return None
    name = entry["name"]
    params = {key: _param(key, value) for key, value in entry["params"].items()}
    return Api(
        name=name,
        asynchronous=entry.get("async", False),
        user=entry.get("user", False),
        since=entry.get("since", ""),
        envelope=entry.get("envelope", f"{name.lower()}response"),
        job_class=entry.get("class", f"org.apache.cloudstack.api.command.{name[0].upper()}{name[1:]}Cmd"),
        params={key: param for key, param in params.items() if version_of(param.since) <= version},
        response=tuple(entry["response"].split()),
    )


def names() -> list[str]:
    return [entry["name"] for entry in _raw().values()]
