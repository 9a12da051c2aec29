"""docs/compatibility.md names every client of the compatibility suite, and no older version than it installs."""

import re

from tests.compat import board, board_markdown
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


def test_what_stands_in_for_a_client_is_called_that() -> None:
    page = board.versions_on_page()
    assert page["jenkins-ec2"].startswith("stand-in, with the SDK ")
    assert page["jenkinsfile"].startswith("stand-in, Groovy ")
    assert "provider" in page["opentofu"]
    assert board.PAGE.read_text(encoding="utf-8").startswith(board_markdown.INTRODUCTION)
