"""awscli's command lines: what they become on the wire, as awscli's documentation shows them."""

import base64
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.wire import parse
from ec2bridge.wire.command_line import CommandLineError, kebab, read
from ec2bridge.wire.model import operation_names


def members(*words: str) -> dict[str, Any]:
    op, form = read(words)
    return parse.parse(op, form)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (
            "describe-instances --filters Name=instance-type,Values=t2.micro,t3.micro Name=zone-name,Values=us-2c",
            {
                "Filters": [
                    {"Name": "instance-type", "Values": ["t2.micro", "t3.micro"]},
                    {"Name": "zone-name", "Values": ["us-2c"]},
                ]
            },
        ),
        ("aws ec2 describe-vpcs --vpc-ids vpc-1 vpc-2 --region x --output text", {"VpcIds": ["vpc-1", "vpc-2"]}),
        ("create-tags --resources i-1 i-2 --tags Key=Stack,Value=production Key=empty,Value=", {
            "Resources": ["i-1", "i-2"],
            "Tags": [{"Key": "Stack", "Value": "production"}, {"Key": "empty", "Value": ""}],
        }),
        ("run-instances --image-id ami-1 --count 2:5 --instance-type=t3.small --ebs-optimized", {
            "ImageId": "ami-1", "MinCount": 2, "MaxCount": 5, "InstanceType": "t3.small", "EbsOptimized": True,
        }),
        ("run-instances --image-id ami-1 --subnet-id subnet-1 --security-group-ids sg-1"
         " --associate-public-ip-address", {
            "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1,
            "NetworkInterfaces": [
                {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": "subnet-1", "Groups": ["sg-1"]}
            ],
        }),
        ("run-instances --image-id ami-1 --block-device-mapping"
         " DeviceName=/dev/sdb,Ebs={VolumeSize=20,DeleteOnTermination=false}", {
            "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1,
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 20, "DeleteOnTermination": False}}
            ],
        }),
        ("run-instances --tag-specifications"
         " ResourceType=instance,Tags=[{Key=a,Value=b},{Key=c,Value=d}] --no-dry-run", {
            "MinCount": 1, "MaxCount": 1, "DryRun": False,
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]}
            ],
        }),
        ("authorize-security-group-ingress --group-id sg-1 --protocol tcp --port 20-25 --cidr 203.0.113.0/24", {
            "GroupId": "sg-1",
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 20, "ToPort": 25, "IpRanges": [{"CidrIp": "203.0.113.0/24"}]}
            ],
        }),
        ("authorize-security-group-ingress --group-id sg-1 --protocol all --source-group sg-2", {
            "GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-2"}]}],
        }),
        ("modify-instance-attribute --instance-id i-1 --no-disable-api-termination", {
            "InstanceId": "i-1", "DisableApiTermination": {"Value": False},
        }),
        ("modify-instance-attribute --instance-id i-1 --instance-type t3.small", {
            "InstanceId": "i-1", "InstanceType": {"Value": "t3.small"},
        }),
        ("modify-vpc-attribute --vpc-id vpc-1 --enable-dns-support {\"Value\":true}", {
            "VpcId": "vpc-1", "EnableDnsSupport": {"Value": True},
        }),
        ("create-image --instance-id i-1 --name n --no-reboot", {"InstanceId": "i-1", "Name": "n", "NoReboot": True}),
        ("create-image --instance-id i-1 --name n --reboot", {"InstanceId": "i-1", "Name": "n", "NoReboot": False}),
        ("describe-volumes --max-items 5 --page-size 7", {"MaxResults": 7}),
        ("describe-volumes --cli-input-json {\"VolumeIds\":[\"vol-1\"]}", {"VolumeIds": ["vol-1"]}),
    ],
)  # fmt: skip
def test_a_command_line_is_what_awscli_makes_of_it(words: str, wanted: dict[str, Any]) -> None:
    assert members(*words.split()) == wanted


def test_values_with_commas_quotes_and_files(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    made = members("run-instances", "--user-data", f"file://{script}")
    assert base64.b64decode(made["UserData"]) == b"#!/bin/sh\n"
    tags = members(
        "create-tags", "--resources", "i-1", "--tags", 'Key=a,Value="b, c=d"', "Key=e,Value='it is'"
    )["Tags"]
    assert tags == [{"Key": "a", "Value": "b, c=d"}, {"Key": "e", "Value": "it is"}]
    escaped = members("create-tags", "--resources", "i-1", "--tags", r"Key=a,Value=b\,c")["Tags"]
    assert escaped == [{"Key": "a", "Value": "b,c"}]
    as_json = members(
        "create-tags", "--resources", '["i-1", "i-2"]', "--tags", '[{"Key": "a", "Value": "b"}]'
    )
    assert as_json == {"Resources": ["i-1", "i-2"], "Tags": [{"Key": "a", "Value": "b"}]}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("make-coffee --now", "AWS has no action called make-coffee."),
        ("describe-vpcs vpc-1", "vpc-1 stands where an option"),
        ("describe-vpcs --vpcs vpc-1", "describe-vpcs has no option --vpcs; it has --filters"),
        ("describe-vpcs --filters Name=a,Value=b", "There is no Value in Filter; there are Name, Values."),
        ("describe-vpcs --filters [{", "--filters is no JSON"),
        ("create-tags --resources i-1 --tags Key=a,Value=[b", "] is missing"),
        ("create-vpc --cidr-block", "--cidr-block needs a value."),
        ("create-vpc --cidr-block a b", "--cidr-block takes one value, not 2."),
        ("run-instances --user-data file:///no/such", "file:///no/such cannot be read: No such file"),
        ("run-instances --count many", "--count takes a number"),
        ("aws ec2", "Name an action"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_a_sentence(words: str, sentence: str) -> None:
    with pytest.raises(CommandLineError) as refused:
        read(words.split())
    assert sentence in str(refused.value)


def test_every_action_has_one_name_on_the_command_line() -> None:
    names = [kebab(name) for name in operation_names()]
    assert len(names) == len(set(names))
    assert {
        "run-instances",
        "describe-vpcs",
        "create-vpn-connection",
        "describe-spot-instance-requests",
    } <= set(names)
