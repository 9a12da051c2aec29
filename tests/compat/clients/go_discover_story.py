"""go-discover's command, which Consul, Nomad and Vault have built in: a cluster's machines are found by a tag."""

import os
import subprocess
import sys

from aws import aws, launched, machines, states
from story import ACCESS_KEY, ENDPOINT, NAME, REGION, SECRET_KEY, finish, step, until

DISCOVER = sys.argv[1]


def discover(*words, expect=0):
    """Return the addresses that the command prints; all that it needs is in one argument, as in Consul's join."""
    told = [
        *("provider=aws", "region=" + REGION, "endpoint=" + ENDPOINT),
        *("access_key_id=" + ACCESS_KEY, "secret_access_key=" + SECRET_KEY, *words),
    ]
    done = subprocess.run([DISCOVER, "-q", "addrs", " ".join(told)], stdout=subprocess.PIPE, text=True)
    assert done.returncode == expect, done.returncode
    return done.stdout.split()


with step("launch"):
    ids = launched(3, consul=NAME)
    until(lambda: states(InstanceIds=ids), {"running"})

with step("discover"):
    found = discover("tag_key=consul", "tag_value=" + NAME)
    assert sorted(found) == sorted(one["PrivateIpAddress"] for one in machines(InstanceIds=ids)), found
    # Without anything in its argument the command reads the environment.
    named = " ".join(["provider=aws", "region=" + REGION, "tag_key=consul", "tag_value=" + NAME])
    done = subprocess.run(
        [DISCOVER, "-q", "addrs", named], stdout=subprocess.PIPE, text=True, env={**os.environ}, check=True
    )
    assert sorted(done.stdout.split()) == sorted(found), done.stdout

with step("filters"):
    assert discover("tag_key=consul", "tag_value=other") == []
    stopped = ids[0]
    aws.stop_instances(InstanceIds=[stopped])
    until(lambda: states(InstanceIds=[stopped]), {"stopped"})
    assert len(discover("tag_key=consul", "tag_value=" + NAME)) == 2

with step("errors"):
    assert discover("tag_key=consul", "tag_value=" + NAME, "secret_access_key=wrong", expect=1) == []

with step("terminate"):
    aws.terminate_instances(InstanceIds=ids)
    until(lambda: states(InstanceIds=ids), {"terminated"})
    assert discover("tag_key=consul", "tag_value=" + NAME) == []

finish()
