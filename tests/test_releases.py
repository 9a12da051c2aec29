"""The bridge in front of older releases: what they lack is refused by name, what they leave untold is found."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from ec2bridge.__main__ import main
from ec2bridge.ec2 import registry
from ec2bridge.ec2.releases import NEEDS, needed_by, short
from ec2bridge.ids import ec2_id
from ec2bridge.simulator import releases
from tests.conftest import REGION, Place
from tests.launching import GROUPED, launch, placed, started
from tests.native import Native

Old = Callable[[str], Place]


@pytest.fixture
def old(make_place: Callable[..., Place]) -> Old:
    """A function that starts a bridge in front of an older release."""
    return lambda release: make_place(version=release)


def refusal(work: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        work()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


ANNOUNCED = [need for need in NEEDS if need.command]


@pytest.mark.parametrize("need", ANNOUNCED, ids=lambda need: f"{need.command} {need.parameter}")
def test_what_needs_a_younger_release_is_known_as_cloudstacks_source_has_it(need: Any) -> None:
    assert releases.since(need.command, need.parameter) == need.since


def test_what_an_action_needs_is_told_by_action() -> None:
    registry.load()
    named = {action for need in NEEDS for action in need.actions}
    assert named <= {entry.name for entry in registry.served()}
    for action in named:
        entry = registry.find(action, "ec2")
        assert entry is not None
        members = {path.partition(".")[0] for path in entry.honours}
        for need in needed_by(action):
            assert set(need.actions[action]) <= members, (action, need.what)


def test_a_version_is_spoken_of_in_short() -> None:
    assert [short(text) for text in ("4.18.0.0", "4.18.2.5", "4.23.0.0-SNAPSHOT", "4.20")] == [
        "4.18",
        "4.18.2",
        "4.23",
        "4.20",
    ]


def snapshot_of_a_root(place: Place, ec2: Any) -> str:
    Native(place).machine("host")
    volume = ec2.describe_volumes()["Volumes"][0]["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    place.run(place.sim.settle())
    return str(snapshot)


def copy_snapshot(place: Place, ec2: Any) -> Any:
    request = {"SourceRegion": REGION, "SourceSnapshotId": snapshot_of_a_root(place, ec2)}
    return lambda: ec2.copy_snapshot(**request, DestinationAvailabilityZone=f"{REGION}a")


def make_nat_gateway(place: Place, ec2: Any) -> Any:
    vpc = ec2.create_vpc(CidrBlock="10.70.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.70.1.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address()["AllocationId"]
    return lambda: ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)


def protect(place: Place, ec2: Any) -> Any:
    return lambda: launch(ec2, DisableApiTermination=True)


def protect_later(place: Place, ec2: Any) -> Any:
    [machine] = started(ec2)
    return lambda: ec2.modify_instance_attribute(
        InstanceId=machine["InstanceId"], DisableApiTermination={"Value": True}
    )


def lead_to_a_machine(place: Place, ec2: Any) -> Any:
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    [table] = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    to = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(**to, GatewayId=gateway)
    return lambda: ec2.replace_route(**to, InstanceId="i-0123456789abcdef0")


def ask_for_spot(place: Place, ec2: Any) -> Any:
    return lambda: launch(ec2, InstanceMarketOptions={"MarketType": "spot"})


def register_arm(place: Place, ec2: Any) -> Any:
    location = "https://images.example/disk.qcow2"
    return lambda: ec2.register_image(Name="arm", ImageLocation=location, Architecture="arm64")


def register_arm_snapshot(place: Place, ec2: Any) -> Any:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot_of_a_root(place, ec2)}}
    return lambda: ec2.register_image(
        Name="arm", RootDeviceName="/dev/sda1", BlockDeviceMappings=[disk], Architecture="arm64"
    )


@pytest.mark.parametrize(
    ("release", "prepare", "sentence"),
    [
        (
            "4.18",
            copy_snapshot,
            "A copy of a snapshot in another zone needs CloudStack 4.19; this is 4.18.2.",
        ),
        ("4.18", make_nat_gateway, "A NAT gateway needs CloudStack 4.19; this is 4.18.2."),
        ("4.19", protect, "The parameter DisableApiTermination needs CloudStack 4.20; this is 4.19.3."),
        ("4.18", protect_later, "The parameter DisableApiTermination needs CloudStack 4.20; this is 4.18.2."),
        (
            "4.18",
            lead_to_a_machine,
            "A route to an instance or a network interface needs CloudStack 4.21; this is 4.18.2.",
        ),
        (
            "4.20",
            lead_to_a_machine,
            "A route to an instance or a network interface needs CloudStack 4.21; this is 4.20.3.",
        ),
        (
            "4.19",
            register_arm,
            "The parameter Architecture with the value 'arm64' needs CloudStack 4.20; this is 4.19.3.",
        ),
        (
            "4.20.0.0",
            register_arm_snapshot,
            "The parameter Architecture with the value 'arm64' for an image of a snapshot needs CloudStack 4.20.2;"
            " this is 4.20.",
        ),
        ("4.20", ask_for_spot, "A spot instance needs CloudStack 4.21; this is 4.20.3."),
    ],
)
def test_what_a_release_lacks_is_refused_by_name(old: Old, release: str, prepare: Any, sentence: str) -> None:
    place = old(release)
    assert refusal(prepare(place, place.client())) == ("UnsupportedOperation", sentence)


@pytest.mark.parametrize("release", ["4.18", "4.20"])
def test_a_machine_has_its_images_architecture(old: Old, release: str) -> None:
    ec2 = old(release).client()
    [machine] = started(ec2)
    [image] = ec2.describe_images(ImageIds=[machine["ImageId"]])["Images"]
    assert machine["Architecture"] == image["Architecture"] == "x86_64"


@pytest.mark.since("4.20")
@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64"])
def test_architectures_have_ec2s_names(place: Place, ec2: Any, arch: str) -> None:
    template = place.sim.cloud.tables["templates"].first(isfeatured=True)
    assert template is not None
    template["arch"] = arch
    place.bridge.site.caches.clear()
    [machine] = started(ec2)
    [image] = ec2.describe_images(ImageIds=[machine["ImageId"]])["Images"]
    wanted = {"x86_64": "x86_64", "i686": "i386", "aarch64": "arm64"}[arch]
    assert machine["Architecture"] == image["Architecture"] == wanted


def test_an_interface_has_its_elastic_ip_before_4_19(old: Old) -> None:
    place = old("4.18")
    ec2, native = place.client(), Native(place)
    first, second = (native.isolated(name)["id"] for name in ("one", "two"))
    machine = native.machine("host", zone="sim-adv", networkids=[first, second])
    nic = next(nic for nic in machine["nic"] if nic["networkid"] == second)
    address = native.do("associateIpAddress", networkid=second)
    native.do("enableStaticNat", ipaddressid=address["id"], virtualmachineid=machine["id"], networkid=second)
    assert not any("publicip" in nic for nic in native.list("listVirtualMachines")[0]["nic"])

    found = ec2.describe_network_interfaces()["NetworkInterfaces"]
    told = {item["SubnetId"]: item.get("Association", {}).get("PublicIp") for item in found}
    [held] = [item for item in found if "Association" in item]
    assert held["Association"]["AllocationId"] == ec2_id("eipalloc", address["id"])

    assert told.pop(ec2_id("subnet", nic["networkid"])) == address["ipaddress"]
    assert list(told.values()) == [None]


@pytest.mark.parametrize("release", ["4.18", "4.23"])
def test_an_encrypted_volume_is_told_as_one(old: Old, release: str) -> None:
    place = old(release)
    [gp2] = [row for row in place.sim.cloud.tables["diskofferings"] if row["name"] == "gp2"]
    place.sim.cloud.tables["diskofferings"].add(
        {**{k: v for k, v in gp2.items() if k not in ("id", "_number")}, "name": "sealed", "encrypt": True}
    )
    [micro] = place.sim.cloud.tables["serviceofferings"].where(name="t2.micro")
    micro["encryptroot"] = release == "4.18"
    ec2 = place.client()
    made = ec2.create_volume(AvailabilityZone=GROUPED, Size=1, Encrypted=True)
    started(ec2, **placed(GROUPED))

    assert made["Encrypted"] is True
    told = {item["VolumeId"]: item["Encrypted"] for item in ec2.describe_volumes()["Volumes"]}
    assert told.pop(made["VolumeId"]) is True
    assert list(told.values()) == [release == "4.18"]


def test_a_gpu_that_only_an_offerings_details_tell_serves_no_ordinary_type(old: Old) -> None:
    place = old("4.18")
    [large] = place.sim.cloud.tables["serviceofferings"].where(name="m5.large")
    large.update(
        name="gpu-large", serviceofferingdetails={"pciDevice": "Group of NVIDIA Corporation GK107GL"}
    )
    ec2 = place.client()
    [item] = ec2.describe_instance_types(InstanceTypes=["gpu-large"])["InstanceTypes"]
    assert item["GpuInfo"]["Gpus"][0]["Count"] == 1
    launch(ec2, InstanceType="m5.large")
    [machine] = Native(place).list("listVirtualMachines")
    assert machine["serviceofferingname"] != "gpu-large"


def test_check_tells_an_operator_what_the_release_lacks(old: Old) -> None:
    outputs = {}
    for release in ("4.18", "4.23"):
        place = old(release)
        keys = place.sim.accounts["keylookup"]
        environment = {
            "EC2BRIDGE_CLOUDSTACK_URL": place.sim.url,
            "EC2BRIDGE_SERVICE_API_KEY": keys.api_key,
            "EC2BRIDGE_SERVICE_SECRET_KEY": keys.secret_key,
        }
        done = CliRunner().invoke(main, ["check"], env=environment, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        outputs[release] = done.output
    assert "A NAT gateway (4.19)" in outputs["4.18"]
    assert "the look-up account reads users' keys: getUser and getUserKeys" in outputs["4.18"]
    assert "refused" not in outputs["4.23"]
