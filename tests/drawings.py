"""The drawings of the documentation: SVG made from text by Graphviz; `make drawings` makes them again."""

import hashlib
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "drawings"


def mark(source: Path) -> str:
    """Return the comment that tells which text a drawing was made from."""
    return f"<!-- {source.name} {hashlib.sha256(source.read_bytes()).hexdigest()} -->"


def stale() -> list[str]:
    """Return the names of drawings that are missing, or older than their text."""
    return [
        source.name
        for source in sorted(FOLDER.glob("*.dot"))
        if not source.with_suffix(".svg").exists()
        or mark(source) not in source.with_suffix(".svg").read_text(encoding="utf-8")
    ]


def draw() -> None:
    """Make every drawing anew."""
    for source in sorted(FOLDER.glob("*.dot")):
        made = subprocess.run(["dot", "-Tsvg", source], check=True, capture_output=True, text=True).stdout
        source.with_suffix(".svg").write_text(f"{made.rstrip()}\n{mark(source)}\n", encoding="utf-8")


if __name__ == "__main__":
    draw()
