"""Packer: amazon-ebs with `custom_endpoint_ec2`, from source image to new image.

The embedded CloudStack's machines have no system in them, so the SSH session goes to a server on loopback, which takes
the builder's key; all else is as on any cloud.
"""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile

from aws import aws
from story import NAME, TYPE, finish, later, page, step

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "packer")
SSHD = "/usr/sbin/sshd"

home = tempfile.mkdtemp(prefix="packer-")
later(shutil.rmtree, home)
for key in ("host", "user"):
    path = os.path.join(home, key)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", path], check=True
    )
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
with open(os.path.join(home, "sshd_config"), "w") as file:
    file.write(
        "ListenAddress 127.0.0.1\nPort %d\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nPidFile none\n"
        "StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        # Packer 1.6 signs with SHA-1, as all of Go's programs did then.
        "PubkeyAcceptedAlgorithms +ssh-rsa\nHostKeyAlgorithms +ssh-rsa\n" % (port, home, home)
    )
if os.getuid() == 0:
    os.makedirs("/run/sshd", exist_ok=True)
server = subprocess.Popen([SSHD, "-D", "-e", "-f", os.path.join(home, "sshd_config")])
later(server.wait)
later(server.terminate)

environment = {
    **os.environ,
    "HOME": home,
    "CHECKPOINT_DISABLE": "1",
    "PACKER_NO_COLOR": "1",
    "COMPAT_TYPE": TYPE,
    "COMPAT_NAME": NAME,
    "COMPAT_SSH_HOST": "127.0.0.1",
    "COMPAT_SSH_PORT": str(port),
    "COMPAT_SSH_USER": getpass.getuser(),
    "COMPAT_SSH_KEY": os.path.join(home, "user"),
}


PAGES = NAME + "-page"


def packer(*words):
    return ran("packer", *words, os.path.join(HERE, "image.json"))


def ran(*words):
    done = subprocess.run(
        words,
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout, flush=True)
    errors = [line for line in done.stdout.splitlines() if "rror" in line]
    assert done.returncode == 0, "; ".join(errors)[:500] or done.stdout[-300:]
    return done.stdout


def images(name=NAME):
    return aws.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [name]}])["Images"]


def remove():
    for image in images() + images(PAGES):
        aws.deregister_image(ImageId=image["ImageId"])
        for mapping in image["BlockDeviceMappings"]:
            if mapping.get("Ebs", {}).get("SnapshotId"):
                aws.delete_snapshot(SnapshotId=mapping["Ebs"]["SnapshotId"])


def running():
    found = aws.describe_instances(Filters=[{"Name": "tag:Name", "Values": [NAME]}])["Reservations"]
    return [m for entry in found for m in entry["Instances"] if m["State"]["Name"] != "terminated"]


with step("key-pair"):
    with open(os.path.join(home, "user.pub"), "rb") as public:
        aws.import_key_pair(KeyName=NAME, PublicKeyMaterial=public.read())
    later(aws.delete_key_pair, KeyName=NAME)

later(remove)
with step("validate"):
    packer("validate")

with step("image"):
    out = packer("build")
    assert "provisioned" in out
    (image,) = images()
    assert image["State"] == "available" and image["ImageId"] in out, image

    # As the page has it. Its machine has no system: the session goes to the server on loopback here, too.
    told = {
        "ssh_username": environment["COMPAT_SSH_USER"],
        "ssh_host": environment["COMPAT_SSH_HOST"],
        "ssh_port": environment["COMPAT_SSH_PORT"],
        "ssh_keypair_name": NAME,
        "ssh_private_key_file": environment["COMPAT_SSH_KEY"],
    }
    written, theirs = page("packer.md", **{"from-packer-2": PAGES}), '"ssh_username": "root"'
    assert written.count(theirs) == 1
    mine = ", ".join('"%s": "%s"' % pair for pair in told.items())
    out = ran("bash", "-euc", written.replace(theirs, mine))
    assert "provisioned" in out
    (image,) = images(PAGES)
    assert image["State"] == "available" and image["ImageId"] in out, image

with step("tags"):
    assert {"Key": "made-by", "Value": "packer"} in images()[0]["Tags"], images()

with step("terminate"):
    assert not running(), running()
    groups = aws.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["packer_*"]}])
    assert not groups["SecurityGroups"], groups

finish()
