"""moto, which writes EC2's XML by its own serializer, as a second opinion on the shape of each Describe.

What moto answers is read with botocore and rendered by us; both documents must then say the same in the same
names, whatever the order of siblings. There are no exceptions.
"""

from typing import Any
from xml.etree import ElementTree

import boto3
import pytest
from moto import mock_aws

from tests.wire.peer import read, rendered

DESCRIBES = (
    "DescribeAccountAttributes",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceStatus",
    "DescribeInstanceTypeOfferings",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeKeyPairs",
    "DescribeRegions",
    "DescribeSecurityGroupRules",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DescribeTags",
    "DescribeVolumes",
    "DescribeVpcs",
)

IMAGE = "ami-03cf127a"


def _say(client: Any) -> None:
    """A small cloud with something in it for each Describe, and one call of each."""
    client.create_key_pair(KeyName="k")
    group = client.create_security_group(GroupName="g", Description="R&D")["GroupId"]
    tcp = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    peers = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    client.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp, peers])
    client.run_instances(
        ImageId=IMAGE,
        MinCount=1,
        MaxCount=1,
        KeyName="k",
        SecurityGroupIds=[group],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "x"}]}],
    )
    options: dict[str, dict[str, Any]] = {
        "DescribeImages": {"ImageIds": [IMAGE]},
        "DescribeInstanceTypes": {"InstanceTypes": ["t3.micro"]},
        "DescribeInstanceTypeOfferings": {"Filters": [{"Name": "instance-type", "Values": ["t3.micro"]}]},
    }
    methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
    for name in DESCRIBES:
        getattr(client, methods[name])(**options.get(name, {}))


@pytest.fixture(scope="module")
def said() -> dict[str, bytes]:
    bodies: dict[str, bytes] = {}

    def keep(response_dict: dict[str, Any], operation_model: Any, **_: object) -> None:
        bodies[operation_model.name] = response_dict["body"]

    with mock_aws():
        client = boto3.client("ec2", "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        client.meta.events.register("before-parse.ec2.*", keep)
        _say(client)
    return bodies


def tree(element: ElementTree.Element) -> Any:
    """An element as name and text, or name and children, without namespaces and in a fixed order."""
    name = element.tag.rpartition("}")[2]
    if len(element):
        return name, sorted(tree(child) for child in element if not child.tag.endswith("requestId"))
    return name, element.text or ""


@pytest.mark.parametrize("name", DESCRIBES)
def test_both_say_the_same(name: str, said: dict[str, bytes]) -> None:
    result = read("ec2", name, said[name])
    del result["ResponseMetadata"]
    assert any(result.values())
    ours = rendered("ec2", name, result)
    assert tree(ElementTree.fromstring(ours)) == tree(ElementTree.fromstring(said[name]))
