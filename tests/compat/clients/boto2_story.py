"""boto 2.49, the library of a generation of tools: SigV2 by GET, older API version."""

import os

# Before boto is imported: it reads its configuration then.
os.environ.pop("AWS_PROFILE", None)

import warnings

warnings.simplefilter("ignore")

from urllib.parse import urlsplit

import boto
from boto.ec2.regioninfo import RegionInfo
from boto.exception import EC2ResponseError
from boto.vpc import VPCConnection
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

parts = urlsplit(ENDPOINT)
ec2 = VPCConnection(
    ACCESS_KEY,
    SECRET_KEY,
    is_secure=parts.scheme == "https",
    port=parts.port,
    path=parts.path or "/",
    region=RegionInfo(name=REGION, endpoint=parts.hostname),
)


def machines():
    return ec2.get_only_instances(instance_ids=ids)


def states():
    return sorted({machine.state for machine in machines()})


ids = []
group = None

with step("regions"):
    assert REGION in [region.name for region in ec2.get_all_regions()]
    assert ZONE in [zone.name for zone in ec2.get_all_zones()]

with step("images"):
    assert ec2.get_image(IMAGE).state == "available"

with step("key-pair"):
    key = ec2.create_key_pair(NAME)
    later(ec2.delete_key_pair, NAME)
    assert "PRIVATE KEY" in key.material
    assert ec2.get_key_pair(NAME).fingerprint == key.fingerprint

with step("security-group"):
    group = ec2.create_security_group(NAME, "for a test")
    later(ec2.delete_security_group, group_id=group.id)
    assert group.authorize("tcp", 22, 22, "192.0.2.0/24")
    assert ec2.get_all_security_groups(group_ids=[group.id])[0].rules[0].from_port == "22"

with step("launch"):
    reservation = ec2.run_instances(
        IMAGE,
        key_name=NAME,
        instance_type=TYPE,
        placement=ZONE,
        security_group_ids=[group.id],
        user_data="hello",
    )
    ids = [machine.id for machine in reservation.instances]
    later(ec2.terminate_instances, ids)
    until(states, ["running"])

with step("describe"):
    machine = machines()[0]
    assert machine.instance_type == TYPE and machine.key_name == NAME, vars(machine)
    assert machine.placement == ZONE and machine.private_ip_address, vars(machine)
    assert ec2.get_console_output(machine.id).instance_id == machine.id
    (vpc,) = [each for each in ec2.get_all_vpcs() if each.is_default]
    assert vpc.state == "available" and vpc.id == machine.vpc_id, vars(vpc)

with step("filters"):
    found = ec2.get_only_instances(filters={"instance-state-name": "running", "key-name": NAME})
    assert [machine.id for machine in found] == ids

with step("tags"):
    machines()[0].add_tag("role", "test")
    assert machines()[0].tags["role"] == "test"
    assert ec2.get_all_tags(filters={"resource-id": ids[0], "key": "role"})[0].value == "test"
    machines()[0].remove_tag("role")

with step("stop-start"):
    ec2.stop_instances(ids)
    until(states, ["stopped"])
    ec2.start_instances(ids)
    until(states, ["running"])

with step("errors"):
    try:
        ec2.get_only_instances(instance_ids=["i-0123456789abcdef0"])
    except EC2ResponseError as error:
        assert (error.status, error.error_code) == (400, "InvalidInstanceID.NotFound"), error
    else:
        raise AssertionError("an id that names nothing was found")

with step("terminate"):
    ec2.terminate_instances(ids)
    until(states, ["terminated"])
    assert group.delete()
    assert ec2.delete_key_pair(NAME)

print("boto " + boto.__version__)
finish()
