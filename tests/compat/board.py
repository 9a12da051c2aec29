"""The scoreboard: written as JSON, Markdown and HTML into a report, and as a page of the documentation."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from tests.compat import board_html, board_markdown
from tests.compat.lab import ROOT, Client, Outcome
from tests.compat.rows import Row, rows

PAGE = ROOT / "docs" / "compatibility.md"


def write(directory: Path, outcomes: Mapping[str, Outcome], absent: Sequence[Client], where: str) -> None:
    """Write board.json, board.md and board.html, each client's output and pages; `where` names the endpoint."""
    directory.mkdir(parents=True, exist_ok=True)
    found = rows(outcomes, absent)
    files = {
        "board.json": json.dumps([asdict(entry) for entry in found], indent=2),
        "board.md": board_markdown.render(found),
        "board.html": board_html.render(found, where, date.today()),
        board_html.STYLE.name: board_html.STYLE.read_text(encoding="utf-8"),
        **{f"{name}.log": outcome.output for name, outcome in outcomes.items()},
    }
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "clients", directory / "clients", dirs_exist_ok=True)


def write_page(report: Path) -> None:
    """Write docs/compatibility.md from the scoreboard of a report."""
    found = [Row(**entry) for entry in json.loads((report / "board.json").read_text(encoding="utf-8"))]
    PAGE.write_text(board_markdown.page(found), encoding="utf-8")


def versions_on_page() -> dict[str, str]:
    """Return client → version as docs/compatibility.md has them."""
    return board_markdown.versions(PAGE.read_text(encoding="utf-8"))
