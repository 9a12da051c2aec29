"""The clients' pages are run as they are written, and what that shows is told."""

import os
import re
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
import yaml

from ec2bridge import ids
from tests.compat import pages
from tests.compat.registry import CLIENTS
from tests.walk.blocks import blocks, marked


def test_every_page_is_a_clients_and_every_client_has_one() -> None:
    assert {client.page for client in CLIENTS} == {path.name for path in pages.PAGES.glob("*.md")}


def test_every_client_has_commands_on_its_page_that_are_run() -> None:
    assert [client.name for client in CLIENTS if client.shows.count("page") != 1] == []


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


@pytest.mark.parametrize("text", ["echo this > ~/there", "echo this > there"])
def test_a_page_that_writes_into_the_home_has_one_of_its_own(tmp_path: Path, text: str) -> None:
    why, output = pages.run(f'{text}\necho "$HOME"\n', {**os.environ, "HOME": str(tmp_path)})
    assert why is None
    assert list(tmp_path.iterdir()) == []
    assert (output.strip() == str(tmp_path)) is ("~" not in text)


INSTALLS = [page.name for page in sorted(pages.PAGES.glob("*.md")) if "```sh install" in page.read_text()]


@pytest.mark.parametrize("page", INSTALLS)
def test_a_page_installs_what_the_compatibility_suite_says_that_its_client_needs(page: str) -> None:
    told = " ".join(client.install for client in CLIENTS if client.page == page)
    for block in blocks(f"docs/clients/{page}"):
        for line in block.text.splitlines() if block.marks == ("install",) else ():
            command, *packages = re.split(r"\s+", line.partition("#")[0].removeprefix("apt-get ").strip())
            assert command == "install"
            assert packages
            assert set(packages) <= set(re.split(r"[\s;]+", told))


def the_drivers(what: str) -> str:
    """Return the block of docs/clients/ebs-csi.md in which something stands."""
    [block] = [
        text for text in marked("docs/clients/ebs-csi.md", "tests/compat/test_pages.py") if what in text
    ]
    return block


def test_the_drivers_chart_sets_what_its_page_exports() -> None:
    controller = yaml.safe_load(the_drivers("controller:"))["controller"]
    set_by_chart = {one["name"]: one["value"] for one in controller["env"]}
    exported = re.findall(r"(\w+)=\$AWS", pages.commands("ebs-csi.md", "ebs-csi"))
    # The chart makes AWS_REGION of the region.
    assert {*set_by_chart, "AWS_REGION"} == set(exported)
    assert (controller["region"], list(set_by_chart.values())) == (
        "us-east-1",
        ["http://ec2bridge.example:8788"],
    )


def test_the_drivers_rule_makes_the_name_that_the_driver_looks_for() -> None:
    disk = UUID("3f0c3a5e-9d1b-4c7e-8a52-6b1f0e9d2c41")
    serial = disk.hex[:20]  # LibvirtComputingResource.diskUuidToSerial
    rule = the_drivers("SYMLINK")
    program = re.search(r'PROGRAM="(.*?)"', rule)
    link = re.search(r'SYMLINK\+="(.*?)"', rule)
    assert program
    assert link
    told = subprocess.run(
        program[1].replace("$env{ID_SERIAL}", serial), shell=True, capture_output=True, text=True
    )
    volume = ids.ec2_id("vol", str(disk))
    assert link[1].replace("%c", told.stdout.strip()) == (
        "disk/by-id/nvme-Amazon_Elastic_Block_Store_" + volume.replace("-", "")
    )
