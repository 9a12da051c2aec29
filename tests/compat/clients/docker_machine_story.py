"""docker-machine's amazonec2 driver: a machine made, watched, stopped, started and removed.

Nobody can log in to a machine of the compatibility suite, and what would be installed there is not asked of the
cloud. So the `ssh` that docker-machine runs is a stand-in for one: it is let in, and finds a system on which no
Docker is installed.
"""

import os
import shlex
import shutil
import subprocess
import tempfile

from aws import aws
from story import (
    ACCESS_KEY,
    ENDPOINT,
    IMAGE,
    NAME,
    REGION,
    SECRET_KEY,
    TYPE,
    ZONE,
    finish,
    later,
    page,
    step,
    until,
)

VPC_ZONE = os.environ.get("EC2BRIDGE_COMPAT_VPC_ZONE", ZONE)
UNKNOWN_SYSTEM = "OS type not recognized"
PUBLIC = NAME + "-public"

home = tempfile.mkdtemp(prefix="docker-machine-")
later(shutil.rmtree, home)
os.mkdir(os.path.join(home, "bin"))
with open(os.path.join(home, "bin", "ssh"), "w") as file:
    file.write("#!/bin/sh\necho ID=nothing\n")
os.chmod(file.name, 0o755)
environment = {
    **os.environ,
    "PATH": os.path.dirname(file.name) + os.pathsep + os.environ["PATH"],
    "MACHINE_STORAGE_PATH": home,
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_DEFAULT_REGION": REGION,
}


def machine(command, *words, ends_with=None):
    """Run a command of docker-machine; return what it prints."""
    done = subprocess.run(
        ["docker-machine", command, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print("$ docker-machine " + command, *words, "\n" + done.stdout, flush=True)
    out = done.stdout.strip()
    if ends_with:
        assert done.returncode == 1 and out.endswith(ends_with), out[-300:]
    else:
        assert done.returncode == 0, out[-300:]
    return out


def create(name, zone, *words):
    """Make a machine; docker-machine ends with an error as there is no system that it knows."""
    where = ("--amazonec2-endpoint", ENDPOINT, "--amazonec2-zone", zone, "--amazonec2-security-group", NAME)
    what = ("--amazonec2-ami", IMAGE, "--amazonec2-instance-type", TYPE)
    later(machine, "rm", "-y", "-f", name)
    return machine("create", "-d", "amazonec2", *where, *what, *words, name, ends_with=UNKNOWN_SYSTEM)


def shown(name):
    found = aws.describe_instances(Filters=[{"Name": "tag:Name", "Values": [name]}])["Reservations"]
    (one,) = [each for entry in found for each in entry["Instances"] if each["State"]["Name"] != "terminated"]
    return one


def states(*ids):
    found = aws.describe_instances(InstanceIds=ids)["Reservations"]
    return {each["State"]["Name"] for entry in found for each in entry["Instances"]}


def groups():
    return aws.describe_security_groups(Filters=[{"Name": "group-name", "Values": [NAME]}])["SecurityGroups"]


later(lambda: [aws.delete_security_group(GroupId=group["GroupId"]) for group in groups()])

with step("launch"):
    private = (
        "--amazonec2-private-address-only",
        "--amazonec2-tags",
        "role,test",
        "--amazonec2-open-port",
        "80",
    )
    create(NAME, ZONE, *private)
    assert shown(NAME)["State"]["Name"] == "running"

with step("key-pair"):
    assert shown(NAME)["KeyName"] == NAME
    assert aws.describe_key_pairs(KeyNames=[NAME])["KeyPairs"]

with step("security-group"):
    ports = {rule["FromPort"] for rule in groups()[0]["IpPermissions"]}
    assert ports == {22, 80, 2376}, ports
    assert [group["GroupName"] for group in shown(NAME)["SecurityGroups"]] == [NAME]

with step("tags"):
    assert {"Key": "role", "Value": "test"} in shown(NAME)["Tags"], shown(NAME)["Tags"]

with step("describe"):
    assert machine("status", NAME) == "Running"
    assert machine("ip", NAME) == shown(NAME)["PrivateIpAddress"]
    assert machine("inspect", "-f", "{{.Driver.InstanceId}}", NAME) == shown(NAME)["InstanceId"]

with step("stop-start"):
    machine("stop", NAME)
    assert machine("status", NAME) == "Stopped"
    assert machine("ls", "--format", "{{.Name}} {{.DriverName}} {{.State}}") == NAME + " amazonec2 Stopped"
    assert "was started" in machine("start", NAME, ends_with=UNKNOWN_SYSTEM)
    assert machine("status", NAME) == "Running"
    machine("restart", NAME, ends_with=UNKNOWN_SYSTEM)
    assert machine("status", NAME) == "Running"
    machine("kill", NAME)
    assert machine("status", NAME) == "Stopped"

with step("address"):
    create(PUBLIC, VPC_ZONE)
    assert machine("ip", PUBLIC) == shown(PUBLIC)["PublicIpAddress"]

with step("terminate"):
    ids = [shown(name)["InstanceId"] for name in (NAME, PUBLIC)]
    machine("rm", "-y", NAME, PUBLIC)
    assert machine("ls", "-q") == ""
    until(lambda: states(*ids), {"terminated"})
    assert not aws.describe_key_pairs(Filters=[{"Name": "key-name", "Values": [NAME, PUBLIC]}])["KeyPairs"]
    aws.delete_security_group(GroupId=groups()[0]["GroupId"])

with step("page"):
    name = NAME + "-page"
    commands = page("docker-machine.md", first=name).replace("\\\n", "").splitlines()
    later(machine, "rm", "-y", "-f", name)
    for program, command, *words in map(shlex.split, commands):
        assert program == "docker-machine", program
        told = machine(command, *words, ends_with=UNKNOWN_SYSTEM if command == "create" else None)
        if command == "ip":
            assert told == shown(name)["PrivateIpAddress"]
            ident = shown(name)["InstanceId"]
    assert machine("ls", "-q") == ""
    until(lambda: states(ident), {"terminated"})
    kept = aws.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["docker-machine"]}])
    (group,) = kept["SecurityGroups"]  # as the page says
    aws.delete_security_group(GroupId=group["GroupId"])

finish()
