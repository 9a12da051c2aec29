"""boto3: a user's day with the plain client."""

import boto3
from botocore.exceptions import ClientError
from story import IMAGE, NAME, REGION, TYPE, ZONE, finish, later, step, until

ec2 = boto3.client("ec2")


def code(call, **members):
    try:
        call(**members)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "nothing"


def machines(**members):
    return [
        machine
        for reservation in ec2.describe_instances(**members)["Reservations"]
        for machine in reservation["Instances"]
    ]


def states(ids):
    return sorted({machine["State"]["Name"] for machine in machines(InstanceIds=ids)})


ids = []
group = None

with step("caller-identity"):
    identity = boto3.client("sts").get_caller_identity()
    assert len(identity["Account"]) == 12, identity

with step("regions"):
    assert REGION in [region["RegionName"] for region in ec2.describe_regions()["Regions"]]
    assert ZONE in [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]

with step("images"):
    image = ec2.describe_images(ImageIds=[IMAGE])["Images"][0]
    assert image["State"] == "available" and image["RootDeviceType"] == "ebs", image

with step("key-pair"):
    key = ec2.create_key_pair(KeyName=NAME)
    later(ec2.delete_key_pair, KeyName=NAME)
    assert "PRIVATE KEY" in key["KeyMaterial"]
    seen = ec2.describe_key_pairs(KeyNames=[NAME])["KeyPairs"][0]
    assert seen["KeyFingerprint"] == key["KeyFingerprint"], (seen, key["KeyFingerprint"])

with step("security-group"):
    group = ec2.create_security_group(GroupName=NAME, Description="for a test")["GroupId"]
    later(ec2.delete_security_group, GroupId=group)
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule]) == (
        "InvalidPermission.Duplicate"
    )
    shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert shown["IpPermissions"][0]["FromPort"] == 22, shown

with step("launch"):
    launched = ec2.run_instances(
        ImageId=IMAGE,
        InstanceType=TYPE,
        MinCount=2,
        MaxCount=2,
        KeyName=NAME,
        SecurityGroupIds=[group],
        Placement={"AvailabilityZone": ZONE},
        UserData="#cloud-config\n",
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": NAME}]}],
    )
    ids = [machine["InstanceId"] for machine in launched["Instances"]]
    later(ec2.terminate_instances, InstanceIds=ids)
    assert all(machine["State"]["Name"] == "pending" for machine in launched["Instances"])
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 300})

with step("describe"):
    machine = machines(InstanceIds=ids[:1])[0]
    assert machine["InstanceType"] == TYPE and machine["KeyName"] == NAME, machine
    assert machine["ImageId"] == IMAGE and machine["Placement"]["AvailabilityZone"] == ZONE, machine
    assert group in [entry["GroupId"] for entry in machine["SecurityGroups"]], machine
    assert machine["PrivateIpAddress"] and machine["LaunchTime"], machine
    status = ec2.describe_instance_status(InstanceIds=ids)["InstanceStatuses"]
    assert {entry["InstanceState"]["Name"] for entry in status} == {"running"}, status

with step("filters"):
    both = [{"Name": "tag:Name", "Values": [NAME]}, {"Name": "instance-state-name", "Values": ["run*"]}]
    assert sorted(machine["InstanceId"] for machine in machines(Filters=both)) == sorted(ids)
    assert machines(Filters=[{"Name": "tag:Name", "Values": ["no" + NAME]}]) == []

with step("paging"):
    many = ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 5})
    names = [entry["InstanceType"] for page in many for entry in page["InstanceTypes"]]
    assert len(names) == len(set(names)) and TYPE in names, names

with step("tags"):
    ec2.create_tags(Resources=ids, Tags=[{"Key": "role", "Value": "test"}, {"Key": "empty", "Value": ""}])
    seen = {(tag["ResourceId"], tag["Key"]): tag["Value"] for tag in ec2.describe_tags()["Tags"]}
    assert seen[ids[0], "role"] == "test" and seen[ids[1], "empty"] == "", seen
    ec2.delete_tags(Resources=ids, Tags=[{"Key": "role"}])
    assert "role" not in [tag["Key"] for tag in machines(InstanceIds=ids[:1])[0]["Tags"]]

with step("stop-start"):
    ec2.stop_instances(InstanceIds=ids[:1])
    until(lambda: states(ids[:1]), ["stopped"])
    ec2.start_instances(InstanceIds=ids[:1])
    until(lambda: states(ids[:1]), ["running"])
    ec2.reboot_instances(InstanceIds=ids[:1])

with step("dry-run"):
    assert code(ec2.terminate_instances, InstanceIds=ids, DryRun=True) == "DryRunOperation"

with step("errors"):
    assert code(ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"]) == "InvalidInstanceID.NotFound"
    assert code(ec2.describe_key_pairs, KeyNames=["no" + NAME]) == "InvalidKeyPair.NotFound"
    assert code(ec2.describe_images, ImageIds=["ami-0123456789abcdef0"]) == "InvalidAMIID.NotFound"
    assert (
        code(ec2.describe_instances, Filters=[{"Name": "nonsense", "Values": ["1"]}])
        == "InvalidParameterValue"
    )

with step("terminate"):
    until(lambda: states(ids), ["running"])
    ec2.terminate_instances(InstanceIds=ids)
    until(lambda: states(ids), ["terminated"])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName=NAME)
    assert code(ec2.describe_security_groups, GroupIds=[group]) == "InvalidGroup.NotFound"

finish()
