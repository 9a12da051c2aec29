"""AWS's JSON protocol, in its version 1.1: what a client of Systems Manager sends, and what it is answered.

An operation's name stands in the header X-Amz-Target; its members are those of the body's one object, under their own
names. A time is a number of seconds. An error tells its code in `__type`, and those that all services share have other
names here than in EC2's XML.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ec2bridge.errors import CLIENT_ERROR, SERVER_ERROR, STATUS, Ec2Error
from ec2bridge.wire.model import Operation, Shape

CONTENT_TYPE = "application/x-amz-json-1.1"
MALFORMED = "SerializationException"

_SHARED = MappingProxyType(
    {
        "AuthFailure": "UnrecognizedClientException",
        "IncompleteSignature": "IncompleteSignatureException",
        "InternalError": "InternalServerError",
        "MissingAuthenticationToken": "MissingAuthenticationTokenException",
        "RequestExpired": "InvalidSignatureException",
        "RequestLimitExceeded": "ThrottlingException",
        "SignatureDoesNotMatch": "InvalidSignatureException",
        "UnauthorizedOperation": "AccessDeniedException",
        "Unavailable": "ServiceUnavailable",
        "UnsupportedOperation": "ValidationException",
    }
)
"""EC2's codes, and what the services that speak JSON call the same."""

_KINDS: Mapping[str, type] = MappingProxyType(
    {"string": str, "boolean": bool, "integer": int, "list": list, "structure": dict}
)


def parse(op: Operation, body: bytes) -> dict[str, Any]:
    """Return the members of a request, or raise as AWS does for what is no JSON or not as the model has it."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise Ec2Error(MALFORMED, "The body of the request is no JSON.") from None
    if op.input is None:
        raise TypeError(f"{op.name} takes nothing")
    taken: dict[str, Any] = _taken(op.input, sent, "")
    return taken


def _taken(shape: Shape, value: Any, path: str) -> Any:
    """Return a value as the model has its type, or raise with the path to it."""
    kind: Any = type(value)
    if kind is not _KINDS[shape.kind]:
        raise Ec2Error(MALFORMED, f"The value of {path or 'the body'} is no {shape.kind}.")
    if shape.kind == "list":
        _check_length(shape, value, len(value), path)
        return [_taken(shape.item.shape, inner, path) for inner in value]
    if shape.kind == "structure":
        return _structure(shape, value, f"{path}." if path else "")
    _check_length(shape, value, len(value) if shape.kind == "string" else value, path)
    return value


def _structure(shape: Shape, value: Mapping[str, Any], above: str) -> dict[str, Any]:
    sent = {name: inner for name, inner in value.items() if inner is not None}
    for name in sent:
        if name not in shape.members:
            raise Ec2Error("ValidationException", f"The parameter {above}{name} is not recognized.")
    for name, member in shape.members.items():
        if member.required and name not in sent:
            raise _refused("null", f"{above}{name}", "Member must not be null")
    return {name: _taken(shape.members[name].shape, inner, above + name) for name, inner in sent.items()}


def _check_length(shape: Shape, value: Any, size: int, path: str) -> None:
    what = "value" if shape.kind == "integer" else "length"
    if shape.min is not None and size < shape.min:
        raise _refused(value, path, f"Member must have {what} greater than or equal to {shape.min}")
    if shape.max is not None and size > shape.max:
        raise _refused(value, path, f"Member must have {what} less than or equal to {shape.max}")


def _refused(value: Any, path: str, why: str) -> Ec2Error:
    place = path[0].lower() + path[1:]
    return Ec2Error(
        "ValidationException",
        f"1 validation error detected: Value '{value!s:.200}' at '{place}' failed to satisfy constraint: {why}",
    )


def render(op: Operation, result: Mapping[str, Any]) -> bytes:
    """Return the answer to a request that succeeded; a member that the model does not have raises TypeError."""
    if op.output is None:
        raise TypeError(f"{op.name} answers nothing")
    return json.dumps(_shown(op.output, result, op.name)).encode()


def _shown(shape: Shape, value: Any, path: str) -> Any:
    if shape.kind == "list":
        return [_shown(shape.item.shape, inner, path) for inner in value]
    if shape.kind == "structure":
        for name in value:
            if name not in shape.members:
                raise TypeError(f"{path} has no member {name}")
        return {
            name: _shown(shape.members[name].shape, inner, f"{path}.{name}")
            for name, inner in value.items()
            if inner is not None
        }
    return value.timestamp() if isinstance(value, datetime) else value


def error_code(code: str) -> str:
    """Return what a code of EC2's is called in JSON."""
    return _SHARED.get(code, code)


def render_error(code: str, message: str) -> tuple[int, bytes]:
    """Return status and body of the answer to a request that failed; `code` is EC2's where EC2 has one."""
    status = STATUS.get(code, CLIENT_ERROR)
    throttled = code == "RequestLimitExceeded"
    body = json.dumps({"__type": error_code(code), "message": message}).encode()
    return status if status >= SERVER_ERROR and not throttled else CLIENT_ERROR, body
