"""The generated pages are as the code is now; `make docs` writes them again."""

import re
import tomllib
from pathlib import Path

import pytest

from ec2bridge import config, coverage

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SETTINGS = re.compile(r"(<!-- settings -->\n).*(<!-- /settings -->)", re.DOTALL)


def with_settings(page: str) -> str:
    """Return the operators' page with the table of settings as it should be."""
    return SETTINGS.sub(lambda found: f"{found[1]}\n{config.table()}\n\n{found[2]}", page)


def test_the_coverage_page_is_fresh() -> None:
    page = (DOCS / "coverage.md").read_text(encoding="utf-8")
    assert page == coverage.markdown(coverage.rows()) + "\n", "stale: run `make docs`"


def test_the_table_of_settings_is_fresh() -> None:
    page = (DOCS / "operators.md").read_text(encoding="utf-8")
    assert page == with_settings(page), "stale: run `make docs`"


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


def test_nothing_in_the_lock_files_names_a_host() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text(encoding="utf-8"), lock


def test_the_wheel_carries_the_mappings() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["force-include"] == {"mappings": "ec2bridge/mappings"}


def write() -> None:
    """Write the generated pages."""
    (DOCS / "coverage.md").write_text(coverage.markdown(coverage.rows()) + "\n", encoding="utf-8")
    operators = DOCS / "operators.md"
    operators.write_text(with_settings(operators.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
