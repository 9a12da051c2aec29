"""Parameters that stand for an image: AWS's names by the table, and a name for each template."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import REGION, Place

DEBIAN = "/aws/service/debian/release/12/latest/amd64"
ARM = "/aws/service/debian/release/12/latest/arm64"
AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
TEMPLATE = "Debian GNU/Linux 12"


@pytest.fixture
def ssm(place: Place) -> Any:
    """Alice's client of Systems Manager."""
    return place.client(service="ssm")


@pytest.fixture
def debian(ec2: Any) -> str:
    """The id of the operator's image."""
    return image(ec2, TEMPLATE)


def image(ec2: Any, name: str) -> str:
    [found] = ec2.describe_images(Filters=[{"Name": "name", "Values": [name]}])["Images"]
    return str(found["ImageId"])


def test_a_mapped_name_tells_an_image(ssm: Any, debian: str) -> None:
    answer = ssm.get_parameter(Name=DEBIAN, WithDecryption=True)
    assert answer["Parameter"] == {
        "Name": DEBIAN,
        "Type": "String",
        "Value": debian,
        "Version": 1,
        "LastModifiedDate": datetime(2026, 11, 23, 12, 3, 19, tzinfo=UTC),
        "ARN": f"arn:aws:ssm:{REGION}::parameter{DEBIAN}",
        "DataType": "aws:ec2:image",
    }
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"
    assert answer["ResponseMetadata"]["RequestId"]


def test_no_other_architecture_stands_in(ssm: Any) -> None:
    with pytest.raises(ssm.exceptions.ParameterNotFound, match="stands for no image: no template"):
        ssm.get_parameter(Name=ARM)


def test_what_stands_for_nothing_says_what_to_do(ssm: Any) -> None:
    with pytest.raises(ssm.exceptions.ParameterNotFound) as caught:
        ssm.get_parameter(Name=AMAZON)
    for part in (
        AMAZON,
        "Amazon Linux is not published for other clouds",
        "/ec2bridge/image/NAME",
        "parameters.yaml",
    ):
        assert part in str(caught.value)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
