"""OpenTofu with the real Terraform AWS provider: apply, a plan that shows no change, refresh, destroy.

Once for what anyone starts with (plain.tf), once for a VPC with all that belongs to it (vpc.tf), and with a provider
that knows of them once for newer resources (newer.tf). The provider comes from TF_PROVIDER_AWS (a binary), by a
development override; the program to run is the first argument, `newer` may be the second.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

from story import ENDPOINT, IMAGE, NAME, TYPE, ZONE, finish, later, step

TOFU = sys.argv[1]
PROVIDER = os.environ["TF_PROVIDER_AWS"]
HERE = os.path.dirname(os.path.abspath(__file__))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOs32X0RA2hBs+01t9bSktJ4sVMBMryKR78zrPVQhhrO compat@example"

work = tempfile.mkdtemp(prefix="opentofu-")
later(shutil.rmtree, work)
shutil.copy(os.path.join(HERE, "opentofu", "plain.tf"), work)
os.mkdir(os.path.join(work, "provider"))
os.symlink(PROVIDER, os.path.join(work, "provider", "terraform-provider-aws"))
with open(os.path.join(work, "tofurc"), "w") as rc:
    override = os.path.join(work, "provider")
    names = ("registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws")
    lines = "".join('    "%s" = "%s"\n' % (name, override) for name in names)
    rc.write("provider_installation {\n  dev_overrides {\n%s  }\n}\n" % lines)

environment = {
    **os.environ,
    "TF_CLI_CONFIG_FILE": os.path.join(work, "tofurc"),
    "TF_IN_AUTOMATION": "1",
    "CHECKPOINT_DISABLE": "1",
    "TF_VAR_image": IMAGE,
    "TF_VAR_zone": ZONE,
    "TF_VAR_type": TYPE,
    "TF_VAR_name": NAME,
    "TF_VAR_endpoint": ENDPOINT,
    "TF_VAR_public_key": KEY,
}


def tofu(*words, expect=0, place=work):
    done = subprocess.run(
        [TOFU, words[0], "-no-color", "-input=false", *words[1:]],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout, flush=True)
    if done.returncode != expect:
        errors = re.findall(r"Error: .*", done.stdout) or done.stdout.strip().splitlines()[-3:]
        raise RuntimeError("%s ended with %d: %s" % (" ".join(words), done.returncode, "; ".join(errors)))
    return done.stdout


with step("apply"):
    later(tofu, "destroy", "-auto-approve")
    out = tofu("apply", "-auto-approve")
    assert "Apply complete! Resources: 7 added" in out, out[-300:]

with step("no-change"):
    tofu("plan", "-detailed-exitcode")

with step("refresh"):
    tofu("refresh")

with step("change"):
    environment["TF_VAR_name"] = NAME  # the name stays; the group's rule and a tag change
    path = os.path.join(work, "plain.tf")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(
            text.replace('"198.51.100.0/24"', '"203.0.113.0/24"')
            .replace('purpose = "test"', 'purpose = "more"')
            .replace("hop_limit = 2", "hop_limit = 1")
        )
    tofu("apply", "-auto-approve")
    tofu("plan", "-detailed-exitcode")

with step("destroy"):
    assert "Destroy complete! Resources: 7 destroyed" in tofu("destroy", "-auto-approve")


def round_of(name, count, zone):
    """Apply one file in a directory of its own, see that nothing is to be changed, and destroy it."""
    environment["TF_VAR_zone"] = zone
    place = os.path.join(work, name)
    os.mkdir(place)
    shutil.copy(os.path.join(HERE, "opentofu", name + ".tf"), place)

    with step(name + "-apply"):
        later(tofu, "destroy", "-auto-approve", place=place)
        out = tofu("apply", "-auto-approve", place=place)
        assert "Apply complete! Resources: %d added" % count in out, out[-300:]

    with step(name + "-no-change"):
        tofu("plan", "-detailed-exitcode", place=place)

    with step(name + "-destroy"):
        out = tofu("destroy", "-auto-approve", place=place)
        assert "Destroy complete! Resources: %d destroyed" % count in out, out[-300:]


round_of("vpc", 14, os.environ.get("EC2BRIDGE_COMPAT_VPC_ZONE", ZONE))
if sys.argv[2:] == ["newer"]:
    round_of("newer", 11, ZONE)

finish()
