"""The scoreboard as Markdown: of a report, and as docs/compatibility.md."""

import re
from collections.abc import Sequence

from tests.compat.rows import ADVICE, COLUMNS, TABLES, Row, grouped, legend, summary

MARKS = {"passed": "✔", "failed": "✘", "absent": "absent", "": ""}

INTRODUCTION = """# Which clients work

Each client was installed from its real package and driven, unpatched, over HTTP against the bridge in front of the
embedded CloudStack; but two are stand-ins, for Jenkins and its plug-in are in no registry that the suite reaches:
`jenkins-ec2` plays the plug-in's calls in its order, with the SDK that it uses, and `jenkinsfile` runs the repository's
Jenkinsfile by a runner in Groovy. ✔ it held, ✘ it did not (the reason stands below), *absent*
the client was not installed; an empty cell is no part of that client's story. A client's name leads to its page with
what to type. Written by `make compat ARGS='--install --docs'`.
"""


def page(rows: Sequence[Row]) -> str:
    """Return docs/compatibility.md."""
    return f"{INTRODUCTION}\n{render(rows, 'clients/')}"


def render(rows: Sequence[Row], pages: str = "") -> str:
    """Return the board; `pages` is where the clients' pages are, for links to them."""
    parts = [f"**{summary(rows)}**"]
    for heading, entries in grouped(rows).items():
        table = _table if entries[0].group in TABLES else _stories
        parts += [f"## {heading}", table(entries, pages)]
    parts += _red(rows) + _absent(rows)
    parts += ["## What was tried", "\n".join(f"- **{name}**: {told}" for name, told in legend(rows).items())]
    return "\n\n".join(parts) + "\n"


def _who(row: Row, pages: str) -> list[str]:
    name = f"[{row.client}]({pages}{row.page})" if row.page and pages else row.client
    return [name, row.version, "" if row.state == "absent" else str(row.seconds)]


def _marked(marks: dict[str, str]) -> str:
    return ", ".join(f"{name} {MARKS[mark]}" for name, mark in marks.items())


def _table(rows: Sequence[Row], pages: str) -> str:
    shown = [name for name in COLUMNS if any(name in row.capabilities for row in rows)]
    also = any(row.more for row in rows)
    head = ["client", "version", "seconds", *shown, *(["also"] if also else [])]
    lines = [head, ["---:" if name == "seconds" else "---" for name in head]]
    for row in rows:
        cells = [MARKS[row.capabilities.get(name, "")] for name in shown]
        more = [_marked(row.more)] if also else []
        lines.append([*_who(row, pages), *cells, *more])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _stories(rows: Sequence[Row], pages: str) -> str:
    lines = ["| what | version | seconds | what it played |", "| --- | --- | ---: | --- |"]
    lines += [f"| {' | '.join([*_who(row, pages), _marked(row.more)])} |" for row in rows]
    return "\n".join(lines)


def _red(rows: Sequence[Row]) -> list[str]:
    lines = [f"- **{row.client}: {name}**: {why}" for row in rows for name, why in row.reasons.items()]
    return ["## What does not hold", "\n".join(lines), f"What to do: {ADVICE}"] if lines else []


def _absent(rows: Sequence[Row]) -> list[str]:
    lines = [f"- {row.client}: `{row.install}`" for row in rows if row.state == "absent"]
    return ["## Absent, and how they are installed", "\n".join(lines)] if lines else []


def versions(text: str) -> dict[str, str]:
    """Return client → version from the tables of docs/compatibility.md."""
    return dict(re.findall(r"^\| \[([^\]]+)\]\([^)]*\) \| ([^|]+?) \|", text, re.MULTILINE))
