"""`make faults`: run every cell, hold the failing ones against the list of known ones, and write docs/faults.md."""

import argparse
import json
import sys
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from tests.faults import cells, known, page, scenarios
from tests.faults.cells import Cell, Outcome, Played


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="only scenarios that begin so; the page is not written then")
    parser.add_argument("--jobs", type=int, default=2, help="processes beside one another")
    parser.add_argument("--accept", action="store_true", help="write the failing cells down as known")
    parser.add_argument("--keep", type=Path, help="add every scenario to this file when it is played")
    parser.add_argument("--read", type=Path, help="run nothing: take what --keep wrote")
    options = parser.parse_args(arguments)
    if options.read:
        return _conclude(read(options.read), options.accept, whole=not options.names)
    wanted = [name for name in scenarios.load() if not options.names or name.startswith(tuple(options.names))]
    played: list[Played] = []
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=8) as pool:
        for one in pool.imap_unordered(cells.play_by_name, wanted):
            played.append(one)
            if options.keep:
                _keep(options.keep, one)
            failing = [outcome for outcome in one[1] if outcome.fault]
            far = f"{len(played)}/{len(wanted)}"
            print(f"{far} {one[0]}: {len(one[1])} cells, {len(failing)} failing, {one[2]:.0f} s", flush=True)
            for outcome in failing if options.names else ():
                print(f"  {outcome.cell}: {outcome.told} / {outcome.end}\n    {outcome.fault[:600]}")
    return _conclude(sorted(played, key=lambda one: one[0]), options.accept, whole=not options.names)


def _keep(file: Path, one: Played) -> None:
    """Add a scenario to the file as soon as it is played: a run may be cut short."""
    name, outcomes, seconds = one
    line = json.dumps({"name": name, "seconds": seconds, "outcomes": [asdict(one) for one in outcomes]})
    with file.open("a", encoding="utf-8") as kept:
        kept.write(line + "\n")


def _conclude(played: list[Played], accept: bool, whole: bool) -> int:
    failing = {str(outcome.cell) for _, outcomes, _ in played for outcome in outcomes if outcome.fault}
    expected = known.failing(name for name, _, _ in played)
    if whole:
        page.write(played)
    if accept:
        known.write(failing, (name for name, _, _ in played))
        return 0
    for line in sorted(failing - expected):
        print(f"fails, and was not known to: {line}")
    for line in sorted(expected - failing):
        print(f"holds, and was known to fail: {line}")
    return int(failing != expected)


def read(file: Path) -> list[Played]:
    """Return what `--keep` wrote, the last of each scenario."""
    found: dict[str, Played] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        outcomes = [Outcome(Cell(**one.pop("cell")), **one) for one in entry["outcomes"]]
        found[entry["name"]] = entry["name"], outcomes, entry["seconds"]
    return sorted(found.values(), key=lambda one: one[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
