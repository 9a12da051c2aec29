"""One name, or range, asked for many times at once: one request gets it, and nobody takes it away again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

AT_ONCE = 6


def group(ec2: Any) -> str:
    return str(ec2.create_security_group(GroupName="web", Description="web")["GroupId"])


def groups(ec2: Any) -> list[str]:
    found = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["web"]}])
    return [one["GroupId"] for one in found["SecurityGroups"]]


def placement(ec2: Any) -> str:
    return str(ec2.create_placement_group(GroupName="apart", Strategy="spread")["PlacementGroup"]["GroupId"])


def placements(ec2: Any) -> list[str]:
    return [one["GroupId"] for one in ec2.describe_placement_groups()["PlacementGroups"]]


def key(ec2: Any) -> str:
    return str(ec2.create_key_pair(KeyName="laptop", KeyType="ed25519")["KeyPairId"])


def keys(ec2: Any) -> list[str]:
    return [one["KeyPairId"] for one in ec2.describe_key_pairs()["KeyPairs"]]


def subnet(ec2: Any) -> str:
    [vpc] = [one for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]]
    return str(ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"])


def subnets(ec2: Any) -> list[str]:
    found = ec2.describe_subnets(Filters=[{"Name": "cidr-block", "Values": ["10.77.1.0/24"]}])
    return [one["SubnetId"] for one in found["Subnets"]]


@pytest.mark.parametrize(
    ("make", "listed", "code"),
    [
        (group, groups, "InvalidGroup.Duplicate"),
        (placement, placements, "InvalidPlacementGroup.Duplicate"),
        (key, keys, "InvalidKeyPair.Duplicate"),
        (subnet, subnets, "InvalidSubnet.Conflict"),
    ],
)
def test_of_many_requests_at_once_one_has_it(
    ec2: Any, make: Callable[[Any], str], listed: Callable[[Any], list[str]], code: str
) -> None:
    if make is subnet:
        ec2.create_vpc(CidrBlock="10.77.0.0/16")

    def ask(_: int) -> str:
        try:
            return make(ec2)
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(AT_ONCE) as threads:
        told = list(threads.map(ask, range(AT_ONCE)))
    [made] = [one for one in told if one != code]
    assert listed(ec2) == [made]
