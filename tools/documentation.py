"""What the site of the documentation needs beyond MkDocs: pages outside docs/, no marks of tests, the whole nav.

The pages are written to be read in the repository, too: they link to files beside docs/, and their blocks carry
marks for the tests that run them. Here those files become part of the site, and the marks go.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CARRIED = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "README.md"}
"""Pages in the root of the repository → their names in the site; the README's stands for the site's front page."""
LINK = re.compile(r"(\]\()([^)#\s:]+)([^)]*\))")
FENCE = re.compile(r"^([ ]*```)([\w-]+)[^\n`]+$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of a folder where the nav names it, and those that it names nowhere at its end."""
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    nav = [_expanded(entry, there) for entry in config.nav or []]
    if left := sorted(there - set(_named(nav))):
        nav.append({"More": left})
    config.nav = nav
    return config


def _expanded(entry: Any, there: set[str]) -> Any:
    if isinstance(entry, dict):
        return {
            title: _expanded(below, there) if isinstance(below, str) else _all_expanded(below, there)
            for title, below in entry.items()
        }
    return entry


def _all_expanded(entries: list[Any], there: set[str]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, str) and entry.endswith("/"):
            found += sorted(name for name in there if name.startswith(entry))
        else:
            found.append(_expanded(entry, there))
    return found


def _named(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    below = nav.values() if isinstance(nav, dict) else nav
    return [name for entry in below for name in _named(entry)]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages in the root, and the files that pages link to."""
    linked: set[Path] = set()
    for name, carried in CARRIED.items():
        if files.get_file_from_path(carried) is None:
            content = (ROOT / name).read_text(encoding="utf-8")
            files.append(File.generated(config, carried, content=content))
    for page in [*DOCS.rglob("*.md"), *(ROOT / name for name in CARRIED)]:
        for _, target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            if path.is_file() and not path.is_relative_to(DOCS) and path.name not in CARRIED:
                linked.add(path)
    for path in sorted(linked):
        uri = f"source/{path.relative_to(ROOT).as_posix()}"
        files.append(File.generated(config, uri, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to where the site has what they mean, and leave the tests' marks out."""
    uri = page.file.src_uri
    carried = {name: source for source, name in CARRIED.items() if source != "README.md"}
    here = ROOT / carried[uri] if uri in carried else DOCS / uri

    def led(link: re.Match[str]) -> str:
        path = (here.parent / link[2]).resolve()
        if not path.exists():
            return link[0]  # MkDocs tells of it
        if path.is_relative_to(DOCS):
            target = path.relative_to(DOCS).as_posix()
        elif path.name in CARRIED and path.parent == ROOT:
            target = CARRIED[path.name]
        else:
            target = f"source/{path.relative_to(ROOT).as_posix()}"
        return f"{link[1]}{os.path.relpath(target, Path(uri).parent)}{link[3]}"

    return LINK.sub(led, FENCE.sub(r"\1\2", markdown))
