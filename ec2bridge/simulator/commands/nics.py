"""NICs added to and taken from machines, and secondary addresses."""

from __future__ import annotations

from collections.abc import Callable

from ec2bridge.simulator import machines, network_use
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import addresses
from ec2bridge.simulator.entities import OWNER, network_text, zone_text
from ec2bridge.simulator.errors import ApiError, invalid, no_permission
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

# The job's answer leaves out image, size, disks and statistics.
SHOWN = frozenset({"group", "nics", "secgrp", "affgrp"})


def unplug(cloud: Cloud, nic: Row) -> None:
    """Remove the NIC; an address mapped to it stays with the account."""
    addresses.forget_nic(cloud, nic["id"])
    for secondary in nic["_secondary"]:
        cloud.tables["secondaryips"].erase(cloud.tables["secondaryips"].known(secondary["id"]) or {})
    cloud.tables["nics"].remove(nic)


def release(cloud: Cloud, machine: Row) -> None:
    """What an expunge gives back: NICs with their addresses, and the rules that lead to the machine."""
    for nic in machines.nics_of(cloud, machine):
        unplug(cloud, nic)
    for rule in cloud.tables["firewallrules"].where(virtualmachineid=machine["id"]):
        addresses.erase_rule(cloud, rule)
    for balancer in cloud.tables["loadbalancers"]:
        if machine["id"] in balancer["_machines"]:
            kept = [other for other in balancer["_machines"] if other != machine["id"]]
            cloud.tables["loadbalancers"].update(balancer, _machines=kept)


def _machine_job(call: Call, machine: Row, change: Callable[[], None], *, instance: bool) -> Answer:
    def work() -> Row:
        change()
        shown = machines.show(call.cloud, machine, admin=call.caller.is_admin, groups=SHOWN)
        return {"virtualmachine": shown}

    if instance:
        return call.submit(work, kind="VirtualMachine", instance=machine["id"], weight=0.4)
    return call.submit(work, queue=machine["id"], weight=0.4)


def _machine_of(call: Call, nic: Row) -> Row:
    machine = call.cloud.tables["machines"].known(nic["_machine"])
    if machine is None:
        raise invalid(f"The NIC {nic['id']} has no machine")
    if not call.may_use(machine):
        raise no_permission()
    return machine


def _network_of(call: Call, nic: Row) -> Row:
    return call.cloud.tables["networks"].known(nic["networkid"]) or {}


@command("addNicToVirtualMachine")
def add_nic(call: Call) -> Answer:
    machine = call.needed("virtualmachineid")
    network = call.needed("networkid", check=False)
    if not network_use.usable(call, network):
        raise no_permission()

    def change() -> None:
        _refuse_second(call, machine, network)
        address = machines.free_address(call.cloud, network, call.params.get("ipaddress"))
        if address is None and "cidr" in network:
            raise ApiError(530, 4250, f"Unable to acquire Guest IP address for network {network['id']}")
        network_use.implement(call.cloud, network)
        nic = machines.add_nic(call.cloud, machine, network, address)
        if "macaddress" in call.params:
            call.cloud.tables["nics"].update(nic, macaddress=call.params["macaddress"])

    return _machine_job(call, machine, change, instance=True)


def _refuse_second(call: Call, machine: Row, network: Row) -> None:
    """A machine has one NIC a network, and networks of its own zone alone."""
    if any(nic["networkid"] == network["id"] for nic in machines.nics_of(call.cloud, machine)):
        name = machines.instance_name(machine)
        raise ApiError(530, 4250, f"A NIC already exists for VM:{name} in network: {network['id']}")
    if machine["zoneid"] == network["zoneid"]:
        return
    zones = call.cloud.tables["zones"]
    here, there = (zones.known(row["zoneid"]) or {} for row in (machine, network))
    raise ApiError(
        530,
        4250,
        f"{machines.label(machine)} is in zone: {zone_text(here)} but {network_text(call.cloud, network)} "
        f"is in zone: {zone_text(there)}",
    )


@command("removeNicFromVirtualMachine")
def remove_nic(call: Call) -> Answer:
    machine, nic = call.needed("virtualmachineid"), call.needed("nicid")

    def change() -> None:
        _check_belongs(nic, machine)
        if nic["isdefault"]:
            raise invalid(
                f"Unable to remove NIC from {machines.label(machine)} in "
                f"{network_text(call.cloud, _network_of(call, nic))}, NIC is default."
            )
        if addresses.of_nic(call.cloud, nic["id"]):
            raise invalid(
                f"Unable to remove NIC from {machines.label(machine)} in "
                f"{network_text(call.cloud, _network_of(call, nic))}, NIC has associated Port forwarding or Load "
                "balancer or Static NAT rules."
            )
        unplug(call.cloud, nic)

    return _machine_job(call, machine, change, instance=False)


def _check_belongs(nic: Row, machine: Row) -> None:
    if nic["_machine"] != machine["id"]:
        raise invalid(f"{nic['id']} is not a NIC on {machine['id']}")


@command("updateDefaultNicForVirtualMachine")
def update_default_nic(call: Call) -> Answer:
    machine, nic = call.needed("virtualmachineid"), call.needed("nicid")

    def change() -> None:
        _check_belongs(nic, machine)
        if nic["isdefault"]:
            text = f"refusing to set default nic because chosen nic {nic['id']} is already the default"
            raise invalid(text)
        _swap_default(call.cloud, machine, nic)

    return _machine_job(call, machine, change, instance=False)


def _swap_default(cloud: Cloud, machine: Row, nic: Row) -> None:
    """The new default one takes the old one's place among the devices."""
    table = cloud.tables["nics"]
    for other in machines.nics_of(cloud, machine):
        if other["isdefault"]:
            device = other["deviceid"]
            table.update(other, isdefault=False, deviceid=nic["deviceid"])
            table.update(nic, deviceid=device)
    table.update(nic, isdefault=True)


@command("updateVmNicIp")
def update_nic_address(call: Call) -> Answer:
    nic = call.needed("nicid", check=False)
    machine = _machine_of(call, nic)

    def change() -> None:
        if machine["state"] != "Stopped":
            raise invalid("The VM is not Stopped, please stop the VM before updating its NIC")
        address = machines.free_address(call.cloud, _network_of(call, nic), call.params.get("ipaddress"))
        if address is None:
            raise invalid("The IP address is not free in the network")
        call.cloud.tables["nics"].update(nic, ipaddress=address)

    return _machine_job(call, machine, change, instance=True)


@command("addIpToNic")
def add_secondary(call: Call) -> Answer:
    nic = call.needed("nicid", check=False)
    machine = _machine_of(call, nic)
    network = _network_of(call, nic)
    address = machines.free_address(call.cloud, network, call.params.get("ipaddress"))
    if address is None:
        raise ApiError(530, 9999, "Failed to assign secondary IP to NIC")
    owner = {field: machine[field] for field in OWNER if field in machine}
    row = call.cloud.tables["secondaryips"].add({"ipaddress": address, "_nic": nic["id"], **owner})
    nic["_secondary"].append({"id": row["id"], "ipaddress": address})
    call.cloud.tables["nics"].save(nic)
    shown = {"id": row["id"], "ipaddress": address, "nicid": nic["id"], "networkid": network["id"]}
    return call.submit(
        lambda: {"nicsecondaryip": shown},
        kind="IpAddress",
        instance=row["id"],
        queue=nic["id"],
        answer={"id": row["id"]},
        weight=0.1,
    )


@command("removeIpFromNic", id="secondaryips")
def remove_secondary(call: Call) -> Answer:
    row = call.needed("id")

    def work() -> Row:
        nic = call.cloud.tables["nics"].get(row["_nic"])
        if nic is not None:
            kept = [entry for entry in nic["_secondary"] if entry["id"] != row["id"]]
            call.cloud.tables["nics"].update(nic, _secondary=kept)
        call.cloud.tables["secondaryips"].erase(row)
        return {"success": True}

    return call.submit(work, queue=row["_nic"], weight=0.1)
