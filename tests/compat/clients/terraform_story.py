"""Terraform or OpenTofu with the real AWS provider: apply, a plan that shows no change, import, refresh, destroy.

Once for what anyone starts with (plain.tf), once for a VPC with all that belongs to it (vpc.tf), and with a provider
that knows of them once for newer resources (newer.tf) and for import blocks. The program to run is the first argument,
`newer` may be the second. The provider is the one that lies unpacked in the directory TF_PLUGINS, as the program's
`providers mirror` leaves it, in version TF_PROVIDER_VERSION; or the binary TF_PROVIDER_AWS, by a development override.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from story import ENDPOINT, IMAGE, NAME, TYPE, ZONE, finish, later, step

PROGRAM = sys.argv[1]
NEWER = sys.argv[2:] == ["newer"]
BINARY = os.environ.get("TF_PROVIDER_AWS")
HERE = os.path.dirname(os.path.abspath(__file__))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOs32X0RA2hBs+01t9bSktJ4sVMBMryKR78zrPVQhhrO compat@example"

work = tempfile.mkdtemp(prefix="terraform-")
later(shutil.rmtree, work)
rc_file = os.path.join(work, "terraform.rc")
if BINARY:
    os.mkdir(os.path.join(work, "provider"))
    os.symlink(BINARY, os.path.join(work, "provider", "terraform-provider-aws"))
    names = ("registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws")
    lines = "".join('    "%s" = "%s"\n' % (name, os.path.join(work, "provider")) for name in names)
    installation = "  dev_overrides {\n%s  }\n" % lines
else:
    installation = '  filesystem_mirror {\n    path = "%s"\n  }\n' % os.environ["TF_PLUGINS"]
with open(rc_file, "w") as rc:
    rc.write("provider_installation {\n%s}\n" % installation)

environment = {
    **os.environ,
    "TF_CLI_CONFIG_FILE": rc_file,
    "TF_IN_AUTOMATION": "1",
    "CHECKPOINT_DISABLE": "1",
    "TF_VAR_image": IMAGE,
    "TF_VAR_type": TYPE,
    "TF_VAR_name": NAME,
    "TF_VAR_endpoint": ENDPOINT,
    "TF_VAR_public_key": KEY,
}

IMPORT_IDS = {
    "aws_key_pair": "{key_name}",
    "aws_placement_group": "{name}",
    "aws_route": "{route_table_id}_{destination_cidr_block}",
    "aws_route_table_association": "{subnet_id}/{route_table_id}",
    "aws_volume_attachment": "{device_name}:{volume_id}:{instance_id}",
}
"""Resource type → how the provider wants it named in an import, where that is not its id."""

READ_OTHERWISE = {"aws_instance": {"launch_template"}}
"""What the provider reads of an imported resource as the number that `$Latest` was at the launch."""

NO_IMPORT = ("aws_ami_from_instance",)
"""Resource types that the provider cannot import."""

OVERRIDE = """resource "aws_key_pair" "key" {
  lifecycle { ignore_changes = [public_key] }
}
"""
"""The provider does not read a key pair's public key, and would make an imported one anew."""


def terraform(*words, place, zone):
    done = subprocess.run(
        [PROGRAM, words[0], *(["-no-color", "-input=false"] if words[0] != "show" else []), *words[1:]],
        cwd=place,
        env={**environment, "TF_VAR_zone": zone},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if words[0] != "show":
        print(done.stdout, flush=True)
    if done.returncode:
        errors = re.findall(r"Error: .*", done.stdout) or done.stdout.strip().splitlines()[-3:]
        raise RuntimeError("%s ended with %d: %s" % (" ".join(words), done.returncode, "; ".join(errors)))
    return done.stdout


def begin(place, name, zone):
    """Bring a file to a directory, and the provider with it; an override needs no such thing."""
    os.makedirs(place)
    shutil.copy(os.path.join(HERE, "terraform", name + ".tf"), place)
    if BINARY:
        return
    wanted = 'aws = { source = "hashicorp/aws", version = "%s" }' % os.environ["TF_PROVIDER_VERSION"]
    with open(os.path.join(place, "versions.tf"), "w") as file:
        file.write("terraform {\n  required_providers {\n    %s\n  }\n}\n" % wanted)
    terraform("init", place=place, zone=zone)


def round_of(name, count, zone):
    """Apply one file in a directory of its own, see that nothing is to be changed, import it and destroy it."""
    place = os.path.join(work, name)
    there = {"place": place, "zone": zone}
    begin(name=name, **there)
    prefix = "" if name == "plain" else name + "-"

    with step(prefix + "apply"):
        later(terraform, "destroy", "-auto-approve", **there)
        out = terraform("apply", "-auto-approve", **there)
        assert "Apply complete! Resources: %d added" % count in out, out[-300:]

    with step(prefix + "no-change"):
        terraform("plan", "-detailed-exitcode", **there)

    if NEWER:
        with step(prefix + "import"):
            imported(place, os.path.join(work, name + "-import"), name, zone)

    if name == "plain":
        with step("refresh"):
            terraform("refresh", **there)
        with step("change"):
            change(os.path.join(place, "plain.tf"))
            terraform("apply", "-auto-approve", **there)
            terraform("plan", "-detailed-exitcode", **there)

    with step(prefix + "destroy"):
        out = terraform("destroy", "-auto-approve", **there)
        assert "Destroy complete! Resources: %d destroyed" % count in out, out[-300:]


def change(path):
    """Give the group another rule, and a machine another tag and another hop limit; the names stay."""
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(
            text.replace('"198.51.100.0/24"', '"203.0.113.0/24"')
            .replace('purpose = "test"', 'purpose = "more"')
            .replace("hop_limit = 2", "hop_limit = 1")
        )


def imported(place, other, name, zone):
    """Import all that was made into an empty state: the plan makes nothing anew, and changes nothing that it read."""
    begin(other, name, zone)
    state = json.loads(terraform("show", "-json", place=place, zone=zone))
    managed = [one for one in state["values"]["root_module"]["resources"] if one["mode"] == "managed"]
    wanted = {one["address"]: one for one in managed if one["type"] not in NO_IMPORT}
    with open(os.path.join(other, "imports.tf"), "w") as file:
        for address, one in wanted.items():
            known_as = IMPORT_IDS.get(one["type"], "{id}").format(**one["values"])
            file.write('import {\n  to = %s\n  id = "%s"\n}\n' % (address, known_as))
    if any(one["type"] == "aws_key_pair" for one in managed):
        with open(os.path.join(other, "key_override.tf"), "w") as file:
            file.write(OVERRIDE)
    terraform("plan", "-out=plan", place=other, zone=zone)
    plan = json.loads(terraform("show", "-json", "plan", place=other, zone=zone))
    changes = {one["address"]: one["change"] for one in plan["resource_changes"]}
    assert {address for address, one in changes.items() if "importing" in one} == wanted.keys()
    for address in wanted:
        told = changes[address]
        before, after = told["before"] or {}, told["after"] or {}
        # What the provider keeps for itself (such as `user_data_replace_on_change`) is empty until the first apply.
        compared = after.keys() - READ_OTHERWISE.get(wanted[address]["type"], set())
        differs = sorted(
            key for key in compared if untagged(before.get(key)) not in (untagged(after[key]), None)
        )
        assert told["actions"] in (["no-op"], ["update"]), (address, told["actions"])
        assert not differs, (address, differs)


def untagged(value):
    """Leave out a block's tags: of an imported resource the provider takes the default tags for its own."""
    if not isinstance(value, list) or not all(isinstance(block, dict) for block in value):
        return value
    return [{key: each for key, each in block.items() if key != "tags"} for block in value]


rounds = [("plain", 7, ZONE), ("vpc", 14, os.environ.get("EC2BRIDGE_COMPAT_VPC_ZONE", ZONE))]
if NEWER:
    rounds.append(("newer", 11, ZONE))
# Most of a round is the provider's waiting between two looks, so they run side by side.
threads = [threading.Thread(target=round_of, args=each) for each in rounds]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

finish()
