"""What tests of instances share: a launch in one line, and waiting for a state."""

import time
from typing import Any

from tests.conftest import REGION

ADVANCED, BASIC, GROUPED = (f"{REGION}{letter}" for letter in "abc")
"""The embedded CloudStack's zones: isolated networks, basic, and shared with security groups."""


def launch(ec2: Any, count: int = 1, **changed: Any) -> list[dict[str, Any]]:
    """Launch so many machines of the first image and return them as answered."""
    request = {
        "ImageId": ec2.describe_images()["Images"][0]["ImageId"],
        "InstanceType": "t2.micro",
        "MinCount": count,
        "MaxCount": count,
        **changed,
    }
    instances: list[dict[str, Any]] = ec2.run_instances(**request)["Instances"]
    return instances


def started(ec2: Any, count: int = 1, **changed: Any) -> list[dict[str, Any]]:
    """Launch machines and return them once they run."""
    return until(ec2, "running", *ids(launch(ec2, count, **changed)))


def ids(instances: list[dict[str, Any]]) -> list[str]:
    return [instance["InstanceId"] for instance in instances]


def described(ec2: Any, **request: Any) -> list[dict[str, Any]]:
    """The instances of a description, out of their reservations."""
    answer = ec2.describe_instances(**request)
    return [instance for entry in answer["Reservations"] for instance in entry["Instances"]]


def until(ec2: Any, state: str, *idents: str, seconds: float = 60.0) -> list[dict[str, Any]]:
    """Wait until all of the instances are in the state, and return them in the order asked for."""
    deadline = time.monotonic() + seconds
    while True:
        found = {i["InstanceId"]: i for i in described(ec2, InstanceIds=list(idents))}
        states = {instance["State"]["Name"] for instance in found.values()}
        if states == {state}:
            return [found[ident] for ident in idents]
        assert time.monotonic() < deadline, f"{states} after {seconds} seconds, wanted {state}"
        time.sleep(0.02)


def code_of(error: Any) -> str:
    """The EC2 code of a caught ClientError."""
    code: str = error.value.response["Error"]["Code"]
    return code


def placed(zone: str) -> dict[str, Any]:
    """The Placement member for a zone."""
    return {"Placement": {"AvailabilityZone": zone}}


def tags(kind: str, **values: str) -> dict[str, Any]:
    """One entry of TagSpecifications."""
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in values.items()]}
