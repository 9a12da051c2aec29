"""The cells that are known to fail, in known.txt: neither one more nor one less may fail."""

from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).parent / "known.txt"
HEAD = "# Cells that do not hold yet: scenario · call · mode. `python -m tests.faults --accept` writes this file.\n"


def _lines() -> set[str]:
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def failing(scenarios: Iterable[str]) -> set[str]:
    """Return the known cells of these scenarios."""
    of = set(scenarios)
    return {line for line in _lines() if line.split(" · ")[0] in of}


def write(found: set[str], scenarios: Iterable[str]) -> None:
    """Write down what fails in these scenarios, and leave the others as they were."""
    of = set(scenarios)
    kept = {line for line in _lines() if line.split(" · ")[0] not in of}
    FILE.write_text(HEAD + "".join(f"{line}\n" for line in sorted(found | kept)), encoding="utf-8")
