"""A request's form as the members of its operation: `Filter.1.Value.2=x` is `{"Filters": [{"Values": …}]}`.

The query protocol flattens nested values into dotted names and everything into text. Clients differ in details
(lists from 0 or from 1, with gaps, `True` or `true`), and most of their mistakes are only seen here, so every
refusal names the parameter as the client wrote it.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ec2bridge.errors import Ec2Error
from ec2bridge.wire.model import Operation, Shape

# A node is the text of one parameter, or the parameters below a name.
Node = str | dict[str, Any]
Parser = Callable[[Node, str], Any]

# What belongs to the protocol and the signature, not to the operation; so does every `X-Amz-…`.
PROTOCOL_PARAMETERS = frozenset(
    {
        "Action",
        "Version",
        "AWSAccessKeyId",
        "Expires",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
    }
)

# Names that today's model does not know: operation → old prefix → new prefix. Two are what differs from the models
# of 2014 to 2016 that botocore still carries, RamDiskId is libcloud's spelling, and boto 2 asks for the console of a
# list of one; all other old names are understood.
OLD_NAMES = {
    "DescribeReservedInstancesListings": {"Filters.": "Filter."},
    "GetConsoleOutput": {"InstanceId.1": "InstanceId"},
    "ImportInstance": {"LaunchSpecification.UserData": "LaunchSpecification.UserData.Data"},
    "RegisterImage": {"RamDiskId": "RamdiskId"},
}

# AWS has words of its own for these without their one parameter.
_OF_INSTANCES = frozenset({"StartInstances", "StopInstances", "TerminateInstances"})

# AWS: "you should not specify more than 1,000 IDs in a single call"; no other list of a request may be longer.
MOST_ELEMENTS = 1000

# Dots in a parameter name. The model's deepest has a dozen; values are converted by recursion, hence a limit.
DEEPEST_NAME = 40

_INDEX = re.compile(r"[0-9]{1,9}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_EPOCH = re.compile(r"[0-9]{9,11}(\.[0-9]*)?")
_INTEGER_BITS = {"integer": 31, "long": 63}


def parse(op: Operation, form: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The members of a request, named and typed as botocore names and types them.

    Absent members are absent. Raises UnknownParameter, MissingParameter and InvalidParameterValue.
    """
    tree = _tree(op, form)
    if op.input is None:
        return {}
    if op.name in _OF_INSTANCES and not tree.get("InstanceId"):
        raise Ec2Error("InvalidParameterCombination", "No instances specified")
    params: dict[str, Any] = _parser(op.input)(tree, "")
    return params


def _tree(op: Operation, form: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The form as nested dicts, one level for each dot."""
    old_names = OLD_NAMES.get(op.name, {})
    root: dict[str, Any] = {}
    for name, value in form:
        if name in PROTOCOL_PARAMETERS or name[:6].lower() == "x-amz-":
            continue
        for old, new in old_names.items():
            if name == old or (old.endswith(".") and name.startswith(old)):
                _plant(root, new + name[len(old) :], value)
                break
        else:
            _plant(root, name, value)
    return root


def _plant(root: dict[str, Any], name: str, value: str) -> None:
    *stem, leaf = name.split(".")
    if len(stem) > DEEPEST_NAME:
        raise _unknown(name)
    node = root
    for part in stem:
        below = node.get(part)
        if not isinstance(below, dict):
            if below:  # a value stands where a structure or a list is begun
                raise _unknown(name)
            below = node[part] = {}
        node = below
    present = node.get(leaf)
    if present is None:
        node[leaf] = value
    elif isinstance(present, dict):
        if value:  # an empty marker beside the elements themselves says nothing
            raise _unknown(name)
    elif present != value and name != "ClientToken":
        # The AWS SDK for Java 1 sends two tokens that it made up, each anew: the first one counts.
        raise _invalid(value, name, "The parameter may be given only once.")


@cache
def _parser(shape: Shape) -> Parser:
    """The parser of a shape, made once; a structure looks up its members' parsers when it is first met."""
    if shape.kind == "structure":
        return _structure_parser(shape)
    if shape.kind == "list":
        return _list_parser(shape)
    return _scalar_parser(_CONVERTERS[shape.kind])


def _scalar_parser(convert: Callable[[str, str], Any]) -> Parser:
    def scalar(node: Node, path: str) -> Any:
        if isinstance(node, dict):
            raise _unknown(_first_name(node, path))
        return convert(node, path)

    return scalar


def _structure_parser(shape: Shape) -> Parser:
    members: dict[str, tuple[str, Parser]] = {}
    required = [(member.name, member.query_name) for member in shape.members.values() if member.required]

    def structure(node: Node, path: str) -> dict[str, Any]:
        if not members:
            members.update((m.query_name, (m.name, _parser(m.shape))) for m in shape.members.values())
        if isinstance(node, str):
            if node:
                raise _unknown(path)
            return {}
        prefix = f"{path}." if path else ""
        values: dict[str, Any] = {}
        for key, below in node.items():
            member = members.get(key)
            if member is None:
                raise _unknown(_first_name(below, prefix + key))
            values[member[0]] = member[1](below, prefix + key)
        for name, wire_name in required:
            if name not in values:
                raise _missing(prefix + wire_name)
        return values

    return structure


def _list_parser(shape: Shape) -> Parser:
    item = _parser(shape.item.shape)
    wrapper = None if shape.flattened else shape.item.query_name

    def items(node: Node, path: str) -> list[Any]:
        if isinstance(node, str):
            # Empty is botocore's marker of an empty list; old clients leave out the index of a list of one.
            return [item(node, path)] if node else []
        if wrapper is not None:
            path = f"{path}.{wrapper}"
            node = _unwrapped(node, wrapper, path)
        if len(node) > MOST_ELEMENTS:
            # Before they are read, and long before each is looked up: all callers wait meanwhile.
            raise _too_many(len(node), path)
        return [item(below, f"{path}.{key}") for key, below in _in_order(node, path)]

    return items


def _unwrapped(node: dict[str, Any], wrapper: str, path: str) -> dict[str, Any]:
    """STS writes `Name.member.N` where EC2 writes `Name.N`."""
    below = node.get(wrapper)
    if not isinstance(below, dict) or len(node) > 1:
        raise _unknown(_first_name(node, path.removesuffix(f".{wrapper}")))
    return below


def _in_order(node: dict[str, Any], path: str) -> list[tuple[str, Node]]:
    """The elements of a list by their number, wherever it starts and whatever it leaves out."""
    numbered: dict[int, tuple[str, Node]] = {}
    for key, below in node.items():
        if not _INDEX.fullmatch(key):
            name = _first_name(below, f"{path}.{key}")
            raise Ec2Error(
                "InvalidParameterValue", f"{key:.50} in parameter {name:.200} is not a list index."
            )
        if int(key) in numbered:
            raise Ec2Error("InvalidParameterValue", f"The list index {path}.{key} is given twice.")
        numbered[int(key)] = key, below
    return [numbered[number] for number in sorted(numbered)]


def _integer(kind: str) -> Callable[[str, str], int]:
    limit = 1 << _INTEGER_BITS[kind]

    def integer(text: str, path: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise _invalid(text, path, "Expected an integer.")
        value = int(text)
        if not -limit <= value < limit:
            raise _invalid(text, path, "The number is out of range.")
        return value

    return integer


def _float(text: str, path: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise _invalid(text, path, "Expected a number.")
    return float(text)


def _boolean(text: str, path: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "1"):
        return True
    if lowered in ("false", "0"):
        return False
    raise _invalid(text, path, "Expected true or false.")


def _timestamp(text: str, path: str) -> datetime:
    """ISO 8601, or seconds since 1970; without an offset it is UTC."""
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise _invalid(text, path, "Expected a time as in 2026-11-23T18:00:00Z.") from None


_BLOB_CODES = {"UserData": "InvalidUserData.Malformed"}
"""AWS's codes for what is no Base64, by the member's name, where it has one of its own."""


def _blob(text: str, path: str) -> bytes:
    """Base64, wrapped into lines or not; the value may be secret, so a refusal doesn't repeat it."""
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except (binascii.Error, ValueError):
        code = _BLOB_CODES.get(path.partition(".")[0], "InvalidParameterValue")
        raise Ec2Error(code, f"The value of parameter {path:.200} is invalid. Expected base64.") from None


_CONVERTERS: dict[str, Callable[[str, str], Any]] = {
    "string": lambda text, _path: text,
    "integer": _integer("integer"),
    "long": _integer("long"),
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}


def _first_name(node: Node, path: str) -> str:
    """The first whole parameter name at or below a node, as the client wrote it."""
    while isinstance(node, dict):
        key, node = next(iter(node.items()))
        path = f"{path}.{key}" if path else key
    return path


def _unknown(name: str) -> Ec2Error:
    return Ec2Error("UnknownParameter", f"The parameter {name:.200} is not recognized")


def _missing(name: str) -> Ec2Error:
    return Ec2Error("MissingParameter", f"The request must contain the parameter {name}")


def _too_many(count: int, name: str) -> Ec2Error:
    """AWS's code, and its sentence as far as it does not name instances."""
    code = "FilterLimitExceeded" if name.startswith("Filter") else "InvalidRequest"
    return Ec2Error(
        code, f"{count} exceeds the maximum number of {name:.200} that can be specified ({MOST_ELEMENTS})."
    )


def _invalid(value: str, name: str, why: str) -> Ec2Error:
    return Ec2Error(
        "InvalidParameterValue", f"Value ({value:.100}) for parameter {name:.200} is invalid. {why}"
    )
