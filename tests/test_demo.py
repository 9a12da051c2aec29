"""The demo's place, as a newcomer finds it: whatever one tries next on AWS works there, too."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStack

from ec2bridge import demo
from ec2bridge.simulator.releases import NAMED
from tests.launching import ids, launch, until
from tests.test_health_command import running


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a running demo tells a shell."""
    file = tmp_path_factory.mktemp("demo") / "demo.env"
    words = ("--no-tour", "--listen", "127.0.0.1:0", "--env-file", str(file))
    with running("demo", *words, said="Serving at"):
        yield read(file)


def read(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)='(.*)'$", file.read_text(), re.MULTILINE))


@pytest.fixture
def ec2(environment: dict[str, str]) -> Any:
    return demo.client(environment)


def test_a_launch_without_a_zone_is_in_the_demos_and_takes_an_elastic_ip(
    ec2: Any, environment: dict[str, str]
) -> None:
    [machine] = until(ec2, "running", *ids(launch(ec2)))
    assert machine["Placement"]["AvailabilityZone"] == environment["EC2BRIDGE_DEMO_ZONE"]
    address = ec2.allocate_address()
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=machine["InstanceId"])
    [machine] = until(ec2, "running", machine["InstanceId"])
    assert machine["PublicIpAddress"] == address["PublicIp"]


def test_a_vpc_lies_in_the_demos_zone_and_takes_subnets_of_awss_sizes(
    ec2: Any, environment: dict[str, str]
) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for block in ("10.0.0.0/16", "10.0.0.0/28"):
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]
        assert subnet["AvailabilityZone"] == environment["EC2BRIDGE_DEMO_ZONE"]
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])


@pytest.mark.parametrize("release", ["4.18", "4.21"])
def test_the_release_that_it_is_told_to_play(release: str, tmp_path: Path) -> None:
    file = tmp_path / "demo.env"
    words = ("--no-tour", "--listen", "127.0.0.1:0", "--env-file", str(file), "--release", release)
    with running("demo", *words, said="Serving at"):
        told = read(file)
        cloudstack = CloudStack(
            endpoint=told["EC2BRIDGE_DEMO_CLOUDSTACK_URL"],
            key=told["AWS_ACCESS_KEY_ID"],
            secret=told["AWS_SECRET_ACCESS_KEY"],
        )
        assert cloudstack.listCapabilities()["capability"]["cloudstackversion"] == NAMED[release]
        [place] = demo.client(told).describe_availability_zones(ZoneNames=[told["EC2BRIDGE_DEMO_ZONE"]])[
            "AvailabilityZones"
        ]
        assert place["State"] == "available"
    with running("simulator", "--listen", "127.0.0.1:0", "--release", release, said=f"CloudStack {release} "):
        pass


def test_the_tour_goes_as_it_should_on_the_oldest_release() -> None:
    words = ("demo", "--once", "--listen", "127.0.0.1:0", "--release", next(iter(NAMED)))
    done = subprocess.run([sys.executable, "-m", "ec2bridge", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
