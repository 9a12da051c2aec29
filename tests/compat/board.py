"""The scoreboard: client × capability, as Markdown, HTML and JSON."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from tests.compat.lab import ROOT, Client, Outcome
from tests.compat.registry import CLIENTS

MARKS = {"passed": "✔", "failed": "✘", "absent": "absent", "": ""}
COLOURS = {"passed": "#d7f5dd", "failed": "#f9d6d5", "absent": "#eeeeee", "": "#ffffff"}


def verdicts(outcomes: Mapping[str, Outcome], absent: Sequence[Client]) -> list[dict[str, object]]:
    """Return one row a client: its version, time, and capability → passed, failed or absent."""
    rows = []
    for client in CLIENTS:
        outcome = outcomes.get(client.name)
        if outcome:
            marks = {name: "passed" if why is None else "failed" for name, why in outcome.results.items()}
            reasons = {name: why for name, why in outcome.results.items() if why is not None}
            version, seconds = outcome.version, round(outcome.seconds)
        elif client in absent:
            marks, reasons = dict.fromkeys(client.covers, "absent"), {}
            version, seconds = "absent", 0
        else:
            continue
        rows.append(
            {
                "client": client.name,
                "language": client.language,
                "version": version,
                "seconds": seconds,
                "capabilities": marks,
                "reasons": reasons,
                "install": client.install,
            }
        )
    return rows


def columns(rows: Sequence[dict[str, object]]) -> list[str]:
    """Return every capability, in the order in which the clients name them."""
    return list(dict.fromkeys(name for row in rows for name in _marks(row)))


def _marks(row: dict[str, object]) -> dict[str, str]:
    marks = row["capabilities"]
    assert isinstance(marks, dict)
    return marks


def markdown(rows: Sequence[dict[str, object]]) -> str:
    """Return the board as Markdown, red lines with their reasons below it."""
    names = columns(rows)
    lines = [
        f"| client | version | seconds | {' | '.join(names)} |",
        f"| --- | --- | ---: | {' | '.join('---' for _ in names)} |",
    ]
    for row in rows:
        cells = " | ".join(MARKS[_marks(row).get(name, "")] for name in names)
        lines.append(f"| {row['client']} | {row['version']} | {row['seconds']} | {cells} |")
    for row in rows:
        reasons = row["reasons"]
        assert isinstance(reasons, dict)
        lines += [f"\n**{row['client']}: {name}**: {why}" for name, why in reasons.items()]
    absent = [f"- {row['client']}: `{row['install']}`" for row in rows if row["version"] == "absent"]
    return (
        "\n".join(lines + (["", "Absent, and how they are installed:", "", *absent] if absent else [])) + "\n"
    )


def html(rows: Sequence[dict[str, object]]) -> str:
    """Return the board as a page of its own."""
    names = columns(rows)
    head = "".join(f"<th><span>{escape(name)}</span></th>" for name in names)
    body = []
    for row in rows:
        cells = "".join(
            f'<td style="background:{COLOURS[mark]}">{MARKS[mark]}</td>'
            for mark in (_marks(row).get(name, "") for name in names)
        )
        body.append(
            f"<tr><th>{escape(str(row['client']))}</th><td>{escape(str(row['version']))}</td>{cells}</tr>"
        )
    return (
        "<!doctype html><meta charset=utf-8><title>ec2bridge: compatibility</title><style>"
        "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #ccc;padding:.3em .5em;text-align:center}tr>th:first-child{text-align:left}"
        "thead span{writing-mode:vertical-rl}</style><h1>ec2bridge: client compatibility</h1>"
        f"<table><thead><tr><th>client</th><th>version</th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>\n"
    )


def write(directory: Path, outcomes: Mapping[str, Outcome], absent: Sequence[Client]) -> None:
    """Write board.json, board.md and board.html, and each client's output."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = verdicts(outcomes, absent)
    (directory / "board.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    (directory / "board.md").write_text(markdown(rows), encoding="utf-8")
    (directory / "board.html").write_text(html(rows), encoding="utf-8")
    for name, outcome in outcomes.items():
        (directory / f"{name}.log").write_text(outcome.output, encoding="utf-8")


PAGE = ROOT / "docs" / "compatibility.md"
INTRODUCTION = """# Which clients work

Each client was installed from its real package and driven, unpatched, over HTTP against the bridge in front of the
embedded CloudStack. ✔ the story held, ✘ it did not (the reason stands below), *absent* the client was not installed; an
empty cell is no part of that client's story. Written by `make compat ARGS='--install --docs'`; how to set each client
up is told in [clients/](clients/).

"""


def write_page(report: Path) -> None:
    """Write docs/compatibility.md from the scoreboard of a report."""
    rows = json.loads((report / "board.json").read_text(encoding="utf-8"))
    PAGE.write_text(INTRODUCTION + markdown(rows), encoding="utf-8")


def versions_on_page() -> dict[str, str]:
    """Return client → version as docs/compatibility.md has them."""
    rows = [
        line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    return {cells[1].strip(): cells[2].strip() for cells in rows[2:]}
