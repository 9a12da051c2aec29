"""nephoria 2.2, Eucalyptus' own test suite: what of it asks a cloud for EC2 alone, from the package as it is.

Its suites want to be given a Eucalyptus head node, and log in to the machines that they launch. So they get their user
here, and are played as far as the API shows it. Runs on Python 2.7.
"""

import os
import shutil
import sys
import tempfile

from story import ACCESS_KEY, ENDPOINT, IMAGE, NAME, REGION, SECRET_KEY, TYPE, ZONE, finish, later, step

# nephoria writes key files where it stands, and reads the command line.
home = tempfile.mkdtemp(prefix="nephoria-")
later(shutil.rmtree, home)
os.chdir(home)
sys.argv = sys.argv[:1]

from boto.exception import EC2ResponseError
from cloud_utils.file_utils.eucarc import Eucarc
from nephoria.testcases.ec2.ebs.legacy_ebs_test_suite import LegacyEbsTestSuite
from nephoria.testcases.ec2.instances.legacy_instance_test_suite import LegacyInstanceTestSuite
from nephoria.usercontext import UserContext

VPC_ZONE = os.environ.get("EC2BRIDGE_COMPAT_VPC_ZONE", ZONE)

keys = {"EC2_URL": ENDPOINT, "AWS_ACCESS_KEY": ACCESS_KEY, "AWS_SECRET_KEY": SECRET_KEY}
eucarc = Eucarc(string="".join("export %s=%s\n" % entry for entry in keys.items()))
user = UserContext(eucarc=eucarc, region=REGION, log_level="INFO")
ec2 = user.ec2


def suite(kind, **more):
    """A suite of nephoria's with our user in the place of one that it makes in Eucalyptus."""
    made = kind(emi=IMAGE, zone=ZONE, vmtype=TYPE, log_level="INFO", **more)
    made._user = user
    return made


def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except EC2ResponseError as error:
        return error.error_code
    return "nothing"


basics = suite(LegacyInstanceTestSuite)
ebs = suite(LegacyEbsTestSuite)
machines = []

with step("regions"):
    assert ZONE in ec2.get_zone_names()
    (euzone,) = ec2.get_euzones(ZONE)
    assert euzone.name == ZONE

with step("describe"):
    assert ec2.vpc_supported
    (vpc,) = [each for each in ec2.get_all_vpcs(verbose=False) if each.is_default]
    assert vpc.id in ec2.get_default_vpc_attribute() and vpc.state == "available", vars(vpc)
    assert [subnet for subnet in ec2.get_default_subnets(ZONE) if subnet.vpc_id == vpc.id]
    ec2.show_vpcs(verbose=False)
    ec2.show_subnets()

with step("images"):
    image = ec2.get_emi(emi=IMAGE)
    assert image.state == "available" and image.root_device_type == "ebs", vars(image)
    ec2.show_images()

with step("key-pair"):
    assert basics.keypair.name in [key.name for key in ec2.get_all_current_local_keys(path=".")]

with step("security-group"):
    # The suites show the group that they make, by its id, and take only ids of eight digits for one.
    basics._group = group = ec2.add_group(NAME)
    assert ec2.check_group(NAME)
    ec2.authorize_group(group, port=22, protocol="tcp")
    ec2.authorize_group(group, port=-1, protocol="icmp")
    rules = ec2.get_security_group(name=NAME).rules
    assert sorted(rule.ip_protocol for rule in rules) == ["icmp", "tcp"], rules
    ec2.revoke_security_group(group, from_port=-1, protocol="icmp")
    assert [rule.ip_protocol for rule in ec2.get_security_group(name=NAME).rules] == ["tcp"]

with step("launch"):
    # Nobody can log in to a machine of the suite, and nephoria does not try where a machine has a private address.
    basics.run_instance_params = dict(basics.run_instance_params, private_addressing=True)
    machines = basics.test6_MultipleInstances()
    assert len(machines) == 2 and {machine.state for machine in machines} == {"running"}, machines

with step("filters"):
    found = ec2.get_instances(filters={"key-name": basics.keypair.name, "instance-state-name": "running"})
    assert sorted(machine.id for machine in found) == sorted(machine.id for machine in machines), found
    assert not ec2.get_instances(filters={"instance-type": "no.such"})

with step("tags"):
    machine = machines[0]
    ec2.create_tags([machine.id], {"role": "test", "empty": ""})
    machine.update()
    assert machine.tags["role"] == "test" and machine.tags["empty"] == "", machine.tags
    ec2.delete_tags([machine.id], {"role": "test"})
    found = ec2.connection.get_all_tags(filters={"resource-id": machine.id})
    assert [tag.name for tag in found] == ["empty"], found

with step("volume"):
    ebs.create_vols_per_zone()
    (volume,) = ebs.zonelist[0].volumes
    assert ec2.attach_volume(machines[0], volume, "/dev/sdf")
    assert refusal(volume.delete) == "VolumeInUse"
    assert refusal(volume.attach, machines[1].id, "/dev/sdf") == "VolumeInUse"
    assert ec2.detach_volume(volume)

with step("snapshot"):
    ebs.create_snapshots_all_vols_in_zone(wait_on_progress=20)
    ebs.create_vols_from_snap_in_same_zone()
    assert ebs.zonelist[0].volumes[1].snapshot_id == ebs.snaps[0].id

with step("image"):
    made = ec2.create_image(machines[0], NAME)
    image = ec2.get_emi(emi=made)
    assert image.name == NAME, vars(image)
    # Its own deregister_image calls itself until it fails.
    assert ec2.connection.deregister_image(image.id, delete_snapshot=True)

with step("stop-start"):
    machines[0].stop_instance_and_verify()
    machines[0].start_instance_and_verify(connect=False, checkvolstatus=False)

with step("address"):
    params = dict(basics.run_instance_params, zone=VPC_ZONE, group=None)
    (machine,) = ec2.run_image(**params)
    later(machine.terminate)
    address = ec2.allocate_address(domain="vpc")
    ec2.associate_address(machine, address, refresh_ssh=False)
    assert machine.ip_address == address.public_ip
    ec2.connection.disassociate_address(public_ip=address.public_ip)
    ec2.release_address(address)

with step("errors"):
    assert refusal(ec2.get_instances, idstring="i-0123456789abcdef0") == "InvalidInstanceID.NotFound"
    assert refusal(ec2.create_tags, ["vol-0123456789abcdef0"], {"a": "b"}) == "InvalidVolume.NotFound"

with step("terminate"):
    try:
        for machine in machines:
            # It waits to see a deleted volume in a state of that name; here, as on AWS, it is gone.
            machine.terminate_and_verify(verify_vols=False)
            assert not ec2.get_volumes(attached_instance=machine.id, eof=False)
    finally:
        while ebs.zonelist[0].volumes:
            ebs.delete_volumes_in_zones()
        ebs.clean_method()
        basics.clean_method()
    assert not ec2.check_group(NAME)

finish()
