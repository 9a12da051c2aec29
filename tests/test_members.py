"""Every member of EC2's nouns is decided, answers say what was decided, and an id that is told can be looked up."""

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from ec2bridge import members
from ec2bridge.ec2 import registry
from ec2bridge.members import ABSENT, CONSTANT, NOUNS, TOLD, Noun
from ec2bridge.wire.model import operation
from tests.conftest import Place
from tests.filled import fill

MODEL = boto3.session.Session().client("ec2", region_name="us-east-1").meta.service_model
BY_SHAPE = [pytest.param(noun, id=noun.shape) for noun in NOUNS]


def paths(shape: Any, path: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the path of every member without members of its own, lists left out."""
    if shape.type_name == "list":
        yield from paths(shape.member, path, above)
    elif shape.type_name == "structure" and shape.name not in above:
        for name, member in shape.members.items():
            yield from paths(member, f"{path}.{name}" if path else name, (*above, shape.name))
    else:
        yield path


@pytest.mark.parametrize("noun", BY_SHAPE)
def test_every_member_of_awss_model_is_decided(noun: Noun) -> None:
    known = list(paths(MODEL.shape_for(noun.shape)))
    assert [path for path in known if noun.decided(path) is None] == []
    beginnings = {path[:place] for path in known for place in range(1, len(path) + 1)}
    assert [path for path in noun.decisions() if path not in beginnings] == [], "AWS has no such member"
    decisions = [*noun.told, *noun.constant, *noun.absent]
    assert len(decisions) == len(set(decisions)), "decided twice"
    assert all([*noun.told.values(), *noun.absent.values(), *(why for _, why in noun.constant.values())])


def test_a_member_that_nobody_decided_is_found() -> None:
    assert members.INSTANCE.decided("TeaSupport") is None
    assert members.INSTANCE.decided("Placement.Tea") is None
    assert members.INSTANCE.decided("NetworkInterfaces.Operator.Managed") == (
        ABSENT,
        "NetworkInterfaces.Operator",
    )


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@pytest.mark.parametrize("noun", BY_SHAPE)
def test_no_filter_is_without_data_that_is_told(noun: Noun) -> None:
    registry.load()
    data = {*noun.told, *(path for path, (value, _) in noun.constant.items() if value != [])}
    told = {path for path in paths(MODEL.shape_for(noun.shape)) if (noun.decided(path) or "??")[1] in data}
    # Filters name one of what members have in lists.
    told |= {re.sub(r"s(?=\.|$)", "", path) for path in told}
    written = {plain(path) for path in told}
    assert [name for name in members.silent_filters(noun) if plain(name) in written] == []


# --- over a cloud with something of everything -------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled() -> Iterator[Any]:
    place = Place()
    yield fill(place)
    place.close()


def listed(ec2: Any, action: str) -> dict[str, Any]:
    """What a Describe answers to a request that says nothing."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
    answer: dict[str, Any] = getattr(ec2, name)(**MORE.get(action, {}))
    return {member: value for member, value in answer.items() if member != "ResponseMetadata"}


def items(ec2: Any, noun: Noun) -> list[dict[str, Any]]:
    [found] = listed(ec2, noun.action).values()
    return [one for entry in found for one in entry["Instances"]] if "Instances" in found[0] else list(found)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what an answer says: path and value; an empty list or structure says that there is none."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


# What takes a cloud of another kind to be told; each has a test of its own with what tells it.
RARELY = {
    "Instance": {
        "IamInstanceProfile",
        "InstanceLifecycle",
        "Ipv6Address",
        "Platform",
        "StateReason",
    },
    "Image": {
        "Platform",
        "SourceImageId",
        "SourceImageRegion",
        "StateReason",
        "ImageOwnerAlias",
        "SourceInstanceId",
    },
    "Snapshot": {"StateMessage", "FullSnapshotSizeInBytes"},
    "Subnet": {"Ipv6CidrBlockAssociationSet"},
    "NetworkInterface": {"Ipv6Addresses.Ipv6Address"},
    "InstanceTypeInfo": {"GpuInfo.Gpus.Count", "GpuInfo.Gpus.Name", "NetworkInfo.NetworkPerformance"},
}


@pytest.mark.since("4.20")
@pytest.mark.parametrize("noun", BY_SHAPE)
def test_answers_say_what_is_decided(filled: Any, noun: Noun) -> None:
    seen: dict[str, set[str]] = {TOLD: set(), CONSTANT: set(), ABSENT: set()}
    for item in items(filled, noun):
        for path, value in leaves(item):
            if value in ([], {}) and any(known.startswith(f"{path}.") for known in noun.decisions()):
                continue
            word, by = noun.decided(path) or (ABSENT, path)
            assert word in (TOLD, CONSTANT) or value in ([], {}), f"{path} is {word}, and is told: {value!r}"
            seen[word].add(by)
            if word == CONSTANT:
                assert value == noun.constant[by][0], path
    assert set(noun.told) - seen[TOLD] <= RARELY.get(noun.shape, set()), "never told"
    assert set(noun.constant) - seen[CONSTANT] == set(), "never told"


ID = re.compile(r"([a-z]+(?:-[a-z]+)*)-([0-9a-f]{8}|[0-9a-f]{17})")
UNKNOWN = {"vol-ffffffff"}
"""AWS's own word for a volume that is not known."""
OWN = {
    "acl": ("DescribeNetworkAcls", "NetworkAclIds"),
    "ami": ("DescribeImages", "ImageIds"),
    "cgw": ("DescribeCustomerGateways", "CustomerGatewayIds"),
    "dopt": ("DescribeDhcpOptions", "DhcpOptionsIds"),
    "eipalloc": ("DescribeAddresses", "AllocationIds"),
    "eni": ("DescribeNetworkInterfaces", "NetworkInterfaceIds"),
    "i": ("DescribeInstances", "InstanceIds"),
    "igw": ("DescribeInternetGateways", "InternetGatewayIds"),
    "key": ("DescribeKeyPairs", "KeyPairIds"),
    "lt": ("DescribeLaunchTemplates", "LaunchTemplateIds"),
    "nat": ("DescribeNatGateways", "NatGatewayIds"),
    "pg": ("DescribePlacementGroups", "GroupIds"),
    "pl": ("DescribeManagedPrefixLists", "PrefixListIds"),
    "rtb": ("DescribeRouteTables", "RouteTableIds"),
    "sg": ("DescribeSecurityGroups", "GroupIds"),
    "sgr": ("DescribeSecurityGroupRules", "SecurityGroupRuleIds"),
    "sir": ("DescribeSpotInstanceRequests", "SpotInstanceRequestIds"),
    "snap": ("DescribeSnapshots", "SnapshotIds"),
    "subnet": ("DescribeSubnets", "SubnetIds"),
    "vgw": ("DescribeVpnGateways", "VpnGatewayIds"),
    "vol": ("DescribeVolumes", "VolumeIds"),
    "vpc": ("DescribeVpcs", "VpcIds"),
    "vpn": ("DescribeVpnConnections", "VpnConnectionIds"),
}
"""The Describe of each kind of id, and the member that takes it."""
WITHIN = {
    "aclassoc": ("DescribeNetworkAcls", "association.association-id"),
    "eipassoc": ("DescribeAddresses", "association-id"),
    "eni-attach": ("DescribeNetworkInterfaces", "attachment.attachment-id"),
    "r": ("DescribeInstances", "reservation-id"),
    "rtbassoc": ("DescribeRouteTables", "association.route-table-association-id"),
    "subnet-cidr-assoc": ("DescribeSubnets", "ipv6-cidr-block-association.association-id"),
    "vpc-cidr-assoc": ("DescribeVpcs", "cidr-block-association.association-id"),
}
"""Ids of what is part of something else: the Describe of that, and its filter."""


def describes() -> list[str]:
    """The Describes that need no parameter."""
    registry.load()
    names = [
        entry.name
        for entry in registry.served()
        if entry.service == "ec2" and entry.name.startswith("Describe")
    ]
    return [
        name
        for name in names
        if (op := operation(name)) and not MODEL.operation_model(op.name).input_shape.required_members
    ]


MORE = {"DescribeLaunchTemplateVersions": {"Versions": ["$Latest", "$Default"]}}
"""What a Describe wants to be told, although AWS's model does not say so."""


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.since("4.20")
def test_every_id_in_every_answer_can_be_looked_up(filled: Any) -> None:
    found: dict[str, set[str]] = {}
    for action in describes():
        for text in texts(listed(filled, action)):
            if ID.fullmatch(text) and text not in UNKNOWN:
                found.setdefault(text, set()).add(action)
    assert len(found) > 60
    lost = {ident: where for ident, where in found.items() if not looked_up(filled, ident)}
    assert lost == {}
    kinds = {text[1] for ident in found if (text := ID.fullmatch(ident))}
    assert set(OWN) - kinds <= {"sir"}, "nothing told an id of these kinds"


def looked_up(ec2: Any, ident: str) -> bool:
    """Whether an id names exactly what has it."""
    kind = ID.fullmatch(ident)
    assert kind is not None
    if kind[1] in OWN:
        action, member = OWN[kind[1]]
        request: dict[str, Any] = {member: [ident]}
    else:
        action, name = WITHIN[kind[1]]
        request = {"Filters": [{"Name": name, "Values": [ident]}]}
    call = getattr(ec2, re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower())
    try:
        answer = call(**request)
    except ec2.exceptions.ClientError:
        return False
    return ident in set(texts(answer))


def named_ids(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every member that is called an id, with its value."""
    if isinstance(value, dict):
        for inner_name, inner in value.items():
            yield from named_ids(inner, inner_name)
    elif isinstance(value, list):
        for inner in value:
            yield from named_ids(inner, name)
    elif isinstance(value, str) and name.endswith(("Id", "Ids")):
        yield name, value


@pytest.mark.since("4.20")
def test_what_is_called_an_id_is_one(filled: Any) -> None:
    zones = {zone["ZoneId"] for zone in filled.describe_availability_zones()["AvailabilityZones"]}
    owners = {
        filled.describe_vpcs()["Vpcs"][0]["OwnerId"],
        *(i["OwnerId"] for i in items(filled, members.IMAGE)),
    }
    # AWS writes these where there is nothing, and for the way within a VPC.
    words = {("SnapshotId", ""), ("GatewayId", "local")}
    for action in describes():
        for name, value in named_ids(listed(filled, action)):
            if (name, value) not in words and value not in (zones if name.endswith("ZoneId") else owners):
                assert ID.fullmatch(value), f"{action} tells {name} {value}"


# --- one fact, one rule ------------------------------------------------------------------------------------------


@pytest.mark.since("4.20")
def test_a_machine_says_what_its_image_and_its_type_say(filled: Any) -> None:
    images = {image["ImageId"]: image for image in items(filled, members.IMAGE)}
    types = {one["InstanceType"]: one for one in items(filled, members.INSTANCE_TYPE)}
    for machine in items(filled, members.INSTANCE):
        image, kind = images[machine["ImageId"]], types[machine["InstanceType"]]
        for name in ("Hypervisor", "Architecture", "VirtualizationType", "PlatformDetails", "UsageOperation"):
            assert machine[name] == image[name], name
        processors = {"CoreCount": kind["VCpuInfo"]["DefaultCores"], "ThreadsPerCore": 1}
        assert machine["CpuOptions"] == processors


@pytest.mark.since("4.20")
def test_the_type_of_a_root_is_told_by_its_image(filled: Any) -> None:
    [machine] = [one for one in items(filled, members.INSTANCE) if one.get("KeyName")]
    volume = machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    [root] = filled.describe_volumes(VolumeIds=[volume])["Volumes"]
    [image] = filled.describe_images(ImageIds=[machine["ImageId"]])["Images"]
    assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] == root["VolumeType"]
    found = filled.describe_images(Filters=[{"Name": "hypervisor", "Values": ["xen"]}])["Images"]
    assert machine["ImageId"] in {image["ImageId"] for image in found}


@pytest.mark.since("4.20")
def test_public_names_go_with_the_vpcs_attribute(filled: Any) -> None:
    [machine] = [one for one in items(filled, members.INSTANCE) if one.get("PublicIpAddress")]
    public = machine["PublicIpAddress"]

    def told() -> set[tuple[str, str, str, str]]:
        [one] = filled.describe_instances(InstanceIds=[machine["InstanceId"]])["Reservations"][0]["Instances"]
        own = [{"Name": "attachment.instance-id", "Values": [machine["InstanceId"]]}]
        [nic] = filled.describe_network_interfaces(Filters=own)["NetworkInterfaces"]
        for shown in (one["NetworkInterfaces"][0], nic):
            assert shown["Association"]["PublicDnsName"] == one["PublicDnsName"]
            assert shown["PrivateIpAddresses"][0]["Association"]["PublicDnsName"] == one["PublicDnsName"]
        return {
            (
                one["PublicDnsName"],
                nic.get("PublicDnsName", ""),
                one["PrivateDnsName"],
                nic.get("PrivateDnsName", ""),
            )
        }

    assert told() == {(public, public, machine["PrivateDnsName"], machine["PrivateDnsName"])}
    filled.modify_vpc_attribute(VpcId=machine["VpcId"], EnableDnsHostnames={"Value": False})
    assert told() == {("", "", machine["PrivateDnsName"], "")}
    filled.modify_vpc_attribute(VpcId=machine["VpcId"], EnableDnsHostnames={"Value": True})
    assert told() == {(public, public, machine["PrivateDnsName"], machine["PrivateDnsName"])}
