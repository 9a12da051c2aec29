"""docs/compatibility.md names every client of the compatibility suite, and no older version than it installs."""

import re

from tests.compat import board
from tests.compat.registry import CLIENTS


def test_the_page_names_every_client() -> None:
    assert set(board.versions_on_page()) == {client.name for client in CLIENTS}, (
        "make compat ARGS='--install --docs'"
    )


def test_the_page_is_of_the_versions_that_the_suite_installs() -> None:
    page = board.versions_on_page()
    for client in CLIENTS:
        pinned = re.findall(r"==([\d.]+)$", " ".join(client.prepare[-1]) if client.prepare else "")
        assert not pinned or page[client.name] == pinned[0], (
            f"{client.name}: make compat ARGS='--install --docs'"
        )
