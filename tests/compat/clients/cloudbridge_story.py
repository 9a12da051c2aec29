"""CloudBridge's provider for AWS: a network, and a machine in it with all that belongs to one."""

import os

from cloudbridge.factory import CloudProviderFactory, ProviderList
from cloudbridge.interfaces.exceptions import DuplicateResourceException
from cloudbridge.interfaces.resources import TrafficDirection
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

VPC_ZONE = os.environ.get("EC2BRIDGE_COMPAT_VPC_ZONE", ZONE)
cloud = CloudProviderFactory().create_provider(
    ProviderList.AWS,
    {
        "aws_access_key": ACCESS_KEY,
        "aws_secret_key": SECRET_KEY,
        "aws_region_name": REGION,
        "aws_zone_name": VPC_ZONE,
        "ec2_endpoint_url": ENDPOINT,
        "ec2_is_secure": ENDPOINT.startswith("https"),
        "default_wait_interval": 1,
    },
)

with step("regions"):
    assert REGION in [region.id for region in cloud.compute.regions]
    assert VPC_ZONE in [zone.name for zone in cloud.compute.regions.current.zones]

with step("types"):
    kind = cloud.compute.vm_types.get(TYPE)
    assert (kind.name, kind.vcpus > 0, kind.ram > 0) == (TYPE, True, True)
    assert TYPE in [one.name for one in cloud.compute.vm_types.list(limit=500)]
    assert cloud.compute.vm_types.get("z9.none") is None

with step("key-pair"):
    pair = cloud.security.key_pairs.create(NAME)
    later(cloud.security.key_pairs.delete, pair)
    assert "PRIVATE KEY" in pair.material
    assert [one.id for one in cloud.security.key_pairs.find(name=NAME)] == [pair.id]
    try:
        cloud.security.key_pairs.create(NAME)
    except DuplicateResourceException:
        pass
    else:
        raise AssertionError("a second key pair of the name was made")

with step("network"):
    network = cloud.networking.networks.create(label=NAME, cidr_block="10.42.0.0/16")
    later(network.delete)
    assert (network.state, network.cidr_block) == ("available", "10.42.0.0/16")
    subnet = network.subnets.create(label=NAME, cidr_block="10.42.1.0/24")
    later(subnet.delete)
    subnet.wait_till_ready()
    assert subnet.zone.name == VPC_ZONE
    assert [one.id for one in network.subnets] == [subnet.id]
    assert [one.id for one in cloud.networking.networks.find(label=NAME)] == [network.id]

with step("router"):
    router = cloud.networking.routers.create(label=NAME, network=network)
    later(router.delete)
    router.attach_subnet(subnet)
    later(router.detach_subnet, subnet)
    gateway = network.gateways.get_or_create()
    later(gateway.delete)
    router.attach_gateway(gateway)
    later(router.detach_gateway, gateway)
    router.refresh()
    assert [one.id for one in router.subnets] == [subnet.id]
    assert (router.state, router.network_id, gateway.network_id) == ("attached", network.id, network.id)
    assert network.gateways.get_or_create().id == gateway.id

with step("security-group"):
    firewall = cloud.security.vm_firewalls.create(label=NAME, network=network, description="of a test")
    later(firewall.delete)
    assert (firewall.label, firewall.description, firewall.network_id) == (NAME, "of a test", network.id)
    rule = firewall.rules.create(TrafficDirection.INBOUND, "tcp", 22, 22, "192.0.2.0/24")
    assert firewall.rules.create(TrafficDirection.INBOUND, "tcp", 22, 22, "192.0.2.0/24").id == rule.id
    firewall.refresh()
    assert rule.id in [one.id for one in firewall.rules]
    rule.delete()
    firewall.refresh()
    assert rule.id not in [one.id for one in firewall.rules]
    firewall.rules.create(TrafficDirection.INBOUND, "tcp", 22, 22, src_dest_fw=firewall)
    firewall.refresh()
    assert [one.src_dest_fw_id for one in firewall.rules if one.from_port == 22] == [firewall.id]

with step("launch"):
    machine = cloud.compute.instances.create(
        label=NAME,
        image=cloud.compute.images.get(IMAGE),
        vm_type=TYPE,
        subnet=subnet,
        key_pair=pair,
        vm_firewalls=[firewall],
        user_data="#cloud-config\n",
    )
    # The network's end waits for the machine's.
    later(machine.wait_for, ["deleted", "unknown"])
    later(machine.delete)
    machine.wait_till_ready()

with step("describe"):
    machine.refresh()
    assert (machine.label, machine.state, machine.image_id) == (NAME, "running", IMAGE)
    assert (machine.vm_type_id, machine.key_pair_id) == (TYPE, NAME)
    assert (machine.zone_id, machine.subnet_id) == (VPC_ZONE, subnet.id)
    assert machine.vm_firewall_ids == [firewall.id]
    assert machine.private_ips[0].startswith("10.42.1.")
    assert [one.id for one in cloud.compute.instances.find(label=NAME)] == [machine.id]

with step("tags"):
    machine.label = f"{NAME}-again"
    machine.refresh()
    assert machine.label == f"{NAME}-again"

with step("address"):
    address = gateway.floating_ips.create()
    later(address.delete)
    assert not address.in_use
    machine.add_floating_ip(address)
    machine.refresh()
    address.refresh()
    assert address.in_use
    assert machine.public_ips == [address.public_ip]
    assert address.private_ip == machine.private_ips[0]
    machine.remove_floating_ip(address)
    address.refresh()
    assert not address.in_use

with step("volume"):
    volume = cloud.storage.volumes.create(label=NAME, size=1, description="of a test")
    later(volume.delete)
    volume.wait_till_ready()
    assert (volume.label, volume.description, volume.size) == (NAME, "of a test", 1)
    volume.attach(machine, "/dev/sdf")
    volume.wait_for(["in-use"])
    assert (volume.attachments.instance_id, volume.attachments.device) == (machine.id, "/dev/sdf")
    volume.detach()
    volume.wait_for(["available"])

with step("snapshot"):
    snapshot = volume.create_snapshot(label=NAME, description="of a test")
    later(snapshot.delete)
    snapshot.wait_till_ready()
    assert (snapshot.label, snapshot.volume_id, snapshot.size) == (NAME, volume.id, 1)
    copy = snapshot.create_volume()
    later(copy.delete)
    copy.wait_till_ready()
    assert copy.source.id == snapshot.id

with step("stop-start"):
    machine.stop()
    machine.wait_for(["stopped"])
    machine.start()
    machine.wait_till_ready()

with step("image"):
    image = machine.create_image(label=NAME)
    later(image.delete)
    image.wait_till_ready()
    assert image.label == NAME
    assert image.id in [one.id for one in cloud.compute.images.find(label=NAME)]

with step("errors"):
    assert cloud.compute.instances.get("i-0123456789abcdef0") is None
    assert cloud.storage.volumes.get("vol-0123456789abcdef0") is None
    assert cloud.networking.networks.get("vpc-0123456789abcdef0") is None

with step("terminate"):
    machine.delete()
    until(lambda: machine.refresh() or machine.state, lambda state: state in ("deleted", "unknown"))

finish()
