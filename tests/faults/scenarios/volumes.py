"""Volumes and their attachments."""

from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import ADVANCED, attached, machine, snapshot, tags, volume

SHOWN, CHANGES = "DescribeVolumes", "DescribeVolumesModifications"


@scenario("CreateVolume", describe=SHOWN)
async def create(lab: Lab) -> Request:
    return {"AvailabilityZone": ADVANCED, "Size": 5, **tags("volume")}


@scenario("CreateVolume", "of a snapshot", describe=SHOWN)
async def restore(lab: Lab) -> Request:
    return {"AvailabilityZone": ADVANCED, "SnapshotId": await snapshot(lab)}


@scenario("DeleteVolume", describe=SHOWN)
async def delete(lab: Lab) -> Request:
    return {"VolumeId": await volume(lab, **tags("volume"))}


@scenario("AttachVolume", describe=SHOWN)
async def attach(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab), "VolumeId": await volume(lab), "Device": "/dev/sdf"}


@scenario("DetachVolume", describe=SHOWN)
async def detach(lab: Lab) -> Request:
    ident, data = await attached(lab)
    return {"InstanceId": ident, "VolumeId": data}


@scenario("ModifyVolume", describe=CHANGES)
async def modify(lab: Lab) -> Request:
    return {"VolumeId": (await attached(lab))[1], "Size": 9}


@scenario("ModifyVolume", "type and size", describe=CHANGES)
async def modify_both(lab: Lab) -> Request:
    return {"VolumeId": await volume(lab, VolumeType="gp2"), "Size": 9, "VolumeType": "gp3"}


@scenario("ModifyVolumeAttribute", describe=SHOWN)
async def attribute(lab: Lab) -> Request:
    return {"VolumeId": await volume(lab), "AutoEnableIO": {"Value": True}}


@scenario("EnableVolumeIO", describe=SHOWN)
async def enable(lab: Lab) -> Request:
    return {"VolumeId": await volume(lab)}
