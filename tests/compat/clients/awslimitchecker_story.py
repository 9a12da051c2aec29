"""awslimitchecker: what is used of each limit of EC2, EBS and VPC, with things there to count."""

import os
import re
import subprocess
import sys

from aws import aws, launched, states
from story import REGION, ZONE, finish, later, step, until

CHECKER = sys.argv[1]


def checker(*words, expect=(0,)):
    told = ("--no-color", "--skip-ta", "--skip-quotas", "-r", REGION, *words)
    done = subprocess.run(
        [CHECKER, *told], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    print(done.stdout, done.stderr[-3000:], flush=True)
    assert done.returncode in expect, (words, done.returncode, done.stderr.strip().splitlines()[-1:])
    return done.stdout


def used(*services):
    """Return limit → how much of it is used, where that is a number."""
    lines = checker("-u", "-S", *services).splitlines()
    found = [re.match(r"(\S+/.*\S)\s{2,}(\d+)$", line) for line in lines]
    return {each[1]: int(each[2]) for each in found if each}


before = used("EC2", "EBS", "VPC")

with step("launch"):
    ids = launched(2)
    until(lambda: states(InstanceIds=ids), {"running"})

with step("instances"):
    name = next(name for name in before if "On-Demand All Standard" in name)
    assert used("EC2")[name] > before[name], name

with step("volumes"):
    made = aws.create_volume(AvailabilityZone=ZONE, Size=5)["VolumeId"]
    later(aws.delete_volume, VolumeId=made)
    aws.get_waiter("volume_available").wait(VolumeIds=[made])
    grown = {name: count for name, count in used("EBS").items() if count != before.get(name)}
    assert grown, "no limit of EBS counts the volume"

with step("vpcs"):
    assert used("VPC")["VPC/VPCs"] == len(aws.describe_vpcs()["Vpcs"])

with step("limits"):
    assert "EC2/" in checker("-l", "-S", "EC2")
    # Below one per cent everything is too much: warnings are exit code 2, what is critical 1.
    checker("-S", "VPC", "-W", "1", "-C", "2", expect=(1, 2))

finish()
