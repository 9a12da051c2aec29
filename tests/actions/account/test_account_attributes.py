"""What docker-machine and fog read first."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.native import Native


def attributes(ec2: Any, *names: str) -> dict[str, str]:
    asked = {"AttributeNames": list(names)} if names else {}
    found = ec2.describe_account_attributes(**asked)["AccountAttributes"]
    return {entry["AttributeName"]: entry["AttributeValues"][0]["AttributeValue"] for entry in found}


def test_the_default_vpc_is_the_one_that_describe_vpcs_shows(place: Place, ec2: Any) -> None:
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]

    assert attributes(ec2, "default-vpc", "supported-platforms") == {
        "default-vpc": vpc["VpcId"],
        "supported-platforms": "VPC",
    }


def test_limits_are_those_of_cloudstack(ec2: Any) -> None:
    assert attributes(ec2) == {
        "default-vpc": attributes(ec2, "default-vpc")["default-vpc"],
        "supported-platforms": "VPC",
        "max-instances": "300",
        "max-elastic-ips": "120",
        "vpc-max-elastic-ips": "120",
    }


def test_cloudstack_is_asked_only_where_its_limits_are(place: Place, ec2: Any) -> None:
    ec2.describe_regions()

    assert place.commands(lambda: attributes(ec2, "default-vpc")) == []
    assert place.commands(lambda: attributes(ec2, "max-instances")) == ["listResourceLimits"]


def test_no_limit_is_no_attribute(place: Place) -> None:
    [alice] = Native(place).list("listAccounts")
    Native(place, "admin").do(
        "updateResourceLimit", account="alice", domainid=alice["domainid"], resourcetype=0, max=-1
    )

    assert "max-instances" not in attributes(place.client())
    assert "max-elastic-ips" in attributes(place.client())


def test_an_unknown_attribute_is_refused(ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        attributes(ec2, "max-happiness")

    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
