"""Flintrock: a Spark cluster's machines are launched, described, stopped and destroyed.

The embedded CloudStack's machines have no system in them, so the launch is ended when it begins to log in to them: what
Flintrock asks of EC2 it has asked by then.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

import yaml
from aws import aws, machines, states
from story import IMAGE, NAME, REGION, TYPE, ZONE, finish, later, step, until

FLINTROCK = sys.argv[1]

home = tempfile.mkdtemp(prefix="flintrock-")
later(shutil.rmtree, home)
environment = {
    **os.environ,
    "HOME": home,
    "XDG_CONFIG_HOME": home,
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "PYTHONWARNINGS": "ignore",
}
pem = os.path.join(home, "key.pem")


def flintrock(*words, expect=0):
    done = subprocess.run(
        [FLINTROCK, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout, flush=True)
    assert done.returncode == expect, (words[0], done.returncode, done.stdout[-300:])
    return done.stdout


def described():
    return yaml.safe_load(flintrock("describe", NAME, "--ec2-region", REGION))[NAME]


named = {"Filters": [{"Name": "tag:flintrock-name", "Values": [NAME]}]}


def running():
    return len(machines(**named)) == 3 and states(**named) == {"running"}


with step("key-pair"):
    with open(pem, "w") as file:
        file.write(aws.create_key_pair(KeyName=NAME)["KeyMaterial"])
    os.chmod(pem, 0o600)
    later(aws.delete_key_pair, KeyName=NAME)

with step("launch"):
    words = [
        *("launch", NAME, "--num-slaves", "2", "--no-install-hdfs", "--no-install-spark", "--assume-yes"),
        *("--ec2-region", REGION, "--ec2-availability-zone", ZONE, "--ec2-ami", IMAGE, "--ec2-user", "root"),
        *("--ec2-instance-type", TYPE, "--ec2-key-name", NAME, "--ec2-identity-file", pem),
        *("--ec2-authorize-access-from", "192.0.2.0/24", "--ec2-tag", "purpose,test"),
    ]
    launch = subprocess.Popen([FLINTROCK, *words], env=environment, start_new_session=True)
    try:
        until(lambda: launch.poll() is not None or running(), True)
        assert launch.poll() is None, "the launch ended with %s" % launch.returncode
    finally:
        if launch.poll() is None:
            os.killpg(launch.pid, signal.SIGKILL)
        launch.wait()

with step("describe"):
    seen = described()
    assert seen["state"] == "running" and seen["node-count"] == 3, seen
    groups = {group["GroupName"] for one in machines(**named) for group in one["SecurityGroups"]}
    assert {"flintrock", "flintrock-" + NAME} <= groups, groups

with step("tags"):
    told = {tag["Key"]: tag["Value"] for tag in machines(**named)[0]["Tags"]}
    assert told["purpose"] == "test" and told["flintrock-name"] == NAME, told

with step("stop"):
    flintrock("stop", NAME, "--ec2-region", REGION, "--assume-yes")
    assert described()["state"] == "stopped"

with step("destroy"):
    flintrock("destroy", NAME, "--ec2-region", REGION, "--assume-yes")
    until(lambda: states(**named), {"terminated"})
    gone = [{"Name": "group-name", "Values": ["flintrock-" + NAME]}]
    assert aws.describe_security_groups(Filters=gone)["SecurityGroups"] == []
    flintrock("destroy", NAME, "--ec2-region", REGION, "--assume-yes", expect=1)
    common = aws.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["flintrock"]}])
    for group in common["SecurityGroups"]:
        aws.delete_security_group(GroupId=group["GroupId"])

finish()
