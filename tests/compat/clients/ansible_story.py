"""Ansible: a playbook of the amazon.aws modules, run twice; the second run must report no change."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from story import ENDPOINT, NAME, finish, later, step

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ansible")
home = tempfile.mkdtemp(prefix="ansible-")
later(shutil.rmtree, home)
environment = {
    **os.environ,
    "HOME": home,
    "AWS_URL": ENDPOINT,  # amazon.aws before 6 reads this name
    "ANSIBLE_STDOUT_CALLBACK": "json",
    "ANSIBLE_LOCALHOST_WARNING": "False",
    "COMPAT_NAME": NAME,
}


def run(program, *words):
    done = subprocess.run(
        [program, *words],
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    print(done.stdout[-4000:], done.stderr[-2000:], flush=True)
    return done.stdout[done.stdout.index("{") :]


def play(book):
    """Each task's result by its name, in order; a failed one ends the play."""
    played = json.loads(run("ansible-playbook", "-i", "localhost,", os.path.join(HERE, book)))
    return {task["task"]["name"]: task["hosts"]["localhost"] for task in played["plays"][0]["tasks"]}


def reason(result):
    return "%s %s" % (result.get("msg"), str(result.get("exception", ""))[-300:])


def all_well(results):
    for name, result in results.items():
        assert not result.get("failed"), "%s: %s" % (name, reason(result))


later(play, "gone.yml")
first = play("site.yml")
for name in ("key-pair", "security-group", "launch", "volume", "address", "image"):
    with step(name):
        assert name in first, "an earlier task failed"
        assert not first[name].get("failed"), reason(first[name])
        assert first[name]["changed"], "nothing was changed"

with step("no-change"):
    environment["COMPAT_MADE_IMAGE"] = first["image"]["image_id"]
    second = play("site.yml")
    all_well(second)
    changed = [name for name, result in second.items() if result.get("changed")]
    assert len(second) == len(first) and not changed, "the second run changed %s" % changed

with step("inventory"):
    # This inventory has no setting for an endpoint before amazon.aws 6; boto3 1.28 reads it from the environment.
    environment["PYTHONPATH"] = sys.argv[1]
    path = os.path.join(home, "compat.aws_ec2.yml")
    with open(path, "w") as file:
        file.write("plugin: amazon.aws.aws_ec2\nregions: [%s]\n" % os.environ["AWS_DEFAULT_REGION"])
        file.write("endpoint: %s\n" % ENDPOINT)
        file.write("hostnames: ['tag:Name']\nkeyed_groups: [{key: tags.role, prefix: role}]\n")
        file.write("filters: {'tag:Name': '%s', instance-state-name: running}\n" % NAME)
    hosts = json.loads(run("ansible-inventory", "-i", path, "--list"))
    assert hosts["role_test"]["hosts"], hosts

with step("terminate"):
    all_well(play("gone.yml"))

with step("network"):
    all_well(play("network.yml"))

finish()
