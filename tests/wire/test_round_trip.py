"""Every operation that the installed botocore knows, there and back, against botocore's own serializer and parser."""

import pytest

from ec2bridge.wire.model import operation, operation_names
from ec2bridge.wire.parse import parse
from tests.wire.peer import read, rendered, sample, serialize

OPERATIONS = [(service, name) for service in ("ec2", "sts") for name in operation_names(service)]


def test_the_model_is_there() -> None:
    assert len(operation_names()) >= 830
    assert "GetCallerIdentity" in operation_names("sts")
    assert operation("DescribeUnicorns") is None


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_a_request_comes_back_as_it_was_given(service: str, name: str) -> None:
    op = operation(name, service)
    assert op is not None
    params = sample(op.input) if op.input else {}
    assert parse(op, serialize(service, name, params)) == params


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_an_answer_is_read_as_it_was_given(service: str, name: str) -> None:
    op = operation(name, service)
    assert op is not None
    result = sample(op.output) if op.output else {}
    answer = read(service, name, rendered(service, name, result))
    metadata = answer.pop("ResponseMetadata")
    assert answer == result
    assert metadata["RequestId"] == "9f1c"
