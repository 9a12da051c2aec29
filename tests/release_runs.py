"""Which EC2 action works on which release of CloudStack: seen in runs of the suite, and shown in `docs/releases.md`.

`make release-table` runs what drives the bridge on each release with `--record=DIR`, tests of what that release lacks
too, and then `python -m tests.release_runs DIR` puts together what clients got into `release_runs.json`.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ec2bridge.coverage import SERVED, rows
from ec2bridge.ec2.releases import NEEDS as NEEDED
from ec2bridge.ec2.releases import short

HERE = Path(__file__).parent
RUNS = HERE / "release_runs.json"
PAGE = HERE.parent / "docs" / "releases.md"
NEEDS = " needs CloudStack"
WORKS, REFUSED, UNUSED = "works", "refused", "—"

FEWEST = 100
"""Tests of a release that was run whole; some tests ask for other releases themselves."""

HEAD = """# What works on which CloudStack

CloudStack 4.18 and later are supported. This page is made from runs of the suite against the embedded CloudStack as
each release (`make release-table`), whose commands, parameters, fields and texts are read from CloudStack's source and
held against recordings of a real 4.20.3 and a real 4.23. Tests that drove the bridge on each and held: {tests}.

- *works*: clients got what they asked for, in tests that hold the answers
- *in part*: so, but for what is named, which is refused
- *refused*: answered with `UnsupportedOperation`, whose sentence names the release that it needs
- *—*: there is nothing on that release that it could be used on
"""
TAIL = """
## What needs a younger release

CloudStack ignores a parameter that it does not know, so each of these is looked up in the caller's own `listApis`
first (name servers, which nothing there announces, by the release), and refused where it is missing: "A spot instance
needs CloudStack 4.21; this is 4.18.2."

{needs}

## What else differs

- Before 4.23 a user has one key pair, found with `getUser` and `getUserKeys`, and the look-up account reads every
  user's, of whatever rights, an administrator's too (seen on a 4.20.3). From 4.23 on a key whose owner may do more than
  the look-up account is refused, as `AuthFailure`.
- Before 4.19.1 CloudStack does not tell whether a volume is encrypted: its offering does.
- Before 4.19 a machine's public address is told without its NIC: the bridge reads the addresses as well.
- Before 4.20 images have no architecture but x86's, and before 4.21 only an offering's details tell of its GPU.
- Refusals are worded otherwise from release to release, and have the same EC2 code on all.
"""


class Recorder:
    """A pytest plugin: what boto3's calls came to, by the release that each bridge stood before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[str, str, str]] = []
        """Release, action and error message ("" for success) of the test that runs."""
        self.seen: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.passed: defaultdict[str, int] = defaultdict(int)

    def watch(self, client: Any, release: str) -> None:
        """Note what a client's calls come to."""

        def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
            self.calls.append((release, model.name, parsed.get("Error", {}).get("Message", "")))

        client.meta.events.register("after-call", note)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when != "call" or not self.calls:
            return
        for release, action, message in self.calls:
            if NEEDS in message:
                self.seen[release][action].add(message.partition(NEEDS)[0])
            elif not message and report.passed:
                self.seen[release][action].add(WORKS)
        for release in {release for release, _, _ in self.calls} if report.passed else ():
            self.passed[release] += 1
        self.calls.clear()

    def pytest_sessionfinish(self, session: Any) -> None:
        if not self.seen:
            return
        worker = getattr(session.config, "workerinput", {}).get("workerid", "alone")
        seen = {release: {a: sorted(s) for a, s in found.items()} for release, found in self.seen.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{worker}-{len(list(self.folder.iterdir()))}.json"
        file.write_text(json.dumps({"seen": seen, "passed": self.passed}), encoding="utf-8")


def together(folder: Path) -> dict[str, Any]:
    """What all workers of all runs saw: by release, how many tests passed, and what each action came to."""
    passed: defaultdict[str, int] = defaultdict(int)
    seen: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in sorted(folder.glob("*.json")):
        part = json.loads(file.read_text(encoding="utf-8"))
        for release, number in part["passed"].items():
            passed[release] += number
        for release, found in part["seen"].items():
            for action, outcomes in found.items():
                seen[release][action] |= set(outcomes)
    return {
        release: {
            "tests": passed[release],
            "actions": {name: _outcome(seen[release][name]) for name in sorted(seen[release])},
        }
        for release in sorted(passed)
        if passed[release] >= FEWEST
    }


def _outcome(found: set[str]) -> str:
    lacking = sorted(found - {WORKS})
    if WORKS not in found:
        return REFUSED
    return f"in part: not {', '.join(text[:1].lower() + text[1:] for text in lacking)}" if lacking else WORKS


def page(runs: dict[str, Any]) -> str:
    """The page of the documentation."""
    columns = list(runs)
    table, same = [], []
    for row in rows():
        if row.effect not in SERVED or row.service != "ec2":
            continue
        cells = [runs[release]["actions"].get(row.action, UNUSED) for release in columns]
        if set(cells) == {WORKS}:
            same.append(f"`{row.action}`")
        elif set(cells) != {UNUSED}:
            table.append((row.action, cells))
    tests = ", ".join(f"{runs[release]['tests']} on {release}" for release in columns)
    rest = f"**Works on all of them**: {', '.join(same)}"
    needs = "\n".join(_needs())
    return "\n".join((HEAD.format(tests=tests), *_table(columns, table), "", rest, TAIL.format(needs=needs)))


def _needs() -> Iterator[str]:
    yield "| | from | in |"
    yield "| --- | --- | --- |"
    for need in NEEDED:
        parts = [
            f"`{action}`" + "".join(f" `{m}`" for m in members) for action, members in need.actions.items()
        ]
        yield f"| {need.what} | {need.since} | {', '.join(parts)} |"


def _table(releases: list[str], table: list[tuple[str, list[str]]]) -> Iterator[str]:
    yield f"| action | {' | '.join(releases)} |"
    yield f"| --- |{' --- |' * len(releases)}"
    for action, cells in table:
        yield f"| `{action}` | {' | '.join(cells)} |"


def line(version: str) -> str:
    """The line of a release: `4.18.2.5` → 4.18."""
    return ".".join(short(version).split(".")[:2])


def write() -> None:
    """Write the page of what the runs on record came to."""
    PAGE.write_text(page(json.loads(RUNS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    RUNS.write_text(json.dumps(together(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")
    write()
