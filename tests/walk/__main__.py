"""`python -m tests.walk`: read the pages and type what they say.

    python -m tests.walk                   in a fresh clone, then with an installed wheel
    python -m tests.walk --way clone       one of them alone
    python -m tests.walk --list            only say what would be typed, by page

A page begins in the state that the page before it left. The exit code is 0 only when every command did what its page
says.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from tests.walk.blocks import NEEDS, WALK, WAYS, blocks, reads
from tests.walk.reader import Reader, Wrong


def main(words: Sequence[str] | None = None) -> int:
    """Walk, or list."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.walk", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--way", choices=WAYS, action="append", help="as a reader who has this; both without")
    parser.add_argument("--list", action="store_true", help="only say what would be typed")
    parser.add_argument("--until", default="", help="end after this page")
    asked = parser.parse_args(words)
    pages = [page for page in WALK if reads(page)]
    if asked.until:
        pages = pages[: pages.index(asked.until) + 1]
    if asked.list:
        listed(pages)
        return 0
    ways = asked.way or WAYS
    with ThreadPoolExecutor(
        len(ways)
    ) as readers:  # they mostly wait: for machines to start, for the registry
        return 0 if all(readers.map(lambda way: walk(way, pages), ways)) else 1


def listed(pages: Sequence[str]) -> None:
    """Print the commands by page."""
    for page in pages:
        found = [block for block in blocks(page) if block.typed]
        if found:
            click.secho(f"\n{page}", bold=True)
        for block in found:
            why = (
                f"  [not typed: {NEEDS[block.need].why}; {NEEDS[block.need].otherwise}]" if block.need else ""
            )
            how = f"  [{' '.join(block.marks)}]" if block.marks and not block.need else why
            for step in block.steps():
                click.echo("".join(f"  {line}\n" for line in step.text.strip().splitlines()).rstrip() + how)


def walk(way: str, pages: Sequence[str]) -> bool:
    """Read all pages in one way, saying how far that is; False when a command did not do what its page says."""
    try:
        with Reader(way) as reader:
            for number, page in enumerate(pages, 1):
                began, all_of_it = reader.seconds(), blocks(page)
                todo = [block for block in all_of_it if block.by(way)]
                if todo:
                    click.echo(f"{way}  {number}/{len(pages)}  {page}: {len(todo)} blocks …")
                for block in todo:
                    reader.type(block)
                if todo:
                    click.echo(
                        f"{way}  {number}/{len(pages)}  {page}: done in {reader.seconds() - began:.0f} s"
                    )
            click.echo(
                f"{way}  {reader.typed} commands, {reader.compared} of them compared with what the page shows;"
                f" {reader.seconds():.0f} s"
            )
    except Wrong as wrong:
        click.secho(f"{way}  {wrong}", fg="red")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
