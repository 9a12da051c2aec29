"""Read from CloudStack's public source what each release knows, and write `ec2bridge/simulator/releases/facts.tsv`.

    python -m tools.cloudstack_releases CHECKOUT

CHECKOUT is a git directory with the release commits in its history. For every release the annotations of its command
and response classes are read (`@APICommand`, `@Parameter`, `@SerializedName`), superclasses and constants resolved,
with what a boolean that is not given stands for, and the kinds of roles that may call a command from the start.
What every release read has is left out: a line stands for what came, went, or is missing in between.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
FACTS = ROOT / "ec2bridge" / "simulator" / "releases" / "facts.tsv"
# The commits "Updating pom.xml version numbers for release …"; 4.23 is in development.
RELEASES = {
    "4.18.0.0": "0574087284",
    "4.18.1.0": "4bdff06acd",
    "4.18.2.0": "154566f914",
    "4.18.2.5": "84538da27c",
    "4.19.0.0": "2746225b99",
    "4.19.1.0": "9f4c895974",
    "4.19.2.0": "4e321d4356",
    "4.19.3.0": "0c7d47138d",
    "4.20.0.0": "2fe3fcef7c",
    "4.20.1.0": "c61a5eb430",
    "4.20.2.0": "4dc3931233",
    "4.20.3.0": "c8599040b4",
    "4.21.0.0": "f9513b47bf",
    "4.22.0.0": "71f47d6130",
    "4.22.1.0": "348ce953a9",
    "4.23.0.0": "f2e93d721b",
}
SOURCES = (
    "api/src/main/java",
    "server/src/main/java/org/apache/cloudstack",
    "plugins/api/discovery/src/main/java",
)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*")|/\*[\s\S]*?\*/|//[^\n]*')
CLASS = re.compile(r"\b(?:class|interface)\s+(\w+)(?:<[^{]*?>)?(?:\s+extends\s+(\w+))?")
CONSTANT = re.compile(r"\bString\s+(\w+)\s*=\s*([^;]+);")
ANNOTATION = re.compile(r"@(APICommand|Parameter|SerializedName|Param)\s*\(")
# A field that holds answers of another class: `Set<NicResponse> nics`.
FIELD = re.compile(r"[\s\w.<>,]*?(?:(\w+Response)\b[>\s]*)?\s\w+\s*[;=]")
# A boolean parameter's variable, with the value that it starts with; and how a getter puts a value that is not given.
BOOLEAN = re.compile(r"\s*(?:\w+\s+)?[bB]oolean\s+(\w+)\s*(?:=\s*(?:Boolean\.)?(\w+)\s*)?;")
GETTER = re.compile(r"\b[bB]oolean\s+\w+\(\)\s*\{")
TRUE = re.compile(
    r"==null\)?(?:\?|\{?return)true|null==\w+\?true|!=null\)?\?\w+:true|IfNull\(\w+,true\)|isNotFalse"
)
FALSE = re.compile(
    r"==null\)?(?:\?|\{?return)false|null==\w+\?false|!=null(?:\)?\?\w+:false|&&)|IfNull\(\w+,false\)|isTrue|"
    r"toBoolean\(|true\.equals"
)


@dataclass
class JavaClass:
    name: str
    parent: str | None
    text: str
    command: str = ""
    answers: str = ""
    parameters: dict[str, bool] = field(default_factory=dict)
    """Name → whether it is required."""
    defaults: dict[str, str] = field(default_factory=dict)
    """Name → what a boolean stands for that is not given."""
    roles: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    """Name → the class of the answers in it, "" for a plain value."""


class Source:
    """The classes of one release."""

    def __init__(self, texts: Iterator[str]) -> None:
        self.constants: dict[str, str] = {}
        self.classes: dict[str, JavaClass] = {}
        for text in texts:
            self._add(text)
        for java in self.classes.values():
            self._read(java)

    def _add(self, text: str) -> None:
        text = COMMENT.sub(lambda match: match[1] or "", text)
        match = CLASS.search(text)
        if match is None:
            return
        self.classes[match[1]] = JavaClass(match[1], match[2], text)
        for name, value in CONSTANT.findall(text):
            self.constants[f"{match[1]}.{name}"] = value
            self.constants.setdefault(name, value)

    def value(self, expression: str, owner: str = "") -> str:
        """A constant expression: literals and names, joined with `+`."""
        whole = ""
        for part in (part.strip(" ()") for part in expression.split("+")):
            literal = STRING.fullmatch(part)
            if literal:
                whole += literal[1]
                continue
            short = ".".join(part.split(".")[-2:])
            found = (
                self.constants.get(f"{owner}.{part}") or self.constants.get(short) or self.constants.get(part)
            )
            whole += (
                self.value(found, short.partition(".")[0] if "." in short else owner) if found else f"?{part}"
            )
        return whole

    def _read(self, java: JavaClass) -> None:
        name = ""
        for kind, body, rest in _annotations(java.text):
            if kind == "APICommand":
                java.command = self.value(_argument(body, "name"), java.name)
                java.answers = _argument(body, "responseObject").removesuffix(".class")
                java.roles = " ".join(sorted(re.findall(r"RoleType\.(\w+)", body)))
            elif kind == "Parameter":
                called = self.value(_argument(body, "name"), java.name)
                java.parameters[called] = _argument(body, "required") == "true"
                java.defaults[called] = _default(java.text, rest)
            elif kind == "SerializedName":
                name = self.value(_argument(body, "value"), java.name)
                declared = FIELD.match(rest)
                java.fields[name] = (declared[1] or "") if declared else ""

    def line(self, name: str | None) -> Iterator[JavaClass]:
        """The class and those that it extends."""
        while name in self.classes:
            yield self.classes[name]
            name = self.classes[name].parent

    def facts(self) -> Iterator[tuple[str, str, str]]:
        """(command, kind, name) of all that this release has."""
        for java in self.classes.values():
            if not java.command:
                continue
            yield java.command, "command", ""
            if java.roles:
                yield java.command, "roles", java.roles
            line = list(self.line(java.name))
            if any(ancestor.parent == "BaseAsyncCmd" for ancestor in line):
                yield java.command, "job", ""
            for ancestor in line:
                for name, required in ancestor.parameters.items():
                    yield java.command, "parameter", name.lower()
                    if required:
                        yield java.command, "required", name.lower()
                    if ancestor.defaults[name]:
                        yield java.command, "default", f"{name.lower()}={ancestor.defaults[name]}"
            for name in self.fields(java.answers):
                yield java.command, "field", name

    def fields(self, name: str, prefix: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
        """The fields of an answer, those of answers inside it as `nic.publicip`."""
        for java in self.line(name):
            for called, inside in java.fields.items():
                yield prefix + called
                if inside and inside not in (*seen, name):
                    yield from self.fields(inside, f"{prefix}{called}.", (*seen, name))


def _annotations(text: str) -> Iterator[tuple[str, str, str]]:
    """Kind, arguments, and the declaration that follows."""
    for match in ANNOTATION.finditer(text):
        end = _closing(text, match.end())
        rest = text[end + 1 : end + 3000]
        following = re.match(r"(?:\s*@\w+\s*(?:\((?:[^()\"]|\"(?:[^\"\\]|\\.)*\"|\([^()]*\))*\))?)*", rest)
        yield match[1], text[match.end() : end], rest[following.end() if following else 0 :]


def _default(text: str, declared: str) -> str:
    """What the getter of a boolean makes of one that is not given: `true`, `false`, or "" where nobody decides."""
    variable = BOOLEAN.match(declared)
    if variable is None:
        return ""
    bodies = (text[match.end() : text.find("\n    }", match.end())] for match in GETTER.finditer(text))
    getter = next((body for body in bodies if re.search(rf"\b{variable[1]}\b", body)), "")
    said = (
        re.sub(r"\s+|Boolean\.(?=FALSE|TRUE)", "", getter).replace("FALSE", "false").replace("TRUE", "true")
    )
    return "true" if TRUE.search(said) else "false" if FALSE.search(said) else variable[2] or ""


def _closing(text: str, start: int) -> int:
    """Where the parenthesis opened before `start` is closed, strings aside."""
    depth, place = 1, start
    while depth:
        literal = STRING.match(text, place)
        if literal:
            place = literal.end()
            continue
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        place += 1
    return place - 1


def _argument(body: str, name: str) -> str:
    """The argument of that name; the only one, where the annotation has it bare."""
    if name == "value" and not re.match(r"\s*\w+\s*=", body):
        return body.strip()
    match = re.search(rf"\b{name}\s*=\s*((?:\"(?:[^\"\\]|\\.)*\"|[^,\"])+)", body)
    return match[1].strip() if match else ""


def read(checkout: str, commit: str) -> Source:
    """The Java sources of a commit that hold commands, answers and constants."""
    command = ["git", f"--git-dir={checkout}", "archive", commit, *SOURCES]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = [member for member in tar.getmembers() if member.name.endswith(".java")]
        return Source(tar.extractfile(member).read().decode("utf-8") for member in files)  # type: ignore[union-attr]


def changes(known: dict[str, set[tuple[str, str, str]]]) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Every fact that not all releases share: name, first and last release, those between that lack it."""
    names = list(known)
    for fact in sorted(set().union(*known.values())):
        having = [name for name in names if fact in known[name]]
        if len(having) == len(names):
            continue
        first, last = having[0], having[-1]
        between = names[names.index(first) : names.index(last)]
        yield (
            *fact,
            first,
            "" if last == names[-1] else last,
            " ".join(name for name in between if name not in having),
        )


def compact(rows: Iterator[tuple[str, str, str, str, str, str]], ours: set[str]) -> list[str]:
    """One line for all commands that share a fact."""
    lines: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    found = {(command, kind, name): times for command, kind, name, *times in rows if command in ours}
    for (command, kind, name), times in found.items():
        # A new command's parameters, the fields inside a new field, and a parameter's default came with it.
        parent = name.rpartition(".")[0]
        around = found.get((command, "field", parent)) if parent else found.get((command, "command", ""))
        own = found.get((command, "parameter", name.partition("=")[0])) if kind == "default" else None
        if kind == "command" or times not in (around, own):
            lines[(kind, name, *times)].append(command)
    return ["\t".join((*fact, " ".join(commands))) for fact, commands in sorted(lines.items())]


def main(checkout: str) -> None:
    from ec2bridge.simulator.registry import commands

    known = {name: set(read(checkout, commit).facts()) for name, commit in RELEASES.items()}
    lines = compact(changes(known), {command.name for command in commands().values()})
    head = "kind\tname\tfirst\tlast\tmissing between\tcommands"
    FACTS.parent.mkdir(exist_ok=True)
    FACTS.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
