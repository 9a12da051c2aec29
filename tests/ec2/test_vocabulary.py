"""The whole vocabulary: every action that clients name has its place, and every one that AWS has gets an answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import Shape

from ec2bridge.ec2 import registry, unserved
from ec2bridge.wire.model import operation, operation_names
from tests.conftest import Place

LINES = (Path(__file__).parent / "data" / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
VOCABULARY = [line for line in LINES if not line.startswith("#")]
SERVED_AT_LEAST = 120
SAMPLES: dict[str, Any] = {
    "integer": 1,
    "long": 1,
    "boolean": False,
    "float": 1.0,
    "double": 1.0,
    "timestamp": "2030-01-01T00:00:00Z",
    "blob": b"x",
}


def test_the_vocabulary_is_whole() -> None:
    assert len(VOCABULARY) == len(set(VOCABULARY)) == 243
    assert [name for name in VOCABULARY if operation(name) is None] == []


@pytest.mark.parametrize("service", ["ec2", "sts"])
def test_every_action_is_served_or_has_a_reason_of_its_own(service: str) -> None:
    registry.load()
    missing = [name for name in operation_names(service) if registry.find(name, service) is None]
    assert [name for name in missing if unserved.reason(name) == unserved.NEWER] == []


@pytest.mark.parametrize(("pattern", "why"), unserved.REASONS)
def test_a_reason_ends_no_sentence_and_fits_one(pattern: str, why: str) -> None:
    assert not why.endswith("."), f"the reason of {pattern}"
    assert len(why) < 180, f"the reason of {pattern}"


def test_enough_actions_are_served() -> None:
    registry.load()
    served = [entry.name for entry in registry.served() if entry.service == "ec2"]
    assert len(served) >= SERVED_AT_LEAST


def sample(shape: Shape, above: tuple[str, ...] = ()) -> Any:
    """The least that the model accepts for a shape."""
    if shape.type_name == "structure":
        required = shape.required_members if shape.name not in above else ()
        return {name: sample(shape.members[name], (*above, shape.name)) for name in required}
    if shape.type_name == "list":
        return [sample(shape.member, above)]
    if shape.type_name == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "x" * max(1, shape.metadata.get("min", 1))
    return (
        max(SAMPLES[shape.type_name], shape.metadata["min"])
        if "min" in shape.metadata
        else SAMPLES[shape.type_name]
    )


def refusals(ec2: Any) -> Iterator[tuple[str, ClientError | None]]:
    """Every operation with what came of it; the client's own parser refuses an answer that is not well-formed."""
    model = ec2.meta.service_model
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        request = sample(shape) if shape else {}
        try:
            getattr(ec2, xform_name(name))(**request)
        except ClientError as error:
            yield name, error
        else:
            yield name, None


def test_every_operation_gets_a_well_formed_answer(place: Place) -> None:
    answers = dict(refusals(place.client()))
    assert len(answers) > 800
    codes = {name: error.response["Error"]["Code"] for name, error in answers.items() if error}
    ids = [error.response["ResponseMetadata"].get("RequestId") for error in answers.values() if error]
    assert all(ids)
    broken = {name: code for name, code in codes.items() if code in ("InternalError", "InternalFailure", "")}
    assert broken == {}
    assert {name for name, code in codes.items() if code == "InvalidAction"} == set()
