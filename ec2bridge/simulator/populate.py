"""Many machines at once, for measurements: the rows that deploys would have left, without the jobs."""

from __future__ import annotations

from itertools import chain, repeat
from uuid import uuid4

from ec2bridge.simulator import machines
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.tables import Row, now


def populate(cloud: Cloud, account: str, count: int) -> list[Row]:
    """That many running machines of the account in the security-group zone, each with a NIC and a root disk."""
    tables = cloud.tables
    user = tables["users"].first(username=account) or {}
    owner = {"account": account, "domainid": user["domainid"], "domain": user["domain"], "domainpath": "ROOT"}
    zone = tables["zones"].first(networktype="Advanced", securitygroupsenabled=True) or {}
    network = tables["networks"].first(zoneid=zone["id"], type="Shared") or {}
    template = tables["templates"].first(templatetype="BUILTIN") or {}
    offering = tables["serviceofferings"].first(name="t2.micro") or {}
    groups = tables["securitygroups"]
    group = groups.first(name="default", account=account) or groups.add(
        {"name": "default", "description": "Default Security Group", **owner}
    )
    place = {"zoneid": zone["id"], "zonename": zone["name"]}
    who = {"userid": user["id"], "username": user["username"]}
    shared = {**owner, **who, **place, **_make_up(template, offering), "_groups": [group["id"]]}
    # More machines than the network has addresses go without a private address of their own.
    addresses = chain(machines.free_addresses(cloud, network), repeat(network["gateway"]))
    return [_machine(cloud, shared, network, template, offering, next(addresses)) for _ in range(count)]


def _make_up(template: Row, offering: Row) -> Row:
    return {
        "state": "Running",
        "haenable": False,
        "templateid": template["id"],
        "ostypeid": template["ostypeid"],
        "osdisplayname": template["ostypename"],
        "serviceofferingid": offering["id"],
        "serviceofferingname": offering["name"],
        "cpunumber": offering["cpunumber"],
        "cpuspeed": offering["cpuspeed"],
        "memory": offering["memory"],
        "details": {},
        "deleteprotection": False,
        "_custom": False,
        "_userdata": None,
        "_affinitygroups": [],
        "_placed": True,
    }


def _machine(cloud: Cloud, shared: Row, network: Row, template: Row, offering: Row, address: str) -> Row:
    machine_id, born = str(uuid4()), now()
    name = f"VM-{machine_id}"
    row = {
        "id": machine_id,
        "name": name,
        "displayname": name,
        "created": born,
        "lastupdated": born,
        **shared,
    }
    machine = cloud.tables["machines"].add({**row, "details": {}})
    machines.add_nic(cloud, machine, network, address)
    volume = machines.add_root_volume(cloud, machine, template, offering, None)
    cloud.tables["volumes"].update(volume, state="Ready")
    return machine


def add_volumes(cloud: Cloud, found: list[Row], count: int) -> None:
    """That many attached data volumes, one after another over the machines."""
    offering = cloud.tables["diskofferings"].first() or {}
    for number in range(count):
        machine = found[number % len(found)]
        volume = machines.add_data_volume(cloud, machine, offering, 1, 1 + number // len(found))
        cloud.tables["volumes"].update(volume, state="Ready")
