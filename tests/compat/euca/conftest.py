"""The cloud under test, and what every scenario needs: a key pair, a group, machines; all of it is taken away again.

pytest tests/compat/euca --endpoint URL --access-key … --secret-key … --image ami-… --zone … --junitxml euca.xml
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

PATIENCE = 300


@dataclass
class Cloud:
    """An endpoint as its user has it."""

    ec2: Any
    image: str
    zone: str
    type: str
    name: str
    vpc_zone: str
    """A zone that can have VPCs."""
    undo: list[Callable[[], Any]] = field(default_factory=list)

    def launch(self, count: int = 1, **members: Any) -> list[str]:
        """Launch machines and return their ids; they are terminated in the end."""
        request = {
            "ImageId": self.image,
            "InstanceType": self.type,
            "MinCount": count,
            "MaxCount": count,
            "Placement": {"AvailabilityZone": self.zone},
            **members,
        }
        ids = [machine["InstanceId"] for machine in self.ec2.run_instances(**request)["Instances"]]
        self.undo.append(lambda: self.terminate(*ids))
        return ids

    def running(self, count: int = 1, **members: Any) -> list[str]:
        """Launch machines and return their ids once they run."""
        ids = self.launch(count, **members)
        self.machines(ids, "running")
        return ids

    def machines(self, ids: list[str], state: str | None = None) -> list[dict[str, Any]]:
        """Describe machines, once all are in the state if one is given."""

        def look() -> list[dict[str, Any]]:
            answer = self.ec2.describe_instances(InstanceIds=ids)["Reservations"]
            return [machine for entry in answer for machine in entry["Instances"]]

        return until(look, lambda found: state in (None, *only({m["State"]["Name"] for m in found})))

    def terminate(self, *ids: str) -> None:
        self.ec2.terminate_instances(InstanceIds=list(ids))
        self.machines(list(ids), "terminated")

    def volume(self, **members: Any) -> str:
        """Make a volume and return its id once it is available; it is deleted in the end."""
        ident = str(self.ec2.create_volume(AvailabilityZone=self.zone, **members)["VolumeId"])
        self.undo.append(lambda: self.remove_volume(ident))
        self.volumes([ident], "available")
        return ident

    def remove_volume(self, ident: str) -> None:
        """Delete a volume, detached first where a scenario that failed has left it attached."""
        (volume,) = self.ec2.describe_volumes(VolumeIds=[ident])["Volumes"]
        if volume["State"] == "in-use":
            self.detached(ident)
        self.ec2.delete_volume(VolumeId=ident)

    def volumes(self, ids: list[str], state: str) -> list[dict[str, Any]]:
        return until(
            lambda: self.ec2.describe_volumes(VolumeIds=ids)["Volumes"],
            lambda found: {volume["State"] for volume in found} == {state},
        )

    def attached(self, volume: str, machine: str, device: str) -> str:
        """Attach a volume and return its id once it is in use."""
        self.ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device=device)
        self.volumes([volume], "in-use")
        return volume

    def detached(self, volume: str) -> None:
        self.ec2.detach_volume(VolumeId=volume)
        self.volumes([volume], "available")

    def snapshot(self, volume: str, **members: Any) -> str:
        """Take a snapshot and return its id once it is complete; it is deleted in the end."""
        ident = str(self.ec2.create_snapshot(VolumeId=volume, **members)["SnapshotId"])
        self.undo.append(lambda: self.ec2.delete_snapshot(SnapshotId=ident))
        until(
            lambda: self.ec2.describe_snapshots(SnapshotIds=[ident])["Snapshots"],
            lambda found: found[0]["State"] == "completed",
        )
        return ident

    def group(self, suffix: str = "") -> str:
        answer = self.ec2.create_security_group(GroupName=self.name + suffix, Description="euca")
        ident = str(answer["GroupId"])
        self.undo.append(lambda: self.ec2.delete_security_group(GroupId=ident))
        return ident

    def vpc(self, block: str) -> str:
        """Make a VPC in the zone that can have some and return its id; it is deleted in the end."""
        # A bridge's VPC lies in one zone, which the tag names; elsewhere it is a tag like others.
        tags = [{"Key": "Name", "Value": self.name}, {"Key": "availability-zone", "Value": self.vpc_zone}]
        marked = [{"ResourceType": "vpc", "Tags": tags}]
        ident = str(self.ec2.create_vpc(CidrBlock=block, TagSpecifications=marked)["Vpc"]["VpcId"])
        self.undo.append(lambda: self.ec2.delete_vpc(VpcId=ident))
        return ident

    def subnet(self, vpc: str, block: str) -> str:
        answer = self.ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=self.vpc_zone)
        ident = str(answer["Subnet"]["SubnetId"])
        self.undo.append(lambda: self.ec2.delete_subnet(SubnetId=ident))
        return ident

    def clear(self) -> None:
        """Take away what the scenario made, the last first; what is gone already is no matter."""
        for call in reversed(self.undo):
            try:
                call()
            except ClientError as error:
                if "NotFound" not in error.response["Error"]["Code"]:
                    raise


def only(states: set[str]) -> set[str]:
    """The states if there is one, nothing if they differ."""
    return states if len(states) == 1 else set()


def until(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = PATIENCE) -> Any:
    """Look until it is as wanted, and return it."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"after {seconds:g} s it is still {seen}"
        time.sleep(0.5)
    return seen


def refused(call: Callable[..., Any], **members: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture(scope="session")
def connect(endpoint: Mapping[str, str]) -> Callable[[], Any]:
    """A maker of clients: a thread wants its own."""

    def client() -> Any:
        return boto3.session.Session().client(
            "ec2",
            endpoint_url=endpoint["AWS_ENDPOINT_URL"],
            aws_access_key_id=endpoint["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=endpoint["AWS_SECRET_ACCESS_KEY"],
            region_name=endpoint["AWS_DEFAULT_REGION"],
            config=Config(retries={"total_max_attempts": 2}),
        )

    return client


@pytest.fixture
def cloud(
    connect: Callable[[], Any], endpoint: Mapping[str, str], request: pytest.FixtureRequest
) -> Iterator[Cloud]:
    made = Cloud(
        connect(),
        endpoint["EC2BRIDGE_COMPAT_IMAGE"],
        endpoint["EC2BRIDGE_COMPAT_ZONE"],
        endpoint.get("EC2BRIDGE_COMPAT_TYPE", "t2.micro"),
        f"euca-{request.node.name[5:60]}-{time.time_ns() % 10**9}",
        endpoint.get("EC2BRIDGE_COMPAT_VPC_ZONE") or endpoint["EC2BRIDGE_COMPAT_ZONE"],
    )
    yield made
    made.clear()
