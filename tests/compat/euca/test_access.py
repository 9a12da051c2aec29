"""Key pairs, security groups, addresses, tags and filters."""

import pytest
from botocore.exceptions import ClientError

from tests.compat.euca.conftest import Cloud, refused

pytestmark = pytest.mark.timeout(900)
PUBLIC = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOs32X0RA2hBs+01t9bSktJ4sVMBMryKR78zrPVQhhrO euca@example"


def test_key_pairs(cloud: Cloud) -> None:
    ec2, name = cloud.ec2, cloud.name
    made = ec2.create_key_pair(KeyName=name)
    cloud.undo.append(lambda: ec2.delete_key_pair(KeyName=name))
    assert refused(ec2.create_key_pair, KeyName=name) == "InvalidKeyPair.Duplicate"
    (shown,) = ec2.describe_key_pairs(KeyNames=[name])["KeyPairs"]
    assert shown["KeyFingerprint"] == made["KeyFingerprint"]
    ec2.delete_key_pair(KeyName=name)
    assert refused(ec2.describe_key_pairs, KeyNames=[name]) == "InvalidKeyPair.NotFound"
    ec2.import_key_pair(KeyName=name, PublicKeyMaterial=PUBLIC)
    assert ec2.describe_key_pairs(KeyNames=[name])["KeyPairs"]


def test_security_groups(cloud: Cloud) -> None:
    web, db = cloud.group("-web"), cloud.group("-db")
    span = {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306}
    pair = {**span, "UserIdGroupPairs": [{"GroupId": web}]}
    cloud.ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[pair])
    cloud.undo.append(lambda: cloud.ec2.revoke_security_group_ingress(GroupId=db, IpPermissions=[pair]))
    again = {"GroupId": db, "IpPermissions": [pair]}
    assert refused(cloud.ec2.authorize_security_group_ingress, **again) == "InvalidPermission.Duplicate"
    assert refused(cloud.ec2.delete_security_group, GroupId=web) == "DependencyViolation"
    (shown,) = cloud.ec2.describe_security_groups(GroupIds=[db])["SecurityGroups"]
    assert shown["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == web


def test_a_group_in_use_stays(cloud: Cloud) -> None:
    group = cloud.group()
    ids = cloud.running(SecurityGroupIds=[group])
    assert refused(cloud.ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    cloud.terminate(*ids)
    cloud.ec2.delete_security_group(GroupId=group)


def test_addresses(cloud: Cloud) -> None:
    address = cloud.ec2.allocate_address(Domain="vpc")
    ident = address["AllocationId"]
    cloud.undo.append(lambda: cloud.ec2.release_address(AllocationId=ident))
    (shown,) = cloud.ec2.describe_addresses(AllocationIds=[ident])["Addresses"]
    assert shown["PublicIp"] == address["PublicIp"]
    assert not shown.get("AssociationId")
    cloud.ec2.release_address(AllocationId=ident)
    assert refused(cloud.ec2.describe_addresses, AllocationIds=[ident]) == "InvalidAllocationID.NotFound"


def test_an_address_goes_to_a_machine_and_comes_back(cloud: Cloud) -> None:
    (machine,) = cloud.running()
    address = cloud.ec2.allocate_address(Domain="vpc")
    ident = address["AllocationId"]
    cloud.undo.append(lambda: cloud.ec2.release_address(AllocationId=ident))
    try:
        cloud.ec2.associate_address(AllocationId=ident, InstanceId=machine)
    except ClientError as error:
        # A network whose machines have addresses of their own maps none: the cloud says so, and nothing else.
        if error.response["Error"]["Code"] != "UnsupportedOperation":
            raise
        return
    assert cloud.machines([machine])[0]["PublicIpAddress"] == address["PublicIp"]
    (shown,) = cloud.ec2.describe_addresses(AllocationIds=[ident])["Addresses"]
    cloud.ec2.disassociate_address(AssociationId=shown["AssociationId"])
    assert cloud.machines([machine])[0].get("PublicIpAddress") != address["PublicIp"]


def test_tags_and_filters(cloud: Cloud) -> None:
    ids = cloud.running(2)
    volume = cloud.volume(Size=1)
    cloud.ec2.create_tags(Resources=[*ids, volume], Tags=[{"Key": "euca", "Value": cloud.name}])
    cloud.ec2.create_tags(Resources=ids[:1], Tags=[{"Key": "first", "Value": ""}])

    def found(*filters: tuple[str, str]) -> set[str]:
        wanted = [{"Name": name, "Values": [value]} for name, value in filters]
        answer = cloud.ec2.describe_instances(Filters=wanted)["Reservations"]
        return {machine["InstanceId"] for entry in answer for machine in entry["Instances"]}

    mine = ("tag:euca", cloud.name)
    assert found(mine) == set(ids)
    assert found(mine, ("tag-key", "first")) == {ids[0]}
    assert found(mine, ("instance-state-name", "stop*")) == set()
    assert found(("tag:euca", cloud.name[:-3] + "???"), ("image-id", cloud.image)) == set(ids)
    tagged = cloud.ec2.describe_tags(Filters=[{"Name": "value", "Values": [cloud.name]}])["Tags"]
    assert {tag["ResourceId"] for tag in tagged} == {*ids, volume}
    cloud.ec2.delete_tags(Resources=ids, Tags=[{"Key": "euca"}])
    assert found(mine) == set()


def test_rules_come_and_go(cloud: Cloud) -> None:
    group = cloud.group()
    ranges = [{"CidrIp": "192.0.2.0/24"}, {"CidrIp": "198.51.100.7/32"}]
    ports = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ranges} for port in (22, 80)]
    ping = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": ranges[:1]}
    cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[*ports, ping])

    def shown() -> dict[tuple[str, int], int]:
        (found,) = cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return {(p["IpProtocol"], p["FromPort"]): len(p["IpRanges"]) for p in found["IpPermissions"]}

    assert shown() == {("tcp", 22): 2, ("tcp", 80): 2, ("icmp", -1): 1}
    part = {**ports[0], "IpRanges": ranges[:1]}
    cloud.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[part, ping])
    assert shown() == {("tcp", 22): 1, ("tcp", 80): 2}
    gone = {"GroupId": group, "IpPermissions": [ping]}
    assert refused(cloud.ec2.revoke_security_group_ingress, **gone) == "InvalidPermission.NotFound"
    wrong = [{**ports[0], "FromPort": 80, "ToPort": 22}]
    assert refused(cloud.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=wrong) == (
        "InvalidParameterValue"
    )


def test_what_a_group_lets_out(cloud: Cloud) -> None:
    group = cloud.group()

    def outward() -> list[dict[str, object]]:
        (found,) = cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return list(found["IpPermissionsEgress"])

    (everything,) = outward()
    cloud.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everything])
    assert outward() == []
    https = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "out"}],
    }
    cloud.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[https])
    (rule,) = outward()
    assert (rule["FromPort"], rule["IpRanges"]) == (443, https["IpRanges"])


def test_names_of_groups(cloud: Cloud) -> None:
    cloud.group()
    create = cloud.ec2.create_security_group
    assert refused(create, GroupName=cloud.name, Description="again") == "InvalidGroup.Duplicate"
    assert refused(create, GroupName="default", Description="own") == "InvalidParameterValue"
    assert refused(create, GroupName="sg-mine", Description="own") == "InvalidParameterValue"
    assert refused(create, GroupName="ü" * 300, Description="own") == "InvalidParameterValue"


def test_what_no_tag_can_be(cloud: Cloud) -> None:
    volume = cloud.volume(Size=1)

    def tag(key: str, value: str = "v") -> str:
        return refused(cloud.ec2.create_tags, Resources=[volume], Tags=[{"Key": key, "Value": value}])

    assert tag("aws:mine") == "InvalidParameterValue"
    assert tag("k" * 129) == "InvalidParameterValue"
    assert tag("k", "v" * 257) == "InvalidParameterValue"
    many = [{"Key": f"key{number}", "Value": ""} for number in range(51)]
    assert refused(cloud.ec2.create_tags, Resources=[volume], Tags=many) == "TagLimitExceeded"
    gone = ["vol-0123456789abcdef0"]
    mine = [{"Key": "a", "Value": "b"}]
    assert refused(cloud.ec2.create_tags, Resources=gone, Tags=mine) == "InvalidVolume.NotFound"
