"""TerminateInstances releases what a machine held, whoever may expunge."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import background
from ec2bridge.resources.machines.records import KIND
from tests.conftest import Place
from tests.faulty import behind
from tests.launching import (
    ADVANCED,
    BASIC,
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

LIBERAL = {"allow.user.expunge.recover.vm": True, "allow.user.view.destroyed.vm": True}


@pytest.fixture(params=["owner expunges", "look-up account expunges", "nobody expunges"])
def any_place(request: pytest.FixtureRequest, make_place: Callable[..., Place]) -> Place:
    """A cloud under each of the settings that decide who may expunge."""
    if request.param == "owner expunges":
        place = make_place()
        place.sim.cloud.settings.update(LIBERAL)
        return place
    return make_place({"expunge": request.param != "nobody expunges"})


@pytest.mark.parametrize("zone", [ADVANCED, BASIC, GROUPED])
def test_group_and_key_can_be_deleted_at_once_as_terraform_does(any_place: Place, zone: str) -> None:
    ec2 = any_place.client()
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    ec2.create_key_pair(KeyName="k")
    machine = started(ec2, SecurityGroupIds=[group], KeyName="k", **placed(zone))[0]
    ended = ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])["TerminatingInstances"][0]
    assert ended["PreviousState"]["Name"] == "running"
    assert ended["CurrentState"] == {"Code": 32, "Name": "shutting-down"}
    gone = until(ec2, "terminated", machine["InstanceId"])[0]
    assert gone["KeyName"] == "k"
    assert gone["BlockDeviceMappings"] == gone["NetworkInterfaces"] == gone["SecurityGroups"] == []
    assert gone["StateTransitionReason"].startswith("User initiated (")
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName="k")


@pytest.mark.parametrize("mode", ["refused", "job-fails"])
def test_an_expunge_that_does_not_succeed_is_tried_again(place: Place, ec2: Any, mode: str) -> None:
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    ident = ids(started(ec2, SecurityGroupIds=[group], **placed(GROUPED)))[0]
    place.sim.faults.add(mode, "expungeVirtualMachine")
    ec2.terminate_instances(InstanceIds=[ident])
    until(ec2, "terminated", ident)
    ec2.delete_security_group(GroupId=group)
    assert [call.command for call in place.native].count("expungeVirtualMachine") == 2


def test_a_machine_goes_whose_destruction_is_sent_again_while_the_first_is_at_work(any_place: Place) -> None:
    ec2 = any_place.client()
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    [machine] = started(ec2, SecurityGroupIds=[group], **placed(GROUPED))
    any_place.sim.faults.add("lost", "destroyVirtualMachine")
    any_place.sim.cloud.job_time = 2.0
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    ec2.delete_security_group(GroupId=group)


def test_the_current_state_comes_first_as_libcloud_expects(ec2: Any) -> None:
    """libcloud reads no path: the first <name> of the answer says whether a machine ends."""
    seen: list[bytes] = []
    ec2.meta.events.register("before-parse", lambda response_dict, **_: seen.append(response_dict["body"]))
    machine = started(ec2)[0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[machine])
    ec2.terminate_instances(InstanceIds=[machine])
    for answer in seen[-2:]:
        assert answer.index(b"<currentState>") < answer.index(b"<previousState>")


def test_data_volumes_go_or_stay_as_they_were_told(any_place: Place) -> None:
    ec2 = any_place.client()
    machine = started(
        ec2,
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}},
            {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 6, "DeleteOnTermination": False}},
            {
                "DeviceName": "/dev/sdh",
                "Ebs": {"VolumeSize": 7},
            },  # AWS: what a launch makes goes unless it is told to stay
        ],
    )[0]
    shown = {m["DeviceName"]: m["Ebs"]["DeleteOnTermination"] for m in machine["BlockDeviceMappings"]}
    assert shown == {"/dev/sda1": True, "/dev/sdf": True, "/dev/sdg": False, "/dev/sdh": True}
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    left = ec2.describe_volumes()["Volumes"]
    assert [(volume["Size"], volume["State"]) for volume in left] == [(6, "available")]


def test_tags_of_what_went_with_a_machine_are_gone(any_place: Place) -> None:
    ec2 = any_place.client()
    # CloudStack holds no empty value: that tag is in the store.
    wanted = [tags("volume", app="shop", empty=""), tags("network-interface", app="net")]
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 4, "DeleteOnTermination": True}}]
    machine = started(ec2, TagSpecifications=wanted, BlockDeviceMappings=data)[0]
    assert len(ec2.describe_tags()["Tags"]) == 5
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    assert ec2.describe_tags()["Tags"] == []
    assert any_place.run(any_place.bridge.site.store.list(any_place.store_owner(), "tags")) == []


def test_a_root_volume_may_be_kept(any_place: Place) -> None:
    ec2 = any_place.client()
    machine = started(
        ec2,
        BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "DeleteOnTermination": False}}
        ],
    )[0]
    assert machine["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is False
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    until(ec2, "terminated", machine["InstanceId"])
    assert [(v["Size"], v["State"]) for v in ec2.describe_volumes()["Volumes"]] == [(9, "available")]


def test_terminating_twice_works_and_tells_so(any_place: Place) -> None:
    ec2 = any_place.client()
    ident = ids(started(ec2))[0]
    ec2.terminate_instances(InstanceIds=[ident])
    again = ec2.terminate_instances(InstanceIds=[ident])["TerminatingInstances"][0]
    assert again["CurrentState"]["Name"] in ("shutting-down", "terminated")
    until(ec2, "terminated", ident)
    last = ec2.terminate_instances(InstanceIds=[ident])["TerminatingInstances"][0]
    assert last["PreviousState"]["Name"] == last["CurrentState"]["Name"] == "terminated"


def test_two_bridges_that_are_told_at_once_to_terminate_one_machine_both_do(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    front, way = behind(make_place, store=str(tmp_path / "store.sqlite"))
    clients = [front.client(), front.client(endpoint_url=front.another_bridge()[0])]
    ident = ids(started(clients[0], **placed(GROUPED)))[0]
    # Both have seen it run, and both have written down that they end it, before CloudStack hears of it.
    for command in ("listVolumes", "destroyVirtualMachine"):
        way.meet(command, 2)
    with ThreadPoolExecutor(2) as both:
        told = list(both.map(lambda client: client.terminate_instances(InstanceIds=[ident]), clients))
    way.meeting.clear()
    assert [one["TerminatingInstances"][0]["CurrentState"]["Name"] for one in told] == ["shutting-down"] * 2
    until(clients[0], "terminated", ident)


def test_it_never_runs_again_on_the_way(any_place: Place) -> None:
    ec2 = any_place.client()
    ident = ids(started(ec2))[0]
    ec2.terminate_instances(InstanceIds=[ident])
    states = [""]
    while states[-1] != "terminated":
        states.append(described(ec2, InstanceIds=[ident])[0]["State"]["Name"])
    assert set(states[1:]) <= {"shutting-down", "terminated"}


def test_a_machine_may_be_terminated_while_it_is_launched(any_place: Place) -> None:
    ec2 = any_place.client()
    with any_place.holding("deployVirtualMachine"):
        ident = ids(launch(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}]))[
            0
        ]
        [ending] = ec2.terminate_instances(InstanceIds=[ident])["TerminatingInstances"]
        assert ending["PreviousState"]["Name"] == "pending"
    until(ec2, "terminated", ident)
    rows = Native(any_place, "admin").list("listVirtualMachines", listall=True)
    assert all(row["state"] in ("Destroyed", "Expunging") for row in rows)


@pytest.mark.since("4.20")
def test_protection_holds_for_all_of_the_request(ec2: Any) -> None:
    plain = ids(started(ec2))[0]
    kept = ids(started(ec2, DisableApiTermination=True))[0]
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[plain, kept])
    assert code_of(error) == "OperationNotPermitted"
    assert "disableApiTermination" in str(error.value)
    assert until(ec2, "running", plain, kept)
    ec2.modify_instance_attribute(InstanceId=kept, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[plain, kept])
    until(ec2, "terminated", plain, kept)


def test_what_is_refused_in_the_middle_says_of_which(place: Place, ec2: Any) -> None:
    first, second = ids(started(ec2, MinCount=2, MaxCount=2))
    place.sim.faults.add("refused", "destroyVirtualMachine")
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[first, second])
    assert f"This is for {first}; the request was carried out for {second}." in str(error.value)
    until(ec2, "terminated", second)
    assert until(ec2, "running", first)


def test_unknown_ids_are_named_and_nothing_is_done(ec2: Any) -> None:
    ident = ids(started(ec2))[0]
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[ident, "i-0123456789abcdef0"])
    assert code_of(error) == "InvalidInstanceID.NotFound"
    assert until(ec2, "running", ident)


def test_tags_are_still_shown(ec2: Any) -> None:
    ident = ids(
        started(ec2, TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": ""}]}])
    )[0]
    ec2.terminate_instances(InstanceIds=[ident])
    assert until(ec2, "terminated", ident)[0]["Tags"] == [{"Key": "a", "Value": ""}]


def test_a_termination_whose_bridge_died_is_taken_up_by_another(
    make_place: Callable[..., Place], tmp_path: Any
) -> None:
    place = make_place({"store": str(tmp_path / "store.sqlite")})
    ec2 = place.client()
    ident = ids(started(ec2))[0]

    async def die() -> None:
        site = place.bridge.site
        await background.stop(site)
        for entry in await site.store.list(owner, KIND):
            await site.store.put(owner, KIND, entry.key, {**entry.value, "beat": 0.0})

    owner = place.store_owner()
    with place.holding("destroyVirtualMachine"):
        ec2.terminate_instances(InstanceIds=[ident])
        place.run(die())
        assert described(ec2)[0]["State"]["Name"] == "shutting-down"
    until(ec2, "terminated", ident)


def test_a_launch_that_is_still_attaching_volumes_gives_way(place: Place, ec2: Any) -> None:
    volumes = [
        {"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}}
        for letter in "fgh"
    ]
    with place.holding("attachVolume"):
        ident = ids(launch(ec2, BlockDeviceMappings=volumes))[0]
        while not any(volume["Size"] == 5 for volume in ec2.describe_volumes()["Volumes"]):
            assert described(ec2)[0]["State"]["Name"] == "pending"
        ec2.terminate_instances(InstanceIds=[ident])
    states = set()
    while "terminated" not in states:
        states.add(described(ec2, InstanceIds=[ident])[0]["State"]["Name"])
    assert states == {"shutting-down", "terminated"}
    assert ec2.describe_volumes()["Volumes"] == []


def test_a_termination_waits_for_a_snapshot_of_the_root_volume(place: Place, ec2: Any) -> None:
    machine = started(ec2)[0]
    volume = machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.create_snapshot(VolumeId=volume)
    place.run(place.sim.settle())
    (snapshot,) = place.sim.cloud.tables["snapshots"]
    snapshot["state"] = "BackingUp"  # it takes its time

    ec2.terminate_instances(InstanceIds=ids([machine]))

    while place.sim.calls["destroyVirtualMachine"] < 2:
        assert described(ec2, InstanceIds=ids([machine]))[0]["State"]["Name"] == "shutting-down"
    snapshot["state"] = "BackedUp"
    until(ec2, "terminated", machine["InstanceId"])


def test_a_machine_that_has_ended_is_told_again_without_work_until_something_changes(place: Place) -> None:
    ec2 = place.client()
    left, gone = ids(started(ec2, 2))
    ec2.terminate_instances(InstanceIds=[gone])
    until(ec2, "terminated", gone)
    first = described(ec2)
    [memory] = place.bridge.site.caches["instances-seen"].values()
    told = memory.whole[1]
    assert described(ec2) == first
    assert memory.whole[1] is told
    assert told.answer["Reservations"].parts
    ec2.create_tags(Resources=[left], Tags=[{"Key": "Name", "Value": "new"}])
    by_id = {machine["InstanceId"]: machine for machine in described(ec2)}
    assert by_id[left]["Tags"] == [{"Key": "Name", "Value": "new"}]
    assert by_id[gone]["State"]["Name"] == "terminated"
    ec2.terminate_instances(InstanceIds=[left])
    until(ec2, "terminated", left)
    assert {machine["State"]["Name"] for machine in described(ec2)} == {"terminated"}
    # By id, as ids of machines that CloudStack no longer lists are known by their records.
    assert described(ec2, InstanceIds=[gone])[0]["InstanceId"] == gone
