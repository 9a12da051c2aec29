"""Cloud Custodian: policies that find machines, volumes, groups and images by filters, and mark, stop and end them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import yaml
from aws import aws, launched, states
from story import IMAGE, NAME, REGION, ZONE, finish, later, step, until

CUSTODIAN = sys.argv[1]

home = tempfile.mkdtemp(prefix="custodian-")
later(shutil.rmtree, home)
mine = {"tag:owner": NAME}


def policies(*found):
    """Run policies; return name → the ids of what each found."""
    path = os.path.join(home, "policies.yml")
    with open(path, "w") as file:
        yaml.safe_dump({"policies": list(found)}, file)
    words = [CUSTODIAN, "run", "-s", home, "--region", REGION, "--cache-period", "0", path]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, flush=True)
    assert done.returncode == 0, done.stdout[-400:]
    result = {}
    for one in found:
        with open(os.path.join(home, one["name"], "resources.json")) as file:
            result[one["name"]] = json.load(file)
    return result


with step("launch"):
    ids = launched(2, owner=NAME)
    until(lambda: states(InstanceIds=ids), {"running"})

with step("filters"):
    young = {"type": "instance-age", "days": 1, "op": "less-than"}
    image = {"type": "image", "key": "ImageId", "value": IMAGE}
    subnet = {"type": "subnet", "key": "AvailabilityZone", "value": ZONE}
    group = {"type": "security-group", "key": "GroupName", "value": "default"}
    network = {"type": "vpc", "key": "IsDefault", "value": True}
    disk = {"type": "ebs", "key": "Encrypted", "value": False}
    wanted = {
        "age": young,
        "image": image,
        "subnet": subnet,
        "group": group,
        "network": network,
        "disk": disk,
    }
    found = policies(
        *({"name": name, "resource": "aws.ec2", "filters": [mine, each]} for name, each in wanted.items())
    )
    assert {name: len(each) for name, each in found.items()} == dict.fromkeys(wanted, 2), found.keys()

with step("others"):
    kinds = (
        "ebs",
        "vpc",
        "subnet",
        "security-group",
        "eni",
        "ami",
        "ebs-snapshot",
        "elastic-ip",
        "route-table",
    )
    more = (
        "internet-gateway",
        "network-acl",
        "key-pair",
        "launch-template-version",
        "nat-gateway",
        "vpn-gateway",
    )
    found = policies(*({"name": "all-" + kind, "resource": "aws." + kind} for kind in (*kinds, *more)))
    assert found["all-vpc"] and found["all-subnet"] and found["all-security-group"], found.keys()
    assert {one["Attachments"][0]["InstanceId"] for one in found["all-ebs"] if one["Attachments"]} >= set(ids)

with step("tags"):
    marked = {"type": "mark-for-op", "op": "terminate", "days": 0, "tag": "c7n"}
    policies({"name": "mark", "resource": "aws.ec2", "filters": [mine], "actions": [marked]})
    told = aws.describe_tags(
        Filters=[{"Name": "resource-id", "Values": ids}, {"Name": "key", "Values": ["c7n"]}]
    )
    assert len(told["Tags"]) == 2, told
    due = {"type": "marked-for-op", "op": "terminate", "tag": "c7n"}
    assert len(policies({"name": "due", "resource": "aws.ec2", "filters": [mine, due]})["due"]) == 2

with step("stop"):
    policies({"name": "stop", "resource": "aws.ec2", "filters": [mine], "actions": ["stop"]})
    until(lambda: states(InstanceIds=ids), {"stopped"})

with step("terminate"):
    end = {"type": "terminate", "force": True}
    policies({"name": "end", "resource": "aws.ec2", "filters": [mine, due], "actions": [end]})
    until(lambda: states(InstanceIds=ids), {"terminated"})

finish()
