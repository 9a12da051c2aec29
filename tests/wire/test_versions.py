"""Clients of the API's earlier versions: they are answered in the elements of their time, as on AWS.

boto 2 reads with a parser that takes the end of any `item` for the end of the one that it is in: an answer with a list
that it does not know cuts the rest of the item off.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from ec2bridge.wire.model import operation, operation_names
from tests.wire.peer import PARSERS, rendered, sample

VERSIONS = [version for version in Loader().list_api_versions("ec2", "service-2") if version < "2016-11-15"]
VPC = {
    "VpcId": "vpc-1",
    "State": "available",
    "CidrBlock": "10.0.0.0/16",
    "CidrBlockAssociationSet": [
        {"AssociationId": "vpc-cidr-assoc-1", "CidrBlockState": {"State": "associated"}}
    ],
    "IsDefault": True,
}


def children(body: bytes, path: str) -> list[str]:
    """The names of an element's children."""
    parts = [f"{{*}}{part}" for part in path.split("/")]
    found = fromstring(body).find("/".join(parts))
    assert found is not None
    return [child.tag.split("}")[1] for child in found]


@pytest.mark.parametrize("version", ["2006-06-26", "2014-10-01", "2016-09-15"])
def test_an_earlier_client_is_not_sent_what_it_does_not_know(version: str) -> None:
    body = rendered("ec2", "DescribeVpcs", {"Vpcs": [VPC]}, version)
    assert children(body, "vpcSet/item") == ["vpcId", "state", "cidrBlock", "isDefault"]


@pytest.mark.parametrize("version", ["2016-11-15", "2024-01-01", "latest"])
def test_everyone_else_is_sent_all(version: str) -> None:
    body = rendered("ec2", "DescribeVpcs", {"Vpcs": [VPC]}, version)
    assert "cidrBlockAssociationSet" in children(body, "vpcSet/item")


def test_answers_to_different_versions_do_not_mix() -> None:
    first = rendered("ec2", "DescribeVpcs", {"Vpcs": [VPC]}, "2014-10-01")
    rendered("ec2", "DescribeVpcs", {"Vpcs": [VPC]}, "2016-11-15")
    assert rendered("ec2", "DescribeVpcs", {"Vpcs": [VPC]}, "2014-10-01") == first


def test_an_action_that_came_later_is_answered_in_full() -> None:
    types = {"InstanceTypes": [{"InstanceType": "m5.large", "MemoryInfo": {"SizeInMiB": 8192}}]}
    body = rendered("ec2", "DescribeInstanceTypes", types, "2014-10-01")
    assert children(body, "instanceTypeSet/item") == ["instanceType", "memoryInfo"]


@pytest.mark.parametrize(
    ("action", "result", "told"),
    [
        ("AuthorizeSecurityGroupIngress", {"Return": True, "SecurityGroupRules": []}, "true"),
        ("RevokeSecurityGroupIngress", {"Return": False}, "false"),
        ("CreatePlacementGroup", {"PlacementGroup": {"GroupName": "g"}}, "true"),
    ],
)
def test_an_action_that_told_success_alone_still_does(action: str, result: dict[str, Any], told: str) -> None:
    root = fromstring(rendered("ec2", action, result, "2014-10-01"))
    assert [(child.tag.split("}")[1], child.text) for child in root] == [
        ("requestId", "9f1c"),
        ("return", told),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_answer_has_all_that_its_version_knows_and_no_more(version: str) -> None:
    model = ServiceModel(Loader().load_service_model("ec2", "service-2", version), "ec2")
    for action in set(operation_names()) & set(model.operation_names):
        now, then = operation(action), model.operation_model(action).output_shape
        if now and now.output and then:
            full = sample(now.output)
            body = rendered("ec2", action, full, version)
            assert parsed(body, then) == parsed(rendered("ec2", action, full), then), action
            assert not list(unknown(fromstring(body)[1:], then)), action


def parsed(body: bytes, shape: Any) -> Any:
    """What botocore makes of an answer by the model of another version."""
    return PARSERS["ec2"].parse({"body": body, "headers": {}, "status_code": 200}, shape)


def unknown(elements: Iterable[Element], shape: Any) -> Iterator[str]:
    """The names of elements that botocore's shape does not have."""
    names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    for element in elements:
        name = element.tag.split("}")[1]
        if name not in names:
            yield name
        elif names[name].type_name == "structure":
            yield from unknown(element, names[name])
        elif names[name].type_name == "list" and names[name].member.type_name == "structure":
            for item in element:
                yield from unknown(item, names[name].member)
