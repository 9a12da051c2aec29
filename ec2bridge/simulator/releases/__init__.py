"""Which commands, parameters and fields of answers each release of CloudStack has.

`facts.tsv` says what not every release has: the first and the last release that has it, and those between that lack
it. `tools/cloudstack_releases.py` reads it from CloudStack's public source, of the releases named there: a field that
stands in it is one that the release declares, filled or not; a `default` is what a boolean not given stands for;
`roles` are the kinds of roles that may call a command from the start (of ours none has changed). `texts.tsv` has error
texts that were worded otherwise before a release, found by looking the newest texts up in the older sources.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

Version = tuple[int, ...]

NEWEST = "4.23.0.0-SNAPSHOT"
# The last of each line, as people run it.
NAMED = {
    "4.18": "4.18.2.5",
    "4.19": "4.19.3.0",
    "4.20": "4.20.3.0",
    "4.21": "4.21.0.0",
    "4.22": "4.22.1.0",
    "4.23": NEWEST,
}


def version_of(text: str) -> Version:
    """`4.18.2.5` → (4, 18, 2, 5); what is left out counts as 0."""
    parts = [int(part) for part in text.removesuffix("-SNAPSHOT").split(".") if part.isdigit()]
    return (*parts, 0, 0, 0, 0)[:4]


@dataclass(frozen=True)
class Life:
    """The releases that have a thing."""

    first: Version
    last: Version | None
    missing: frozenset[Version]

    def has(self, version: Version) -> bool:
        return (
            self.first <= version
            and (self.last is None or version <= self.last)
            and version not in self.missing
        )


def _table(name: str) -> Iterator[dict[str, str]]:
    text = resources.files("ec2bridge.simulator.releases").joinpath(name).read_text("utf-8")
    return csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)


def _life(row: dict[str, str]) -> Life:
    last = row.get("last")
    missing = frozenset(version_of(each) for each in row["missing between"].split())
    return Life(version_of(row["first"]), version_of(last) if last else None, missing)


@lru_cache(maxsize=1)
def rewordings() -> list[tuple[Life, re.Pattern[str], str]]:
    """The releases that have a text as it is in the newest, the text, and how it was put before."""
    return [(_life(row), re.compile(row["text"]), row["before"]) for row in _table("texts.tsv")]


def worded(text: str, version: Version) -> str:
    """An error text of the newest release in the words of another."""
    for life, newest, before in rewordings():
        if not life.has(version):
            text = newest.sub(before, text)
    return text


@lru_cache(maxsize=1)
def _facts() -> dict[tuple[str, str], dict[str, Life]]:
    """By command and kind, the lives of what is not everywhere."""
    facts: defaultdict[tuple[str, str], dict[str, Life]] = defaultdict(dict)
    for row in _table("facts.tsv"):
        for command in row["commands"].split():
            facts[command, row["kind"]][row["name"]] = _life(row)
    return facts


# What no declaration tells. The texts of a refused command name the user in these releases, the account in others.
NAMES_THE_USER = Life((4, 20, 3, 0), (4, 22, 1, 0), frozenset())
ALWAYS = Life((0,), None, frozenset())


def has_command(command: str, version: Version) -> bool:
    return _facts().get((command, "command"), {}).get("", ALWAYS).has(version)


def has_parameter(command: str, name: str, version: Version) -> bool:
    return _facts().get((command, "parameter"), {}).get(name, ALWAYS).has(version)


def requires(command: str, name: str, version: Version, newest: bool) -> bool:
    """Whether a parameter is required; `newest` is what the newest release says."""
    life = _facts().get((command, "required"), {}).get(name)
    return newest if life is None else life.has(version)


def default(command: str, name: str, version: Version, newest: bool) -> bool:
    """What a boolean stands for that is not given; `newest` is what it does in the newest release."""
    lives = _facts().get((command, "default"), {})
    told = (life.has(version) for life in [lives.get(f"{name}={str(not newest).lower()}")] if life)
    return newest ^ any(told)


def is_job(command: str, version: Version) -> bool:
    """Whether a command that the newest release works off in a job is one here, too."""
    return _facts().get((command, "job"), {}).get("", ALWAYS).has(version)


def untold(command: str, version: Version) -> Iterator[str]:
    """The fields that this release does not tell; those of a row inside a row as `nic.publicip`."""
    return (name for name, life in _facts().get((command, "field"), {}).items() if not life.has(version))


def since(command: str, parameter: str = "") -> str:
    """The first release that has the command, or the parameter: `4.20`, `4.20.2`; "" where all have it."""
    kind = "parameter" if parameter else "command"
    life = _facts().get((command, kind), {}).get(parameter)
    return (
        ""
        if life is None
        else ".".join(str(part) for part in life.first).removesuffix(".0").removesuffix(".0")
    )
