"""The reference pages, made from the code: settings, mappings, metrics (`make docs` writes them)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import yaml

from ec2bridge import config, server
from ec2bridge.mapping import ErrorRow, load_mappings, packaged
from ec2bridge.serving.health import Health
from ec2bridge.serving.metrics import Metrics
from ec2bridge.simulator.server import Simulator

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
MADE = "Made from the code by `make docs`."


def pages() -> dict[Path, str]:
    """Return the pages by the files they belong into."""
    made = {"settings.md": settings(), "mappings.md": mappings(), "metrics.md": metrics()}
    return {FOLDER / name: text for name, text in made.items()}


def settings() -> str:
    """Return the page of settings."""
    return f"""# Settings

{MADE} A TOML file (`--config`, `EC2BRIDGE_CONFIG`), environment variables, and flags, in rising
order: each setting has all three, so `job_timeout` in the file is `EC2BRIDGE_JOB_TIMEOUT` and `--job-timeout`. Tables
and lists are written with commas there (`us-east-1a=zone-1,us-east-1b=zone-2`). Keys belong into the environment or the
file, not into flags, which every user of the machine can read.
The [operator's guide](../operators.md) says when to change what.

{config.table()}
"""


def mappings() -> str:
    """Return the page of what CloudStack's things and errors are in EC2."""
    return "\n".join(_mappings())


def _mappings() -> Iterator[str]:
    tables = load_mappings()
    yield f"# Mappings\n\n{MADE} The tables lie in the package's `mappings/`; the setting `mappings` names a directory"
    yield "whose files replace them one by one.\n"
    yield f"## Instance types\n\n{head('instance-types.yaml')}\n"
    yield "| type | virtual processors | MiB of memory | type | virtual processors | MiB of memory |"
    yield "| --- | ---: | ---: | --- | ---: | ---: |"
    sizes = [f"`{name}` | {size.cpus} | {size.memory}" for name, size in tables.instance_types.types.items()]
    half = -(-len(sizes) // 2)
    for left, right in zip(sizes[:half], [*sizes[half:], " | |"], strict=False):
        yield f"| {left} | {right} |"
    yield f"\n## Volume types\n\n{head('volume-types.yaml')}\n"
    yield "| type | offerings of the name | offerings with the storage tag |\n| --- | --- | --- |"
    for name, kind in tables.volume_types.types.items():
        yield f"| `{name}` | {names(kind.offerings)} | {names(kind.tags)} |"
    yield f"\nA volume without a type is made as `{tables.volume_types.default}`; one whose offering no row names is"
    yield f"shown as `{tables.volume_types.other}`.\n\n## Limits of requests\n\n{head('throttling.yaml')}\n"
    limits: dict[str, Any] = yaml.safe_load((packaged() / "throttling.yaml").read_text(encoding="utf-8"))
    yield "| requests | most at once | back in a second |\n| --- | ---: | ---: |"
    yield f"| Describe, Get, List, Search | {cells(limits['reading'])} |"
    whole = limits["reading_all"]
    yield f"| of these, without ids, filters and pages: {names(whole['actions'])} | {cells(whole['limit'])} |"
    yield f"| all others | {cells(limits['changing'])} |"
    for name, limit in limits["actions"].items():
        yield f"| `{name}` | {cells(limit)} |"
    for name, limit in limits["machines"].items():
        yield f"| machines in `{name}` | {cells(limit)} |"
    yield f"\n## Parameters\n\n{head('parameters.yaml')}\n"
    yield "| parameters | names of templates, as regular expressions |\n| --- | --- |"
    for parameter in tables.parameters.parameters:
        patterns = (cell(pattern.pattern) for pattern in parameter.templates)
        yield f"| {names(parameter.names)} | {names(patterns)} |"
    plain = (cell(pattern.pattern) for pattern in tables.parameters.plain)
    yield f"\nWords that make no other system of a template: {names(plain)}. A name with one of the words"
    yield f"{names(tables.parameters.architectures)} takes templates of that architecture alone."
    yield "\n## Errors\n\nCloudStack's errors as EC2's. The first row that matches decides; what no row matches is"
    yield "`InternalError`. *(text)* stands for CloudStack's own sentence.\n"
    yield "| CloudStack's command | its error | its sentence, as a regular expression | becomes |"
    yield "| --- | --- | --- | --- |"
    for row in tables.errors.errors:
        yield error_row(row)
    yield ""


def error_row(row: ErrorRow) -> str:
    """Return one row of the table of errors."""
    kind = row.object_kind()
    what = f"`{row.code}`" if kind is None else f"`{kind.not_found}`"
    code = " ".join(str(number) for number in (row.errorcode, row.cserrorcode) if number is not None)
    text = f"`{cell(row.text.pattern)}`" if row.text else ""
    commands = "any" if row.command == ("*",) else names(row.command)
    said = "" if kind is not None or row.message == "{text}" else f": {cell(row.message)}"
    return f"| {commands} | {code} | {text} | {what}{said.replace('{text}', '*(text)*')} |"


def cell(text: str) -> str:
    """Return a text as a table's cell can hold it."""
    return text.replace("|", "\\|").replace("\n", " ")


def cells(limit: list[float]) -> str:
    """Return the two numbers of a limit as two cells."""
    return " | ".join(f"{number:g}" for number in limit)


def names(found: Any) -> str:
    """Return names as code."""
    return ", ".join(f"`{name}`" for name in found)


def head(table: str) -> str:
    """Return what a table says of itself: the comment it begins with."""
    lines = (packaged() / table).read_text(encoding="utf-8").splitlines()
    ends = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:ends])


def metrics() -> str:
    """Return the page of metrics: those that a bridge which has just started serves."""
    lines = [
        f'# Metrics\n\n{MADE} `metrics_listen = "127.0.0.1:9788"` serves them for Prometheus at `/metrics`: no keys,',
        "no names, no parameters. [The operator's guide](../operators.md#alerts) has the alerts.\n",
        "| metric | kind | labels | what it tells |\n| --- | --- | --- | --- |",
    ]
    for name, kind, labels, what in sorted(asyncio.run(_families())):
        lines.append(f"| `{name}` | {kind} | {names(labels)} | {what} |")
    lines.append(
        "\nThose of the process and of Python's garbage collector (`process_…`, `python_…`) are the client library's."
    )
    return "\n".join(lines) + "\n"


LABELS = {
    "ec2bridge_store_entries": ("kind",),
    "ec2bridge_cache_entries": ("cache",),
    "ec2bridge_build_info": ("version", "python"),
}
"""Labels of the gauges that are made when somebody asks, which the collectors do not name."""


async def _families() -> list[tuple[str, str, tuple[str, ...], str]]:
    simulator = Simulator()
    await simulator.start("127.0.0.1", 0)
    service = simulator.accounts["keylookup"]
    chosen = config.load(
        cloudstack_url=simulator.url,
        service_api_key=service.api_key,
        service_secret_key=service.secret_key,
        store="memory",
    )
    shown = Metrics()
    async with server.bridge(chosen, shown) as bridge:
        shown.watch(bridge, Health(bridge), cast(Any, SimpleNamespace(expires=0.0)))
        await shown.state.refresh(Health(bridge))
        made = {
            family.name: getattr(collector, "_labelnames", LABELS.get(family.name, ()))
            for collector in (shown.requests, shown.seconds, shown.native, shown.ignored, shown.under_way)
            for family in collector.describe()
        }
        found = [
            (
                f"{family.name}_total" if family.type == "counter" else family.name,
                family.type,
                tuple(made.get(family.name) or LABELS.get(family.name, ())),
                family.documentation,
            )
            for family in shown.registry.collect()
            if family.name.startswith("ec2bridge_")
        ]
    await simulator.close()
    return found


def write() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
