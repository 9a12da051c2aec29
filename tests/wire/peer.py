"""botocore's own half of the wire: what a client would send, and what it would read in our answers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from ec2bridge.wire.model import Shape, operation
from ec2bridge.wire.render import render

MODELS = {name: ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in ("ec2", "sts")}
SERIALIZERS = {name: create_serializer(model.protocol, False) for name, model in MODELS.items()}
PARSERS = {name: create_parser(model.protocol) for name, model in MODELS.items()}


def serialize(service: str, name: str, params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The form that botocore sends for these parameters."""
    body = SERIALIZERS[service].serialize_to_request(params, MODELS[service].operation_model(name))["body"]
    return [(key, str(value)) for key, value in body.items()]


def read(service: str, name: str, body: bytes, status: int = 200) -> dict[str, Any]:
    """What botocore makes of an answer."""
    response = {"body": body, "headers": {}, "status_code": status}
    shape = MODELS[service].operation_model(name).output_shape
    result: dict[str, Any] = PARSERS[service].parse(response, shape)
    return result


def rendered(service: str, name: str, result: Mapping[str, Any] | None, version: str = "2016-11-15") -> bytes:
    op = operation(name, service)
    assert op is not None
    return render(op, result, version=version, request_id="9f1c")


def sample(shape: Shape, path: str = "", depth: int = 0) -> Any:
    """A value of a shape with every member present and every text its own."""
    if shape.kind == "structure":
        return {
            name: sample(member.shape, f"{path}.{name}", depth + 1)
            for name, member in shape.members.items()
            if depth < 12
        }
    if shape.kind == "list":
        return [sample(shape.item.shape, f"{path}.{n}", depth + 1) for n in range(2 if depth < 3 else 1)]
    return SCALARS[shape.kind](path)


SCALARS = {
    "string": lambda path: f"{path.lstrip('.')} <&> é",
    "integer": len,
    "long": lambda path: 2**40 + len(path),
    "boolean": lambda path: len(path) % 2 == 0,
    "float": lambda path: len(path) / 8,
    "double": lambda path: -len(path) / 7,
    "timestamp": lambda path: datetime(2026, 11, 23, 18, len(path) % 60, 5, tzinfo=UTC),
    "blob": lambda path: path.encode() + b"\x00\xff",
}
