"""cs, CloudStack's own Python client, against CloudStack's own API: what is behind the bridge is honest."""

import os

from cs import CloudStack, CloudStackApiException
from story import ACCESS_KEY, NAME, SECRET_KEY, TYPE, finish, later, step, until

cs = CloudStack(
    endpoint=os.environ["EC2BRIDGE_COMPAT_CLOUDSTACK"],
    key=ACCESS_KEY,
    secret=SECRET_KEY,
    poll_interval=0.3,
    job_timeout=120,
)


def machine():
    return cs.listVirtualMachines(id=machine_id, fetch_list=True)[0]


machine_id = None

with step("regions"):
    zone = next(zone for zone in cs.listZones(fetch_list=True) if zone["securitygroupsenabled"])

with step("images"):
    image = cs.listTemplates(templatefilter="executable", zoneid=zone["id"], fetch_list=True)[0]
    assert image["isready"], image

with step("key-pair"):
    key = cs.createSSHKeyPair(name=NAME)["keypair"]
    later(cs.deleteSSHKeyPair, name=NAME)
    assert "PRIVATE KEY" in key["privatekey"]
    assert cs.listSSHKeyPairs(name=NAME)["sshkeypair"][0]["fingerprint"] == key["fingerprint"]

with step("security-group"):
    group = cs.createSecurityGroup(name=NAME)["securitygroup"]
    later(cs.deleteSecurityGroup, id=group["id"])
    rule = {"protocol": "tcp", "startport": 22, "endport": 22, "cidrlist": "192.0.2.0/24"}
    cs.authorizeSecurityGroupIngress(securitygroupid=group["id"], fetch_result=True, **rule)
    shown = cs.listSecurityGroups(id=group["id"])["securitygroup"][0]
    assert shown["ingressrule"][0]["startport"] == 22, shown

with step("launch"):
    size = cs.listServiceOfferings(name=TYPE)["serviceoffering"][0]
    made = cs.deployVirtualMachine(
        zoneid=zone["id"],
        templateid=image["id"],
        serviceofferingid=size["id"],
        keypair=NAME,
        securitygroupids=group["id"],
        name=NAME,
        fetch_result=True,
    )["virtualmachine"]
    machine_id = made["id"]
    assert made["state"] == "Running", made

with step("describe"):
    seen = machine()
    assert seen["name"] == NAME and seen["nic"][0]["ipaddress"], seen
    assert [entry["id"] for entry in seen["securitygroup"]] == [group["id"]], seen

with step("tags"):
    role = [{"key": "role", "value": "test"}]
    cs.createTags(resourceids=machine_id, resourcetype="UserVm", tags=role, fetch_result=True)
    assert machine()["tags"][0]["value"] == "test"
    cs.deleteTags(resourceids=machine_id, resourcetype="UserVm", tags=role, fetch_result=True)
    assert not machine()["tags"]

with step("stop-start"):
    assert cs.stopVirtualMachine(id=machine_id, fetch_result=True)["virtualmachine"]["state"] == "Stopped"
    assert cs.startVirtualMachine(id=machine_id, fetch_result=True)["virtualmachine"]["state"] == "Running"

with step("errors"):
    try:
        cs.startVirtualMachine(id="00000000-0000-0000-0000-000000000000")
    except CloudStackApiException as error:
        assert error.error["errorcode"] == 431, error.error
    else:
        raise AssertionError("an id that names nothing was started")

with step("terminate"):
    # What is only destroyed keeps its groups until it is expunged, a day later by default.
    cs.stopVirtualMachine(id=machine_id, fetch_result=True)
    groups = cs.listSecurityGroups()["securitygroup"]
    default = next(entry["id"] for entry in groups if entry["name"] == "default")
    cs.updateVirtualMachine(id=machine_id, securitygroupids=default)
    cs.destroyVirtualMachine(id=machine_id, fetch_result=True)
    until(lambda: cs.listVirtualMachines(id=machine_id, fetch_list=True), [])

finish()
