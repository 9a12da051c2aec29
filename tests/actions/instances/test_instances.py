"""Listing instances, as a boto3 user sees it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.resources.machines import volumes as machine_volumes
from ec2bridge.resources.machines.states import state_of
from tests.conftest import Place
from tests.launching import (
    ADVANCED,
    GROUPED,
    code_of,
    described,
    ids,
    launch,
    placed,
    started,
    tags,
    until,
)
from tests.native import Native


def test_a_machine_is_launched_listed_and_terminated(ec2: Any) -> None:
    machine = launch(ec2)[0]
    assert machine["State"] == {"Code": 0, "Name": "pending"}

    running = until(ec2, "running", machine["InstanceId"])[0]
    assert running["ImageId"] == ec2.describe_images()["Images"][0]["ImageId"]
    assert running["InstanceType"] == "t2.micro"
    assert running["PrivateIpAddress"]
    assert running["Architecture"] == "x86_64"

    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    gone = until(ec2, "terminated", machine["InstanceId"])[0]
    assert gone["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert gone["NetworkInterfaces"] == []


def test_every_member_that_clients_dereference_is_there(ec2: Any) -> None:
    machine = started(ec2, KeyName=ec2.create_key_pair(KeyName="k")["KeyName"], **placed(GROUPED))[0]
    assert machine["KeyName"] == "k"
    assert machine["Placement"]["AvailabilityZone"] == GROUPED
    assert machine["Monitoring"] == {"State": "disabled"}
    assert machine["RootDeviceName"] == "/dev/sda1"
    assert machine["RootDeviceType"] == "ebs"
    assert machine["AmiLaunchIndex"] == 0
    assert machine["EbsOptimized"] is False
    assert machine["SourceDestCheck"] is True
    assert machine["ProductCodes"] == []
    root = machine["BlockDeviceMappings"][0]
    assert root["DeviceName"] == "/dev/sda1"
    assert root["Ebs"]["DeleteOnTermination"] is True
    assert root["Ebs"]["VolumeId"].startswith("vol-")
    nic = machine["NetworkInterfaces"][0]
    assert nic["Attachment"]["DeviceIndex"] == 0
    assert nic["PrivateIpAddress"] == machine["PrivateIpAddress"]
    assert nic["SubnetId"] == machine["SubnetId"]
    assert nic["VpcId"] == machine["VpcId"]
    assert nic["Groups"] == machine["SecurityGroups"]
    assert machine["SecurityGroups"][0]["GroupName"] == "default"


def test_what_cloudstack_does_not_know_is_left_out(ec2: Any) -> None:
    machine = started(ec2)[0]
    for unknown in (
        "SriovNetSupport",
        "BootMode",
        "PublicIpAddress",
    ):
        assert unknown not in machine


def test_machines_of_one_launch_share_a_reservation(ec2: Any) -> None:
    launch(ec2, 3)
    launch(ec2)
    reservations = ec2.describe_instances()["Reservations"]
    assert sorted(len(reservation["Instances"]) for reservation in reservations) == [1, 3]
    three = next(r for r in reservations if len(r["Instances"]) == 3)
    assert [machine["AmiLaunchIndex"] for machine in three["Instances"]] == [0, 1, 2]
    assert {r["OwnerId"] for r in reservations} == {place_owner(ec2)}


def place_owner(ec2: Any) -> str:
    owner: str = ec2.describe_security_groups()["SecurityGroups"][0]["OwnerId"]
    return owner


def test_a_machine_made_outside_ec2_is_a_reservation_of_its_own_and_shows_its_name(place: Place) -> None:
    Native(place).machine("web1", displayname="Web server")
    reservation = place.client().describe_instances()["Reservations"][0]
    machine = reservation["Instances"][0]
    assert reservation["ReservationId"][2:] == machine["InstanceId"][2:]
    assert machine["Tags"] == [{"Key": "Name", "Value": "Web server"}]
    assert machine["InstanceType"] == "t2.micro"


def test_a_generated_name_is_no_name_tag(place: Place) -> None:
    native = Native(place)
    native.do(
        "deployVirtualMachine",
        zoneid=native.zone("sim-sg"),
        templateid=native.template(),
        serviceofferingid=native.offering("listServiceOfferings", "t2.micro"),
    )
    assert described(place.client())[0]["Tags"] == []


@pytest.mark.parametrize(
    ("name", "values", "count"),
    [
        ("instance-state-name", ["running"], 2),
        ("instance-state-name", ["stopped", "pending"], 0),
        ("instance-state-code", ["16"], 2),
        ("instance-type", ["t2.*"], 2),
        ("availability-zone", [GROUPED], 1),
        ("availability-zone", ["sim-sg"], 1),
        ("tag:role", ["web"], 1),
        ("tag-key", ["role"], 2),
        ("instance.group-name", ["default"], 2),
        ("network-interface.attachment.device-index", ["0"], 2),
        ("block-device-mapping.device-name", ["/dev/sda1"], 2),
        ("hypervisor", ["xen"], 2),  # AWS says so of its KVM too, and jclouds insists on one
        ("hypervisor", ["ovm"], 0),
        ("iam-instance-profile.arn", ["*"], 0),
        ("launch-index", ["0"], 2),
        ("usage-operation", ["RunInstances"], 2),
        ("usage-operation", ["RunInstances:0002"], 0),
    ],
)
def test_filters(two: Any, name: str, values: list[str], count: int) -> None:
    assert len(described(two, Filters=[{"Name": name, "Values": values}])) == count


@pytest.fixture(scope="module")
def two(shared_place: Place) -> Any:
    """A client whose account has two machines, in two zones."""
    ec2 = shared_place.client()
    started(ec2, TagSpecifications=[tags("instance", role="web")], **placed(GROUPED))
    started(ec2, TagSpecifications=[tags("instance", role="db")], **placed(ADVANCED))
    return ec2


@pytest.fixture(scope="module")
def shared_place() -> Any:
    place = Place()
    yield place
    place.close()


def test_an_unknown_filter_is_refused(two: Any) -> None:
    with pytest.raises(ClientError) as error:
        two.describe_instances(Filters=[{"Name": "shoe-size", "Values": ["43"]}])
    assert code_of(error) == "InvalidParameterValue"


def test_pages_end_and_hold_every_machine_once(place: Place) -> None:
    place.sim.populate("alice", 12)
    ec2 = place.client()
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    found = [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]
    assert len(pages) == 3
    assert len(found) == len(set(found)) == 12


def test_an_unknown_id_is_named(ec2: Any) -> None:
    known = ids(launch(ec2))[0]
    with pytest.raises(ClientError) as error:
        ec2.describe_instances(InstanceIds=[known, "i-0123456789abcdef0"])
    assert code_of(error) == "InvalidInstanceID.NotFound"
    assert "i-0123456789abcdef0" in str(error.value)
    with pytest.raises(ClientError) as error:
        ec2.describe_instances(InstanceIds=["machine"])
    assert code_of(error) == "InvalidInstanceID.Malformed"


def test_another_accounts_machines_are_not_seen(place: Place) -> None:
    ident = ids(launch(place.client()))[0]
    bob = place.client("bob")
    assert described(bob) == []
    for act in (bob.describe_instances, bob.stop_instances, bob.terminate_instances):
        with pytest.raises(ClientError) as error:
            act(InstanceIds=[ident])
        assert code_of(error) == "InvalidInstanceID.NotFound"


def test_a_thousand_machines_cost_as_many_calls_as_ten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_volumes, "KEEP", 3600)  # whatever this machine's speed
    ec2 = place.client()
    place.sim.populate("alice", 10)
    described(ec2)
    place.sim.populate("alice", 10)
    few = place.commands(lambda: described(ec2))
    place.sim.populate("alice", 480)
    many = place.commands(lambda: described(ec2))
    assert sorted(many) == sorted(few) == ["listVirtualMachines", "listVolumes"]
    place.sim.populate("alice", 500)
    place.bridge.site.caches["volume-lists"].kept.clear()
    pages = place.commands(lambda: described(ec2))
    assert sorted(pages) == ["listVirtualMachines"] * 2 + ["listVolumes"] * 2
    # The next poll asks for the machines again, but not for all their volumes, until something is changed.
    assert place.commands(lambda: described(ec2)) == ["listVirtualMachines"] * 2
    ec2.create_tags(Resources=[described(ec2)[0]["InstanceId"]], Tags=[{"Key": "a", "Value": "b"}])
    assert "listVolumes" in place.commands(lambda: described(ec2))


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"state": "Starting"}, "pending"),
        ({"state": "Running"}, "running"),
        ({"state": "Migrating"}, "running"),
        ({"state": "Unknown"}, "running"),
        ({"state": "Stopping"}, "stopping"),
        ({"state": "Stopped", "details": {}}, "stopped"),
        ({"state": "Stopped", "details": {"deployvm": "true"}, "jobid": "j"}, "pending"),
        ({"state": "Stopped", "details": {"deployvm": "true"}}, "stopped"),
        ({"state": "Shutdown"}, "stopped"),
        ({"state": "Destroyed"}, "terminated"),
        ({"state": "Expunging"}, "shutting-down"),
        ({"state": "Error"}, "terminated"),
        ({"state": "Restoring"}, "pending"),
    ],
)
def test_states(row: dict[str, Any], state: str) -> None:
    assert state_of(row) == state


def test_what_the_bridge_begins_outranks_what_cloudstack_says() -> None:
    row = {"state": "Running"}
    assert state_of(row, {"phase": "launching"}) == "pending"
    assert state_of(row, {"phase": "ending"}) == "shutting-down"
    assert state_of(row, {"phase": "ended"}) == "terminated"
    assert state_of(row, None, "stopping") == "stopping"


def test_status_tells_of_running_machines_unless_all_are_asked_for(ec2: Any) -> None:
    running, stopped = ids(started(ec2, 2))
    ec2.stop_instances(InstanceIds=[stopped])
    until(ec2, "stopped", stopped)
    shown = ec2.describe_instance_status()["InstanceStatuses"]
    assert ids(shown) == [running]
    assert shown[0]["InstanceStatus"]["Status"] == shown[0]["SystemStatus"]["Status"] == "ok"
    assert ec2.describe_instance_status(InstanceIds=[stopped])["InstanceStatuses"] == []
    every = ec2.describe_instance_status(IncludeAllInstances=True)["InstanceStatuses"]
    assert {s["InstanceId"]: s["InstanceStatus"]["Status"] for s in every} == {
        running: "ok",
        stopped: "not-applicable",
    }


def test_details_that_someone_else_erased_are_remembered(place: Place) -> None:
    ec2, native = place.client(), Native(place)
    ec2.create_key_pair(KeyName="k")
    before = started(ec2, KeyName="k", ClientToken="t")[0]
    reservation = ec2.describe_instances()["Reservations"][0]["ReservationId"]
    row = native.list("listVirtualMachines")[0]
    native.do("updateVirtualMachine", id=row["id"], details={"colour": "blue"})
    after = described(ec2)[0]
    assert after == before
    assert ec2.describe_instances()["Reservations"][0]["ReservationId"] == reservation
