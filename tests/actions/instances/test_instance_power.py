"""Starting, stopping and rebooting."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ids import ec2_id
from tests.conftest import Place
from tests.faulty import behind
from tests.launching import code_of, ids, started, until
from tests.native import Native


def test_a_machine_stops_and_starts_again(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    change = ec2.stop_instances(InstanceIds=[ident])["StoppingInstances"][0]
    assert change["PreviousState"]["Name"] == "running"
    assert change["CurrentState"] == {"Code": 64, "Name": "stopping"}
    assert until(ec2, "stopped", ident)

    change = ec2.start_instances(InstanceIds=[ident])["StartingInstances"][0]
    assert change["PreviousState"]["Name"] == "stopped"
    assert change["CurrentState"] == {"Code": 0, "Name": "pending"}
    # Never "stopped" again on the way: clients that wait for "running" would give up.
    states = set()
    while "running" not in states:
        states.add(
            ec2.describe_instances(InstanceIds=[ident])["Reservations"][0]["Instances"][0]["State"]["Name"]
        )
    assert states <= {"pending", "running"}


def test_a_stop_tells_who_asked_for_it(place: Place, ec2: Any) -> None:
    (machine,) = started(ec2)
    assert machine["StateTransitionReason"] == ""
    ident = machine["InstanceId"]
    ec2.stop_instances(InstanceIds=[ident])
    (stopped,) = until(ec2, "stopped", ident)
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["StateTransitionReason"].startswith("User initiated")

    ec2.start_instances(InstanceIds=[ident])
    assert "StateReason" not in until(ec2, "running", ident)[0]
    # CloudStack does not tell why a machine stopped that nobody stopped through EC2.
    native = Native(place)
    row = native.machine("other")
    native.do("stopVirtualMachine", id=row["id"])
    assert "StateReason" not in until(ec2, "stopped", ec2_id("i", row["id"]))[0]


def test_a_stop_whose_answer_is_lost_tells_who_asked_for_it(place: Place, ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    place.sim.faults.add("lost", "stopVirtualMachine")
    with pytest.raises(ClientError) as error:
        ec2.stop_instances(InstanceIds=[ident])
    assert code_of(error) == "Unavailable"
    (stopped,) = until(ec2, "stopped", ident)
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert re.fullmatch(r"User initiated \(.* GMT\)", stopped["StateTransitionReason"])


def test_a_stop_that_is_refused_leaves_no_word_of_it(place: Place, ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    place.sim.faults.add("refused", "stopVirtualMachine")
    with pytest.raises(ClientError) as error:
        ec2.stop_instances(InstanceIds=[ident])
    assert code_of(error) == "UnauthorizedOperation"
    assert "StateReason" not in until(ec2, "running", ident)[0]
    assert list(place.run(place.bridge.site.store.everywhere("stop"))) == []


def test_a_stop_that_fails_tells_why(place: Place, ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    place.sim.faults.add("job-fails", "stopVirtualMachine")
    change = ec2.stop_instances(InstanceIds=[ident])["StoppingInstances"][0]
    assert change["CurrentState"]["Name"] == "stopping"
    (failed,) = until(ec2, "running", ident)
    assert failed["StateReason"]["Code"] == "Server.InternalError"
    assert failed["StateTransitionReason"].startswith("Server.InternalError (")

    ec2.stop_instances(InstanceIds=[ident])
    (stopped,) = until(ec2, "stopped", ident)
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_stopping_twice_and_starting_twice_change_nothing(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    assert (
        ec2.start_instances(InstanceIds=[ident])["StartingInstances"][0]["CurrentState"]["Name"] == "running"
    )
    ec2.stop_instances(InstanceIds=[ident], Force=True)
    until(ec2, "stopped", ident)
    assert (
        ec2.stop_instances(InstanceIds=[ident])["StoppingInstances"][0]["CurrentState"]["Name"] == "stopped"
    )


@pytest.mark.parametrize(
    ("action", "command"),
    [("reboot_instances", "rebootVirtualMachine"), ("stop_instances", "stopVirtualMachine")],
)
def test_many_machines_are_not_asked_one_after_another(
    make_place: Callable[..., Place], action: str, command: str
) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    machines = ids(started(ec2, 3))
    way.meet(command, 3)
    getattr(ec2, action)(InstanceIds=machines)
    assert way.seen[command] == 3


def test_a_reboot_needs_a_running_machine(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    ec2.reboot_instances(InstanceIds=[ident])
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    with pytest.raises(ClientError) as error:
        ec2.reboot_instances(InstanceIds=[ident])
    assert code_of(error) == "IncorrectInstanceState"


def test_a_terminated_machine_cannot_be_started(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    ec2.terminate_instances(InstanceIds=[ident])
    until(ec2, "terminated", ident)
    with pytest.raises(ClientError) as error:
        ec2.start_instances(InstanceIds=[ident])
    assert code_of(error) == "IncorrectInstanceState"


def test_hibernation_is_refused_by_name(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    with pytest.raises(ClientError) as error:
        ec2.stop_instances(InstanceIds=[ident], Hibernate=True)
    assert code_of(error) == "UnsupportedOperation"
    assert "Hibernate" in str(error.value)


def test_all_ids_are_checked_before_anything_is_done(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    with pytest.raises(ClientError) as error:
        ec2.stop_instances(InstanceIds=[ident, "i-0123456789abcdef0"])
    assert code_of(error) == "InvalidInstanceID.NotFound"
    assert until(ec2, "running", ident)


def test_a_dry_run_changes_nothing(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    for act in (ec2.stop_instances, ec2.reboot_instances, ec2.terminate_instances):
        with pytest.raises(ClientError) as error:
            act(InstanceIds=[ident], DryRun=True)
        assert code_of(error) == "DryRunOperation"
    assert until(ec2, "running", ident)


def test_a_dry_run_does_not_ask_whether_it_is_the_time(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(InstanceId=ident, InstanceType={"Value": "t3.small"}, DryRun=True)
    assert code_of(error) == "DryRunOperation"
    with pytest.raises(ClientError) as error:
        ec2.modify_instance_attribute(InstanceId=ident, InstanceType={"Value": "t3.small"})
    assert code_of(error) == "IncorrectInstanceState"


def test_a_start_that_fails_tells_why(place: Place, ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    other = ids(started(ec2))[0]
    place.sim.cloud.settings["zone.machines"] = 1
    change = ec2.start_instances(InstanceIds=[ident])["StartingInstances"][0]
    assert change["CurrentState"]["Name"] == "pending"
    (failed,) = until(ec2, "stopped", ident)
    assert failed["StateReason"]["Code"] == "Server.InsufficientInstanceCapacity"
    assert failed["StateReason"]["Message"].startswith("Server.InsufficientInstanceCapacity: ")
    assert failed["StateTransitionReason"].startswith("Server.InsufficientInstanceCapacity (")
    found = [{"Name": "state-reason-code", "Values": ["Server.InsufficientInstanceCapacity"]}]
    assert len(ec2.describe_instances(Filters=found)["Reservations"]) == 1

    ec2.terminate_instances(InstanceIds=[other])
    until(ec2, "terminated", other)
    ec2.start_instances(InstanceIds=[ident])
    (running,) = until(ec2, "running", ident)
    assert "StateReason" not in running
    assert running["StateTransitionReason"] == ""


def test_a_failed_start_is_told_no_more_when_one_succeeds_in_the_same_second(
    place: Place, ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("machine_start", "commands.machines"):
        monkeypatch.setattr(f"ec2bridge.simulator.{module}.now", lambda: "2026-01-01T00:00:00+0000")
    ident = ids(started(ec2))[0]
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    place.sim.faults.add("job-fails", "startVirtualMachine")
    ec2.start_instances(InstanceIds=[ident])
    (failed,) = until(ec2, "stopped", ident)
    assert failed["StateReason"]["Code"] == "Server.InternalError"
    ec2.start_instances(InstanceIds=[ident])
    (running,) = until(ec2, "running", ident)
    assert "StateReason" not in running


def test_a_machine_without_its_root_is_not_started(ec2: Any) -> None:
    machine = started(ec2)[0]
    ident = machine["InstanceId"]
    ec2.stop_instances(InstanceIds=[ident])
    until(ec2, "stopped", ident)
    root = machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.detach_volume(VolumeId=root)
    with pytest.raises(ClientError, match="does not have a volume attached at root") as error:
        ec2.start_instances(InstanceIds=[ident])
    assert code_of(error) == "IncorrectInstanceState"
    ec2.attach_volume(VolumeId=root, InstanceId=ident, Device="/dev/sda1")
    ec2.start_instances(InstanceIds=[ident])
    assert until(ec2, "running", ident)
