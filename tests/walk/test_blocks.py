"""The pages say of every command how it is tried, and the reader who tries them notices what is wrong."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ec2bridge.__main__ import main
from tests.compat.registry import CLIENTS as CLIENTS_TRIED
from tests.walk import blocks as reading
from tests.walk.blocks import NEEDS, PLAIN, ROOT, TYPED, WALK, WAYS, Block, blocks, matches
from tests.walk.reader import Reader, Wrong

CLIENTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "clients").glob("*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
OTHERS = [page for page in PAGES if page not in CLIENTS]
MARKS = {(), ("serve",), ("stop",), *((way,) for way in WAYS), *(("serve", way) for way in WAYS)}


def untried(block: Block) -> str | None:
    """Return what keeps a block from being tried; None when something tries it, or it says what it needs for that."""
    if block.taken is not None:
        file = ROOT / block.taken
        there = len(block.marks) == 2 and file.is_file()
        return None if there and Path(block.page).name in file.read_text() else f"{file} does not take it"
    if block.language not in TYPED:
        return f"no file tries it (```{block.language or 'LANGUAGE'} by FILE)"
    if block.need is not None:
        return None if block.need in NEEDS and len(block.marks) == 2 else "nobody knows what it needs"
    if block.page in CLIENTS:
        run = block.language == "sh" and block.marks in client_marks(block.page)
        return None if run else "`make compat` types `sh`, `sh CLIENT` of a client of the page, and no other"
    if block.marks not in MARKS:
        return f"nobody knows the mark {block.marks}"
    return None if block.page in WALK else "nobody reads the page (tests/walk/blocks.py)"


def client_marks(page: str) -> set[tuple[str, ...]]:
    names = [client.name for client in CLIENTS_TRIED if client.page == Path(page).name]
    # What `sh install` installs is held by tests/compat/test_pages.py.
    return {(), ("install",), *((name,) for name in names)}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_tried_or_says_why_not(page: str) -> None:
    assert {block.line: why for block in blocks(page) if (why := untried(block))} == {}
    assert {block.language for block in blocks(page)} <= {*TYPED, *PLAIN}


@pytest.mark.parametrize(
    ("page", "fence"),
    [
        ("docs/operators.md", "toml"),
        ("docs/operators.md", ""),
        ("docs/operators.md", "toml by tests/nothing.py"),
        ("docs/operators.md", "toml by tests/walk/reader.py"),
        ("docs/operators.md", "sh needs luck"),
        ("docs/operators.md", "sh boto3"),
        ("docs/terraform-modules.md", "sh"),
        ("docs/clients/boto3.md", "console"),
        ("docs/clients/boto3.md", "sh wheel"),
        ("docs/clients/boto3.md", "sh ansible"),
        ("docs/clients/boto3.md", "python"),
    ],
)
def test_a_block_that_nothing_tries_is_found(page: str, fence: str) -> None:
    language, *marks = fence.split() or [""]
    assert untried(Block(page, 1, language, tuple(marks), ""))


@pytest.mark.parametrize("page", PAGES)
def test_no_code_stands_there_by_its_indentation_alone(page: str) -> None:
    assert reading.indented(page) == []


def commands(page: str) -> Iterator[tuple[str, str]]:
    for block in blocks(page):
        if block.typed:
            for step in block.steps():
                yield f"{page}:{block.line}", step.text


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_bash(page: str) -> None:
    for where, text in commands(page):
        read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
        assert read.returncode == 0, f"{where}: {read.stderr}"


GIVEN = re.compile(
    r"HOME|PATH|PWD|AWS_(ENDPOINT_URL(_EC2|_STS)?|ACCESS_KEY_ID|SECRET_ACCESS_KEY|DEFAULT_REGION)"
)
DEMO = re.compile(r"EC2BRIDGE_DEMO_(IMAGE|ZONE|CLOUDSTACK_URL)")


@pytest.mark.parametrize("page", PAGES)
def test_no_page_uses_a_variable_that_nobody_has_set(page: str) -> None:
    text = "\n".join(text for _, text in commands(page))
    text = re.sub(r"'[^'\n]*'|(?s:<<'END'\n.*?\nEND$)", "", text, flags=re.MULTILINE)
    used = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", text))
    own = set(re.findall(r"\b([A-Z][A-Z0-9_]+)(?==)|\{([A-Z][A-Z0-9_]+):=", text))
    unset = used - {name for pair in own for name in pair}
    assert {name for name in unset if not GIVEN.fullmatch(name) and not DEMO.fullmatch(name)} == set()


@pytest.mark.parametrize("page", OTHERS)
def test_the_commands_and_options_of_ec2bridge_are_there(page: str) -> None:
    for where, text in commands(page):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] != ["ec2bridge"]:
                continue
            if words[1:2] == ["explain"]:  # after an operation's name the options are awscli's
                ends = [
                    number for number, word in enumerate(words) if re.fullmatch(r"[a-z]+(-[a-z]+)+", word)
                ]
                words = words[: ends[0]] if ends else words
            command: click.Command = main
            while isinstance(command, click.Group):
                command = command.commands[words[1]]
                words = words[1:]
            known = {
                option
                for parameter in command.params
                for option in (*parameter.opts, *parameter.secondary_opts)
            }
            asked = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert asked <= known, where


@pytest.mark.parametrize("page", PAGES)
def test_the_targets_of_make_are_there(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for where, text in commands(page):
        for target in re.findall(r"^\s*make ([\w-]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{where}: make {target}"


def test_what_is_not_typed_is_tried_otherwise() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for need in NEEDS.values():
        if need.otherwise.startswith("make "):
            assert f"\n{need.otherwise.removeprefix('make ')}:" in makefile
        else:
            assert (ROOT / need.otherwise).exists()
    assert {block.need for page in PAGES for block in blocks(page)} - {None} <= set(NEEDS)


def test_the_walk_names_no_page_twice() -> None:
    assert len(set(WALK)) == len(WALK)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("one", "one\n", True),
        ("one", "one\ntwo\n", False),
        ("one\n…", "one\ntwo\nthree\n", True),
        ("…\nthree", "one\ntwo\nthree\n", True),
        ("i-0123456789abcdef0 runs", "i-ffffffffffffffff0 runs\n", True),
        ("i-0123456789abcdef0 runs", "i-fffffff runs\n", False),
        ("a … c", "a b c", True),
        ("", "", True),
        ("", "something", False),
        ("(1.0)", "(1x0)", False),
    ],
)
def test_what_is_printed_is_compared(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same


def test_a_console_is_commands_and_what_they_print() -> None:
    block = Block("page", 1, "console", (), "$ first \\\n    goes on\nprinted\nmore\n$ second\n")
    assert [(step.text, step.shows) for step in block.steps()] == [
        ("first \\\n    goes on", "printed\nmore"),
        ("second", ""),
    ]


def test_a_block_may_stand_in_a_list(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("1. First:\n\n    ```sh wheel\n    one\n      two\n    ```\n")
    [block] = blocks("page.md", tmp_path)
    assert (block.text, block.by("wheel"), block.by("clone")) == ("one\n  two\n", True, False)


def test_code_by_indentation_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "Text:\n\n    make it\n\n- a list\n\n    goes on\n\n```sh\n    no\n```\n"
    )
    assert reading.indented("page.md", tmp_path) == ["    make it"]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    if not (ROOT / ".git").exists():
        pytest.skip("no repository to clone")
    with Reader("clone") as one:
        yield one


def typed(reader: Reader, text: str, language: str = "sh", *marks: str) -> None:
    reader.type(Block("page", 1, language, marks, text))


def test_the_reader_keeps_place_and_variables(reader: Reader) -> None:
    typed(reader, "mkdir -p there && cd there\nname=first\n")
    typed(reader, '$ echo "$name" in "$(basename "$PWD")"\nfirst in there\n', "console")
    typed(reader, "cd ..")


def test_the_reader_says_what_fails_and_what_is_printed_otherwise(reader: Reader) -> None:
    with pytest.raises(Wrong, match="exit code 3 of"):
        typed(reader, "(exit 3)")
    with pytest.raises(
        Wrong, match=r"should print\none\n\nand printed\ntwo|should print\none\nand printed\ntwo"
    ):
        typed(reader, "$ echo two\none\n", "console")
    with pytest.raises(Wrong, match="exit code 0 of"):
        typed(reader, "$ echo An error occurred\nAn error occurred\n", "console")


def test_the_readers_own_things_stand_for_those_of_the_pages(reader: Reader) -> None:
    typed(reader, "git clone --quiet ADDRESS copy && test -f copy/README.md && rm -r copy")
    typed(
        reader, "case https://cloud.example/client/api in http://127.0.0.1:*/client/api) ;; *) exit 1 ;; esac"
    )
    typed(reader, 'test "$HOME" != /root && test -z "${AWS_ACCESS_KEY_ID:-}"')


def test_the_reader_serves_in_a_terminal_of_its_own_and_ends_it(reader: Reader) -> None:
    serve = "echo serves at http://127.0.0.1:1; trap 'exit 0' INT; while :; do sleep 0.1; done"
    typed(reader, serve, "sh", "serve")
    first = reader._terminal
    typed(reader, serve, "sh", "serve")
    assert first is not None
    assert first.poll() == 0
    typed(reader, "# Ctrl-C", "sh", "stop")
    assert reader._terminal is None
    with pytest.raises(Wrong, match="did not serve"):
        typed(reader, "echo no; exit 1", "sh", "serve")
