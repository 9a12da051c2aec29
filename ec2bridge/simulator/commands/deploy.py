"""deployVirtualMachine: what is checked before it answers, and what its job does.

CloudStack makes the machine, its NICs and its disks before it answers, so the first listing shows the machine Stopped;
only finding a host and starting it are left to the job.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from ec2bridge.simulator import machines
from ec2bridge.simulator import network_use as networks
from ec2bridge.simulator.call import Call
from ec2bridge.simulator.commands import keypairs, security_groups
from ec2bridge.simulator.errors import ApiError, invalid, malformed, no_permission
from ec2bridge.simulator.machine_start import power_on
from ec2bridge.simulator.passwords import password_enabled, set_password
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now

NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
BAD_NAME = (
    "Unable to execute API command {} due to invalid value. Invalid value provided for API arg: name - it can contain "
    "ASCII letters 'a' through 'z', the digits '0' through '9', and the hyphen ('-'), must be between 1 and 63 "
    "characters long, and can't start or end with \"-\" and can't start with digit"
)
NEED_SIZE = "Need to specify custom parameter values cpu, cpu speed and memory when using custom offering"
NO_GROUPS = "Can't create vm with security groups; security group feature is not enabled per zone"


@command("deployVirtualMachine")
def deploy(call: Call) -> Answer:
    check_name(call)
    zone, template, offering = call.needed("zoneid"), _template(call), call.needed("serviceofferingid")
    call.limit("user_vm")
    size = _size(call, offering)
    pairs = key_pairs(call)
    groups = _groups(call, zone)
    wanted = _networks(call, zone)
    check_user_data(call)
    _check_free_name(call, call.text("name"), [network for network, _ in wanted])
    disks = _disks(call, template, offering)
    machine = _make(call, zone, template, offering, size, pairs, groups)
    _lease(call, machine)
    _connect(call, machine, wanted)
    _make_disks(call, machine, template, offering, disks)
    return _submit(call, machine)


def _lease(call: Call, machine: Row) -> None:
    """Note the lease, where leases are on; what happens when it ends is not simulated."""
    days = call.text("leaseduration")
    if not days or not call.cloud.settings["instance.lease.enabled"]:
        return
    ends = datetime.now(UTC) + timedelta(days=int(days))
    call.cloud.tables["machines"].update(
        machine,
        leaseduration=int(days),
        leaseexpirydate=ends.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        leaseexpiryaction=call.text("leaseexpiryaction") or "STOP",
    )


def _submit(call: Call, machine: Row) -> Answer:
    async def work() -> Row:
        call.cloud.tables["machines"].update(machine, details=_final_details(machine))
        if call.flag("startvm", True):
            await power_on(call, machine, deploying=True)
        row = machines.show(call.cloud, machine, admin=call.caller.is_admin)
        if password_enabled(call, machine):
            row["password"] = set_password(call, machine)
        return {"virtualmachine": row}

    answer = {"id": machine["id"]}
    return call.submit(work, kind="VirtualMachine", instance=machine["id"], answer=answer, weight=0.4)


def _final_details(machine: Row) -> dict[str, str]:
    return {key: value for key, value in machine["details"].items() if key != "deployvm"}


def check_name(call: Call) -> None:
    name = call.text("name")
    if name is not None and not NAME.fullmatch(name):
        raise malformed(BAD_NAME.format(call.api.actual_name))


def _template(call: Call) -> Row:
    template = call.entity("templateid", check=False)
    if template is None:
        raise invalid("Template or ISO ID must be specified")
    if template.get("_removed"):
        raise invalid(f"Unable to use template {template['id']}")
    allowed = template["ispublic"] or call.may_use(template) or call.caller.name in template["_permissions"]
    if not allowed:
        raise no_permission(
            f"{call.caller.name} does not have permission to operate with template {template['id']}"
        )
    return template


def _size(call: Call, offering: Row) -> Row:
    """CPUs, speed and memory: the offering's, or for a customised one those in the details."""
    if not offering["iscustomized"]:
        return {key: offering[key] for key in ("cpunumber", "cpuspeed", "memory")}
    return custom_size(call.details(), offering)


def custom_size(details: dict[str, str], offering: Row) -> Row:
    given = {key.lower(): value for key, value in details.items()}
    size: Row = {}
    for key in ("cpunumber", "cpuspeed", "memory"):
        value = given.get(key, str(offering.get(key, "")))
        if not value.isdigit() or int(value) < 1:
            raise invalid(NEED_SIZE)
        size[key] = int(value)
    return size


def key_pairs(call: Call) -> list[Row]:
    """The pairs that `keypair` and `keypairs` name."""
    names = call.words("keypairs") or call.words("keypair")
    found = [keypairs.find(call, name) for name in names]
    if None in found:
        raise invalid("Not all specified keypairs exist")
    return [pair for pair in found if pair]


def check_user_data(call: Call) -> None:
    document = call.text("userdata")
    if not document:
        return
    try:
        base64.b64decode(document.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("User data is not base64 encoded.") from None
    most = call.cloud.settings["vm.userdata.max.length"]
    if len(document) > most:
        raise invalid(f"User data has exceeded maximum of {most} bytes")


# Where it goes


def _networks(call: Call, zone: Row) -> list[tuple[Row, str | None]]:
    """The networks and the addresses asked for in them."""
    entries = call.maps("iptonetworklist")
    named = call.entities("networkids", check=False)
    if zone["networktype"] == "Basic":
        if named or entries:
            raise invalid("Can't specify network Ids in Basic zone")
        return [(_shared(call, zone), call.text("ipaddress"))]
    if entries and named:
        raise invalid("ipToNetworkMap can't be specified along with networkIds or ipAddress")
    if entries:
        return [(_entry_network(call, entry), entry.get("ip")) for entry in entries]
    for network in named:
        _check_network(call, zone, network)
    if not named:
        named = [
            _shared(call, zone) if zone["securitygroupsenabled"] else networks.default_network(call, zone)
        ]
    return [(network, call.text("ipaddress") if network is named[0] else None) for network in named]


def _mac_addresses(call: Call) -> Iterator[str | None]:
    """The MAC addresses asked for, in the order of the networks: one for the default network, or one in each entry.

    That of the default network counts only where no address stands beside it.
    """
    entries = call.maps("iptonetworklist")
    alone = None if call.text("ipaddress") else call.text("macaddress")
    yield from (entry.get("mac") for entry in entries) if entries else (alone,)
    yield from itertools.repeat(None)


def _entry_network(call: Call, entry: dict[str, str]) -> Row:
    network = call.cloud.tables["networks"].get(entry.get("networkid"))
    if network is None:
        raise call.unknown("networkid", entry.get("networkid", ""))
    if not networks.usable(call, network):
        raise no_permission()
    return network


def _check_network(call: Call, zone: Row, network: Row) -> None:
    if zone["securitygroupsenabled"] and network["type"] == "Isolated":
        raise invalid(
            "Can specify only Shared or L2 Guest networks when deploy vm in Advance Security Group enabled zone"
        )
    if network.get("_removed"):
        raise invalid(f"Unable to find network by id {network['_number']}")
    if not networks.usable(call, network):
        raise no_permission()
    if network["zoneid"] != zone["id"]:
        raise invalid(f"Network id={network['_number']} doesn't belong to zone {zone['_number']}")


def _shared(call: Call, zone: Row) -> Row:
    found = call.cloud.tables["networks"].first(zoneid=zone["id"], type="Shared")
    if found is None:
        raise invalid(f"Unable to find a default network in zone {zone['name']}")
    return found


def _groups(call: Call, zone: Row) -> list[str]:
    named = call.words("securitygroupnames")
    given = call.entities("securitygroupids")
    if not zone["securitygroupsenabled"]:
        if named or given:
            raise invalid(NO_GROUPS)
        return []
    groups = given or _named_groups(call, named)
    return list(dict.fromkeys(group["id"] for group in groups or [security_groups.default_group(call)]))


def _named_groups(call: Call, names: list[str]) -> list[Row]:
    # Here an unknown name has another text than in the commands on groups themselves.
    groups = []
    for name in names:
        try:
            groups += security_groups.by_names(call, [name])
        except ApiError:
            raise invalid(f"Unable to find group by name {name}") from None
    return groups


def _connect(call: Call, machine: Row, wanted: list[tuple[Row, str | None]]) -> None:
    """Its NICs. Without an address the call is refused, and the machine stays listed in state Error."""
    chosen = [(network, machines.free_address(call.cloud, network, asked)) for network, asked in wanted]
    for network, address in chosen:
        if address is None and "cidr" in network:
            call.cloud.tables["machines"].update(machine, state="Error", lastupdated=now(), _rooted=False)
            raise call.internal(
                f'Unable to acquire Guest IP address for network Network {{"id": {network["_number"]}, '
                f'"name": "{network["name"]}", "uuid": "{network["id"]}", "networkofferingid": 10}}',
                cserrorcode=0,
            )
    for (network, address), mac in zip(chosen, _mac_addresses(call), strict=False):
        nic = machines.add_nic(call.cloud, machine, network, address)
        if mac:
            call.cloud.tables["nics"].update(nic, macaddress=mac)


def _check_free_name(call: Call, name: str | None, chosen: list[Row]) -> None:
    """A name is taken in a network until its machine is expunged."""
    if name is None:
        return
    for network in chosen:
        if name.lower() in taken_names(call, network):
            raise name_taken(name, network)


def taken_names(call: Call, network: Row, but: str | None = None) -> set[str]:
    tables = call.cloud.tables
    here = {nic["_machine"] for nic in tables["nics"].where(networkid=network["id"])} - {but}
    return {machine["name"].lower() for machine in map(tables["machines"].get, here) if machine}


def name_taken(name: str, network: Row) -> ApiError:
    domain = network.get("networkdomain", "")
    return invalid(
        f"The vm with hostName {name} already exists in the network domain: {domain}; network={network['name']}"
    )


# Making it


def _make(
    call: Call, zone: Row, template: Row, offering: Row, size: Row, pairs: list[Row], groups: list[str]
) -> Row:
    machine_id = str(uuid4())
    name = call.text("name") or f"VM-{machine_id}"
    table = call.cloud.tables["machines"]
    return table.add(
        {
            "id": machine_id,
            "name": name,
            "displayname": call.text("displayname") or name,
            **call.owner(),
            "userid": call.caller.user["id"],
            "username": call.caller.user["username"],
            "created": now(),
            "state": "Stopped",
            "haenable": False,
            "zoneid": zone["id"],
            "zonename": zone["name"],
            "templateid": template["id"],
            "ostypeid": template["ostypeid"],
            "osdisplayname": template["ostypename"],
            "serviceofferingid": offering["id"],
            "serviceofferingname": offering["name"],
            **size,
            **_group(call),
            "details": {**call.details(), **key_details(pairs), "deployvm": "true"},
            **({"keypairs": ",".join(pair["name"] for pair in pairs)} if pairs else {}),
            "deleteprotection": call.flag("deleteprotection"),
            "_custom": offering["iscustomized"],
            "_userdata": call.text("userdata"),
            "_groups": groups,
            "_affinitygroups": _affinity(call),
        }
    )


def key_details(pairs: list[Row]) -> dict[str, str]:
    if not pairs:
        return {}
    names = ",".join(pair["name"] for pair in pairs)
    return {"SSH.PublicKey": "\n".join(pair["_publickey"] for pair in pairs), "SSH.KeyPairNames": names}


def _group(call: Call) -> Row:
    name = call.text("group")
    if not name:
        return {}
    owner, table = call.owner(), call.cloud.tables["instancegroups"]
    group = table.first(name=name, **owner) or table.add({"name": name, **owner, "created": now()})
    return {"groupid": group["id"], "group": name}


def _affinity(call: Call) -> list[str]:
    if call.text("affinitygroupids"):
        return [group["id"] for group in call.entities("affinitygroupids")]
    table, owner = call.cloud.tables["affinitygroups"], call.owner()
    found = [(name, table.first(name=name, **owner)) for name in call.words("affinitygroupnames")]
    for name, group in found:
        if group is None:
            raise invalid(f"Unable to find group by name {name}")
    return [group["id"] for _, group in found if group]


@dataclass(frozen=True)
class Disks:
    """What the call asks for: the root disk's size where it is not the template's, and data disks by device."""

    root: int | None
    data: dict[int, tuple[Row, int]]


def _disks(call: Call, template: Row, offering: Row) -> Disks:
    root = call.number("rootdisksize") or offering.get("rootdisksize") or None
    if root and root << 30 < template.get("size", 0):
        raise invalid(f"Root disk size {root} GB is smaller than the template's")
    data: dict[int, tuple[Row, int]] = {}
    first = call.entity("diskofferingid", check=False)
    if first is not None:
        data[1] = first, _disk_size(first, call.number("size"))
    for entry in call.maps("datadisksdetails"):
        chosen = call.cloud.tables["diskofferings"].get(entry.get("diskofferingid"))
        if chosen is None:
            raise call.unknown("diskofferingid", entry.get("diskofferingid", ""))
        asked = int(entry["size"]) if entry.get("size", "").isdigit() else None
        data[int(entry.get("deviceid", len(data) + 1))] = chosen, _disk_size(chosen, asked)
    return Disks(root, data)


def _make_disks(call: Call, machine: Row, template: Row, offering: Row, disks: Disks) -> None:
    machines.add_root_volume(call.cloud, machine, template, offering, disks.root)
    for device, (chosen, size) in disks.data.items():
        machines.add_data_volume(call.cloud, machine, chosen, size, device)
    if 1 in disks.data and call.text("diskofferingid"):
        chosen = disks.data[1][0]
        fields = {"diskofferingid": chosen["id"], "diskofferingname": chosen["name"]}
        call.cloud.tables["machines"].update(machine, **fields)


def _disk_size(offering: Row, asked: int | None) -> int:
    if not offering["iscustomized"]:
        return int(offering["disksize"])
    if not asked:
        raise invalid("This disk offering requires a custom size specified")
    return asked
