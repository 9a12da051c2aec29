"""A cloud's service offerings beside AWS's types, and its disk offerings beside the volume types."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.mapping import Mappings, Size
from ec2bridge.resources.instance_types import TypeTable, preference, size_of

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Matched:
    """Which type is served by which offering, and the offerings that no type comes to."""

    types: Mapping[str, str]
    """AWS type → name of the offering."""
    serving: Mapping[str, tuple[str, ...]]
    """Name of an offering → the types that it serves."""
    unmatched: tuple[Row, ...]


def match(tables: Mappings, rows: Iterable[Row]) -> Matched:
    """Match offerings with AWS's types, by the rules that launches go by."""
    active = sorted((row for row in rows if row.get("state", "Active") == "Active"), key=preference)
    aws = tables.instance_types.types
    table = TypeTable(aws, tuple(active), tables.instance_types.cpu_speed, {}, frozenset())
    chosen = {name: found[0] for name in aws if (found := table.serving(name))}
    serving: dict[str, tuple[str, ...]] = {}
    for name, row in chosen.items():
        serving[row["id"]] = (*serving.get(row["id"], ()), name)
    sizes = set(aws.values())
    unmatched = [row for row in active if row["id"] not in serving and not _is_another(row, sizes)]
    return Matched(
        {name: row["name"] for name, row in chosen.items()},
        {row["name"]: serving[row["id"]] for row in active if row["id"] in serving},
        tuple(unmatched),
    )


def _is_another(row: Row, sizes: set[Size]) -> bool:
    """Whether an offering has a type's size and only stands behind an older one."""
    return size_of(row) in sizes


def size_text(row: Row) -> str:
    """Return an offering's size as a person writes it."""
    size = size_of(row)
    return f"{size.cpus} CPUs, {size.memory} MiB" if size else "its size is chosen at launch"
