"""Images and their attributes."""

from datetime import UTC, datetime

from ec2bridge.ec2.context import account_id
from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import GROUPED, attached, machine, own_image, stopped, tags

SHOWN = "DescribeImages"


@scenario("CreateImage", "of a running machine", describe=SHOWN)
async def create(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab), "Name": "mine", **tags("image")}


@scenario("CreateImage", "of a stopped machine", describe=SHOWN)
async def create_stopped(lab: Lab) -> Request:
    return {"InstanceId": await stopped(lab), "Name": "mine"}


@scenario("CreateImage", "without a reboot", describe=SHOWN)
async def create_live(lab: Lab) -> Request:
    return {"InstanceId": (await attached(lab))[0], "Name": "mine", "NoReboot": True}


@scenario("RegisterImage", describe=SHOWN)
async def register(lab: Lab) -> Request:
    ident = await stopped(lab)
    found = await lab.do("CreateSnapshots", InstanceSpecification={"InstanceId": ident})
    await lab.quiet()
    ebs = {"SnapshotId": found["Snapshots"][0]["SnapshotId"]}
    return {
        "Name": "registered",
        "RootDeviceName": "/dev/sda1",
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": ebs}],
    }


@scenario("CopyImage", describe=SHOWN)
async def copy(lab: Lab) -> Request:
    zone = {"DestinationAvailabilityZone": GROUPED}
    return {"SourceImageId": await own_image(lab), "SourceRegion": "cloudstack", "Name": "mine", **zone}


@scenario("CopyImage", "under another name", describe=SHOWN)
async def rename(lab: Lab) -> Request:
    made = await lab.do("RegisterImage", **await register(lab))
    await lab.quiet()
    return {"SourceImageId": made["ImageId"], "SourceRegion": "cloudstack", "Name": "copy"}


@scenario("DeregisterImage", describe=SHOWN)
async def deregister(lab: Lab) -> Request:
    return {"ImageId": await own_image(lab)}


@scenario("ModifyImageAttribute", describe=SHOWN)
async def share(lab: Lab) -> Request:
    await lab.do("DescribeRegions", "bob")
    domain = lab.sim.cloud.tables["accounts"].first(name="bob")["domainid"]  # type: ignore[index]
    ident = account_id(domain, "bob")
    return {"ImageId": await own_image(lab), "LaunchPermission": {"Add": [{"UserId": ident}]}}


@scenario("ModifyImageAttribute", "description", describe=SHOWN)
async def describe(lab: Lab) -> Request:
    return {"ImageId": await own_image(lab), "Description": {"Value": "golden"}}


@scenario("ResetImageAttribute", describe=SHOWN)
async def reset(lab: Lab) -> Request:
    request = await share(lab)
    await lab.do("ModifyImageAttribute", **request)
    return {"ImageId": request["ImageId"], "Attribute": "launchPermission"}


@scenario("EnableImageDeprecation", describe=SHOWN)
async def deprecate(lab: Lab) -> Request:
    return {"ImageId": await own_image(lab), "DeprecateAt": datetime(2030, 1, 1, tzinfo=UTC)}


@scenario("DisableImageDeprecation", describe=SHOWN)
async def keep(lab: Lab) -> Request:
    request = await deprecate(lab)
    await lab.do("EnableImageDeprecation", **request)
    return {"ImageId": request["ImageId"]}


@scenario("EnableImageDeregistrationProtection", describe=SHOWN)
async def protect(lab: Lab) -> Request:
    return {"ImageId": await own_image(lab)}


@scenario("DisableImageDeregistrationProtection", describe=SHOWN)
async def unprotect(lab: Lab) -> Request:
    ident = await own_image(lab)
    await lab.do("EnableImageDeregistrationProtection", ImageId=ident)
    return {"ImageId": ident}
