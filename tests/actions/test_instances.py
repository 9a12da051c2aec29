"""Launching, listing and terminating instances, as a boto3 user sees it."""

import time
from collections.abc import Callable
from typing import Any


def image_of(ec2: Any) -> str:
    return ec2.describe_images()["Images"][0]["ImageId"]


def until(ec2: Any, state: str, *ids: str, seconds: float = 10.0) -> list[dict[str, Any]]:
    """Wait until all of the instances are in the state, and return them."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ec2.describe_instances(InstanceIds=list(ids))
        found = [i for reservation in answer["Reservations"] for i in reservation["Instances"]]
        states = {instance["State"]["Name"] for instance in found}
        if states == {state}:
            return found
        assert time.monotonic() < deadline, f"{states} after {seconds} seconds, wanted {state}"
        time.sleep(0.02)


def test_a_machine_is_launched_listed_and_terminated(ec2: Any) -> None:
    image = image_of(ec2)
    launched = ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1)
    machine = launched["Instances"][0]
    assert machine["State"] == {"Code": 0, "Name": "pending"}
    assert launched["ReservationId"].startswith("r-")
    ident = machine["InstanceId"]

    running = until(ec2, "running", ident)[0]
    assert running["ImageId"] == image
    assert running["InstanceType"] == "t2.micro"
    assert running["PrivateIpAddress"]
    assert running["NetworkInterfaces"][0]["Attachment"]["DeviceIndex"] == 0
    assert [m["DeviceName"] for m in running["BlockDeviceMappings"]] == ["/dev/sda1"]

    ended = ec2.terminate_instances(InstanceIds=[ident])["TerminatingInstances"][0]
    assert ended["PreviousState"]["Name"] == "running"
    assert ended["CurrentState"]["Name"] == "shutting-down"
    gone = until(ec2, "terminated", ident)[0]
    assert gone["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert gone["NetworkInterfaces"] == []
