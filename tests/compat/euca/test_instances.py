"""Machines: their basics, the metadata that the API can show, launches of many and at once."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compat.euca.conftest import Cloud, refused

pytestmark = pytest.mark.timeout(900)


def test_basics(cloud: Cloud) -> None:
    key = cloud.ec2.create_key_pair(KeyName=cloud.name)
    cloud.undo.append(lambda: cloud.ec2.delete_key_pair(KeyName=cloud.name))
    group = cloud.group()
    ids = cloud.running(KeyName=cloud.name, SecurityGroupIds=[group])
    (machine,) = cloud.machines(ids)
    assert machine["KeyName"] == key["KeyName"]
    assert machine["ImageId"] == cloud.image
    assert machine["InstanceType"] == cloud.type
    assert [entry["GroupId"] for entry in machine["SecurityGroups"]] == [group]
    assert machine["Placement"]["AvailabilityZone"] == cloud.zone
    cloud.ec2.reboot_instances(InstanceIds=ids)
    assert cloud.machines(ids, "running")[0]["PrivateIpAddress"] == machine["PrivateIpAddress"]


def test_metadata_that_the_api_shows(cloud: Cloud) -> None:
    data = "#!/bin/sh\necho äöü > /tmp/seen\n"
    ids = cloud.running(UserData=data)
    (machine,) = cloud.machines(ids)
    for member in ("AmiLaunchIndex", "LaunchTime", "PrivateIpAddress", "PrivateDnsName", "RootDeviceName"):
        assert machine[member] is not None, member
    attribute = cloud.ec2.describe_instance_attribute(InstanceId=ids[0], Attribute="userData")
    assert base64.b64decode(attribute["UserData"]["Value"]).decode() == data
    assert machine["NetworkInterfaces"][0]["PrivateIpAddress"] == machine["PrivateIpAddress"]
    console = cloud.ec2.get_console_output(InstanceId=ids[0])
    assert console["InstanceId"] == ids[0]


def test_stop_and_start_keep_the_disk(cloud: Cloud) -> None:
    ids = cloud.running()
    (before,) = cloud.machines(ids)
    cloud.ec2.stop_instances(InstanceIds=ids)
    cloud.machines(ids, "stopped")
    cloud.ec2.start_instances(InstanceIds=ids)
    (after,) = cloud.machines(ids, "running")
    disks = [[disk["Ebs"]["VolumeId"] for disk in m["BlockDeviceMappings"]] for m in (before, after)]
    assert disks[0] == disks[1]


def test_many_in_one_launch(cloud: Cloud) -> None:
    ids = cloud.running(3)
    found = cloud.machines(ids)
    assert sorted(machine["AmiLaunchIndex"] for machine in found) == [0, 1, 2]
    assert len({machine["PrivateIpAddress"] for machine in found}) == 3
    assert len(cloud.ec2.describe_instances(InstanceIds=ids)["Reservations"]) == 1


def test_launches_at_once(cloud: Cloud, connect) -> None:
    def launch(_: int) -> str:
        answer = connect().run_instances(
            ImageId=cloud.image,
            InstanceType=cloud.type,
            MinCount=1,
            MaxCount=1,
            Placement={"AvailabilityZone": cloud.zone},
        )
        return str(answer["Instances"][0]["InstanceId"])

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(launch, range(4)))
    cloud.undo.append(lambda: cloud.terminate(*ids))
    assert len({machine["PrivateIpAddress"] for machine in cloud.machines(ids, "running")}) == 4


def test_a_launch_is_made_once_a_token(cloud: Cloud) -> None:
    ids = cloud.launch(ClientToken=cloud.name)
    assert cloud.launch(ClientToken=cloud.name) == ids


def test_what_does_not_exist(cloud: Cloud) -> None:
    assert refused(cloud.launch, ImageId="ami-0123456789abcdef0") == "InvalidAMIID.NotFound"
    assert refused(cloud.launch, KeyName=cloud.name) == "InvalidKeyPair.NotFound"
    gone = {"InstanceIds": ["i-0123456789abcdef0"]}
    assert refused(cloud.ec2.terminate_instances, **gone) == "InvalidInstanceID.NotFound"


def test_churn_gives_everything_back(cloud: Cloud) -> None:
    mine = [{"ResourceType": "instance", "Tags": [{"Key": "euca", "Value": cloud.name}]}]
    for _ in range(3):
        cloud.terminate(*cloud.running(2, TagSpecifications=mine))
    left = cloud.ec2.describe_instances(
        Filters=[
            {"Name": "tag:euca", "Values": [cloud.name]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]},
        ]
    )
    assert left["Reservations"] == []


def test_what_a_state_does_not_allow(cloud: Cloud) -> None:
    ids = cloud.running()
    cloud.ec2.stop_instances(InstanceIds=ids)
    cloud.machines(ids, "stopped")
    (again,) = cloud.ec2.stop_instances(InstanceIds=ids)["StoppingInstances"]
    assert again["CurrentState"]["Name"] == "stopped"
    # AWS's list of errors has both for it.
    wrong = ("IncorrectState", "IncorrectInstanceState")
    assert refused(cloud.ec2.reboot_instances, InstanceIds=ids) in wrong
    cloud.terminate(*ids)
    assert refused(cloud.ec2.start_instances, InstanceIds=ids) == "IncorrectInstanceState"
    (gone,) = cloud.ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]
    assert (gone["PreviousState"]["Name"], gone["CurrentState"]["Name"]) == ("terminated", "terminated")


def test_termination_protection(cloud: Cloud) -> None:
    ids = cloud.running(DisableApiTermination=True)
    shown = cloud.ec2.describe_instance_attribute(InstanceId=ids[0], Attribute="disableApiTermination")
    assert shown["DisableApiTermination"]["Value"] is True
    assert refused(cloud.ec2.terminate_instances, InstanceIds=ids) == "OperationNotPermitted"
    cloud.ec2.modify_instance_attribute(InstanceId=ids[0], DisableApiTermination={"Value": False})
    cloud.terminate(*ids)


def test_another_type_while_stopped(cloud: Cloud) -> None:
    ids = cloud.running()
    types = cloud.ec2.describe_instance_types()["InstanceTypes"]
    sizes = {entry["InstanceType"]: entry["VCpuInfo"]["DefaultVCpus"] for entry in types}
    larger = next(name for name, size in sorted(sizes.items()) if size == sizes[cloud.type] + 1)
    change = {"InstanceId": ids[0], "InstanceType": {"Value": larger}}
    assert refused(cloud.ec2.modify_instance_attribute, **change) == "IncorrectInstanceState"
    cloud.ec2.stop_instances(InstanceIds=ids)
    cloud.machines(ids, "stopped")
    cloud.ec2.modify_instance_attribute(**change)
    assert cloud.machines(ids)[0]["InstanceType"] == larger
    cloud.ec2.start_instances(InstanceIds=ids)
    cloud.machines(ids, "running")


def test_statuses(cloud: Cloud) -> None:
    first, second = cloud.running(2)
    cloud.ec2.stop_instances(InstanceIds=[second])
    cloud.machines([second], "stopped")
    both = {"InstanceIds": [first, second]}
    running = cloud.ec2.describe_instance_status(**both)["InstanceStatuses"]
    assert [entry["InstanceId"] for entry in running] == [first]
    every = cloud.ec2.describe_instance_status(**both, IncludeAllInstances=True)["InstanceStatuses"]
    states = {entry["InstanceId"]: entry["InstanceState"]["Name"] for entry in every}
    assert states == {first: "running", second: "stopped"}
