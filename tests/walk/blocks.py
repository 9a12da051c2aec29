"""The blocks of a page that a reader would type, and what their marks mean.

A block of shell begins with ```sh, or with ```console where it shows its commands after `$ ` and what they print below
them (`…` stands for what is left out). Marks follow in the same line:

    sh                     typed as it is
    sh clone, sh wheel     by who has a clone, or a wheel, alone
    sh serve               in a terminal of its own, where it stays; it ends what has run there before
    sh stop                Ctrl-C in that terminal; the block itself is a comment
    sh needs THING         not typed, for there is none of the things that `NEEDS` names; looked at otherwise
    LANGUAGE by FILE       taken from the page by this test, or this client's program, and tried there

Whatever is no shell (settings, code, what a log says) is marked with the file that tries it. The pages of clients have
two more marks (`tests/compat/pages.py`): they are typed by `make compat`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^([ ]*)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TYPED = ("sh", "console")
PLAIN = ("text", "toml", "yaml", "ini", "hcl", "json", "python", "promql", "nginx", "haproxy")
"""Languages of blocks that nobody types into a shell."""
WAYS = ("clone", "wheel")

WALK = (
    "docs/tutorial.md",
    "docs/from-aws.md",
    "docs/cloudstack.md",
    "docs/storage.md",
    "docs/terraform.md",
    "docs/clients/awscli.md",
    "docs/clients/boto3.md",
    "README.md",
    "docs/README.md",
    "docs/operators.md",
    "docs/store.md",
    "docs/troubleshooting.md",
    "docs/migrating.md",
    "docs/reference/settings.md",
    "docs/reference/mappings.md",
    "docs/reference/metrics.md",
    "docs/coverage.md",
    "docs/releases.md",
    "docs/compatibility.md",
    "docs/architecture.md",
    "docs/faults.md",
    "docs/performance.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
"""The order in which the pages are read: those of two clients, too, to see that they work from what these leave."""


@dataclass(frozen=True, slots=True)
class Need:
    """Why a block is not typed, and by which it is tried otherwise (a make target, or a test)."""

    why: str
    otherwise: str


NEEDS = {
    "docker": Need("it needs a container engine", "make image-test"),
    "kubernetes": Need("it needs a cluster", "make deploy-test"),
    "systemd": Need("it installs a service into the system", "make deploy-test"),
    "postgres": Need("it needs a PostgreSQL", "make replicas-test"),
    "ci": Need("it takes minutes, and is a step of CI of its own", ".ci/run"),
    "minutes": Need("it takes many minutes; its parts are tried by tests", "make test"),
    "provider": Need("Terraform's provider is in no registry that the tests reach", "make compat"),
    "log": Need("it reads the log of a service that has run", "tests/operator/test_explain.py"),
    "tls": Need("it needs a certificate of yours", "tests/serving/test_certificates.py"),
    "cloud": Need("it needs a management server of yours", "tests/test_bench.py"),
    "network": Need("it fetches from a host of yours", "make test"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A command (or several lines of them) and what it prints; None where the page does not show that."""

    text: str
    shows: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page; `line` is that of its fence."""

    page: str
    line: int
    language: str
    marks: tuple[str, ...]
    text: str

    @property
    def typed(self) -> bool:
        """Whether it is commands at all."""
        return self.language in TYPED

    @property
    def taken(self) -> str | None:
        """Return the file that takes it from the page and tries it."""
        return self.marks[1] if self.marks[:1] == ("by",) else None

    @property
    def need(self) -> str | None:
        """Return what it cannot be typed without."""
        return self.marks[1] if self.marks[:1] == ("needs",) else None

    def by(self, way: str) -> bool:
        """Whether a reader who has a clone, or a wheel, types it; marks of a client's page are for `make compat`."""
        return self.typed and set(self.marks) <= {"serve", "stop", way}

    def steps(self) -> list[Step]:
        """Return its commands, each with what it shows."""
        if self.language != "console":
            return [Step(self.text)]
        found: list[Step] = []
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
            found.append(Step("\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])))
        return found


def blocks(page: str, root: Path = ROOT) -> list[Block]:
    """Return the fenced blocks of a page of the repository."""
    return list(_blocks(page, (root / page).read_text(encoding="utf-8")))


def _blocks(page: str, text: str) -> Iterator[Block]:
    for found in BLOCK.finditer(text):
        indent, words, body = found.groups()
        language, *marks = words.split() or [""]
        body = re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        yield Block(page, text.count("\n", 0, found.start()) + 1, language, tuple(marks), body)


def marked(page: str, file: str, root: Path = ROOT) -> list[str]:
    """Return the texts of the blocks of a page that are this file's to try."""
    return [block.text for block in blocks(page, root) if block.taken == file]


def indented(page: str, root: Path = ROOT) -> list[str]:
    """Return the lines of a page that are code by their indentation alone, which tells nobody how to take them."""
    text = BLOCK.sub("", (root / page).read_text(encoding="utf-8"))
    found, in_list = [], False
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if not lines:
            continue
        if all(line.startswith("    ") for line in lines) and not in_list:
            found += lines
        elif not lines[0].startswith(" "):
            in_list = re.match(r"([-*]|\d+\.) ", lines[0]) is not None
    return found


def reads(page: str, root: Path = ROOT) -> bool:
    """Whether a page is there: one that the walk names may come with somebody else's work."""
    return (root / page).exists()


def matches(shown: str, printed: str) -> bool:
    """Whether a command printed what its page shows; ids may be others, and `…` is anything."""
    parts = []
    for line in shown.strip().splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
            continue
        pattern = re.escape(line.rstrip()).replace("…", ".*")
        pattern = re.sub(r"(?<=\\-)[0-9a-f]{17}\b", "[0-9a-f]{17}", pattern)
        parts.append(pattern + r"[ \t]*\n")
    return re.fullmatch("".join(parts), printed.strip() + "\n" if printed.strip() else "") is not None
