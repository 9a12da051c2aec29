"""Several regions behind one endpoint: a request goes to the bridge of the region that it was signed for."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import Place
from tests.faulty import eventually

WEST, EAST = "us-west-2", "us-east-1"


@pytest.fixture
def regions(make_place: Callable[..., Place]) -> tuple[Place, Place]:
    """Two clouds with a bridge each; the east's knows the west's."""
    west = make_place({"region": WEST})
    east = make_place({"region": EAST, "regions": {WEST: west.url}})
    return east, west


def client(
    place: Place, region: str, service: str = "ec2", endpoint: str | None = None, **changed: Any
) -> Any:
    keys = place.sim.accounts["alice"]
    options = {
        "endpoint_url": endpoint or place.url,
        "region_name": region,
        "aws_access_key_id": keys.api_key,
        "aws_secret_access_key": keys.secret_key,
        "config": Config(retries={"total_max_attempts": 1}),
        **changed,
    }
    return boto3.client(service, **options)  # type: ignore[call-overload]


def test_one_configuration_serves_every_region(regions: tuple[Place, Place]) -> None:
    east, west = regions
    found = {region["RegionName"] for region in client(east, EAST).describe_regions()["Regions"]}
    assert found == {EAST, WEST}
    there = client(east, WEST)
    zones = [zone["ZoneName"] for zone in there.describe_availability_zones()["AvailabilityZones"]]
    assert zones == ["us-west-2a", "us-west-2b", "us-west-2c"]
    made = there.create_key_pair(KeyName="far")
    assert made["KeyMaterial"].startswith("-----BEGIN")
    assert [row["name"] for row in west.sim.cloud.tables["keypairs"]] == ["far"]
    assert list(east.sim.cloud.tables["keypairs"]) == []
    assert client(east, WEST, "sts").get_caller_identity()["Arn"].startswith("arn:aws:")


def test_presigned_requests_go_on_too(regions: tuple[Place, Place]) -> None:
    import urllib.request

    east, _ = regions
    url = client(east, WEST).generate_presigned_url("describe_availability_zones", HttpMethod="GET")
    with urllib.request.urlopen(url) as answer:
        assert b"us-west-2a" in answer.read()


def test_a_refusal_is_the_other_bridges_own(regions: tuple[Place, Place]) -> None:
    east, _ = regions
    with pytest.raises(ClientError) as refused:
        client(east, WEST, aws_secret_access_key="wrong").describe_vpcs()
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    with pytest.raises(ClientError) as missing:
        client(east, WEST).describe_key_pairs(KeyNames=["none"])
    assert missing.value.response["Error"]["Code"] == "InvalidKeyPair.NotFound"


def test_a_region_that_nobody_serves_is_answered_here_as_ever(regions: tuple[Place, Place]) -> None:
    east, _ = regions
    zones = client(east, "eu-west-1").describe_availability_zones()["AvailabilityZones"]
    assert zones[0]["RegionName"] == EAST


def test_bridges_that_name_each_other_wrongly_do_not_go_round_in_circles(
    make_place: Callable[..., Place],
) -> None:
    one = make_place({"region": "a", "regions": {}})
    two = make_place({"region": "b", "regions": {"c": one.url}})
    three = make_place({"region": "d", "regions": {"c": two.url}})
    # Signed for c: the third hands it to the second, which answers itself although it could hand it on.
    zones = client(two, "c", endpoint=three.url).describe_availability_zones()["AvailabilityZones"]
    assert zones[0]["RegionName"] == "b"


def test_a_region_that_is_away_is_told_and_logged(make_place: Callable[..., Place], caplog: Any) -> None:
    east = make_place({"region": EAST, "regions": {WEST: "http://127.0.0.1:9"}})
    with pytest.raises(ClientError) as away, caplog.at_level("INFO", "ec2bridge.access"):
        client(east, WEST).describe_vpcs()
    error = away.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("Unavailable", 503)
    assert error["Error"]["Message"] == "The region us-west-2 cannot be reached. Try again later."
    [line] = [record.getMessage() for record in caplog.records if record.name == "ec2bridge.access"]
    assert 'reason="handing on to us-west-2: 127.0.0.1:9: Connection refused"' in line


def test_the_other_bridge_knows_the_clients_address_if_it_trusts_this_one(
    make_place: Callable[..., Place], caplog: Any
) -> None:
    west = make_place({"region": WEST, "trusted_proxies": "127.0.0.1"})
    east = make_place({"region": EAST, "regions": {WEST: west.url}, "trusted_proxies": "127.0.0.1"})
    ec2 = client(east, WEST)
    ec2.meta.events.register(
        "before-send.ec2", lambda request, **_: request.headers.__setitem__("X-Forwarded-For", "192.0.2.44")
    )

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "ec2bridge.access"]

    with caplog.at_level("INFO", "ec2bridge.access"):
        ec2.describe_vpcs()
        eventually(lambda: len(lines()) == 2)  # one is written once the client has its answer
    assert [line.partition(" ")[0] for line in lines()] == ["client=192.0.2.44"] * 2
    assert any("handed on to us-west-2" in line and "action=DescribeVpcs" in line for line in lines())
