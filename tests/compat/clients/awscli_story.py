"""awscli, version 1 or 2: the commands as a user types them; the program to run is the argument."""

import json
import subprocess
import sys

from story import ENDPOINT, IMAGE, NAME, REGION, TYPE, ZONE, finish, later, step, until

AWS = sys.argv[1]


def aws(*words):
    done = subprocess.run(
        [AWS, "--endpoint-url", ENDPOINT, "ec2", *words, "--output", "json"], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout.strip() else {}


def code(*words):
    try:
        aws(*words)
    except RuntimeError as error:
        return str(error).partition("(")[2].partition(")")[0]
    return "nothing"


def machines(*words):
    found = aws("describe-instances", *words)["Reservations"]
    return [machine for reservation in found for machine in reservation["Instances"]]


def states():
    return sorted({machine["State"]["Name"] for machine in machines("--instance-ids", *ids)})


ids = []
group = "sg-none"

with step("regions"):
    assert REGION in [region["RegionName"] for region in aws("describe-regions")["Regions"]]
    assert ZONE in [zone["ZoneName"] for zone in aws("describe-availability-zones")["AvailabilityZones"]]

with step("images"):
    assert aws("describe-images", "--image-ids", IMAGE)["Images"][0]["State"] == "available"

with step("key-pair"):
    key = aws("create-key-pair", "--key-name", NAME, "--key-type", "ed25519")
    later(aws, "delete-key-pair", "--key-name", NAME)
    assert key["KeyMaterial"].startswith("-----BEGIN"), key
    assert aws("describe-key-pairs", "--key-names", NAME)["KeyPairs"][0]["KeyType"] == "ed25519"

with step("security-group"):
    group = aws("create-security-group", "--group-name", NAME, "--description", "for a test")["GroupId"]
    later(aws, "delete-security-group", "--group-id", group)
    aws(
        "authorize-security-group-ingress",
        "--group-id",
        group,
        "--protocol",
        "tcp",
        "--port",
        "22",
        "--cidr",
        "192.0.2.0/24",
    )
    assert (
        aws("describe-security-groups", "--group-ids", group)["SecurityGroups"][0]["IpPermissions"][0][
            "ToPort"
        ]
        == 22
    )

with step("launch"):
    launched = aws(
        "run-instances", "--image-id", IMAGE, "--instance-type", TYPE, "--key-name", NAME,
        "--security-group-ids", group, "--placement", "AvailabilityZone=" + ZONE, "--count", "2",
        "--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=%s}]" % NAME,
    )  # fmt: skip
    ids = [machine["InstanceId"] for machine in launched["Instances"]]
    later(aws, "terminate-instances", "--instance-ids", *ids)
    until(states, ["running"])
    aws("wait", "instance-running", "--instance-ids", *ids)

with step("describe"):
    machine = machines("--instance-ids", ids[0])[0]
    assert machine["InstanceType"] == TYPE and machine["KeyName"] == NAME, machine
    assert machine["SecurityGroups"][0]["GroupId"] == group and machine["PrivateIpAddress"], machine

with step("filters"):
    found = machines("--filters", "Name=instance-state-name,Values=running", "Name=tag:Name,Values=" + NAME)
    assert sorted(machine["InstanceId"] for machine in found) == sorted(ids), found

with step("tags"):
    aws("create-tags", "--resources", ids[0], "--tags", "Key=role,Value=a b+c~ü")
    tags = aws("describe-tags", "--filters", "Name=resource-id,Values=" + ids[0])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags}["role"] == "a b+c~ü", tags

with step("stop-start"):
    aws("stop-instances", "--instance-ids", *ids)
    until(states, ["stopped"])
    aws("start-instances", "--instance-ids", *ids)
    until(states, ["running"])

with step("errors"):
    assert code("describe-instances", "--instance-ids", "i-0123456789abcdef0") == "InvalidInstanceID.NotFound"
    assert code("terminate-instances", "--dry-run", "--instance-ids", *ids) == "DryRunOperation"

with step("terminate"):
    aws("terminate-instances", "--instance-ids", *ids)
    until(states, ["terminated"])
    aws("delete-security-group", "--group-id", group)
    aws("delete-key-pair", "--key-name", NAME)

finish()
