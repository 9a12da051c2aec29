"""The house: arrows between packages go down, and whoever adds one that goes up hears of it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ROOT / "ec2bridge"
MOST_FILES = 22
"""Modules of a folder: more is a room in which nothing is found."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of pyproject.toml over the package in a folder, as `make lint` does."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    return subprocess.run(
        [*command, "--no-cache"], cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(folder)}
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the code beside its contracts."""
    ignored = shutil.ignore_patterns("*.json", "*.jsonl", "__pycache__")
    shutil.copytree(CODE, tmp_path / "ec2bridge", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    outcome = lint(copy)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("ec2/values.py", "from ec2bridge.resources.tags import tagging", "The floors"),
        (
            "resources/tags/tagging.py",
            "from ec2bridge.resources.places import zones",
            "The rooms of resources",
        ),
        (
            "actions/storage/volumes.py",
            "from ec2bridge.actions.storage import snapshots",
            "No action imports another",
        ),
        ("resources/volumes/items.py", "import lxml.etree", "Actions know neither HTTP"),
        ("server.py", "from ec2bridge.simulator import cloud", "The bridge does without"),
        ("simulator/cloud.py", "from ec2bridge.wire import parse", "The embedded CloudStack knows nothing"),
        ("simulator/jobs.py", "from ec2bridge.simulator import call", "The embedded CloudStack's own floors"),
    ],
)
def test_an_arrow_that_goes_up_is_refused(copy: Path, module: str, line: str, contract: str) -> None:
    file = copy / "ec2bridge" / module
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    outcome = lint(copy)
    assert outcome.returncode == 1
    broken = [text for text in outcome.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), outcome.stdout


def folders() -> list[Path]:
    """Return the folders of the code; the simulator's commands are as many as CloudStack's nouns."""
    found = [path for path in CODE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    return [path for path in found if path.relative_to(CODE).parts != ("simulator", "commands")]


def test_no_folder_is_full() -> None:
    full = {str(path): len(list(path.glob("*.py"))) - 1 for path in folders()}
    assert {path: number for path, number in full.items() if number > MOST_FILES} == {}


def test_actions_are_rooms() -> None:
    assert [path.name for path in (CODE / "actions").glob("*.py")] == ["__init__.py"]
    assert [path.name for path in (CODE / "actions").rglob("_*.py") if path.name != "__init__.py"] == []


def test_no_circle_hides_behind_type_checking() -> None:
    # A library that is slow to import may be named for its types alone; the project's own code may not.
    sources = {str(path): path.read_text(encoding="utf-8") for path in CODE.rglob("*.py")}
    assert [
        path for path, text in sources.items() if re.search(r"TYPE_CHECKING:\n +from ec2bridge", text)
    ] == []


@pytest.mark.parametrize("floor", ["actions", "resources"])
def test_the_tests_mirror_the_floors(floor: str) -> None:
    """A room of the tests has the name of the room that it tests."""
    rooms = {path.name for path in (CODE / floor).iterdir()}
    tested = {path.name for path in (ROOT / "tests" / floor).iterdir() if path.is_dir()} - {"__pycache__"}
    assert tested <= rooms
    if floor == "actions":
        assert tested == {room for room in rooms if (CODE / floor / room).is_dir()} - {"__pycache__"}
