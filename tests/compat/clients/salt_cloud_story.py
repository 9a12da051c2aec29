"""salt-cloud with its driver ec2: what there is listed, a machine made by a profile, queried, stopped, destroyed.

The driver speaks https alone, so a TLS front stands before the endpoint.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tls_front
from aws import aws, machines
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
    say,
    step,
    until,
)

place = Path(tempfile.mkdtemp(prefix="salt-cloud-"))
later(shutil.rmtree, place, ignore_errors=True)
host, certificate = tls_front.before(ENDPOINT, place)
# JSON is YAML, too.
(place / "cloud").write_text(json.dumps({"root_dir": str(place), "log_level_logfile": "quiet"}))
(place / "cloud.providers").write_text(
    json.dumps(
        {
            "cloudstack": {
                "driver": "ec2",
                "id": ACCESS_KEY,
                "key": SECRET_KEY,
                "location": REGION,
                "endpoint": host,
                "keyname": NAME,
                "private_key": str(place / "key"),
                "ssh_interface": "private_ips",
                "deploy": False,
            }
        }
    )
)
(place / "cloud.profiles").write_text(
    json.dumps(
        {
            "small": {
                "provider": "cloudstack",
                "image": IMAGE,
                "size": TYPE,
                "availability_zone": ZONE,
                "securitygroup": [NAME, f"{NAME}-too"],
                "userdata": "#cloud-config\n",
                "tag": {"role": "ü & test"},
                "volumes": [{"size": 1, "type": "gp2", "device": "/dev/sdf"}],
                "del_all_vols_on_destroy": True,
            },
            "gone": {
                "provider": "cloudstack",
                "image": "ami-0123456789abcdef0",
                "size": TYPE,
                "keyname": NAME,
            },
        }
    )
)


def salt(*words, refused=""):
    """Run salt-cloud; return what it answers, or see that it is refused by an error of this code."""
    ran = subprocess.run(
        [
            sys.argv[1],
            "--config-dir",
            str(place),
            "--out",
            "json",
            "--log-level",
            "warning",
            "--assume-yes",
            *words,
        ],
        env={**os.environ, "REQUESTS_CA_BUNDLE": certificate},
        capture_output=True,
        text=True,
        check=False,
    )
    say(
        f"salt-cloud {' '.join(words)}: exit code {ran.returncode}\n{ran.stderr[-3000:]}\n{ran.stdout[-3000:]}"
    )
    if refused:
        assert ran.returncode != 0, "it was not refused"
        assert f"'Code': '{refused}'" in ran.stderr, ran.stderr.strip()[-500:]
        return None
    assert ran.returncode == 0, ran.stderr.strip()[-500:]
    return json.loads(ran.stdout or "null")


def queried():
    """Return the machine as a query shows it."""
    return salt("--query")["cloudstack"]["ec2"].get(NAME)


with step("regions"):
    assert REGION in salt("--list-locations", "cloudstack")["cloudstack"]["ec2"]

with step("types"):
    families = salt("--list-sizes", "cloudstack")["cloudstack"]["ec2"]
    assert any(TYPE in family for family in families.values())

with step("images"):
    assert IMAGE in salt("--list-images", "cloudstack")["cloudstack"]["ec2"]

with step("key-pair"):
    salt("--function", "create_keypair", "cloudstack", f"keyname={NAME}")
    later(aws.delete_key_pair, KeyName=NAME)
    shown = salt("--function", "show_keypair", "cloudstack", f"keyname={NAME}")["cloudstack"]["ec2"]
    assert (
        shown[0][0]["keyFingerprint"]
        == aws.describe_key_pairs(KeyNames=[NAME])["KeyPairs"][0]["KeyFingerprint"]
    )

with step("launch"):
    for name in (NAME, f"{NAME}-too"):
        aws.create_security_group(GroupName=name, Description="for a test")
        later(aws.delete_security_group, GroupName=name)
    made = salt("--profile", "small", NAME)[NAME]
    later(aws.terminate_instances, InstanceIds=[made["instanceId"]])
    seen = machines(InstanceIds=[made["instanceId"]])[0]
    assert seen["Placement"]["AvailabilityZone"] == ZONE
    assert {group["GroupName"] for group in seen["SecurityGroups"]} == {NAME, f"{NAME}-too"}
    assert seen["KeyName"] == NAME

with step("describe"):
    until(queried, lambda machine: machine and machine["state"] == "running")
    shown = salt("--action", "show_instance", NAME)["cloudstack"]["ec2"][NAME]
    assert (shown["image"], shown["size"]) == (IMAGE, TYPE)
    assert shown["private_ips"] == shown["privateIpAddress"]

with step("tags"):
    shown = salt("--action", "get_tags", NAME)["cloudstack"]["ec2"][NAME]
    assert {tag["key"]: tag["value"] for tag in shown} == {"Name": NAME, "role": "ü & test"}
    salt("--action", "set_tags", NAME, "role=another")
    salt("--action", "del_tags", NAME, "tags=role")
    seen = machines(InstanceIds=[made["instanceId"]])[0]
    assert seen["Tags"] == [{"Key": "Name", "Value": NAME}]

with step("volume"):
    seen = machines(InstanceIds=[made["instanceId"]])[0]
    assert "/dev/sdf" in [disk["DeviceName"] for disk in seen["BlockDeviceMappings"]]

with step("stop-start"):
    salt("--action", "stop", NAME)
    until(queried, lambda machine: machine["state"] == "stopped")
    salt("--action", "start", NAME)
    until(queried, lambda machine: machine["state"] == "running")

with step("errors"):
    salt("--profile", "gone", f"{NAME}-gone", refused="InvalidAMIID.NotFound")

with step("terminate"):
    salt("--destroy", NAME)
    until(
        lambda: machines(InstanceIds=[made["instanceId"]])[0]["State"]["Name"],
        "terminated",
    )

finish()
