"""euca2ools: the commands as a user types them, told by a region file where the cloud is.

The argument is the directory of the commands. A line of their output is an object's kind and fields between tabs.
"""

import os
import shutil
import subprocess
import sys
import tempfile

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
    step,
    until,
)

COMMANDS = sys.argv[1]
VPC_ZONE = os.environ.get("EC2BRIDGE_COMPAT_VPC_ZONE", ZONE)
STATE, ADDRESS = 5, 16  # the fields of an INSTANCE line

home = tempfile.mkdtemp(prefix="euca2ools-")
later(shutil.rmtree, home)
os.mkdir(os.path.join(home, ".euca"))
with open(os.path.join(home, ".euca", "cloud.ini"), "w") as file:
    file.write(
        "[global]\ndefault-region = cloud\n[region cloud]\nec2-url = %s\nuser = me\n"
        "[user me]\nkey-id = %s\nsecret-key = %s\n" % (ENDPOINT, ACCESS_KEY, SECRET_KEY)
    )
bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
by_file = {**bare, "HOME": home}
by_variables = {
    **bare,
    "EC2_URL": ENDPOINT,
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
}


def euca(command, *words, env=by_file):
    """Run a command and return its lines as lists of fields."""
    done = subprocess.run(
        [os.path.join(COMMANDS, "euca-" + command), *words], env=env, capture_output=True, text=True
    )
    print("$ euca-" + " ".join([command, *words]), done.stdout, done.stderr, sep="\n", flush=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return [line.split("\t") for line in done.stdout.splitlines()]


def fields(kind, *command):
    """The fields of the lines of a kind."""
    return [line for line in euca(*command) if line[0] == kind]


def first(kind, *command):
    """The id on the first line of a kind."""
    return fields(kind, *command)[0][1]


def refusal(*command):
    try:
        euca(*command)
    except RuntimeError as error:
        return str(error).partition("(")[2].partition(")")[0]
    return "nothing"


def states(*machines):
    return sorted({line[STATE] for line in fields("INSTANCE", "describe-instances", *machines)})


def volume_state():
    return fields("VOLUME", "describe-volumes", volume)[0][5]


ids = []

with step("regions"):
    assert [line[1] for line in euca("describe-regions")] == [REGION]
    assert ZONE in [line[1] for line in euca("describe-availability-zones")]
    assert euca("describe-regions", env=by_variables) == euca("describe-regions")
    named = ("-U", ENDPOINT, "-I", ACCESS_KEY, "-S", SECRET_KEY)
    assert euca("describe-regions", *named, env=bare) == euca("describe-regions", "--region", "me@cloud")

with step("images"):
    (image,) = fields("IMAGE", "describe-images", IMAGE)
    assert image[4] == "available", image
    assert IMAGE in [
        line[1] for line in fields("IMAGE", "describe-images", "-a", "--filter", "state=available")
    ]

with step("key-pair"):
    private = os.path.join(home, "key.pem")
    euca("create-keypair", NAME, "-f", private)
    later(euca, "delete-keypair", NAME)
    (key,) = fields("KEYPAIR", "describe-keypairs", NAME)
    assert key[2] == euca("fingerprint-key", private)[0][0], key

with step("security-group"):
    euca("create-group", "-d", "for a test", NAME)
    later(euca, "delete-group", NAME)
    euca("authorize", NAME, "-p", "22", "-s", "192.0.2.0/24")
    euca("authorize", NAME, "-P", "icmp", "-t", "-1:-1", "-s", "0.0.0.0/0")
    euca("revoke", NAME, "-P", "icmp", "-t", "-1:-1", "-s", "0.0.0.0/0")
    rules = [line[4:7] for line in fields("PERMISSION", "describe-groups", NAME) if line[-1] == "ingress"]
    assert rules == [["tcp", "22", "22"]], rules

with step("launch"):
    how = ("-t", TYPE, "-z", ZONE, "-k", NAME, "-g", NAME, "-d", "hello", "-n", "2")
    ids = [line[1] for line in fields("INSTANCE", "run-instances", IMAGE, *how)]
    later(euca, "terminate-instances", *ids)
    assert len(ids) == 2, ids
    until(lambda: states(*ids), ["running"])

with step("describe"):
    machine = fields("INSTANCE", "describe-instances", ids[0])[0]
    assert machine[2] == IMAGE and machine[6] == NAME and TYPE in machine and ZONE in machine, machine
    assert euca("describe-instance-attribute", ids[0], "--user-data")[-1] == ["hello"]
    assert fields("INSTANCE", "describe-instance-status", ids[0])[0][3] == "running"
    euca("get-console-output", ids[0])

with step("filters"):
    wanted = ("--filter", "instance-state-name=running", "--filter", "key-name=" + NAME)
    found = [line[1] for line in fields("INSTANCE", "describe-instances", *wanted)]
    assert sorted(found) == sorted(ids), found
    assert not fields("INSTANCE", "describe-instances", "--filter", "instance-type=no.such")

with step("tags"):
    euca("create-tags", ids[0], "--tag", "role=test", "--tag", "empty=")
    found = fields("TAG", "describe-tags", "--filter", "resource-id=" + ids[0])
    assert sorted(line[3:] for line in found) == [["empty", ""], ["role", "test"]], found
    assert first("INSTANCE", "describe-instances", "--filter", "tag:role=test") == ids[0]
    euca("delete-tags", ids[0], "--tag", "role", "--tag", "empty")
    assert not fields("TAG", "describe-instances", ids[0])

with step("volume"):
    volume = first("VOLUME", "create-volume", "-s", "1", "-z", ZONE)
    later(euca, "delete-volume", volume)
    until(volume_state, "available")
    euca("attach-volume", "-i", ids[0], "-d", "/dev/sdf", volume)
    until(volume_state, "in-use")
    attached = fields("ATTACHMENT", "describe-volumes", volume)[0]
    assert attached[2:5] == [ids[0], "/dev/sdf", "attached"], attached

with step("snapshot"):
    snapshot = first("SNAPSHOT", "create-snapshot", volume, "-d", "of a test")
    later(euca, "delete-snapshot", snapshot)
    until(lambda: fields("SNAPSHOT", "describe-snapshots", snapshot)[0][3], "completed")
    copy = first("VOLUME", "create-volume", "--snapshot", snapshot, "-z", ZONE)
    later(euca, "delete-volume", copy)
    until(lambda: fields("VOLUME", "describe-volumes", copy)[0][5], "available")
    euca("detach-volume", volume)
    until(volume_state, "available")

with step("stop-start"):
    euca("stop-instances", *ids)
    until(lambda: states(*ids), ["stopped"])
    euca("start-instances", *ids)
    until(lambda: states(*ids), ["running"])
    euca("reboot-instances", *ids)
    until(lambda: states(*ids), ["running"])

with step("image"):
    made = first("IMAGE", "create-image", ids[0], "-n", NAME, "-d", "of a test")
    until(lambda: fields("IMAGE", "describe-images", made)[0][4], "available")
    assert first("IMAGE", "describe-images", "--filter", "name=" + NAME) == made
    euca("modify-image-attribute", made, "-l", "--add", "all")
    assert euca("describe-image-attribute", made, "-l")[0][2:] == ["group", "all"]
    backing = [line[3] for line in fields("BLOCKDEVICEMAPPING", "describe-images", made)]
    euca("deregister", made)
    assert not fields("IMAGE", "describe-images", "--filter", "name=" + NAME)
    for each in backing:
        euca("delete-snapshot", each)

with step("address"):
    machine = first("INSTANCE", "run-instances", IMAGE, "-t", TYPE, "-z", VPC_ZONE)
    later(euca, "terminate-instances", machine)
    until(lambda: states(machine), ["running"])
    [made] = fields("ADDRESS", "allocate-address")
    address = made[1]
    later(euca, "release-address", "-a", next(field for field in made if field.startswith("eipalloc-")))
    euca("associate-address", "-i", machine, address)
    assert fields("ADDRESS", "describe-addresses", address)[0][2] == machine
    assert fields("INSTANCE", "describe-instances", machine)[0][ADDRESS] == address
    euca("disassociate-address", address)
    assert fields("ADDRESS", "describe-addresses", address)[0][2] == ""

with step("errors"):
    assert refusal("describe-instances", "i-0123456789abcdef0") == "InvalidInstanceID.NotFound"
    assert refusal("create-keypair", NAME) == "InvalidKeyPair.Duplicate"
    assert refusal("create-group", "-d", "again", NAME) == "InvalidGroup.Duplicate"
    assert refusal("describe-regions", "-I", ACCESS_KEY, "-S", "wrong") == "SignatureDoesNotMatch"

with step("terminate"):
    euca("terminate-instances", *ids)
    until(lambda: states(*ids), ["terminated"])
    euca("delete-group", NAME)
    assert refusal("describe-groups", NAME) == "InvalidGroup.NotFound"
    euca("delete-keypair", NAME)
    assert not fields("KEYPAIR", "describe-keypairs", "--filter", "key-name=" + NAME)

finish()
