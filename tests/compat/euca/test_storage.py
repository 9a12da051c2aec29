"""Volumes, snapshots and images: the life of each."""

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
