"""`make faults`: run every cell, hold the failing ones against the list of known ones, and write docs/faults.md."""

import argparse
import json
import sys
from collections.abc import Iterable
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
    parser.add_argument("--keep", type=Path, help="write every outcome to this file, as JSON lines")
    options = parser.parse_args(arguments)
    wanted = [name for name in scenarios.load() if not options.names or name.startswith(tuple(options.names))]
    played: list[Played] = []
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=8) as pool:
        for one in pool.imap(cells.play_by_name, wanted):
            played.append(one)
            failing = [outcome for outcome in one[1] if outcome.fault]
            print(f"{one[0]}: {len(one[1])} cells, {len(failing)} failing, {one[2]:.0f} s", flush=True)
            for outcome in failing if options.names else ():
                print(f"  {outcome.cell}: {outcome.told} / {outcome.end}\n    {outcome.fault[:600]}")
    if options.keep:
        _keep(options.keep, played)
    return _conclude(played, options.accept, whole=not options.names)


def _keep(file: Path, played: Iterable[Played]) -> None:
    lines = [json.dumps(asdict(outcome)) for _, outcomes, _ in played for outcome in outcomes]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


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


def read(file: Path) -> list[Outcome]:
    """Return the outcomes that `--keep` wrote."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        found.append(Outcome(Cell(**entry.pop("cell")), **entry))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
