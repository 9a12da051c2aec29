"""The region and its zones, seen by boto3."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from ec2bridge.resources.places.zones import zone_id
from tests.conftest import REGION, Place
from tests.native import Native


def test_the_bridge_is_one_region_whose_endpoint_is_where_the_client_came_from(
    place: Place, ec2: Any
) -> None:
    [region] = ec2.describe_regions()["Regions"]

    assert region["RegionName"] == REGION
    # Without a scheme, as on AWS: jclouds puts its own before it.
    assert region["Endpoint"] == urlsplit(place.url).netloc
    assert region["OptInStatus"] == "opt-in-not-required"
    assert ec2.describe_regions(AllRegions=True, RegionNames=[REGION])["Regions"] == [region]


def test_a_public_endpoint_outranks_the_host_header(make_place: Callable[..., Place]) -> None:
    ec2 = make_place({"public_endpoint": "https://ec2.cloud.example"}).client()

    assert ec2.describe_regions()["Regions"][0]["Endpoint"] == "ec2.cloud.example"


def test_a_region_that_does_not_exist_is_refused_by_name(ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        ec2.describe_regions(RegionNames=["mars-north-1"])

    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert "mars-north-1" in refused.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("name", "value", "hits"),
    [
        ("region-name", REGION, 1),
        ("region-name", "us-*", 0),
        ("opt-in-status", "opt-in-not-required", 1),
        ("endpoint", "127.0.0.1:*", 1),
    ],
)
def test_regions_are_filtered(ec2: Any, name: str, value: str, hits: int) -> None:
    found = ec2.describe_regions(Filters=[{"Name": name, "Values": [value]}])["Regions"]

    assert len(found) == hits


def test_zones_are_called_region_and_letter_in_the_order_of_their_names(place: Place, ec2: Any) -> None:
    zones = ec2.describe_availability_zones()["AvailabilityZones"]

    assert [(zone["ZoneName"], zone["ZoneId"], zone["GroupLongName"]) for zone in zones] == [
        (f"{REGION}a", f"{REGION}-az1", "sim-adv"),
        (f"{REGION}b", f"{REGION}-az2", "sim-basic"),
        (f"{REGION}c", f"{REGION}-az3", "sim-sg"),
    ]
    assert {zone["State"] for zone in zones} == {"available"}
    assert {zone["RegionName"] for zone in zones} == {REGION}
    assert {zone["ZoneType"] for zone in zones} == {"availability-zone"}


def test_a_zone_answers_to_its_own_name_and_uuid_too(place: Place, ec2: Any) -> None:
    uuid = Native(place).zone("sim-sg")

    for asked in (
        {"ZoneNames": [f"{REGION}c"]},
        {"ZoneNames": ["sim-sg"]},
        {"ZoneIds": [uuid]},
        {"ZoneIds": [f"{REGION}-az3"]},
        {"Filters": [{"Name": "zone-id", "Values": [f"{REGION}-az3"]}]},
        {"Filters": [{"Name": "group-long-name", "Values": ["sim-sg"]}]},
        {"Filters": [{"Name": "zone-name", "Values": ["sim-sg"]}]},
        {"Filters": [{"Name": "zone-id", "Values": [uuid]}]},
    ):
        [zone] = ec2.describe_availability_zones(**asked)["AvailabilityZones"]
        assert zone["ZoneName"] == f"{REGION}c"


@pytest.mark.parametrize(
    ("region", "name", "short"),
    [
        ("us-east-1", "us-east-1a", "use1-az1"),
        ("ap-southeast-2", "ap-southeast-2c", "apse2-az3"),
        ("us-gov-west-1", "us-gov-west-1b", "usgw1-az2"),
        ("eu-central-1", "eu-central-1aa", "euc1-az27"),
        ("lab", "labb", "lab-az2"),
        ("us-east-1", "Zurich 1", None),
        ("us-east-1", "us-east-1", None),
    ],
)
def test_a_zones_id_is_written_as_aws_writes_it(region: str, name: str, short: str | None) -> None:
    assert zone_id(region, name) == short


def test_an_unknown_zone_is_refused_by_name(ec2: Any) -> None:
    with pytest.raises(ClientError) as refused:
        ec2.describe_availability_zones(ZoneNames=[f"{REGION}a", f"{REGION}z"])

    error = refused.value.response["Error"]
    assert error == {
        "Code": "InvalidParameterValue",
        "Message": f"Invalid availability zone: [{REGION}z]",
    }


def test_the_word_of_eucalyptus_among_the_zones_asks_for_nothing_more(ec2: Any) -> None:
    def names(*asked: str) -> list[str]:
        zones = ec2.describe_availability_zones(ZoneNames=asked)["AvailabilityZones"]
        return [zone["ZoneName"] for zone in zones]

    assert names("verbose") == [f"{REGION}a", f"{REGION}b", f"{REGION}c"]
    assert names(f"{REGION}c", "verbose") == [f"{REGION}c"]


def test_the_settings_name_zones_and_one_they_leave_out_keeps_its_own_name(
    make_place: Callable[..., Place],
) -> None:
    place = make_place({"zones": {"eu-home-1a": "sim-sg", "eu-home-1b": "sim-adv"}})

    zones = place.client().describe_availability_zones()["AvailabilityZones"]

    assert [zone["ZoneName"] for zone in zones] == ["eu-home-1a", "eu-home-1b", "sim-basic"]


def test_zones_are_asked_of_cloudstack_about_once_a_minute(place: Place, ec2: Any) -> None:
    ec2.describe_availability_zones()

    again = place.commands(lambda: ec2.describe_availability_zones())

    assert "listZones" not in again


def test_the_operators_other_regions_are_listed_with_their_endpoints(
    make_place: Callable[..., Place],
) -> None:
    others = {
        "us-west-2": "https://ec2.west.example",
        "eu-west-1": "http://192.0.2.7:8788/",
        REGION: "http://old",
    }
    place = make_place({"regions": others})
    ec2 = place.client()
    found = {region["RegionName"]: region["Endpoint"] for region in ec2.describe_regions()["Regions"]}
    own = place.url.removeprefix("http://")
    assert found == {"us-west-2": "ec2.west.example", "eu-west-1": "192.0.2.7:8788", REGION: own}
    [named] = ec2.describe_regions(RegionNames=["us-west-2"])["Regions"]
    assert named["Endpoint"] == "ec2.west.example"
    [filtered] = ec2.describe_regions(Filters=[{"Name": "endpoint", "Values": ["192.0.2.*"]}])["Regions"]
    assert filtered["RegionName"] == "eu-west-1"
