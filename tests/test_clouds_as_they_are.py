"""Every Describe over a cloud as people have them: thousands of images, all states, names and kinds of networks."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import registry
from tests.as_they_are import LACKING, MACHINES, NAMES, TIERS, age, project
from tests.conftest import Place

pytestmark = pytest.mark.since("4.20")

registry.load()
DESCRIBES = [
    entry
    for entry in registry.served()
    if entry.service == "ec2"
    and entry.name.startswith("Describe")
    and not entry.name.endswith("Attribute")
    # Which asks for one fleet, and is refused as on AWS.
    and entry.name != "DescribeFleetInstances"
]
ATTRIBUTES = {
    "DescribeInstanceAttribute": ("InstanceId", "DescribeInstances", "InstanceAttributeName"),
    "DescribeImageAttribute": ("ImageId", "DescribeImages", "ImageAttributeName"),
    "DescribeVolumeAttribute": ("VolumeId", "DescribeVolumes", "VolumeAttributeName"),
    "DescribeSnapshotAttribute": ("SnapshotId", "DescribeSnapshots", "SnapshotAttributeName"),
    "DescribeVpcAttribute": ("VpcId", "DescribeVpcs", "VpcAttributeName"),
    "DescribeNetworkInterfaceAttribute": (
        "NetworkInterfaceId",
        "DescribeNetworkInterfaces",
        "NetworkInterfaceAttribute",
    ),
}
MORE = {
    "DescribeIdentityIdFormat": {"PrincipalArn": "arn:aws:iam::123456789012:root"},
    "DescribeLaunchTemplateVersions": {"Versions": ["$Latest", "$Default"]},
}
"""What a Describe wants to be told."""
FAILED = ("InternalError", "InternalFailure", "Unavailable", "ServiceUnavailable")
PAGE = 500
"""Rows that CloudStack gives at once."""
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@pytest.fixture(scope="module")
def make_place() -> Iterator[Callable[..., Place]]:
    """One cloud for all, as it takes long to age; named as what tells that a test drives a bridge."""
    places: list[Place] = []

    def make() -> Place:
        if not places:
            places.append(Place())
            age(places[0])
        return places[0]

    yield make
    for place in places:
        place.close()


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()


@pytest.fixture
def ec2(place: Place) -> Any:
    return place.client()


def ask(ec2: Any, action: str, **request: Any) -> dict[str, Any]:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
    answer: dict[str, Any] = getattr(ec2, name)(**MORE.get(action, {}), **request)
    del answer["ResponseMetadata"]
    return answer


def answered(ec2: Any, action: str, **request: Any) -> str:
    """The code of a refusal; "" for an answer."""
    try:
        ask(ec2, action, **request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def items(ec2: Any, action: str, **request: Any) -> list[dict[str, Any]]:
    """What a Describe lists, the instances of reservations one by one."""
    [found] = (value for value in ask(ec2, action, **request).values() if isinstance(value, list))
    return [one for entry in found for one in entry.get("Instances", [entry])]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def alices(place: Place, table: str, **fields: Any) -> int:
    return len(place.sim.cloud.tables[table].where(account="alice", **fields))


def _machines(place: Place) -> int:
    """A user sees none that are destroyed, until CloudStack expunges them."""
    return alices(place, "machines") - alices(place, "machines", state="Destroyed")


def _interfaces(place: Place) -> int:
    """Those of machines, but for the ones in state Error; the two that are on none, and a NAT gateway's."""
    return _machines(place) - alices(place, "machines", state="Error") + 2 + 1


def _images(place: Place) -> int:
    """Everybody's that are ready, and all of one's own."""
    rows = list(place.sim.cloud.tables["templates"])
    own = [row for row in rows if row.get("account") == "alice"]
    return len(own) + len([row for row in rows if row not in own and row["ispublic"] and row["isready"]])


def _networks(place: Place) -> int:
    return len(place.sim.cloud.tables["networks"])


def _vpcs(place: Place) -> int:
    """CloudStack's, and the default one."""
    return alices(place, "vpcs") + 1


COUNTS: dict[str, Callable[[Place], int]] = {
    "DescribeAddresses": lambda place: 2 + alices(place, "addresses", allocated="2016-01-01T00:00:00+0000"),
    "DescribeAvailabilityZones": lambda place: len(place.sim.cloud.tables["zones"]),
    "DescribeDhcpOptions": lambda place: 1,
    "DescribeImages": _images,
    "DescribeInstances": _machines,
    "DescribeKeyPairs": lambda place: alices(place, "keypairs"),
    "DescribeNetworkInterfaces": _interfaces,
    "DescribePlacementGroups": lambda place: alices(place, "affinitygroups"),
    "DescribeRouteTables": lambda place: _vpcs(place) + 1,
    "DescribeSubnets": _networks,
    "DescribeVpcs": _vpcs,
    "DescribeVpcClassicLink": _vpcs,
    "DescribeVpcClassicLinkDnsSupport": _vpcs,
}


@pytest.mark.parametrize("action", [entry.name for entry in DESCRIBES])
def test_an_answer_is_whole_and_costs_a_few_calls(place: Place, ec2: Any, action: str) -> None:
    before = len(place.native)
    answer = ask(ec2, action)
    asked = Counter(call.command for call in place.native[before:])

    assert [text for text in texts(answer) if UNWRITABLE.search(text)] == []
    if action in COUNTS:
        assert len(items(ec2, action)) == COUNTS[action](place)
    pages = -(-len(place.sim.cloud.tables["templates"]) // PAGE)
    for command, times in asked.items():
        # Images are asked for twice: all that may be launched, and one's own that are not ready.
        assert times <= (2 * pages if command == "listTemplates" else 3), asked


@pytest.mark.parametrize(
    ("action", "ident"),
    [
        ("DescribeImages", "ImageId"),
        ("DescribeInstances", "InstanceId"),
        ("DescribeVolumes", "VolumeId"),
        ("DescribeSnapshots", "SnapshotId"),
        ("DescribeSubnets", "SubnetId"),
        ("DescribeVpcs", "VpcId"),
        ("DescribeSecurityGroups", "GroupId"),
        ("DescribeNetworkInterfaces", "NetworkInterfaceId"),
    ],
)
def test_pages_have_everything_once(place: Place, ec2: Any, action: str, ident: str) -> None:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
    size = 900 if action == "DescribeImages" else 30 if action == "DescribeInstances" else 13
    pages = list(ec2.get_paginator(name).paginate(PaginationConfig={"PageSize": size}))
    assert len(pages) > 1
    [member] = [key for key, value in pages[0].items() if isinstance(value, list)]
    shown = [
        one[ident] for page in pages for entry in page[member] for one in entry.get("Instances", [entry])
    ]
    assert Counter(shown) == Counter(item[ident] for item in items(ec2, action))


def test_machines_of_every_state_are_in_one_of_awss(place: Place, ec2: Any) -> None:
    states = {item["InstanceId"]: item["State"]["Name"] for item in items(ec2, "DescribeInstances")}
    found: dict[str, set[str]] = {}
    for row in place.sim.cloud.tables["machines"].where(account="alice"):
        ident = "i-" + row["id"].replace("-", "")[:17]
        found.setdefault(row["state"], set()).add(states.get(ident, "hidden"))
    assert found == {
        "Starting": {"pending"},
        "Running": {"running"},
        "Stopping": {"stopping"},
        "Stopped": {"stopped"},
        "Destroyed": {"hidden"},
        "Expunging": {"shutting-down"},
        "Migrating": {"running"},
        "Error": {"terminated"},
        "Unknown": {"running"},
        "Shutdown": {"stopped"},
        "Restoring": {"pending"},
    }
    assert set(found) == set(MACHINES)


def test_names_are_told_but_for_what_xml_cannot_hold(ec2: Any) -> None:
    wanted = {UNWRITABLE.sub("\ufffd", name) for name in NAMES}
    assert wanted <= {item["KeyName"] for item in items(ec2, "DescribeKeyPairs")} | {""}
    assert wanted <= {item["Name"] for item in items(ec2, "DescribeImages")} | {""}
    assert wanted <= {item["Description"] for item in items(ec2, "DescribeSecurityGroups")} | {""}


def test_the_networks_are_told_as_they_are(ec2: Any) -> None:
    subnets = items(ec2, "DescribeSubnets")
    blocks = Counter(item.get("CidrBlock") for item in subnets)
    assert {f"10.200.{number}.0/24" for number in range(TIERS)} <= blocks.keys()
    assert blocks[None] == 2, "layer 2, and IPv6 alone"
    by_block = {item.get("CidrBlock"): item for item in subnets}
    assert by_block["10.98.0.0/24"]["AvailableIpAddressCount"] == 128 - 3
    assert by_block["10.147.36.0/24"]["AvailableIpAddressCount"] == 2 * (256 - 3)
    assert [item["AvailableIpAddressCount"] for item in subnets if "CidrBlock" not in item] == [0, 0]
    assert sum(bool(item["Ipv6CidrBlockAssociationSet"]) for item in subnets) == 3
    six = [item["Ipv6Address"] for item in items(ec2, "DescribeInstances") if "Ipv6Address" in item]
    assert len(six) == len(NAMES)


@pytest.mark.parametrize("action", ATTRIBUTES)
def test_attributes_of_everything_are_told_or_refused(place: Place, ec2: Any, action: str) -> None:
    ident, listing, names = ATTRIBUTES[action]
    attributes = ec2.meta.service_model.shape_for(names).enum
    found = items(ec2, listing)
    states = {str(item.get("State") or item.get("Status")): item for item in found}
    asked = [(item[ident], attribute) for item in states.values() for attribute in attributes]
    came = {key: answered(ec2, action, **{ident: key[0], "Attribute": key[1]}) for key in asked}
    assert "" in came.values()
    assert {key: text for key, text in came.items() if text in FAILED} == {}


@pytest.mark.parametrize("entry", DESCRIBES, ids=lambda entry: entry.name)
def test_a_user_of_a_narrow_role_gets_all_that_the_role_allows(place: Place, entry: registry.Action) -> None:
    lacking = any(name in entry.native for name in LACKING)
    came = answered(place.client("carol"), entry.name)
    assert came in ("", "UnauthorizedOperation") if lacking else came == "", came


@pytest.mark.parametrize("action", [entry.name for entry in DESCRIBES])
def test_users_of_a_sub_domain_and_of_a_project_are_answered(place: Place, action: str) -> None:
    key = place.sim.accounts["alice"].api_key
    for client in (place.client("dave"), place.client(aws_access_key_id=f"{key}:{project(place)}")):
        ask(client, action)
