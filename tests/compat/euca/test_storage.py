"""Volumes, snapshots and images: the life of each."""

from typing import Any

import pytest

from tests.compat.euca.conftest import Cloud, refused, until

pytestmark = pytest.mark.timeout(900)


def test_a_volumes_life(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    volume = cloud.volume(Size=1)
    cloud.ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    (attached,) = cloud.volumes([volume], "in-use")
    assert attached["Attachments"][0]["InstanceId"] == machine
    assert attached["Attachments"][0]["Device"] == "/dev/sdf"
    assert refused(cloud.ec2.delete_volume, VolumeId=volume) == "VolumeInUse"
    cloud.ec2.detach_volume(VolumeId=volume)
    cloud.volumes([volume], "available")
    cloud.ec2.delete_volume(VolumeId=volume)
    assert refused(cloud.ec2.describe_volumes, VolumeIds=[volume]) == "InvalidVolume.NotFound"


def test_a_volume_of_a_snapshot(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    volume = cloud.volume(Size=1)
    cloud.ec2.attach_volume(VolumeId=volume, InstanceId=machine, Device="/dev/sdf")
    cloud.volumes([volume], "in-use")
    snapshot = cloud.snapshot(volume, Description=cloud.name)
    (shown,) = cloud.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert (shown["VolumeId"], shown["Description"], shown["VolumeSize"]) == (volume, cloud.name, 1)
    copy = cloud.volume(SnapshotId=snapshot)
    assert cloud.volumes([copy], "available")[0]["SnapshotId"] == snapshot
    cloud.ec2.detach_volume(VolumeId=volume)
    cloud.volumes([volume], "available")


def test_an_image_of_a_machine(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    image = cloud.ec2.create_image(InstanceId=machine, Name=cloud.name)["ImageId"]
    cloud.undo.append(lambda: cloud.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True))
    (shown,) = until(
        lambda: cloud.ec2.describe_images(ImageIds=[image])["Images"],
        lambda found: found[0]["State"] == "available",
    )
    assert shown["Name"] == cloud.name
    (second,) = cloud.running(ImageId=image)
    assert cloud.machines([second])[0]["ImageId"] == image
    cloud.terminate(second)


def test_a_volume_in_use_goes_nowhere_else(cloud: Cloud) -> None:
    first, second = cloud.running(2)
    volume = cloud.attached(cloud.volume(Size=1), first, "/dev/sdf")
    again = {"VolumeId": volume, "InstanceId": second, "Device": "/dev/sdf"}
    assert refused(cloud.ec2.attach_volume, **again) == "VolumeInUse"
    other = cloud.volume(Size=1)
    taken = {"VolumeId": other, "InstanceId": first, "Device": "/dev/sdf"}
    assert refused(cloud.ec2.attach_volume, **taken) == "InvalidParameterValue"
    assert refused(cloud.ec2.detach_volume, VolumeId=other) == "IncorrectState"
    assert (
        refused(cloud.ec2.detach_volume, VolumeId=volume, InstanceId=second) == "InvalidAttachment.NotFound"
    )
    cloud.detached(volume)


def test_volumes_stay_through_reboots_and_stops(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    volumes = [cloud.attached(cloud.volume(Size=1), machine, device) for device in ("/dev/sdf", "/dev/sdg")]
    cloud.ec2.reboot_instances(InstanceIds=[machine])
    (shown,) = cloud.machines([machine], "running")
    disks = {disk["DeviceName"]: disk["Ebs"]["VolumeId"] for disk in shown["BlockDeviceMappings"]}
    assert [disks["/dev/sdf"], disks["/dev/sdg"]] == volumes
    cloud.ec2.stop_instances(InstanceIds=[machine])
    cloud.machines([machine], "stopped")
    assert cloud.volumes(volumes, "in-use")
    cloud.detached(volumes[0])
    cloud.ec2.start_instances(InstanceIds=[machine])
    (shown,) = cloud.machines([machine], "running")
    assert [disk["DeviceName"] for disk in shown["BlockDeviceMappings"]][1:] == ["/dev/sdg"]


def test_a_termination_leaves_attached_volumes_behind(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    (root,) = [disk["Ebs"]["VolumeId"] for disk in cloud.machines([machine])[0]["BlockDeviceMappings"]]
    volume = cloud.attached(cloud.volume(Size=1), machine, "/dev/sdf")
    cloud.terminate(machine)
    (left,) = cloud.volumes([volume], "available")
    assert left["Attachments"] == []
    assert refused(cloud.ec2.describe_volumes, VolumeIds=[root]) == "InvalidVolume.NotFound"


def test_disks_that_a_launch_describes(cloud: Cloud) -> None:
    (image,) = cloud.ec2.describe_images(ImageIds=[cloud.image])["Images"]
    root, size = image["RootDeviceName"], image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] + 1
    (machine,) = cloud.running(
        BlockDeviceMappings=[
            {"DeviceName": root, "Ebs": {"VolumeSize": size, "DeleteOnTermination": False}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}},
            {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": True}},
        ]
    )

    def ready() -> dict[str, dict[str, Any]]:
        mappings = cloud.machines([machine])[0]["BlockDeviceMappings"]
        return {disk["DeviceName"]: disk["Ebs"] for disk in mappings}

    disks = until(ready, lambda found: set(found) == {root, "/dev/sdf", "/dev/sdg"})
    ids = {name: disk["VolumeId"] for name, disk in disks.items()}
    cloud.undo.append(lambda: cloud.remove_volume(ids[root]))
    sizes = {volume["VolumeId"]: volume["Size"] for volume in cloud.volumes(list(ids.values()), "in-use")}
    assert [sizes[ids[name]] for name in (root, "/dev/sdf", "/dev/sdg")] == [size, 1, 2]
    assert [disks[name]["DeleteOnTermination"] for name in (root, "/dev/sdf", "/dev/sdg")] == [
        False,
        True,
        True,
    ]
    cloud.terminate(machine)
    assert cloud.volumes([ids[root]], "available")
    for name in ("/dev/sdf", "/dev/sdg"):
        assert refused(cloud.ec2.describe_volumes, VolumeIds=[ids[name]]) == "InvalidVolume.NotFound"


def test_snapshots_one_after_another_and_volumes_of_one_at_once(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    volume = cloud.attached(cloud.volume(Size=1), machine, "/dev/sdf")
    snapshots = [cloud.snapshot(volume, Description=f"{cloud.name}-{number}") for number in (1, 2)]
    wanted = [{"Name": "volume-id", "Values": [volume]}, {"Name": "status", "Values": ["completed"]}]
    found = cloud.ec2.describe_snapshots(OwnerIds=["self"], Filters=wanted)["Snapshots"]
    assert {snapshot["SnapshotId"] for snapshot in found} == set(snapshots)
    copies = [
        str(cloud.ec2.create_volume(AvailabilityZone=cloud.zone, SnapshotId=snapshots[0])["VolumeId"])
        for _ in range(3)
    ]
    cloud.undo += [lambda ident=ident: cloud.ec2.delete_volume(VolumeId=ident) for ident in copies]
    assert {copy["SnapshotId"] for copy in cloud.volumes(copies, "available")} == {snapshots[0]}
    cloud.ec2.delete_snapshot(SnapshotId=snapshots[0])
    assert refused(cloud.ec2.create_volume, AvailabilityZone=cloud.zone, SnapshotId=snapshots[0]) == (
        "InvalidSnapshot.NotFound"
    )
    assert cloud.volumes(copies, "available")
    cloud.detached(volume)


def test_a_volume_grows(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    volume = cloud.attached(cloud.volume(Size=1), machine, "/dev/sdf")
    cloud.ec2.modify_volume(VolumeId=volume, Size=3)
    until(lambda: cloud.volumes([volume], "in-use")[0]["Size"], lambda size: size == 3)
    (change,) = cloud.ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"]
    assert (change["OriginalSize"], change["TargetSize"]) == (1, 3)
    changes = cloud.ec2.describe_volumes_modifications
    until(
        lambda: changes(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"],
        lambda state: state in ("optimizing", "completed"),
    )
    assert refused(cloud.ec2.modify_volume, VolumeId=volume, Size=2) == "InvalidParameterValue"
    cloud.detached(volume)


def test_what_no_volume_can_be(cloud: Cloud) -> None:
    create = cloud.ec2.create_volume
    assert refused(create, AvailabilityZone="nowhere-1a", Size=1) == "InvalidZone.NotFound"
    assert refused(create, AvailabilityZone=cloud.zone, SnapshotId="snap-0123456789abcdef0") == (
        "InvalidSnapshot.NotFound"
    )
    assert refused(create, AvailabilityZone=cloud.zone) == "MissingParameter"
    assert refused(cloud.ec2.delete_volume, VolumeId="vol-0123456789abcdef0") == "InvalidVolume.NotFound"
    assert refused(cloud.ec2.delete_volume, VolumeId="vol") == "InvalidParameterValue"


def test_an_images_attributes(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    image = cloud.ec2.create_image(InstanceId=machine, Name=cloud.name, Description="first")["ImageId"]
    cloud.undo.append(lambda: cloud.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True))
    again = {"InstanceId": machine, "Name": cloud.name}
    assert refused(cloud.ec2.create_image, **again) == "InvalidAMIName.Duplicate"
    until(
        lambda: cloud.ec2.describe_images(ImageIds=[image])["Images"][0]["State"],
        lambda state: state == "available",
    )
    cloud.ec2.create_tags(Resources=[image], Tags=[{"Key": "euca", "Value": cloud.name}])
    by_tag = [{"Name": "tag:euca", "Values": [cloud.name]}]
    (shown,) = cloud.ec2.describe_images(Owners=["self"], Filters=by_tag)["Images"]
    assert (shown["ImageId"], shown["Description"], shown["Public"]) == (image, "first", False)
    permission = cloud.ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
    assert permission["LaunchPermissions"] == []
    cloud.ec2.deregister_image(ImageId=image)
    assert refused(cloud.launch, ImageId=image) == "InvalidAMIID.NotFound"
    cloud.undo.pop()
    snapshot = shown["BlockDeviceMappings"][0]["Ebs"].get("SnapshotId")
    if snapshot:
        cloud.ec2.delete_snapshot(SnapshotId=snapshot)
