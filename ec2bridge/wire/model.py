"""botocore's own models of EC2, STS and SSM, read as data: which operations there are and what they take and give.

Every AWS client in Python ships this schema of the EC2 query API, and it is kept current. Whatever the bridge
knows about names, types and documentation of the wire comes from there through this module, so that no action
has to spell an XML name, and a newer botocore brings newer operations by itself. The schemas of the API's earlier
versions that lie beside it tell what a client of that time is answered.
"""

import gzip
import importlib.util
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

SERVICES = ("ec2", "sts", "ssm")
SCALARS = frozenset({"string", "integer", "long", "boolean", "float", "double", "timestamp", "blob"})


class Member:
    """A named place in a structure, or the item of a list: its shape and its name on either wire."""

    __slots__ = (
        "documentation_html",
        "idempotency_token",
        "name",
        "query_name",
        "required",
        "shape",
        "xml_name",
    )

    def __init__(self, name: str, shape: "Shape", traits: Mapping[str, Any], *, required: bool) -> None:
        self.name = name
        self.shape = shape
        self.required = required
        self.idempotency_token = bool(traits.get("idempotencyToken"))
        self.documentation_html: str = traits.get("documentation", "")
        wire_name = traits.get("locationName") or shape.location_name
        self.xml_name: str = wire_name or name
        # botocore's EC2Serializer: the query name, else the XML name with its first letter in upper case
        if shape.protocol == "ec2" and wire_name:
            wire_name = traits.get("queryName") or wire_name[0].upper() + wire_name[1:]
        self.query_name: str = traits.get("queryName") or wire_name or name

    @property
    def documentation(self) -> str:
        """AWS's description of the member as plain text."""
        return plain_text(self.documentation_html)


class Shape:
    """A type of the model; `kind` is `structure`, `list` or one of SCALARS."""

    def __init__(self, service: "Service", name: str, definition: Mapping[str, Any]) -> None:
        self._service = service
        self._definition = definition
        self.name = name
        self.protocol = service.protocol
        self.kind: str = definition["type"]
        self.location_name: str | None = definition.get("locationName")
        self.sensitive = bool(definition.get("sensitive"))
        self.flattened = bool(definition.get("flattened")) or service.protocol == "ec2"
        self.enum: tuple[str, ...] = tuple(definition.get("enum", ()))
        self.min: int | float | None = definition.get("min")
        self.max: int | float | None = definition.get("max")

    @cached_property
    def members(self) -> dict[str, Member]:
        """The members of a structure by name, in the model's order."""
        required = frozenset(self._definition.get("required", ()))
        return {
            name: Member(name, self._service.shape(traits["shape"]), traits, required=name in required)
            for name, traits in self._definition["members"].items()
        }

    @cached_property
    def item(self) -> Member:
        """The item of a list; EC2 calls it `item` and STS `member` unless the model names another."""
        traits = self._definition["member"]
        default = "item" if self.protocol == "ec2" else "member"
        return Member(default, self._service.shape(traits["shape"]), traits, required=False)

    @cached_property
    def scalars(self) -> dict[str, str]:
        """Every scalar below this shape: dotted member path (lists are transparent) → kind.

        >>> operation("DescribeInstances").output_list[1].scalars["Instances.State.Name"]
        'string'
        """
        return {path: shape.kind for path, shape in _leaves(self, "", ())}

    def __repr__(self) -> str:
        return f"<Shape {self.name} {self.kind}>"


def _leaves(shape: Shape, path: str, above: tuple[Shape, ...]) -> Iterator[tuple[str, Shape]]:
    """Yield the scalars below a shape with their paths; a shape inside itself is not entered again."""
    if shape in above:
        return
    if shape.kind == "list":
        yield from _leaves(shape.item.shape, path, (*above, shape))
    elif shape.kind == "structure":
        for member in shape.members.values():
            yield from _leaves(
                member.shape, f"{path}.{member.name}" if path else member.name, (*above, shape)
            )
    else:
        yield path, shape


class Operation:
    """One action of the API with everything that the model says about it."""

    def __init__(self, service: "Service", name: str, definition: Mapping[str, Any]) -> None:
        self._definition = definition
        self.name = name
        self.service = service.name
        self.api_version = service.api_version
        self.xml_namespace = service.xml_namespace
        self.input: Shape | None = service.shape_of(definition.get("input"))
        self.output: Shape | None = service.shape_of(definition.get("output"))
        self.result_wrapper: str | None = (definition.get("output") or {}).get("resultWrapper")

    @property
    def input_members(self) -> dict[str, Member]:
        """The top-level members of the request by name; a member's shape tells its type."""
        return self.input.members if self.input else {}

    @property
    def output_members(self) -> dict[str, Member]:
        """The top-level members of the answer by name."""
        return self.output.members if self.output else {}

    @cached_property
    def output_list(self) -> tuple[Member, Shape] | None:
        """The result set: the answer's first list and the shape of its items; None if it has no list."""
        for member in self.output_members.values():
            if member.shape.kind == "list":
                return member, member.shape.item.shape
        return None

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The members that every request must carry."""
        return tuple(name for name, member in self.input_members.items() if member.required)

    @cached_property
    def idempotency_tokens(self) -> tuple[str, ...]:
        """The members that make a repeated request harmless, `ClientToken` mostly."""
        # Of a few actions the model does not mark it, and AWS's documentation says that it is one.
        return tuple(
            name
            for name, member in self.input_members.items()
            if member.idempotency_token or name == "ClientToken"
        )

    @cached_property
    def sensitive(self) -> frozenset[str]:
        """Dotted paths of the input members that must not be logged (lists are transparent)."""
        return frozenset(_sensitive(self.input, "", ())) if self.input else frozenset()

    @cached_property
    def sensitive_words(self) -> frozenset[str]:
        """What stands in the names of parameters on the wire whose values must not be logged."""
        return frozenset(_sensitive_words(self.input, ())) if self.input else frozenset()

    @cached_property
    def filters_documented(self) -> tuple[str, ...]:
        """The filter names of AWS's documentation, in its order; `tag:<key>` is `tag:*`."""
        member = self.input_members.get("Filters") or self.input_members.get("Filter")
        return documented_filters(member.documentation_html) if member else ()

    @property
    def documentation(self) -> str:
        """AWS's description of the operation as plain text."""
        return plain_text(self._definition.get("documentation", ""))

    def takes(self, name: str) -> bool:
        """Whether the request has this top-level member (`DryRun`, `NextToken`, `Filters` …)."""
        return name in self.input_members

    def __repr__(self) -> str:
        return f"<Operation {self.service}:{self.name}>"


def _sensitive(shape: Shape, path: str, above: tuple[Shape, ...]) -> Iterator[str]:
    if shape.sensitive:
        yield path
    elif shape.kind == "list":
        yield from _sensitive(shape.item.shape, path, above)
    elif shape.kind == "structure" and shape not in above:
        for member in shape.members.values():
            yield from _sensitive(
                member.shape, f"{path}.{member.name}" if path else member.name, (*above, shape)
            )


def _sensitive_words(shape: Shape, above: tuple[Shape, ...]) -> Iterator[str]:
    if shape.kind == "list":
        yield from _sensitive_words(shape.item.shape, above)
    elif shape.kind == "structure" and shape not in above:
        for member in shape.members.values():
            inner = member.shape
            if inner.sensitive or (inner.kind == "list" and inner.item.shape.sensitive):
                yield from (member.name, member.query_name)
            else:
                yield from _sensitive_words(inner, (*above, shape))


class Service:
    """A service's model; shapes and operations are made when first asked for: few of them ever are."""

    def __init__(self, name: str, directory: Path) -> None:
        definition = _load(directory)
        metadata = definition["metadata"]
        self.name = name
        self.protocol: str = metadata["protocol"]
        self.api_version: str = metadata["apiVersion"]
        self.xml_namespace: str = metadata.get("xmlNamespace", "")
        self._shapes: Mapping[str, Any] = definition["shapes"]
        self._operations: Mapping[str, Any] = definition["operations"]
        self._made_shapes: dict[str, Shape] = {}
        self._made_operations: dict[str, Operation] = {}

    @property
    def operation_names(self) -> list[str]:
        return list(self._operations)

    def operation(self, name: str) -> Operation | None:
        made = self._made_operations.get(name)
        if made is None and name in self._operations:
            made = self._made_operations[name] = Operation(self, name, self._operations[name])
        return made

    def shape(self, name: str) -> Shape:
        made = self._made_shapes.get(name)
        if made is None:
            made = self._made_shapes[name] = Shape(self, name, self._shapes[name])
        return made

    def shape_of(self, reference: Mapping[str, Any] | None) -> Shape | None:
        return self.shape(reference["shape"]) if reference else None


def _directories(service: str) -> list[Path]:
    """The directories of a service's models in the installed botocore, named by API version, the oldest first.

    Only their data is wanted: importing botocore's loader would cost 0.15 s and 13 MiB at every start.
    """
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise RuntimeError("botocore is not installed: the EC2 wire needs its models")
    return sorted(path for path in (Path(spec.origin).parent / "data" / service).iterdir() if path.is_dir())


def _load(directory: Path) -> Any:
    packed = directory / "service-2.json.gz"
    if packed.exists():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads((directory / "service-2.json").read_bytes())


@cache
def aws_regions() -> frozenset[str]:
    """The names of AWS's own regions, which some clients hold a region against."""
    file = _directories("ec2")[0].parent.parent / "partitions.json"
    partitions = json.loads(file.read_bytes())["partitions"]
    names = {name for partition in partitions for name in partition["regions"]}
    return frozenset(name for name in names if not name.endswith("-global"))


@cache
def aws_services() -> frozenset[str]:
    """The names that AWS's services sign with: those of their hosts, and of their models where these differ."""
    data = _directories("ec2")[0].parent.parent
    partitions = json.loads((data / "endpoints.json").read_bytes())["partitions"]
    hosts = {name for partition in partitions for name in partition["services"]}
    return frozenset(hosts | {place.name for place in data.iterdir() if place.is_dir()})


@cache
def service_model(name: str) -> Service:
    """The newest model of `ec2`, `sts` or `ssm`, loaded on first use."""
    return Service(name, _directories(name)[-1])


def earlier_model(version: str) -> Service | None:
    """The model of EC2 that a client of an earlier API version knows; None when it knows the newest.

    It is the last one that is no newer than the client's; a client older than all is answered by the oldest.
    """
    return _earlier_model(bisect_right(_ec2_versions(), version))


@cache
def _ec2_versions() -> list[str]:
    return [path.name for path in _directories("ec2")]


@cache
def _earlier_model(place: int) -> Service | None:
    directories = _directories("ec2")
    return None if place >= len(directories) else Service("ec2", directories[max(place - 1, 0)])


def operation(name: str, service: str = "ec2") -> Operation | None:
    """The operation of that exact name; None if AWS has no such action."""
    return service_model(service).operation(name)


def operation_names(service: str = "ec2") -> list[str]:
    """Every action that AWS has, whether or not the bridge serves it."""
    return service_model(service).operation_names


def enum_values(shape: str, service: str = "ec2") -> tuple[str, ...]:
    """The values that AWS lists for a string shape; advisory: CloudStack's offerings have others."""
    return service_model(service).shape(shape).enum


def is_empty(value: object) -> bool:
    """Whether a parsed value says nothing: absent, an empty string or list, or a structure of only these."""
    if isinstance(value, Mapping):
        return all(is_empty(inner) for inner in value.values())
    return value is None or value == "" or value == [] or value == b""


def redact(op: Operation, params: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of parsed parameters, fit for a log: sensitive members read `***`."""
    return {name: _redacted(op, name, value) for name, value in params.items()}


def _redacted(op: Operation, path: str, value: Any) -> Any:
    if path in op.sensitive:
        return "***"
    if isinstance(value, Mapping):
        return {name: _redacted(op, f"{path}.{name}", inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(op, path, inner) for inner in value]
    return value


_PAIR = re.compile(r"([\w.%-]+)=([^&\s]*)")


def redact_query(action: str, text: str) -> str:
    """A text with an encoded query in it, fit for a log: what the model calls sensitive reads `***`."""
    op = operation(action)
    words = op.sensitive_words if op else frozenset()
    return _PAIR.sub(lambda pair: pair[0] if words.isdisjoint(pair[1].split(".")) else f"{pair[1]}=***", text)


class _TopLevelItems(HTMLParser):
    """Collects the text of each outermost `<li>` up to its first nested list."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("ul", "ol"):
            self._depth += 1
        elif tag == "li" and self._depth == 1:
            self.items.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._depth == 1 and self.items:
            self.items[-1] += data


def documented_filters(html: str) -> tuple[str, ...]:
    """The filter names in a `Filters` member's documentation: its outermost `name - description` items."""
    reader = _TopLevelItems()
    reader.feed(html)
    names: dict[str, None] = {}
    for item in reader.items:
        head = re.split(r"\s+[-–—]\s*|\s*[-–—:]\s+", item.strip(), maxsplit=1)[0]
        for name in re.split(r"\s*\|\s*|\s+or\s+", head):
            if name.strip():
                names[re.sub(r"^tag\s*:.*", "tag:*", name.strip())] = None
    return tuple(names)


class _Text(HTMLParser):
    """Collects the text between the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def plain_text(html: str) -> str:
    """Documentation without its markup, on one line."""
    reader = _Text()
    reader.feed(html)
    return " ".join("".join(reader.pieces).split())
