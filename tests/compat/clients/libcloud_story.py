"""Apache Libcloud's EC2 driver."""

from urllib.parse import urlsplit

from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.drivers.ec2 import EC2NodeDriver
from libcloud.compute.types import NodeState
from story import ACCESS_KEY, ENDPOINT, IMAGE, NAME, SECRET_KEY, TYPE, ZONE, finish, later, step, until

parts = urlsplit(ENDPOINT)
ec2 = EC2NodeDriver(
    ACCESS_KEY,
    SECRET_KEY,
    secure=parts.scheme == "https",
    host=parts.hostname,
    port=parts.port,
    region="us-east-1",  # libcloud knows AWS's own regions only
    signature_version="4",
)


def find():
    return next((node for node in ec2.list_nodes() if node.id == node_id), None)


def state():
    node = find()
    return node.state if node else NodeState.TERMINATED


node_id = None
group = None

with step("regions"):
    assert ZONE in [zone.name for zone in ec2.ex_list_availability_zones(only_available=True)]

with step("images"):
    assert [image.id for image in ec2.list_images(ex_image_ids=[IMAGE])] == [IMAGE]

with step("key-pair"):
    key = ec2.create_key_pair(NAME)
    later(lambda: ec2.delete_key_pair(key))
    assert ec2.get_key_pair(NAME).fingerprint == key.fingerprint

with step("security-group"):
    group = ec2.ex_create_security_group(NAME, "for a test")["group_id"]
    later(ec2.ex_delete_security_group_by_id, group)
    assert ec2.ex_authorize_security_group_ingress(group, 22, 22, cidr_ips=["192.0.2.0/24"])
    assert NAME in ec2.ex_list_security_groups()

with step("launch"):
    size = next(size for size in ec2.list_sizes() if size.id == TYPE)
    location = next(place for place in ec2.list_locations() if place.availability_zone.name == ZONE)
    node = ec2.create_node(
        name=NAME,
        image=ec2.list_images(ex_image_ids=[IMAGE])[0],
        size=size,
        location=location,
        ex_keyname=NAME,
        ex_security_groups=[NAME],
    )
    node_id = node.id
    later(lambda: find() and ec2.destroy_node(find()))
    until(state, NodeState.RUNNING)

with step("describe"):
    node = find()
    assert node.name == NAME and node.extra["instance_type"] == TYPE, node.extra
    assert node.private_ips and node.extra["key_name"] == NAME, node.extra

with step("filters"):
    assert [node.id for node in ec2.list_nodes(ex_filters={"tag:Name": NAME})] == [node_id]

with step("tags"):
    assert ec2.ex_create_tags(find(), {"role": "test"})
    assert ec2.ex_describe_tags(find())["role"] == "test"
    assert ec2.ex_delete_tags(find(), {"role": "test"})

with step("stop-start"):
    assert ec2.stop_node(find())
    until(state, NodeState.STOPPED)
    assert ec2.start_node(find())
    until(state, NodeState.RUNNING)
    assert ec2.reboot_node(find())

with step("errors"):
    try:
        ec2.list_nodes(ex_node_ids=["i-0123456789abcdef0"])
    except (BaseHTTPError, Exception) as error:
        assert "InvalidInstanceID.NotFound" in str(error), error
    else:
        raise AssertionError("an id that names nothing was found")

with step("terminate"):
    assert ec2.destroy_node(find())
    until(state, NodeState.TERMINATED)
    assert ec2.ex_delete_security_group_by_id(group)
    assert ec2.delete_key_pair(key)

finish()
