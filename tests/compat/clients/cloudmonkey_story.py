"""CloudMonkey against CloudStack's own API: `cmk`, or its predecessor in Python; the program to run is the argument."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from story import ACCESS_KEY, NAME, SECRET_KEY, TYPE, finish, later, step, until

PROGRAM = sys.argv[1]
NOTHING = "00000000-0000-0000-0000-000000000000"

home = tempfile.mkdtemp(prefix="cloudmonkey-")
later(shutil.rmtree, home)


def ask(*words):
    """Run a command and return its output."""
    done = subprocess.run(
        [PROGRAM, *words],
        env={**os.environ, "HOME": home},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print("$ cloudmonkey", *words, "\n" + done.stdout, flush=True)
    return done.stdout


def tell(*words):
    """Run an API command and return its answer; a job is waited for (the predecessor wraps its result)."""
    out = ask(*words)
    answer = json.loads(out[out.index("{") :]) if "{" in out else {"errorcode": 0}
    if "errorcode" in answer or answer.get("jobstatus", 1) != 1:
        raise RuntimeError(" ".join(out.split()) or "no answer")
    return answer.get("jobresult", answer)


def machine():
    return tell("list", "virtualmachines", "id=" + machine_id)["virtualmachine"][0]


machine_id = NOTHING

with step("regions"):
    settings = {
        "url": os.environ["EC2BRIDGE_COMPAT_CLOUDSTACK"],
        "apikey": ACCESS_KEY,
        "secretkey": SECRET_KEY,
    }
    # The predecessor says `display` where cmk says `output`.
    for name, value in [*settings.items(), ("output", "json"), ("display", "json")]:
        ask("set", name, value)
    ask("sync")
    zones = tell("list", "zones", "filter=id,name,securitygroupsenabled")["zone"]
    zone = next(zone for zone in zones if zone["securitygroupsenabled"])

with step("images"):
    image = tell("list", "templates", "templatefilter=executable", "zoneid=" + zone["id"])["template"][0]
    assert image["isready"], image

with step("key-pair"):
    key = tell("create", "sshkeypair", "name=" + NAME)["keypair"]
    later(ask, "delete", "sshkeypair", "name=" + NAME)
    assert "PRIVATE KEY" in key["privatekey"]
    shown = tell("list", "sshkeypairs", "name=" + NAME)["sshkeypair"]
    assert [each["fingerprint"] for each in shown] == [key["fingerprint"]], shown

with step("security-group"):
    group = tell("create", "securitygroup", "name=" + NAME)["securitygroup"]
    later(ask, "delete", "securitygroup", "id=" + group["id"])
    rule = ("protocol=tcp", "startport=22", "endport=22", "cidrlist=192.0.2.0/24")
    tell("authorize", "securitygroupingress", "securitygroupid=" + group["id"], *rule)
    shown = tell("list", "securitygroups", "id=" + group["id"])["securitygroup"][0]
    assert shown["ingressrule"][0]["startport"] == 22, shown

with step("launch"):
    size = tell("list", "serviceofferings", "name=" + TYPE)["serviceoffering"][0]
    place = ("zoneid=" + zone["id"], "templateid=" + image["id"], "serviceofferingid=" + size["id"])
    what = ("keypair=" + NAME, "securitygroupids=" + group["id"], "name=" + NAME)
    made = tell("deploy", "virtualmachine", *place, *what)["virtualmachine"]
    machine_id = made["id"]
    assert made["state"] == "Running", made

with step("describe"):
    seen = machine()
    assert seen["name"] == NAME and seen["nic"][0]["ipaddress"], seen
    assert [entry["id"] for entry in seen["securitygroup"]] == [group["id"]], seen

with step("tags"):
    what = ("resourcetype=UserVm", "resourceids=" + machine_id, "tags[0].key=role")
    tell("create", "tags", *what, "tags[0].value=test")
    assert machine()["tags"][0]["value"] == "test"
    tell("delete", "tags", *what)
    assert not machine()["tags"]

with step("stop-start"):
    stopped = tell("stop", "virtualmachine", "id=" + machine_id)["virtualmachine"]
    assert stopped["state"] == "Stopped", stopped
    started = tell("start", "virtualmachine", "id=" + machine_id)["virtualmachine"]
    assert started["state"] == "Running", started

with step("errors"):
    refused = ask("start", "virtualmachine", "id=" + NOTHING)
    assert "431" in refused and "Invalid parameter id" in refused, refused

with step("terminate"):
    # What is only destroyed keeps its groups until it is expunged, a day later by default.
    tell("stop", "virtualmachine", "id=" + machine_id)
    groups = tell("list", "securitygroups")["securitygroup"]
    default = next(each["id"] for each in groups if each["name"] == "default")
    tell("update", "virtualmachine", "id=" + machine_id, "securitygroupids=" + default)
    tell("destroy", "virtualmachine", "id=" + machine_id)
    until(lambda: machine_id in ask("list", "virtualmachines", "name=" + NAME), False)

finish()
