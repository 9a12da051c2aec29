"""An operation's result, or an error, as the XML that EC2's and STS's clients expect.

Clients read answers by the letter: libcloud matches the namespace to the Version that it sent, salt-cloud takes
the second child of the root for the result set, and SDKs tell an empty set from a missing one. A typo in an
action must not become an element that nobody looks for, so what the model does not have is an exception here.

A client of an earlier API version is answered in that version's elements, as on AWS: boto 2 takes the `item` of a list
that it does not know for the end of the item around it, and the `state` in it for the state of the whole.
"""

import base64
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ec2bridge.errors import CLIENT_ERROR, SERVER_ERROR, STATUS
from ec2bridge.gently import gently
from ec2bridge.wire.model import Operation, Shape, earlier_model, service_model

Renderer = Callable[[Any], str]

LONG = 400
"""Items from which on a list is rendered in turns."""
PART = 2**18
"""Bytes from which on a part of an answer is sent as it is."""
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
DEFAULT_VERSION = "2016-11-15"
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# Markup, a carriage return (parsers read a bare one as a line feed), and what XML 1.0 cannot hold at all.
_UNSAFE = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_unsafe = _UNSAFE.search


def render(op: Operation, result: Mapping[str, Any] | None, *, version: str, request_id: str) -> bytes:
    """The answer to a request that succeeded; members that are absent or None leave no element.

    A member that the model does not have, or a value of another type, raises TypeError with its path.
    """
    body = _body(op, result or {}, _earlier(op, version))
    if op.service == "sts":
        return _sts_response(op, body, request_id)
    start, end = _ec2_envelope(op, version, request_id)
    return f"{start}{body}{end}".encode()


def render_error(
    code: str, message: str, *, request_id: str, service: str = "ec2", version: str = DEFAULT_VERSION
) -> bytes:
    """The answer to a request that failed; EC2's carries no namespace, STS's has its own form."""
    code, message, request_id = escaped(code), escaped(message), escaped(request_id)
    if service == "sts":
        fault = "Receiver" if STATUS.get(code, CLIENT_ERROR) >= SERVER_ERROR else "Sender"
        return (
            f'{DECLARATION}<ErrorResponse xmlns="{service_model("sts").xml_namespace}">'
            f"<Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        ).encode()
    return (
        f"{DECLARATION}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    ).encode()


def _sts_response(op: Operation, body: str, request_id: str) -> bytes:
    root = f"{op.name}Response"
    wrapper = op.result_wrapper or f"{op.name}Result"
    return (
        f'{DECLARATION}<{root} xmlns="{op.xml_namespace}"><{wrapper}>{body}</{wrapper}>'
        f"<ResponseMetadata><RequestId>{escaped(request_id)}</RequestId></ResponseMetadata></{root}>"
    ).encode()


def _ec2_envelope(op: Operation, version: str, request_id: str) -> tuple[str, str]:
    root = f"{op.name}Response"
    namespace, request = _ec2_namespace(version), escaped(request_id)
    return f'{DECLARATION}<{root} xmlns="{namespace}"><requestId>{request}</requestId>', f"</{root}>"


def _in_order(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members as AWS orders them: NextToken stands behind the result set."""
    if "NextToken" not in result:
        return result
    result = {**result}
    result["NextToken"] = result.pop("NextToken")
    return result


def _ec2_namespace(version: str) -> str:
    """The namespace of the client's own API version, whichever that is; anything but a date gets today's."""
    return f"http://ec2.amazonaws.com/doc/{version if _VERSION.fullmatch(version) else DEFAULT_VERSION}/"


def _earlier(op: Operation, version: str) -> Operation | None:
    """The operation as the client's earlier version of the API has it; None when all of the answer may be sent.

    An operation that came later than the client's version is answered in full: the client asks for it all the same.
    """
    if op.service != "ec2" or version >= op.api_version or not _VERSION.fullmatch(version):
        return None
    model = earlier_model(version)
    return model.operation(op.name) if model else None


def _body(op: Operation, result: Mapping[str, Any], earlier: Operation | None) -> str:
    if op.output is None:
        if result:
            raise TypeError(f"{op.name} answers nothing, but the action gave {', '.join(result)}")
        return "<return>true</return>"
    result = _in_order(result)
    try:
        if earlier and earlier.output is None:  # it told success alone, and has grown since
            return f"<return>{_boolean(result.get('Return', True))}</return>"
        return _renderer(op.output, earlier.output if earlier else None)(result)
    except (AttributeError, KeyError, TypeError, ValueError):
        _explain(op.output, result, op.name)
        raise


async def render_in_turns(
    op: Operation, result: Mapping[str, Any] | None, *, version: str, request_id: str
) -> list[bytes]:
    """`render` in parts, for answers of any length: others have their turn while long lists are written."""
    long = {
        name
        for name, value in (result or {}).items()
        if type(value) is KeptList or (type(value) is list and len(value) > LONG)
    }
    earlier = _earlier(op, version)
    if not result or not long or op.output is None or (earlier and earlier.output is None):
        return [render(op, result, version=version, request_id=request_id)]
    plan = _plan(op.output, earlier.output if earlier else None)
    start, end = _ec2_envelope(op, version, request_id)
    parts = [start.encode()]
    try:
        for name, value in _in_order(result).items():
            if value is None or not (field := plan[name]):
                continue
            opening, text, closing, empty = field
            if name in long:
                # Of an empty one nothing but its element is told.
                parts.append((opening if value else empty).encode())
                parts += await _parts(value, text)
                parts.append(closing.encode() if value else b"")
            else:
                body = text(value)
                parts.append((f"{opening}{body}{closing}" if body else empty).encode())
    except (AttributeError, KeyError, TypeError, ValueError):
        _explain(op.output, result, op.name)
        raise
    parts.append(end.encode())
    return parts


async def _parts(items: list[Any], text: Renderer) -> list[bytes]:
    if type(items) is not KeptList:
        return [text(some).encode() async for some in gently(items)]
    if items.by is not text:
        items.parts, items.by = [part async for part in _joined(items, text)], text
    return items.parts


async def _joined(items: list[Any], text: Renderer) -> AsyncIterator[bytes]:
    """Yield a list in parts that are large enough to be sent as they are."""
    parts, size = list[str](), 0
    async for some in gently(items):
        parts.append(text(some))
        size += len(parts[-1])
        if size >= PART:
            yield "".join(parts).encode()
            parts, size = [], 0
    if parts:
        yield "".join(parts).encode()


class Kept(dict[str, Any]):
    """A structure that is answered again and again, and so rendered once; nobody may change it after that."""

    __slots__ = ("by", "xml")

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self.by: Renderer | None = None
        self.xml = ""


class KeptList(list[Any]):
    """A list that is answered again and again as it is, and so rendered once; nobody may change it after that."""

    __slots__ = ("by", "parts")

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.by: Renderer | None = None
        self.parts: list[bytes] = []


@cache
def _renderer(shape: Shape, known: Shape | None) -> Renderer:
    """The renderer of a shape, of which the client knows the members of `known`, or all when that is None."""
    if known and known.kind != shape.kind:
        known = None
    if shape.kind == "structure":
        return _structure_renderer(shape, known)
    if shape.kind == "list":
        return _list_renderer(shape, known)
    return _SCALARS[shape.kind]


def _structure_renderer(shape: Shape, known: Shape | None) -> Renderer:
    plan: dict[str, tuple[str, Renderer, str, str] | None] = {}

    def structure(value: Mapping[str, Any]) -> str:
        if type(value) is Kept:
            if value.by is not structure:
                value.xml, value.by = fields(value), structure
            return value.xml
        return fields(value)

    def fields(value: Mapping[str, Any]) -> str:
        if not plan:
            plan.update(_plan(shape, known))
        parts = []
        for name, inner in value.items():
            if inner is not None and (field := plan[name]):
                start, text, end, empty = field
                body = text(inner)
                parts.append(f"{start}{body}{end}" if body else empty)
        return "".join(parts)

    return structure


def _plan(shape: Shape, known: Shape | None) -> dict[str, tuple[str, Renderer, str, str] | None]:
    """How each member is written; None leaves out one that the client's version does not have."""
    then = {member.xml_name: member.shape for member in known.members.values()} if known else {}
    plan: dict[str, tuple[str, Renderer, str, str] | None] = {}
    for member in shape.members.values():
        tag = member.xml_name
        text = _renderer(member.shape, then.get(tag))
        plan[member.name] = (
            None if known and tag not in then else (f"<{tag}>", text, f"</{tag}>", f"<{tag}/>")
        )
    return plan


def _list_renderer(shape: Shape, known: Shape | None) -> Renderer:
    tag = shape.item.xml_name
    start, end, between = f"<{tag}>", f"</{tag}>", f"</{tag}><{tag}>"
    text = _renderer(shape.item.shape, known.item.shape if known else None)

    def items(value: list[Any]) -> str:
        if not isinstance(value, (list, tuple)):
            raise TypeError(value)
        return f"{start}{between.join(map(text, value))}{end}" if value else ""

    return items


def escaped(text: str) -> str:
    """Text fit for an element: what XML cannot hold becomes U+FFFD."""
    if _unsafe(text) is None:
        return text
    return _UNSAFE.sub(lambda match: _ENTITIES.get(match[0], "\ufffd"), text)


def _integer(value: int) -> str:
    if type(value) is not int:
        raise TypeError(value)
    return str(value)


def _boolean(value: bool) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise TypeError(value)


def _float(value: float) -> str:
    if type(value) is not float and type(value) is not int:
        raise TypeError(value)
    return repr(value)


def _timestamp(value: datetime) -> str:
    """EC2 writes milliseconds, always in UTC."""
    if value.tzinfo is not None and value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return f"{value.isoformat(timespec='milliseconds')[:23]}Z"


def _blob(value: bytes) -> str:
    return base64.b64encode(value).decode()


_SCALARS: dict[str, Renderer] = {
    "string": escaped,
    "integer": _integer,
    "long": _integer,
    "boolean": _boolean,
    "float": _float,
    "double": _float,
    "timestamp": _timestamp,
    "blob": _blob,
}


def _explain(shape: Shape, value: Any, path: str) -> None:
    """Find the value that could not be rendered and raise TypeError with its path."""
    if shape.kind == "structure" and isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in shape.members:
                raise TypeError(f"{path}.{name}: the model has no such member in {shape.name}")
            if inner is not None:
                _explain(shape.members[name].shape, inner, f"{path}.{name}")
    elif shape.kind == "list" and isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _explain(shape.item.shape, inner, f"{path}[{index}]")
    else:
        _explain_scalar(shape, value, path)


def _explain_scalar(shape: Shape, value: Any, path: str) -> None:
    try:
        if shape.kind in _SCALARS:
            _SCALARS[shape.kind](value)
            return
    except (AttributeError, TypeError, ValueError):
        pass
    raise TypeError(f"{path}: {value!r:.100} is no {shape.kind} ({shape.name})")
