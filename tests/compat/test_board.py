"""The scoreboard: what a reader sees of clients that hold, of one that does not, and of one that is not installed."""

from datetime import date

import pytest

from tests.compat import board_html, board_markdown
from tests.compat.capabilities import CAPABILITIES
from tests.compat.lab import Outcome
from tests.compat.registry import CLIENTS
from tests.compat.rows import ADVICE, SCENARIOS, Row, rows

GREEN, RED, GONE, TOOL = (
    next(c for c in CLIENTS if c.name == n) for n in ("boto3", "boto", "cs", "opentofu")
)


@pytest.fixture
def board() -> list[Row]:
    red = {**dict.fromkeys(RED.shows), "filters": "3 <4> machines"}
    return rows(
        {
            GREEN.name: Outcome("1.44.5", dict.fromkeys(GREEN.shows), 12.4, ""),
            RED.name: Outcome("2.49.0", red, 5, ""),
            TOOL.name: Outcome("1.6.3", dict.fromkeys(TOOL.shows), 146, ""),
            SCENARIOS.name: Outcome("boto3 1.44.5", {"key pairs": None}, 9, ""),
        },
        [GONE],
    )


def test_the_rows_tell_passed_failed_and_absent(board: list[Row]) -> None:
    states = {row.client: row.state for row in board}
    assert states == {
        GREEN.name: "passed",
        RED.name: "failed",
        GONE.name: "absent",
        TOOL.name: "passed",
        SCENARIOS.name: "passed",
    }
    assert {row.version for row in board if row.state == "absent"} == {"absent"}


def test_markdown_has_a_line_a_client_and_the_reasons_below(board: list[Row]) -> None:
    page = board_markdown.page(board)
    lines = {line.split(" | ")[0]: line for line in page.splitlines() if line.startswith("| ")}
    assert lines["| [boto3](clients/boto3.md)"].startswith("| [boto3](clients/boto3.md) | 1.44.5 | 12 | ✔ |")
    assert "paging ✔" in lines["| [boto3](clients/boto3.md)"]
    assert lines["| [boto](clients/boto.md)"].count("✘") == 1
    assert "vpc-apply ✔" in lines["| [opentofu](clients/opentofu.md)"]
    assert "key pairs ✔" in lines["| eucalyptus-scenarios"]
    assert "- **boto: filters**: 3 <4> machines" in page
    assert ADVICE in page
    assert f"- cs: `{GONE.install}`" in page
    assert board_markdown.versions(page) == {
        "boto3": "1.44.5",
        "boto": "2.49.0",
        "cs": "absent",
        "opentofu": "1.6.3",
    }


def test_html_leads_from_a_red_mark_to_its_reason(board: list[Row]) -> None:
    page = board_html.render(board, "https://ec2.example.org", date(2026, 1, 2))
    assert '<a href="#boto-filters">✘</a>' in page
    assert '<li id="boto-filters"><b>boto 2.49.0: filters</b> 3 &lt;4&gt; machines' in page
    assert ADVICE in page
    assert "https://ec2.example.org; 02 January 2026" in page
    for link in ('<a href="clients/boto.md">page</a>', '<a href="boto.log">log</a>', "pip install cs</code>"):
        assert link in page
    assert 'href="cs.log"' not in page


def test_every_capability_is_told_in_a_sentence() -> None:
    assert {name for client in CLIENTS for name in client.shows} <= CAPABILITIES.keys()
