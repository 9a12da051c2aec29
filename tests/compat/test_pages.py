"""The clients' pages are run as they are written, and what that shows is told."""

import os
from pathlib import Path

import pytest

from tests.compat import pages
from tests.compat.registry import CLIENTS


def test_every_page_is_a_clients_and_every_client_has_one() -> None:
    assert {client.page for client in CLIENTS} == {path.name for path in pages.PAGES.glob("*.md")}


NOT_RUN = {"docker-machine": "it ends by logging in to a machine with a system in it"}


def test_every_client_has_commands_on_its_page_that_are_run() -> None:
    assert {client.name for client in CLIENTS if "page" not in client.shows} == NOT_RUN.keys()


def test_a_reader_takes_what_is_for_all_and_what_is_for_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = {
        "sh install": "exit 1",
        "sh": "echo all",
        "sh one": "echo one",
        "sh two": "echo two",
        "console": "exit 2",
    }
    page = "\n\n".join(f"```{language}\n{line}\n```" for language, line in blocks.items())
    (tmp_path / "page.md").write_text(f"# A client\n\n{page}\n")
    monkeypatch.setattr(pages, "PAGES", tmp_path)
    assert pages.commands("page.md", "two") == "echo all\n\necho two\n"
    assert pages.commands("", "two") == ""


def test_the_commands_share_one_shell_in_an_empty_directory() -> None:
    script = 'name=first\ncat > there <<END\na line\nEND\ntest "$(ls)" = there\necho "$name $EC2BRIDGE_DEMO_ZONE"\n'
    ran = pages.run(script, {**os.environ, "EC2BRIDGE_COMPAT_ZONE": "us-east-1a"})
    assert ran == (None, "first us-east-1a\n")


def test_a_page_ends_at_the_first_command_that_fails() -> None:
    why, output = pages.run("echo before\nls nothing-here\necho after\n", os.environ)
    assert "the page ended at: ls nothing-here" in str(why)
    assert output.startswith("before")
    assert "after" not in output


def test_a_page_that_fails_leaves_nothing_running() -> None:
    why, output = pages.run("sleep 600 &\necho $!\nfalse\n", os.environ)
    assert "the page ended at: false" in str(why)
    with pytest.raises(ProcessLookupError):
        os.kill(int(output.split()[0]), 0)


def test_the_clients_own_directory_comes_first_on_the_path(tmp_path: Path) -> None:
    program = tmp_path / "client"
    program.write_text("#!/bin/sh\necho the one\n")
    program.chmod(0o755)
    assert pages.run("client\n", os.environ, str(tmp_path)) == (None, "the one\n")
