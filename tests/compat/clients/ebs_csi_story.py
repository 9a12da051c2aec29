"""Kubernetes' EBS CSI driver: its controller, asked over its own socket for what Kubernetes asks of it."""

import os
import shutil
import subprocess
import sys
import tempfile

import boto3
import grpc
from story import ENDPOINT, IMAGE, NAME, REGION, TYPE, ZONE, finish, later, step, until

GIB = 2**30

home = tempfile.mkdtemp(prefix="ebs-csi-")
later(shutil.rmtree, home)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "ebs_csi"))
csi, services = grpc.protos_and_services("csi.proto")
driver = subprocess.Popen(
    [sys.argv[1], "controller", "--endpoint", "unix://%s/csi.sock" % home, "--batching=true"],
    env={**os.environ, "AWS_EC2_ENDPOINT": ENDPOINT, "AWS_REGION": REGION},
)
later(driver.wait)
later(driver.terminate)
channel = grpc.insecure_channel("unix://%s/csi.sock" % home)
grpc.channel_ready_future(channel).result(timeout=30)
controller = services.ControllerStub(channel)
ec2 = boto3.client("ec2")

one_node = csi.VolumeCapability(
    mount=csi.VolumeCapability.Mount(fs_type="ext4"),
    access_mode=csi.VolumeCapability.AccessMode(mode=1),
)
here = csi.Topology(segments={"topology.ebs.csi.aws.com/zone": ZONE})


def claim(name, **members):
    """What Kubernetes' provisioner asks for a claim of 2 GiB in this zone."""
    return controller.CreateVolume(
        csi.CreateVolumeRequest(
            name=name,
            capacity_range=csi.CapacityRange(required_bytes=2 * GIB),
            volume_capabilities=[one_node],
            accessibility_requirements=csi.TopologyRequirement(requisite=[here], preferred=[here]),
            parameters={"csi.storage.k8s.io/pvc/name": name, "csi.storage.k8s.io/pvc/namespace": "default"},
            **members,
        )
    ).volume


def remove(volume):
    controller.DeleteVolume(csi.VolumeRequest(volume_id=volume))


def place(node):
    return csi.PublishRequest(volume_id=volume, node_id=node, volume_capability=one_node)


def described():
    return ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]


volume = None
nodes = []

with step("launch"):
    launched = ec2.run_instances(
        ImageId=IMAGE, InstanceType=TYPE, MinCount=2, MaxCount=2, Placement={"AvailabilityZone": ZONE}
    )
    nodes = [machine["InstanceId"] for machine in launched["Instances"]]
    later(ec2.terminate_instances, InstanceIds=nodes)
    ec2.get_waiter("instance_running").wait(InstanceIds=nodes, WaiterConfig={"Delay": 1, "MaxAttempts": 300})

with step("volume"):
    made = claim(NAME)
    volume = made.volume_id
    later(remove, volume)
    assert made.capacity_bytes == 2 * GIB, made
    assert ZONE in made.accessible_topology[0].segments.values(), made
    # Kubernetes asks again when it has missed the answer: by the token it is the same volume.
    assert claim(NAME).volume_id == volume
    tags = {tag["Key"]: tag["Value"] for tag in described()["Tags"]}
    assert tags["CSIVolumeName"] == NAME and tags["kubernetes.io/created-for/pvc/name"] == NAME, tags

with step("attach"):
    device = controller.ControllerPublishVolume(place(nodes[0])).publish_context["devicePath"]
    assert described()["Attachments"][0]["Device"] == device, device
    assert controller.ControllerPublishVolume(place(nodes[0])).publish_context["devicePath"] == device

with step("snapshot"):
    asked = csi.CreateSnapshotRequest(source_volume_id=volume, name=NAME)
    snapshot = controller.CreateSnapshot(asked).snapshot.snapshot_id
    later(controller.DeleteSnapshot, csi.SnapshotRequest(snapshot_id=snapshot))
    assert controller.CreateSnapshot(asked).snapshot.snapshot_id == snapshot
    listed = csi.ListSnapshotsRequest(snapshot_id=snapshot)
    until(lambda: controller.ListSnapshots(listed).entries[0].snapshot.ready_to_use, True)
    of_volume = controller.ListSnapshots(csi.ListSnapshotsRequest(source_volume_id=volume)).entries
    assert [entry.snapshot.snapshot_id for entry in of_volume] == [snapshot], of_volume
    source = csi.ContentSource(snapshot=csi.SnapshotRequest(snapshot_id=snapshot))
    restored = claim(NAME + "-restored", volume_content_source=source)
    remove(restored.volume_id)

with step("resize"):
    larger = csi.ExpandRequest(volume_id=volume, capacity_range=csi.CapacityRange(required_bytes=4 * GIB))
    assert controller.ControllerExpandVolume(larger).capacity_bytes == 4 * GIB
    assert described()["Size"] == 4
    controller.ControllerModifyVolume(csi.ModifyRequest(volume_id=volume, mutable_parameters={"type": "gp3"}))
    assert described()["VolumeType"] == "gp3"

with step("detach"):
    controller.ControllerUnpublishVolume(place(nodes[0]))
    controller.ControllerUnpublishVolume(place(nodes[0]))
    controller.ControllerPublishVolume(place(nodes[1]))
    assert described()["Attachments"][0]["InstanceId"] == nodes[1]
    controller.ControllerUnpublishVolume(place(nodes[1]))

with step("destroy"):
    controller.DeleteSnapshot(csi.SnapshotRequest(snapshot_id=snapshot))
    remove(volume)
    remove(volume)  # what is gone is gone: Kubernetes asks until it hears so
    ids = [{"Name": "volume-id", "Values": [volume]}]
    assert ec2.describe_volumes(Filters=ids)["Volumes"] == []

finish()
