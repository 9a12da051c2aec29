"""The tables in `mappings/`: what EC2 and CloudStack call the same thing, and which error means which.

Both sides have names that no rule derives from one another (instance types and offerings, volume types and disk
offerings, error texts and error codes, parameters and templates), so they stand in YAML tables that an operator may
replace file by file. Tables only: what needs a condition is a function somewhere else. All are read and checked at the
start, and what is wrong is told in a sentence that names file and row.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ec2bridge.ids import KINDS, Kind


class MappingError(Exception):
    """A table cannot be used; the message is a sentence for the operator."""


class Table(BaseModel):
    """What all tables and rows share: an unknown key is a mistake, nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


# --- instance types --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """What a machine has: virtual processors and MiB of memory."""

    cpus: int
    memory: int


class Family(Table):
    """A family of instance types, with the facts about it that clients ask for."""

    burstable: bool = False
    previous: bool = False
    """Of a generation that AWS calls previous."""
    architectures: tuple[str, ...] = ("x86_64",)
    sizes: dict[str, tuple[PositiveInt, PositiveInt]]


class InstanceTypes(Table):
    """AWS's instance types with their sizes."""

    cpu_speed: PositiveInt
    """MHz asked of a customised offering that leaves the speed to the launch."""
    families: dict[str, Family]

    def model_post_init(self, _: Any) -> None:
        """Join the names once; a type is looked up with each machine."""
        types = {
            f"{name}.{size}": Size(*figures)
            for name, family in self.families.items()
            for size, figures in family.sizes.items()
        }
        self.__dict__["types"] = types

    @property
    def types(self) -> Mapping[str, Size]:
        """Type → size, in the order of the table."""
        types: Mapping[str, Size] = self.__dict__["types"]
        return types

    def family(self, name: str) -> Family | None:
        """The family of a type; None for what is no AWS type."""
        return self.families.get(name.partition(".")[0]) if name in self.types else None


# --- volume types ----------------------------------------------------------------------------------------------


class VolumeType(Table):
    """Which disk offerings are of a volume type: by name or by storage tag, without regard to case."""

    offerings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a disk offering, or a volume with its offering's name, is of this type."""
        name = str(row.get("diskofferingname") or row.get("name") or "").lower()
        tags = {
            tag.strip().lower()
            for tag in str(row.get("tags") or "").split(",")
            if "diskofferingname" not in row
        }
        return name in map(str.lower, self.offerings) or not tags.isdisjoint(map(str.lower, self.tags))


class VolumeTypes(Table):
    """EC2's volume types and the disk offerings that stand for them."""

    default: str
    """The type of a volume that is created without one."""
    other: str
    """The type shown for a volume whose offering no rule names."""
    types: dict[str, VolumeType]

    @model_validator(mode="after")
    def _known(self) -> "VolumeTypes":
        for key in ("default", "other"):
            if getattr(self, key) not in self.types:
                raise ValueError(f"{key} names the volume type {getattr(self, key)!r}, which is not in types")
        return self

    def type_of(self, row: Mapping[str, Any]) -> str:
        """The volume type of a disk offering's row, or of a volume's."""
        return next((name for name, rule in self.types.items() if rule.matches(row)), self.other)


# --- parameters ------------------------------------------------------------------------------------------------


def _pattern(value: Any) -> Any:
    if value is None or isinstance(value, re.Pattern):
        return value
    try:
        return re.compile(value, re.DOTALL | re.IGNORECASE)
    except (re.error, TypeError) as error:
        raise ValueError(f"the text {value!r} is no regular expression: {error}") from None


Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]


class ParameterRow(Table):
    """Parameters by their names, in which {a,b} are alternatives, and the templates that stand for them."""

    names: tuple[str, ...]
    templates: tuple[Pattern, ...]

    def spelt_out(self) -> list[str]:
        """The names, one for each choice of alternatives."""
        return [name for names in self.names for name in _spelt_out(names)]


def _spelt_out(names: str) -> list[str]:
    parts = re.split(r"\{([^{}]*)\}", names)
    choices = [part.split(",") if place % 2 else [part] for place, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


_PARAMETER = re.compile(r"(/[A-Za-z0-9_.-]+)+")


class Parameters(Table):
    """AWS's public parameters that stand for an image."""

    architectures: dict[str, str]
    plain: tuple[Pattern, ...] = ()
    parameters: tuple[ParameterRow, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> "Parameters":
        rows: dict[str, int] = {}
        for place, row in enumerate(self.parameters, 1):
            for name in row.spelt_out():
                if not _PARAMETER.fullmatch(name):
                    raise ValueError(f"row {place}: {name!r} is no name of a parameter")
                if name in rows:
                    raise ValueError(f"row {place} has the name {name} again, which row {rows[name]} has")
                rows[name] = place
        return self

    def model_post_init(self, _: Any) -> None:
        """Spell the names out once."""
        self.__dict__["by_name"] = {name: row for row in self.parameters for name in row.spelt_out()}

    @property
    def by_name(self) -> Mapping[str, ParameterRow]:
        """Name → its row."""
        rows: Mapping[str, ParameterRow] = self.__dict__["by_name"]
        return rows

    def architecture(self, name: str) -> str | None:
        """The architecture that a parameter's name asks for; None where it asks for none."""
        words = (
            found
            for word, found in self.architectures.items()
            if re.search(rf"\b{re.escape(word)}(?![\w])", name)
        )
        return next(words, None)

    def bare(self, template: str) -> str:
        """A template's name without the words that make no other system of it."""
        words = re.sub(r"[^a-z0-9.]+", " ", template.lower()).split()
        kept = (word.strip(".") for word in words if not any(plain.fullmatch(word) for plain in self.plain))
        return " ".join(word for word in kept if word)

    def stands_for(self, row: ParameterRow, template: str) -> bool:
        """Whether a template of that name stands for the parameters of a row."""
        forms = (template, self.bare(template))
        return any(pattern.fullmatch(form) for pattern in row.templates for form in forms)


# --- errors ----------------------------------------------------------------------------------------------------


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class ErrorRow(Table):
    """Which errors of CloudStack's a row is for, and the EC2 error that they become.

    Either `code`, with a `message` in which groups of `text` and `{text}`, CloudStack's own sentence, may stand; or
    `kind`, for which that kind's NotFound is made of the group `id`.
    """

    command: Annotated[tuple[str, ...], BeforeValidator(_several)] = ("*",)
    errorcode: int | None = None
    cserrorcode: int | None = None
    text: Annotated[re.Pattern[str] | None, BeforeValidator(_pattern)] = None
    code: str | None = None
    message: str = "{text}"
    kind: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> "ErrorRow":
        if (self.code is None) == (self.kind is None):
            raise ValueError("it needs either a code or a kind")
        if self.kind is not None and self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of object")
        groups = set(self.text.groupindex) if self.text else set()
        wanted = {"id"} if self.kind else {name for _, name, _, _ in Formatter().parse(self.message) if name}
        if missing := wanted - groups - {"text"}:
            raise ValueError(f"the text has no group {sorted(missing)[0]!r}")
        return self

    def match(
        self, command: str, errorcode: int | None, cserrorcode: int | None, text: str
    ) -> re.Match[str] | None:
        """The match of the row's text when the row is for this error."""
        if self.errorcode not in (None, errorcode) or self.cserrorcode not in (None, cserrorcode):
            return None
        if not any(fnmatchcase(command, pattern) for pattern in self.command):
            return None
        return (self.text or _ANY).search(text)

    def covers(self, other: "ErrorRow") -> bool:
        """Whether nothing is left for `other` when it comes after this row."""
        return (
            self.errorcode in (None, other.errorcode)
            and self.cserrorcode in (None, other.cserrorcode)
            and (self.text is None or self.text == other.text)
            and all(any(fnmatchcase(theirs, ours) for ours in self.command) for theirs in other.command)
        )

    def object_kind(self) -> Kind | None:
        """The kind whose NotFound this row stands for."""
        return KINDS[self.kind] if self.kind else None


_ANY = re.compile("")


class ErrorTable(Table):
    """CloudStack's errors as EC2's; the first row that matches decides."""

    errors: tuple[ErrorRow, ...]

    @model_validator(mode="after")
    def _reachable(self) -> "ErrorTable":
        if not self.errors:
            raise ValueError("it has no rows")
        for place, row in enumerate(self.errors):
            for earlier, other in enumerate(self.errors[:place]):
                if other.covers(row):
                    raise ValueError(
                        f"row {place + 1} can never be reached: row {earlier + 1} takes its errors"
                    )
        return self


# --- throttling -----------------------------------------------------------------------------------------------

Bucket = tuple[PositiveFloat, PositiveFloat]
"""The most tokens that it holds, and those that come back in a second."""


class ReadingAll(Table):
    """Actions that read everything when nothing narrows them, and what each may then."""

    limit: Bucket
    actions: frozenset[str]


class Throttling(Table):
    """AWS's token buckets."""

    reading: Bucket
    reading_all: ReadingAll
    changing: Bucket
    actions: dict[str, Bucket]
    machines: dict[str, Bucket]


# --- reading ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mappings:
    """All tables."""

    instance_types: InstanceTypes
    volume_types: VolumeTypes
    errors: ErrorTable
    throttling: Throttling
    parameters: Parameters


T = TypeVar("T", bound=Table)

# The loader in C reads the tables in a tenth of the time, where PyYAML has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TABLES = ("instance-types.yaml", "volume-types.yaml", "errors.yaml", "throttling.yaml", "parameters.yaml")
"""The files, which a folder of the operator's may replace one by one."""


def load_mappings(directory: Path | str | None = None) -> Mappings:
    """Read all tables, from `directory` those that it has; raises MappingError with a sentence."""
    places = [packaged()]
    if directory is not None:
        own = Path(directory)
        _check_names(own)
        places.insert(0, own)
    return Mappings(
        instance_types=_read(places, TABLES[0], InstanceTypes),
        volume_types=_read(places, TABLES[1], VolumeTypes),
        errors=_read(places, TABLES[2], ErrorTable),
        throttling=_read(places, TABLES[3], Throttling),
        parameters=_read(places, TABLES[4], Parameters),
    )


def packaged() -> Path:
    """Where the tables lie that came with the program: inside the wheel, or beside the package in a clone."""
    inside = Path(__file__).parent / "mappings"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "mappings"


def _check_names(directory: Path) -> None:
    if not directory.is_dir():
        raise MappingError(f"The mappings' directory {directory} does not exist.")
    for path in sorted(directory.glob("*.y*ml")):
        if path.name not in TABLES:
            raise MappingError(f"{path} is no mapping; the mappings are {', '.join(TABLES)}.")


def _read(places: list[Path], name: str, model: type[T]) -> T:
    path = next(place / name for place in places if (place / name).exists() or place == places[-1])
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - it is a safe one
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MappingError(f"{path} cannot be read: {' '.join(str(error).split())}.") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MappingError("\n".join(_sentence(path, problem) for problem in error.errors())) from None


def _sentence(path: Path, problem: Any) -> str:
    steps = [f"row {step + 1}" if isinstance(step, int) else str(step) for step in problem["loc"]]
    reason = (
        "unknown key"
        if problem["type"] == "extra_forbidden"
        else problem["msg"].removeprefix("Value error, ")
    )
    return f"{path}: {' → '.join([*steps, reason])}."
