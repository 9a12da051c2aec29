"""A machine's parts (NICs, root disk, groups) and the row that listings show of it."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import security_groups, tags
from ec2bridge.simulator.tables import Row, now

READONLY_DETAILS = (
    "dataDiskController, rootDiskController, backupValidationCommandTimeout, "
    "backupValidationScreenshotWait, backupValidationBootTimeout"
)
STATS: Row = {
    "cpuused": "10%",
    "networkkbsread": 32768,
    "networkkbswrite": 16384,
    "diskkbsread": 0,
    "diskkbswrite": 0,
    "memorykbs": 0,
    "memoryintfreekbs": 0,
    "memorytargetkbs": 0,
    "diskioread": 0,
    "diskiowrite": 0,
}
# What `details=` selects. Without it everything is shown.
GROUPS = frozenset(
    ("group", "nics", "stats", "secgrp", "tmpl", "servoff", "diskoff", "iso", "volume", "affgrp", "backoff")
)
_OWNER = ("account", "projectid", "project", "userid", "username", "domainid", "domain", "domainpath")
_STORED = ("id", "name", "displayname", *_OWNER, "created", "lastupdated", "state", "haenable")


def instance_name(machine: Row) -> str:
    return f"i-3-{machine['_number']}-VM"


def label(machine: Row) -> str:
    """How CloudStack names a machine in its error texts."""
    return (
        f'VM instance {{"id":{machine["_number"]},"instanceName":"{instance_name(machine)}",'
        f'"state":"{machine["state"]}","type":"User","uuid":"{machine["id"]}"}}'
    )


def nics_of(cloud: Cloud, machine: Row) -> list[Row]:
    """In the order of their devices; the default one is device 0."""
    return sorted(cloud.tables["nics"].where(_machine=machine["id"]), key=lambda nic: int(nic["deviceid"]))


def host_of(machine: Row) -> Row:
    name = f"SimulatedAgent.{machine['zonename']}"
    return {"hostid": str(uuid5(NAMESPACE_URL, name)), "hostname": name}


# Addresses in networks


def taken_addresses(cloud: Cloud, network: Row) -> set[str]:
    taken = {network.get("gateway", "")}
    for nic in cloud.tables["nics"].where(networkid=network["id"]):
        taken.add(nic.get("ipaddress", ""))
        taken.update(second["ipaddress"] for second in nic.get("_secondary", []))
    return taken


def free_address(cloud: Cloud, network: Row, wanted: str | None = None) -> str | None:
    """The address wanted, or the first free one; None where there is none."""
    ranges = ranges_of(cloud, network)
    if not ranges:
        return wanted
    if wanted:
        inside = any(_inside(wanted, ipaddress.ip_network(row["cidr"])) for row in ranges)
        return wanted if inside and wanted not in taken_addresses(cloud, network) else None
    return next(free_addresses(cloud, network), None)


def ranges_of(cloud: Cloud, network: Row) -> list[Row]:
    """Those that it was given one by one, as by a basic zone's pods, or the network's own."""
    given = cloud.tables["vlanranges"].where(networkid=network["id"])
    return given or ([network] if "cidr" in network else [])


def free_addresses(cloud: Cloud, network: Row) -> Iterator[str]:
    taken = taken_addresses(cloud, network)
    for row in ranges_of(cloud, network):
        block = ipaddress.ip_network(row["cidr"])
        # The first addresses of a network are its routers'.
        for number in range(10, block.num_addresses - 1):
            address = str(block[number])
            if address not in taken:
                yield address


def _inside(address: str, block: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(address) in block
    except ValueError:
        return False


def add_nic(cloud: Cloud, machine: Row, network: Row, address: str | None) -> Row:
    """A NIC in the network; `deviceid` counts up."""
    others = nics_of(cloud, machine)
    used = {int(nic["deviceid"]) for nic in others}
    device = next(number for number in range(len(used) + 1) if number not in used)
    row: Row = {"networkid": network["id"], "networkname": network["name"]}
    for span in ranges_of(cloud, network):
        if address is None or _inside(address, ipaddress.ip_network(span["cidr"])):
            row.update(netmask=span["netmask"], gateway=span["gateway"], ipaddress=address)
    row.update(
        traffictype="Guest",
        type=network["type"],
        isdefault=not others,
        macaddress=f"02:01:{secrets.token_hex(4)[:2]}:{':'.join(_pairs(secrets.token_hex(3)))}",
        deviceid=str(device),
        enabled=True,
        _machine=machine["id"],
        _secondary=[],
        _created=now(),
    )
    return cloud.tables["nics"].add(row)


def _pairs(text: str) -> list[str]:
    return [text[index : index + 2] for index in range(0, len(text), 2)]


def vlan_of(cloud: Cloud, network: Row) -> str:
    """Set when the network is first used."""
    if "_vlan" not in network:
        cloud.tables["networks"].update(network, _vlan=100 + network["_number"])
    return f"vlan://{network['_vlan']}"


def show_nic(cloud: Cloud, nic: Row, running: bool) -> Row:
    """The NIC inside a machine's row; a stop takes it off an isolated network's broadcast domain."""
    row: Row = {}
    six = ("ip6gateway", "ip6cidr", "ip6address")
    for key in ("id", "networkid", "networkname", "netmask", "gateway", "ipaddress", *six):
        if key in nic:
            row[key] = nic[key]
    network = cloud.tables["networks"].known(nic["networkid"])
    if network is not None and (running or not nic.get("_released") or network["type"] != "Isolated"):
        row.update(_broadcast(cloud, network))
    for key in ("traffictype", "type", "isdefault", "macaddress"):
        row[key] = nic[key]
    if network is not None and "vpcid" in network:
        row.update(vpcid=network["vpcid"], vpcname=network.get("vpcname", ""))
    row.update(secondaryip=nic["_secondary"], extradhcpoption=[], deviceid=nic["deviceid"], enabled=True)
    vpc = cloud.tables["vpcs"].known((network or {}).get("vpcid", ""))
    return {**row, "vpcid": vpc["id"], "vpcname": vpc["name"]} if vpc else row


def _broadcast(cloud: Cloud, network: Row) -> Row:
    if network["broadcastdomaintype"] != "Vlan":
        return {"broadcasturi": "vlan://untagged"}
    return {"isolationuri": vlan_of(cloud, network), "broadcasturi": vlan_of(cloud, network)}


# Disks


def add_root_volume(cloud: Cloud, machine: Row, template: Row, offering: Row, gib: int | None) -> Row:
    size = gib << 30 if gib else template.get("size", 2 << 30)
    return _add_volume(
        cloud,
        machine,
        name=f"ROOT-{machine['_number']}",
        type="ROOT",
        deviceid=0,
        size=size,
        templateid=template["id"],
        serviceofferingid=offering["id"],
    )


def add_data_volume(cloud: Cloud, machine: Row, offering: Row, gib: int, device: int) -> Row:
    return _add_volume(
        cloud,
        machine,
        name=f"DATA-{machine['_number']}",
        type="DATADISK",
        deviceid=device,
        size=gib << 30,
        diskofferingid=offering["id"],
        diskofferingname=offering["name"],
        diskofferingdisplaytext=offering["displaytext"],
    )


def _add_volume(cloud: Cloud, machine: Row, **fields: object) -> Row:
    owner: Row = {
        key: machine[key]
        for key in ("account", "projectid", "project", "domainid", "domain", "domainpath")
        if key in machine
    }
    place = {"zoneid": machine["zoneid"], "zonename": machine["zonename"]}
    row = {
        **fields,
        **place,
        **owner,
        "created": now(),
        "state": "Allocated",
        "virtualmachineid": machine["id"],
    }
    return cloud.tables["volumes"].add({**row, "attached": now(), "provisioningtype": "thin"})


def volumes_of(cloud: Cloud, machine: Row) -> list[Row]:
    return cloud.tables["volumes"].where(virtualmachineid=machine["id"])


def root_of(cloud: Cloud, machine: Row) -> Row | None:
    return next((volume for volume in volumes_of(cloud, machine) if volume["deviceid"] == 0), None)


# The row


def _show_groups(cloud: Cloud, machine: Row) -> list[Row]:
    shown = (security_groups.inside(cloud, group_id) for group_id in machine.get("_groups", []))
    return [group for group in shown if group]


def show(
    cloud: Cloud, machine: Row, *, admin: bool = False, groups: frozenset[str] = GROUPS, job: bool = True
) -> Row:
    """The machine as listVirtualMachines shows it, with the parts that `groups` names."""
    running = machine["state"] in ("Running", "Stopping")
    row: Row = {key: machine[key] for key in _STORED if key in machine}
    if "group" in groups and "group" in machine:
        row.update(groupid=machine["groupid"], group=machine["group"])
    row.update(zoneid=machine["zoneid"], zonename=machine["zonename"])
    if admin and machine["state"] == "Running":
        row.update(host_of(machine))
    if running:
        row["hostcontrolstate"] = "Enabled"
    row.update(_show_image(cloud, machine, groups))
    row.update(_show_size(machine, groups))
    row["guestosid"] = machine["ostypeid"]
    if "volume" in groups and machine.get("_rooted", True):
        row.update(rootdeviceid=0, rootdevicetype="ROOT")
    row["securitygroup"] = _show_groups(cloud, machine) if "secgrp" in groups else []
    row.update(_show_network(cloud, machine, running, "nics" in groups))
    row.update(_show_rest(cloud, machine, admin, "affgrp" in groups))
    pending = cloud.jobs.pending(machine["id"]) if job else None
    if pending:
        row.update(jobid=pending["id"], jobstatus=0)
    return row


def show_again(cloud: Cloud, machine: Row, admin: bool, groups: frozenset[str]) -> Row:
    """As `show`; a row made before is used again until anything in the cloud changes."""
    version = cloud.tables.version
    if cloud.shown_at != version:
        cloud.shown.clear()
        cloud.shown_at = version
    key = (machine["id"], admin, groups)
    if key not in cloud.shown:
        cloud.shown[key] = show(cloud, machine, admin=admin, groups=groups)
        # Showing may settle something (a network's VLAN) and so change the cloud.
        cloud.shown_at = cloud.tables.version
    return cloud.shown[key]


def _show_image(cloud: Cloud, machine: Row, groups: frozenset[str]) -> Row:
    row: Row = {}
    template = cloud.tables["templates"].known(machine["templateid"])
    if "tmpl" in groups and template is not None:
        row = {
            "templateid": template["id"],
            "templatename": template["name"],
            "templatetype": template["templatetype"],
            "templateformat": template["format"],
            "templatedisplaytext": template["displaytext"],
            "passwordenabled": template["passwordenabled"],
        }
    return {**row, "isos": [], "isomaxcount": 1} if "iso" in groups else row


def _show_size(machine: Row, groups: frozenset[str]) -> Row:
    row: Row = {}
    if "servoff" in groups:
        row = {key: machine[key] for key in ("serviceofferingid", "serviceofferingname")}
    if "diskoff" in groups and "diskofferingid" in machine:
        row.update({key: machine[key] for key in ("diskofferingid", "diskofferingname")})
    if "servoff" in groups or "stats" in groups:
        row.update({key: machine[key] for key in ("cpunumber", "cpuspeed", "memory")})
    if "stats" in groups and machine["state"] == "Running":
        row.update(STATS)
    return row


def _show_network(cloud: Cloud, machine: Row, running: bool, shown: bool) -> Row:
    nics = [show_nic(cloud, nic, running) for nic in nics_of(cloud, machine)] if shown else []
    row: Row = {"nic": nics, "hypervisor": "Simulator"}
    address = next((nic["ipaddress"] for nic in nics if nic["isdefault"] and "ipaddress" in nic), None)
    if address:
        row["ipaddress"] = address
    for public in cloud.tables["addresses"].where(virtualmachineid=machine["id"], isstaticnat=True):
        address = {"publicipid": public["id"], "publicip": public["ipaddress"]}
        row = {**address, **row}
        for nic in nics:
            if nic["id"] == public["_nic"]:
                nic.update(address)
    return row


LEASE = ("leaseduration", "leaseexpirydate", "leaseexpiryaction")


def _show_rest(cloud: Cloud, machine: Row, admin: bool, affinity: bool) -> Row:
    row: Row = {}
    if admin:
        row.update(instancename=instance_name(machine), displayvm=True, arch="x86_64")
    row["details"] = machine["details"]
    if not admin:
        row["readonlydetails"] = READONLY_DETAILS
    if machine.get("keypairs"):
        row["keypairs"] = machine["keypairs"]
    row.update({key: machine[key] for key in LEASE if key in machine})
    row["affinitygroup"] = _show_affinity(cloud, machine) if affinity else []
    row.update(
        isdynamicallyscalable=False,
        deleteprotection=machine["deleteprotection"],
        ostypeid=machine["ostypeid"],
        osdisplayname=machine["osdisplayname"],
    )
    if machine.get("_placed") and root_of(cloud, machine):
        row["pooltype"] = "NetworkFilesystem"
    row.update(receivedbytes=0, sentbytes=0, tags=tags.inside(cloud, machine["id"]), hasannotations=False)
    return row


def _show_affinity(cloud: Cloud, machine: Row) -> list[Row]:
    found = [cloud.tables["affinitygroups"].known(group) for group in machine.get("_affinitygroups", [])]
    keys = ("id", "name", "account")
    return [{key: group[key] for key in keys if key in group} for group in found if group]
