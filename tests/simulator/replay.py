"""The recorded calls, and how an answer is held against the recorded one.

Ids differ from run to run, so they are paired as they appear: the recorded answer and the simulator's are walked side
by side. What a clock or a statistics collector decides is left out; everything else counts, extra fields too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ec2bridge.simulator.machines import STATS
from ec2bridge.simulator.seed import AccountSeed, Seed, load_facts

RECORDINGS = Path(__file__).parent.parent / "recordings"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBER = re.compile(r"(?<![\w.\-])\d+(?![\w.])|(?<=i-3-)\d+")
# Values that a collector adds some time after the machine has started.
COLLECTED = frozenset(STATS)
# Maps whose keys are data, not fields of an answer.
FREE_FORM = frozenset({"details"})


def calls() -> list[dict[str, Any]]:
    """Every recorded call in the order of `seq`."""
    lines = (line for path in RECORDINGS.glob("*.jsonl") for line in path.read_text("utf-8").splitlines())
    return sorted((json.loads(line) for line in lines), key=lambda call: call["seq"])


def inner(body: Any) -> Any:
    return next(iter(body.values()))


def recorded_seed(recorded: list[dict[str, Any]]) -> Seed:
    """The cloud as it stood before the first recorded call, with its accounts and the ids that calls name."""
    by_seq = {call["seq"]: call for call in recorded}
    users = {row["username"]: row for row in inner(by_seq[71]["body"])["user"]}
    keys = {call["as"]: call["request"]["apiKey"] for call in recorded if "apiKey" in call["request"]}
    roles = {
        "admin": "Root Admin",
        "keylookup": "Key Look-up",
        "keylookup-too-narrow": "Key Look-up, too narrow",
    }
    accounts = []
    for name in ("admin", "alice", "bob", "keylookup", "keylookup-too-narrow"):
        user = users.get(name, {})
        accounts.append(
            AccountSeed(
                name,
                roles.get(name, "User"),
                api_key=keys.get(name, user.get("apikey", "")),
                account_id=user.get("accountid", ""),
                user_id=user.get("id", ""),
            )
        )
    return Seed(
        accounts=tuple(accounts),
        facts=load_facts(),
        extra_offerings=False,
        extra_images=False,
        rows={"networks": [_network(by_seq)]},
    )


def _network(by_seq: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """The isolated network that stood before."""
    rows = inner(by_seq[842]["body"])["network"]
    return dict(next(row for row in rows if row["name"] == "alice-iso"), _vlan=254)


class Pairs:
    """Recorded ids and the simulator's ids for the same things."""

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}

    def ours(self, text: str) -> str:
        return UUID.sub(lambda match: self._ours.get(match[0], match[0]), text)

    def learn(self, recorded: Any, answer: Any) -> None:
        if isinstance(recorded, dict) and isinstance(answer, dict):
            for key in recorded.keys() & answer.keys():
                self.learn(recorded[key], answer[key])
        elif isinstance(recorded, list) and isinstance(answer, list):
            for left, right in self.match(recorded, answer):
                self.learn(left, right)
        elif isinstance(recorded, str) and isinstance(answer, str):
            if UUID.fullmatch(recorded) and UUID.fullmatch(answer):
                self._ours.setdefault(recorded, answer)

    def match(self, recorded: list[Any], answer: list[Any]) -> list[tuple[Any, Any]]:
        """Rows of two lists that are the same thing: by id, else by name, else by place."""
        left = [row for row in recorded if isinstance(row, dict)]
        right = [row for row in answer if isinstance(row, dict)]
        pairs = []
        for row in list(left):
            same = next((other for other in right if self._same(row, other)), None)
            if same is not None:
                left.remove(row)
                right.remove(same)
                pairs.append((row, same))
        return pairs + list(zip(left, right, strict=False))

    def _same(self, row: dict[str, Any], other: dict[str, Any]) -> bool:
        if "id" in row and row["id"] in self._ours:
            same = self._ours[row["id"]] == other.get("id")
            return same and row.get("zoneid") == other.get("zoneid")
        if "id" in row and row.get("id") == other.get("id"):
            return bool(row.get("zoneid") == other.get("zoneid"))
        name = row.get("name")
        return name is not None and not UUID.search(str(name)) and name == other.get("name")


class Comparison:
    """What is different between a recorded answer and ours."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.found: list[str] = []

    def errors(self, recorded: dict[str, Any], answer: dict[str, Any]) -> None:
        for key in ("errorcode", "cserrorcode"):
            if recorded.get(key) != answer.get(key):
                self.found.append(f"{key}: {answer.get(key)} for {recorded.get(key)}")
        theirs, ours = (
            self._plain(self.pairs.ours(recorded["errortext"])),
            self._plain(answer.get("errortext", "")),
        )
        if theirs != ours:
            self.found.append(f"errortext: {answer.get('errortext')!r} for {recorded['errortext']!r}")

    @staticmethod
    def _plain(text: str) -> str:
        return NUMBER.sub("#", UUID.sub(lambda match: match[0], text))

    def fields(self, recorded: Any, answer: Any, where: str = "") -> None:
        """Field names all the way down."""
        if isinstance(recorded, dict) and isinstance(answer, dict):
            self._names(recorded, answer, where)
            for key in recorded.keys() & answer.keys():
                if key not in FREE_FORM:
                    self.fields(recorded[key], answer[key], f"{where}.{key}")
        elif isinstance(recorded, list) and isinstance(answer, list):
            if bool(recorded) != bool(answer):
                self.found.append(f"{where}: {len(answer)} rows for {len(recorded)}")
            for left, right in self.pairs.match(recorded, answer):
                self.fields(left, right, f"{where}[]")
        elif type(recorded) is not type(answer) and {type(recorded), type(answer)} != {int, float}:
            self.found.append(f"{where}: {answer!r} for {recorded!r}")

    def _names(self, recorded: dict[str, Any], answer: dict[str, Any], where: str) -> None:
        missing = recorded.keys() - answer.keys() - COLLECTED
        extra = answer.keys() - recorded.keys() - COLLECTED
        if missing:
            self.found.append(f"{where}: without {', '.join(sorted(missing))}")
        if extra:
            self.found.append(f"{where}: with {', '.join(sorted(extra))}")
