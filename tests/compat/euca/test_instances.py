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
