"""Snapshots, and account settings of storage."""

from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import GROUPED, attached, snapshot, tags, volume

SHOWN = "DescribeSnapshots"


@scenario("CreateSnapshot", describe=SHOWN)
async def create(lab: Lab) -> Request:
    return {"VolumeId": (await attached(lab))[1], "Description": "nightly", **tags("snapshot")}


@scenario("CreateSnapshot", "of a volume that was never used", describe=SHOWN)
async def create_empty(lab: Lab) -> Request:
    return {"VolumeId": await volume(lab)}


@scenario("CreateSnapshots", describe=SHOWN)
async def create_all(lab: Lab) -> Request:
    ident, _ = await attached(lab)
    return {"InstanceSpecification": {"InstanceId": ident}, **tags("snapshot", Name="all")}


@scenario("CopySnapshot", describe=SHOWN)
async def copy(lab: Lab) -> Request:
    zone = {"DestinationAvailabilityZone": GROUPED}
    return {"SourceSnapshotId": await snapshot(lab), "SourceRegion": "cloudstack", **zone}


@scenario("DeleteSnapshot", describe=SHOWN)
async def delete(lab: Lab) -> Request:
    return {"SnapshotId": await snapshot(lab)}


@scenario("ModifySnapshotAttribute", describe=SHOWN)
async def modify(lab: Lab) -> Request:
    await lab.do("DescribeRegions", "bob")
    return {
        "SnapshotId": await snapshot(lab),
        "Attribute": "createVolumePermission",
        "OperationType": "remove",
        "GroupNames": ["all"],
    }


@scenario("ResetSnapshotAttribute", describe=SHOWN)
async def reset(lab: Lab) -> Request:
    return {"SnapshotId": await snapshot(lab), "Attribute": "createVolumePermission"}


@scenario("DisableEbsEncryptionByDefault", describe=SHOWN)
async def encryption(lab: Lab) -> Request:
    return {}


@scenario("ResetEbsDefaultKmsKeyId", describe=SHOWN)
async def reset_key(lab: Lab) -> Request:
    return {}


@scenario("ModifyEbsDefaultKmsKeyId", describe=SHOWN)
async def choose_key(lab: Lab) -> Request:
    return {"KmsKeyId": "alias/aws/ebs"}


@scenario("DisableSerialConsoleAccess", describe=SHOWN)
async def console(lab: Lab) -> Request:
    return {}
