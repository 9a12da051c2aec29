"""The generated pages are as the code is now; `make docs` writes them again."""

import json
import re
from pathlib import Path

import pytest

from ec2bridge import coverage, members, store_kinds
from ec2bridge.ec2 import registry, unserved
from ec2bridge.store_tables import SCHEMA
from tests import drawings, manual, reference, release_runs
from tests.terraform import table

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


KINDS = re.compile(r"(<!-- kinds -->\n).*(<!-- /kinds -->)", re.DOTALL)


def with_kinds(page: str) -> str:
    """Return the page of the store with the tables of its kinds as they should be."""
    return KINDS.sub(lambda found: f"{found[1]}\n{store_kinds.page()}\n{found[2]}", page)


def test_the_page_of_the_store_is_fresh() -> None:
    page = (DOCS / "store.md").read_text(encoding="utf-8")
    assert page == with_kinds(page), "stale: run `make docs`"
    assert all(f"| `{kind}` |" in page for kind in store_kinds.KINDS)


def test_the_page_of_the_store_tells_of_every_version() -> None:
    page = (DOCS / "store.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == [str(n) for n in range(1, SCHEMA + 1)]


def test_the_coverage_page_is_fresh() -> None:
    page = (DOCS / "coverage.md").read_text(encoding="utf-8")
    assert page == coverage.markdown(coverage.rows()) + "\n", "stale: run `make docs`"


def test_terraforms_runs_quote_refusals_as_they_are() -> None:
    registry.load()
    runs = table.RUNS.read_text(encoding="utf-8")
    quoted = re.findall(r"The operation (\w+) is not supported: ([^\"]+)\.\"", runs)
    assert len(quoted) > 10
    for name, why in quoted:
        if registry.find(name) is None:
            assert why == unserved.reason(name), f"{name}: run `make terraform-table`"


def test_the_page_of_members_is_fresh() -> None:
    page = (DOCS / "members.md").read_text(encoding="utf-8")
    assert page == members.markdown(), "stale: run `make docs`"


def test_the_page_of_releases_is_fresh() -> None:
    runs = json.loads(release_runs.RUNS.read_text(encoding="utf-8"))
    assert release_runs.PAGE.read_text(encoding="utf-8") == release_runs.page(runs), "stale: run `make docs`"


def test_the_table_of_terraforms_resources_is_fresh() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    assert page == table.page(page), "stale: run `make docs`"
    blocks = re.findall(
        r'^(resource|data) "(\w+)"', table.CONFIGURATION.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [name for _, name in blocks if f"`{name}`" not in page] == [], (
        "not run since: `make terraform-table`"
    )


def test_the_reference_is_fresh() -> None:
    for path, text in reference.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `make docs`"


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted(DOCS.rglob("*.md")), ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_readme_names_what_the_makefile_and_the_command_line_have() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake (\w+)", readme):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"the Makefile has no {target}"
    from ec2bridge.__main__ import main

    for command in re.findall(r"ec2bridge (\w+)", readme):
        assert command in main.commands or command == "bridge", f"there is no command {command}"


def quoted(page: str) -> list[tuple[str, list[str]]]:
    """Return the path and the lines of each piece of code that a page quotes; `…` stands for lines left out."""
    blocks = re.findall(r"```python[^\n]*\n# ([\w/.]+)\n(.*?)```", page, re.DOTALL)
    return [
        (path, [line for line in code.splitlines() if line.strip() not in ("", "…")]) for path, code in blocks
    ]


def test_contributing_quotes_the_code_as_it_is() -> None:
    blocks = quoted((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 4
    for path, lines in blocks:
        code = iter((ROOT / path).read_text(encoding="utf-8").splitlines())
        assert [line for line in lines if line not in code] == [], path


def test_contributing_names_files_that_there_are() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:ec2bridge|tests|docs)/[\w/.-]+)`", page)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_drawings_are_made_from_their_text() -> None:
    assert drawings.stale() == [], "run `make drawings` (it needs Graphviz)"


def test_the_architecture_page_names_files_that_there_are() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:ec2bridge|tests|mappings|docs)/[\w/.-]+)`", page)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []
    rooms = {
        path.name for floor in ("actions", "resources") for path in (ROOT / "ec2bridge" / floor).iterdir()
    }
    shown = {name for path in named for name in path.split("/")}
    assert {room for room in rooms if not room.startswith("__")} - shown == set(), (
        "rooms that the page leaves out"
    )


@pytest.mark.parametrize("floor", ["actions", "resources"])
def test_the_folders_of_tests_are_rooms(floor: str) -> None:
    rooms = {path.name for path in (ROOT / "ec2bridge" / floor).iterdir() if path.is_dir()}
    assert {path.name for path in (ROOT / "tests" / floor).iterdir() if path.is_dir()} <= rooms


@pytest.mark.parametrize("record", sorted((DOCS / "adr").glob("0*.md")), ids=lambda record: record.name)
def test_each_decision_says_whether_it_holds(record: Path) -> None:
    title, status, *_ = record.read_text(encoding="utf-8").split("\n\n")
    assert title.startswith(f"# {int(record.name[:4])}. ")
    assert re.match(r"\*\*Status\.\*\* (Accepted|Replaced by \[)", status)


def test_nothing_in_the_lock_files_names_a_host() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text(encoding="utf-8"), lock


def write() -> None:
    """Write the generated pages."""
    (DOCS / "coverage.md").write_text(coverage.markdown(coverage.rows()) + "\n", encoding="utf-8")
    (DOCS / "members.md").write_text(members.markdown(), encoding="utf-8")
    store = DOCS / "store.md"
    store.write_text(with_kinds(store.read_text(encoding="utf-8")), encoding="utf-8")
    manual.write()
    reference.write()
    table.PAGE.write_text(table.page(table.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    release_runs.write()


if __name__ == "__main__":
    write()
