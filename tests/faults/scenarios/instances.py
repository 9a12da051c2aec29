"""Machines: their launch, their end, and what changes between."""

from tests.faults.lab import Lab
from tests.faults.scenarios import Request, scenario
from tests.faults.things import (
    ADVANCED,
    GROUPED,
    associated,
    attached,
    group,
    image,
    key,
    launch,
    machine,
    machines,
    stopped,
    tags,
    template,
    tier,
)

DATA = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 7, "DeleteOnTermination": True}}]


@scenario("RunInstances")
async def run(lab: Lab) -> Request:
    await machine(lab)
    return await launch(lab, **tags("instance"))


@scenario("RunInstances", "two, with a volume, a public address, a key and tags")
async def run_all(lab: Lab) -> Request:
    await machine(lab)
    await key(lab)
    nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    more = {"KeyName": "laptop", "BlockDeviceMappings": DATA, "NetworkInterfaces": [nic]}
    place = {"Placement": {"AvailabilityZone": ADVANCED}}
    kinds = [
        {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "made"}]} for kind in ("instance", "volume")
    ]
    return await launch(lab, MinCount=2, MaxCount=2, TagSpecifications=kinds, **more, **place)


@scenario("RunInstances", "into a tier, with a group")
async def run_in_tier(lab: Lab) -> Request:
    of, subnet = await tier(lab)
    await machine(lab, SubnetId=subnet)
    return await launch(lab, SubnetId=subnet, SecurityGroupIds=[await group(lab, of)])


@scenario("RunInstances", "where groups are CloudStack's")
async def run_grouped(lab: Lab) -> Request:
    await machine(lab, Placement={"AvailabilityZone": GROUPED})
    return await launch(lab, Placement={"AvailabilityZone": GROUPED}, SecurityGroupIds=[await group(lab)])


@scenario("TerminateInstances")
async def terminate(lab: Lab) -> Request:
    return {"InstanceIds": [await machine(lab)]}


@scenario("TerminateInstances", "with a volume, a public address and a tier")
async def terminate_all(lab: Lab) -> Request:
    _, subnet = await tier(lab)
    nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": subnet}
    found = await machines(lab, BlockDeviceMappings=DATA, NetworkInterfaces=[nic], MinCount=2, MaxCount=2)
    return {"InstanceIds": found}


@scenario("TerminateInstances", "with an Elastic IP and a volume that stays")
async def terminate_some(lab: Lab) -> Request:
    found = await associated(lab)
    data = (await lab.do("CreateVolume", AvailabilityZone=ADVANCED, Size=3))["VolumeId"]
    await lab.quiet()
    await lab.do("AttachVolume", InstanceId=found["InstanceId"], VolumeId=data, Device="/dev/sdg")
    return {"InstanceIds": [found["InstanceId"]]}


@scenario("StartInstances")
async def start(lab: Lab) -> Request:
    return {"InstanceIds": [await stopped(lab)]}


@scenario("StopInstances")
async def stop(lab: Lab) -> Request:
    return {"InstanceIds": [await machine(lab)]}


@scenario("RebootInstances")
async def reboot(lab: Lab) -> Request:
    return {"InstanceIds": [await machine(lab)]}


@scenario("MonitorInstances")
async def monitor(lab: Lab) -> Request:
    return {"InstanceIds": [await machine(lab)]}


@scenario("UnmonitorInstances")
async def unmonitor(lab: Lab) -> Request:
    return {"InstanceIds": [await machine(lab)]}


@scenario("ModifyInstanceAttribute", "type")
async def modify_type(lab: Lab) -> Request:
    return {"InstanceId": await stopped(lab), "InstanceType": {"Value": "t3.small"}}


@scenario("ModifyInstanceAttribute", "user data")
async def modify_user_data(lab: Lab) -> Request:
    return {"InstanceId": await stopped(lab), "UserData": {"Value": b"#!/bin/sh"}}


@scenario("ModifyInstanceAttribute", "protection")
async def modify_protection(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab), "DisableApiTermination": {"Value": True}}


@scenario("ModifyInstanceAttribute", "groups, in a tier")
async def modify_groups(lab: Lab) -> Request:
    of, subnet = await tier(lab)
    ident = await machine(lab, SubnetId=subnet)
    return {"InstanceId": ident, "Groups": [await group(lab, of)]}


@scenario("ModifyInstanceAttribute", "what goes with it")
async def modify_mapping(lab: Lab) -> Request:
    ident, _ = await attached(lab)
    mapping = [{"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}]
    return {"InstanceId": ident, "BlockDeviceMappings": mapping}


@scenario("ResetInstanceAttribute")
async def reset(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab), "Attribute": "sourceDestCheck"}


@scenario("ModifyInstanceCreditSpecification")
async def credits_(lab: Lab) -> Request:
    entry = {"InstanceId": await machine(lab), "CpuCredits": "unlimited"}
    return {"InstanceCreditSpecifications": [entry]}


@scenario("ModifyInstanceMaintenanceOptions")
async def maintenance(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab)}


@scenario("ModifyInstanceMetadataOptions")
async def metadata(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab), "HttpPutResponseHopLimit": 2}


@scenario("AssociateIamInstanceProfile")
async def associate_profile(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab), "IamInstanceProfile": {"Name": "web"}}


async def with_profile(lab: Lab) -> str:
    """The id of the association of a machine with its profile."""
    profile = {"Name": "web"}
    answer = await lab.do(
        "AssociateIamInstanceProfile", InstanceId=await machine(lab), IamInstanceProfile=profile
    )
    return str(answer["IamInstanceProfileAssociation"]["AssociationId"])


@scenario("ReplaceIamInstanceProfileAssociation")
async def replace_profile(lab: Lab) -> Request:
    return {"AssociationId": await with_profile(lab), "IamInstanceProfile": {"Name": "db"}}


@scenario("DisassociateIamInstanceProfile")
async def disassociate_profile(lab: Lab) -> Request:
    return {"AssociationId": await with_profile(lab)}


@scenario("ModifyPrivateDnsNameOptions")
async def dns(lab: Lab) -> Request:
    return {"InstanceId": await machine(lab)}


@scenario("ModifyInstancePlacement")
async def placement(lab: Lab) -> Request:
    await lab.do("CreatePlacementGroup", GroupName="apart", Strategy="spread")
    return {"InstanceId": await stopped(lab), "GroupName": "apart"}


@scenario("CreatePlacementGroup", describe="DescribePlacementGroups")
async def create_group(lab: Lab) -> Request:
    return {"GroupName": "apart", "Strategy": "spread", **tags("placement-group")}


@scenario("DeletePlacementGroup", describe="DescribePlacementGroups")
async def delete_group(lab: Lab) -> Request:
    await lab.do("CreatePlacementGroup", GroupName="apart", Strategy="spread", **tags("placement-group"))
    return {"GroupName": "apart"}


@scenario("CreateFleet")
async def fleet(lab: Lab) -> Request:
    await machine(lab)
    chosen = {"LaunchTemplateId": await template(lab), "Version": "1"}
    return {
        "Type": "instant",
        "LaunchTemplateConfigs": [
            {"LaunchTemplateSpecification": chosen, "Overrides": [{"AvailabilityZone": ADVANCED}]}
        ],
        "TargetCapacitySpecification": {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"},
    }


@scenario("DeleteFleets")
async def delete_fleet(lab: Lab) -> Request:
    made = await lab.do("CreateFleet", **await fleet(lab))
    await lab.quiet()
    return {"FleetIds": [made["FleetId"]], "TerminateInstances": True}


@scenario("RequestSpotInstances", describe="DescribeSpotInstanceRequests")
async def spot(lab: Lab) -> Request:
    lab.sim.cloud.settings["instance.lease.enabled"] = True
    await machine(lab)
    place = {"AvailabilityZone": ADVANCED}
    asked = {"ImageId": await image(lab), "InstanceType": "t2.micro", "Placement": place}
    return {"InstanceCount": 1, "LaunchSpecification": asked}


@scenario("CancelSpotInstanceRequests", describe="DescribeSpotInstanceRequests")
async def cancel_spot(lab: Lab) -> Request:
    made = await lab.do("RequestSpotInstances", **await spot(lab))
    await lab.quiet()
    return {"SpotInstanceRequestIds": [made["SpotInstanceRequests"][0]["SpotInstanceRequestId"]]}


@scenario("CreateLaunchTemplate", describe="DescribeLaunchTemplates")
async def create_template(lab: Lab) -> Request:
    data = {"ImageId": await image(lab), "InstanceType": "t2.micro"}
    return {"LaunchTemplateName": "small", "LaunchTemplateData": data, **tags("launch-template")}


@scenario("CreateLaunchTemplateVersion", describe="DescribeLaunchTemplates")
async def create_version(lab: Lab) -> Request:
    return {"LaunchTemplateId": await template(lab), "LaunchTemplateData": {"InstanceType": "t3.micro"}}


@scenario("ModifyLaunchTemplate", describe="DescribeLaunchTemplates")
async def default_version(lab: Lab) -> Request:
    request = await create_version(lab)
    await lab.do("CreateLaunchTemplateVersion", **request)
    return {"LaunchTemplateId": request["LaunchTemplateId"], "DefaultVersion": "2"}


@scenario("DeleteLaunchTemplate", describe="DescribeLaunchTemplates")
async def delete_template(lab: Lab) -> Request:
    return {"LaunchTemplateId": await template(lab)}


@scenario("DeleteLaunchTemplateVersions", describe="DescribeLaunchTemplates")
async def delete_versions(lab: Lab) -> Request:
    request = await create_version(lab)
    await lab.do("CreateLaunchTemplateVersion", **request)
    return {"LaunchTemplateId": request["LaunchTemplateId"], "Versions": ["2"]}
