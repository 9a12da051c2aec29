"""What is installed: wheel and sdist built and run, manual pages and completions as the command line is."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ec2bridge import __version__
from tests import manual

ROOT = Path(__file__).parent.parent


def run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        cwd=environment.pop("cwd", ROOT),
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


def test_the_wheel_runs_away_from_its_source(dist: Path, tmp_path: Path) -> None:
    [wheel] = dist.glob(f"ec2bridge-{__version__}-*.whl")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", tmp_path, wheel)
    installed = {"PYTHONPATH": str(tmp_path), "cwd": str(tmp_path)}
    where = run(sys.executable, "-c", "import ec2bridge; print(ec2bridge.__file__)", **installed)
    assert Path(where.strip()).is_relative_to(tmp_path)
    assert "serve" in run(sys.executable, "-m", "ec2bridge", "--help", **installed)
    assert __version__ in run(sys.executable, "-m", "ec2bridge", "--version", **installed)
    told = run(sys.executable, "-m", "ec2bridge", "demo", "--once", "--listen", "127.0.0.1:0", **installed)
    assert "The tour went as it should." in told


def test_wheel_and_sdist_hold_what_belongs_to_them(dist: Path) -> None:
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    tables = {f"ec2bridge/mappings/{path.name}" for path in (ROOT / "mappings").glob("*.yaml")}
    shared = f"ec2bridge-{__version__}.data/data/share"
    assert tables <= in_wheel
    assert f"{shared}/man/man1/ec2bridge-serve.1" in in_wheel
    assert f"{shared}/bash-completion/completions/ec2bridge" in in_wheel
    assert not [name for name in in_wheel if name.startswith(("tests", "bench", "docs"))]
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "mappings/errors.yaml",
        "LICENSE",
        "Makefile",
        "tests/conftest.py",
        "docs/operators.md",
    } <= in_sdist
    assert not [
        name for name in in_sdist if ".venv" in name or "__pycache__" in name or name.endswith(".sqlite")
    ]


def test_the_manual_pages_are_fresh() -> None:
    made = manual.pages()
    assert {path.name for path in made} == {path.name for path in (manual.DEPLOY / "man").glob("*.1")}
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, "stale: run `make docs`"


def test_the_completions_are_fresh() -> None:
    for path, text in manual.completions().items():
        assert path.read_text(encoding="utf-8") == text, "stale: run `make docs`"


def test_bash_completes_commands_and_settings() -> None:
    source = (manual.DEPLOY / "completion/ec2bridge.bash").read_text(encoding="utf-8")
    script = f"{source}\nCOMP_WORDS=(ec2bridge serve --metr); COMP_CWORD=2; _ec2bridge_completion ec2bridge; "
    bin_ = str(Path(sys.executable).parent)
    told = run("bash", "-c", f'{script} echo "${{COMPREPLY[@]}}"', PATH=f"{bin_}:{os.environ['PATH']}")
    assert told.strip() == "--metrics-listen"
