"""Any value that a client or a cloud may hold: it survives the wire, or loses only what XML cannot carry."""

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ec2bridge.wire.model import Shape, operation
from ec2bridge.wire.parse import parse
from tests.wire.peer import read, rendered, serialize

# What XML 1.0 has no way to write, in its own words: https://www.w3.org/TR/xml/#charsets, turned round.
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

texts = st.text()
wild_texts = st.text(st.characters(categories=None, exclude_categories=[]), max_size=30)
moments = st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC))

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "timestamp": moments,
    "blob": st.binary(max_size=40),
}


def values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a shape: the required members and any choice of the others."""
    if shape.kind == "list":
        return st.lists(values(shape.item.shape, depth + 1), min_size=1, max_size=3)
    if shape.kind != "structure":
        return SCALARS[shape.kind]
    members = {name: values(member.shape, depth + 1) for name, member in shape.members.items()}
    required = {name: members.pop(name) for name, member in shape.members.items() if member.required}
    if not members:
        return st.fixed_dictionaries(required)
    least = 0 if required or not depth else 1  # an empty structure leaves no trace in a form
    chosen = st.lists(st.sampled_from(sorted(members)), min_size=least, max_size=4, unique=True)
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries({**required, **{name: members[name] for name in names}})
    )


def shape_of(action: str, side: str) -> Shape:
    shape = getattr(operation(action), side)
    assert isinstance(shape, Shape)
    return shape


ACTIONS = ("RunInstances", "CreateTags", "DescribeInstances", "ImportKeyPair", "ModifyInstanceAttribute")
inputs = st.sampled_from(ACTIONS).flatmap(
    lambda action: st.tuples(st.just(action), values(shape_of(action, "input")))
)


@settings(max_examples=150)
@given(inputs)
def test_any_request_comes_back_as_it_was_given(case: tuple[str, dict[str, Any]]) -> None:
    action, params = case
    op = operation(action)
    assert op is not None
    assert parse(op, serialize("ec2", action, params)) == params


@settings(max_examples=300)
@given(wild_texts)
def test_any_text_makes_well_formed_xml(text: str) -> None:
    body = rendered("ec2", "CreateKeyPair", {"KeyName": text})
    assert read("ec2", "CreateKeyPair", body)["KeyName"] == NO_XML.sub("\ufffd", text)


@settings(max_examples=100)
@given(moments, st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False, allow_infinity=False))
def test_any_time_and_number_is_read_as_it_was_given(moment: datetime, whole: int, real: float) -> None:
    volume = {"CreateTime": moment.replace(microsecond=moment.microsecond // 1000 * 1000), "Size": whole}
    assert read("ec2", "DescribeVolumes", rendered("ec2", "DescribeVolumes", {"Volumes": [volume]}))[
        "Volumes"
    ] == [volume]
    types = [{"ProcessorInfo": {"SustainedClockSpeedInGhz": real}}]
    answer = read(
        "ec2", "DescribeInstanceTypes", rendered("ec2", "DescribeInstanceTypes", {"InstanceTypes": types})
    )
    assert answer["InstanceTypes"] == types
