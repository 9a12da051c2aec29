"""The commands of a CloudStack with their parameters, as the `listApis` of 4.23 reported them, less what came later.

`apis.json` holds one command a line: `params` maps a name to its type (`!` marks a required one), or to type and
the release it came with; `response` names the fields of the answer; `user` marks what the User role may call;
`envelope` stands where the answer's envelope is not `<command>response`; `class` is the `cmd` of its jobs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from ec2bridge.simulator import releases
from ec2bridge.simulator.releases import NEWEST, Version, version_of

FULL_VERSION = version_of(NEWEST)
Row = dict[str, Any]


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
    untold: frozenset[str]
    """Fields of the answer that this release does not tell: `leaseduration`, `nic.publicip`."""

    @property
    def actual_name(self) -> str:
        """The name that error texts use: the envelope without its ending."""
        return self.envelope.removesuffix("response")


@lru_cache(maxsize=1)
def _raw() -> dict[str, dict[str, Any]]:
    text = resources.files("ec2bridge.simulator").joinpath("apis.json").read_text("utf-8")
    return {name.lower(): {"name": name, **entry} for name, entry in json.loads(text).items()}


def _params(
    command: str, entries: dict[str, str | list[str]], version: Version
) -> Iterator[tuple[str, Param]]:
    """The parameters that a release has."""
    for name, entry in entries.items():
        kind, since = (entry, "") if isinstance(entry, str) else entry
        if releases.has_parameter(command, name, version):
            required = releases.requires(command, name, version, kind.endswith("!"))
            yield name, Param(name, kind.rstrip("!"), required, since)


@lru_cache(maxsize=4096)
def find(command: str, version: Version = FULL_VERSION) -> Api | None:
    """The command in any case of its name, as the given release has it; None where there is no such command."""
    entry = _raw().get(command.lower())
    if entry is None or version_of(entry.get("since", "")) > version:
        return None
    name = entry["name"]
    if not releases.has_command(name, version):
        return None
    untold = frozenset(releases.untold(name, version))
    return Api(
        name=name,
        asynchronous=entry.get("async", False) and releases.is_job(name, version),
        user=entry.get("user", False),
        since=entry.get("since", ""),
        envelope=entry.get("envelope", f"{name.lower()}response"),
        job_class=entry.get("class", f"org.apache.cloudstack.api.command.{name[0].upper()}{name[1:]}Cmd"),
        params=dict(_params(name, entry["params"], version)),
        response=tuple(field for field in entry["response"].split() if field not in untold),
        untold=untold,
    )


def tell(api: Api, answer: Row) -> Row:
    """The answer without what this release does not tell of it."""
    if not api.untold:
        return answer
    flat = api.name == "queryAsyncJobResult"
    return (
        _without(answer, api.untold)
        if flat
        else {key: _rows(value, api.untold) for key, value in answer.items()}
    )


def _rows(value: Any, untold: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_rows(row, untold) for row in value]
    return _without(value, untold) if isinstance(value, dict) else value


def _without(row: Row, untold: frozenset[str]) -> Row:
    """Without the fields named, nor inside the rows that fields hold."""
    told = {key: value for key, value in row.items() if key not in untold}
    for key in {name.partition(".")[0] for name in untold if "." in name} & told.keys():
        inside = frozenset(name.partition(".")[2] for name in untold if name.startswith(f"{key}."))
        told[key] = _rows(told[key], inside)
    return told


def names() -> list[str]:
    return [entry["name"] for entry in _raw().values()]
