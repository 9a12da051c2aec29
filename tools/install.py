"""`python tools/install.py PIP ARGUMENT…`: run pip, and say how far it is instead of all that it does.

It runs before anything is installed, so it stands on Python's own library alone.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def locked(words: Sequence[str]) -> int:
    """Return how many packages the lock files among the arguments name."""
    files = [words[number + 1] for number, word in enumerate(words[:-1]) if word == "-r"]
    names = re.findall(
        r"^([\w.-]+)==", "\n".join(Path(file).read_text(encoding="utf-8") for file in files), re.M
    )
    return len(set(names))


def main(words: Sequence[str]) -> int:
    """Run pip; return its exit code, and print what it said when that is not 0."""
    total, seen, said = locked(words), set[str](), list[str]()
    here = sys.stdout.isatty()
    pip = subprocess.Popen(
        [*words, "--progress-bar=off"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert pip.stdout is not None
    for line in pip.stdout:
        said.append(line)
        if found := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line):
            seen.add(found[1].lower())
            if here:
                print(f"\r  {len(seen)} of {total} packages fetched", end="", flush=True)
            elif len(seen) % 40 == 0:
                print(f"  {len(seen)} of {total} packages fetched", flush=True)
        if line.startswith("Installing collected"):
            print("\n  writing them into place …" if here else "  writing them into place …", flush=True)
    code = pip.wait()
    if code:
        print("".join(said[-40:]))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
