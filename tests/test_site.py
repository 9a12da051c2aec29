"""The documentation as a site: built strictly, whole, and with nothing in it that is fetched from anybody else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?([^"' >]+)|<link\b[^>]*\bhref=["']?([^"' >]+)"""
)
IMPORTED = re.compile(r"""url\(\s*["']?(?:https?:)?//|@import""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site, as `make docs` does: a link that leads nowhere ends that."""
    into = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", into],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return into


def test_every_page_is_in_the_site_and_in_its_navigation(site: Path) -> None:
    front = (site / "index.html").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix(".html").as_posix().replace("README", "index")
        assert (site / name).exists(), name
        assert f'href="{name}"' in front or name == "index.html", f"{name} is not in the navigation"


def test_nothing_is_fetched_from_anybody_else(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        found = [one or other for one, other in FETCHED.findall(page.read_text(encoding="utf-8"))]
        assert found
        assert [target for target in found if "//" in target] == [], page
    for sheet in site.rglob("*.css"):
        assert not IMPORTED.search(sheet.read_text(encoding="utf-8")), sheet


def test_the_marks_of_the_tests_are_not_shown(site: Path) -> None:
    assert re.search(
        r"^```sh install$", (DOCS / "clients" / "awscli.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    shown = (site / "clients" / "awscli.html").read_text(encoding="utf-8")
    assert "```" not in shown
    assert "sh install" not in shown
    assert shown.count('<div class="highlight">') == 2


def test_a_file_that_a_page_links_to_is_part_of_the_site(site: Path) -> None:
    assert 'href="source/deploy/prometheus/alerts.yaml"' in (site / "operators.html").read_text(
        encoding="utf-8"
    )
    carried = site / "source" / "deploy" / "prometheus" / "alerts.yaml"
    assert carried.read_bytes() == (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_bytes()


def test_pictures_are_small_and_shown() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    for picture in (DOCS / "pictures").iterdir():
        assert picture.stat().st_size <= 300_000, picture
        assert f"pictures/{picture.name}" in pages
