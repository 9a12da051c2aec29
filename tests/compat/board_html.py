"""The scoreboard as a page: nothing but HTML, and a style sheet beside it, for Jenkins shows no style inside a page."""

from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path

from tests.compat.capabilities import CAPABILITIES
from tests.compat.rows import ADVICE, COLUMNS, TABLES, Row, counted, grouped, legend

STYLE = Path(__file__).with_name("board.css")
MARKS = {"passed": "✔", "failed": "✘", "absent": "–"}


def render(rows: Sequence[Row], where: str, day: date) -> str:
    """Return the page; `where` names the endpoint that the clients were led to."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>ec2bridge: which clients work</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="stylesheet" href="{STYLE.name}">',
        "<h1>Which clients work with ec2bridge</h1>",
        f'<p class="sub">Real packages, unpatched, over HTTP against {escape(where)}; {day:%d %B %Y}</p>',
        _counts(rows),
        _red(rows),
    ]
    for heading, entries in grouped(rows).items():
        table = _table if entries[0].group in TABLES else _stories
        parts.append(f'<h2>{escape(heading)}</h2><div class="scroll"><table>{table(entries)}</table></div>')
    return "\n".join([*parts, _absent(rows), _legend(rows), "</html>"]) + "\n"


def _counts(rows: Sequence[Row]) -> str:
    states = [row.state for row in rows]
    count = counted(rows)
    boxes = [
        ("", f"{states.count('passed')} of {len(rows)}", "clients hold in all they played"),
        ("passed", count["passed"], "capabilities passed"),
        ("failed" if count["failed"] else "", count["failed"], "failed"),
        ("", states.count("absent"), "clients absent"),
    ]
    lines = [f'<li class="{kind}"><b>{number}</b>{words}</li>' for kind, number, words in boxes]
    return f"<ul class=counts>{''.join(lines)}</ul>"


def _red(rows: Sequence[Row]) -> str:
    lines = [
        f'<li id="{_anchor(row, name)}"><b>{escape(row.client)} {escape(row.version)}: {escape(name)}</b>'
        f' {escape(why)}<p>What to do: {ADVICE} (<a href="{escape(row.client)}.log">log</a>)</p></li>'
        for row in rows
        for name, why in row.reasons.items()
    ]
    return f"<h2>What does not hold</h2><ul class=red>{''.join(lines)}</ul>" if lines else ""


def _anchor(row: Row, name: str) -> str:
    return escape(f"{row.client}-{name}")


def _table(rows: Sequence[Row]) -> str:
    shown = [name for name in COLUMNS if any(name in row.capabilities for row in rows)]
    head = "".join(f'<th title="{escape(CAPABILITIES[name])}">{escape(name)}</th>' for name in shown)
    also = any(row.more for row in rows)
    body = "".join(
        f"<tr>{_who(row)}{''.join(_cell(row, name) for name in shown)}{_story(row) if also else ''}</tr>"
        for row in rows
    )
    return (
        f"<thead><tr><th>client</th><th>version</th><th>time</th>{head}{'<th>also</th>' if also else ''}</tr>"
        f"</thead><tbody>{body}</tbody>"
    )


def _stories(rows: Sequence[Row]) -> str:
    body = "".join(f"<tr>{_who(row)}{_story(row)}</tr>" for row in rows)
    head = "<tr><th>what</th><th>version</th><th>time</th><th>what it played</th></tr>"
    return f"<thead>{head}</thead><tbody>{body}</tbody>"


def _who(row: Row) -> str:
    name = escape(row.client)
    log = "" if row.state == "absent" else f' · <a href="{name}.log">log</a>'
    page = f' · <a href="clients/{escape(row.page)}">page</a>' if row.page else ""
    return (
        f"<th>{name}<small>{escape(row.language)}{page}{log}</small></th>"
        f'<td class="version">{escape(row.version)}</td>'
        f'<td class="time">{"" if row.state == "absent" else f"{row.seconds} s"}</td>'
    )


def _cell(row: Row, name: str) -> str:
    mark = row.capabilities.get(name)
    if mark is None:
        return "<td></td>"
    return f'<td class="mark {mark}">{_linked(row, name, MARKS[mark])}</td>'


def _story(row: Row) -> str:
    chips = "".join(
        f'<span class="chip {mark}" title="{escape(CAPABILITIES.get(name, name))}">'
        f"{_linked(row, name, f'{MARKS[mark]} {escape(name)}')}</span>"
        for name, mark in row.more.items()
    )
    return f'<td class="story">{chips}</td>'


def _linked(row: Row, name: str, text: str) -> str:
    """A failed mark leads to its reason."""
    return f'<a href="#{_anchor(row, name)}">{text}</a>' if name in row.reasons else text


def _absent(rows: Sequence[Row]) -> str:
    lines = [
        f"<dt>{escape(row.client)}</dt><dd><code>{escape(row.install)}</code></dd>"
        for row in rows
        if row.state == "absent"
    ]
    return f"<h2>Absent: how they are installed</h2><dl>{''.join(lines)}</dl>" if lines else ""


def _legend(rows: Sequence[Row]) -> str:
    marks = "".join(
        f'<span class="chip {mark}">{MARKS[mark]} {words}</span>'
        for mark, words in (
            ("passed", "it held"),
            ("failed", "it did not; the mark leads to the reason"),
            ("absent", "the client is not installed"),
        )
    )
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in legend(rows).items())
    return f"<h2>What was tried</h2><p>{marks} An empty cell is no part of the client's story.</p><dl>{told}</dl>"
