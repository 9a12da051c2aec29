"""Public addresses and static NAT.

The pool of an advanced zone is one row an address for ever: an address keeps its uuid when it is released and given
to the next account.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from uuid import NAMESPACE_URL, uuid5

from ec2bridge.simulator import machines
from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.entities import MAPPED, OWNER, address_text, free_address
from ec2bridge.simulator.errors import ApiError, invalid, no_capacity
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.seed import PUBLIC_RANGE
from ec2bridge.simulator.tables import Row, now

# The first two of the range are the system machines' (console proxy, secondary storage).
SYSTEM_ADDRESSES = 2


def physical_network(zone: Row) -> str:
    return str(zone.get("_physicalnetwork") or uuid5(NAMESPACE_URL, f"physicalnetwork/{zone['id']}"))


def _has_pool(zone: Row) -> bool:
    return bool(zone["networktype"] == "Advanced" and not zone.get("securitygroupsenabled"))


def pool(cloud: Cloud, zone: Row) -> list[Row]:
    """All addresses of a zone; planted when first looked at."""
    rows = cloud.tables["addresses"].where(zoneid=zone["id"])
    if rows or not _has_pool(zone):
        return rows
    cidr, _, first, last = PUBLIC_RANGE
    hosts = list(IPv4Network(cidr))[first + SYSTEM_ADDRESSES : last + 1]
    return [cloud.tables["addresses"].add(_free_row(zone, str(host))) for host in hosts]


def _free_row(zone: Row, address: str) -> Row:
    return {
        "ipaddress": address,
        "zoneid": zone["id"],
        "zonename": zone["name"],
        "issourcenat": False,
        "forvirtualnetwork": True,
        "isstaticnat": False,
        "issystem": False,
        "networkid": str(uuid5(NAMESPACE_URL, f"publicnetwork/{zone['id']}")),
        "state": "Free",
        "physicalnetworkid": physical_network(zone),
        "isportable": False,
        "forsystemvms": False,
        "forprovider": False,
        "hasannotations": False,
    }


def take(cloud: Cloud, zone: Row, owner: Row, ipaddress: str | None = None, **fields: object) -> Row:
    """Allocate the first free address of the zone, or the one asked for."""
    free = (row for row in pool(cloud, zone) if row["state"] == "Free")
    row = next((row for row in free if ipaddress in (None, row["ipaddress"])), None)
    if row is None:
        raise no_capacity("Insufficient address capacity")
    held = {field: owner[field] for field in OWNER if field in owner}
    return cloud.tables["addresses"].update(row, **held, allocated=now(), state="Allocated", **fields)


def ensure_source_nat(cloud: Cloud, network: Row) -> None:
    """An isolated network's own public address, taken when it is implemented."""
    zone = cloud.tables["zones"].known(network["zoneid"])
    if zone is not None and _has_pool(zone) and not has_source_nat(cloud, associatednetworkid=network["id"]):
        take(cloud, zone, network, issourcenat=True, associatednetworkid=network["id"])


def ensure_vpc_source_nat(cloud: Cloud, vpc: Row) -> None:
    """A VPC's own public address, taken when its router is first started."""
    zone = cloud.tables["zones"].known(vpc["zoneid"])
    if zone is not None and not has_source_nat(cloud, vpcid=vpc["id"]):
        take(cloud, zone, vpc, issourcenat=True, vpcid=vpc["id"])


def has_source_nat(cloud: Cloud, **place: str) -> bool:
    return bool(cloud.tables["addresses"].where(issourcenat=True, **place))


def erase_rule(cloud: Cloud, rule: Row) -> None:
    """A firewall or port forwarding rule goes, whatever took it along, and its tags with it."""
    tags.forget(cloud, rule["id"])
    cloud.tables["firewallrules"].erase(rule)


def release(cloud: Cloud, address: Row, *, tagged: bool = False) -> None:
    """Back to the pool, with its rules gone; `tagged` leaves its tags, as the end of a VPC or a network does."""
    for rule in cloud.tables["firewallrules"].where(ipaddressid=address["id"]):
        erase_rule(cloud, rule)
    for balancer in cloud.tables["loadbalancers"].where(publicipid=address["id"]):
        # Nobody deletes the tags of a load balancer's rule.
        cloud.tables["loadbalancers"].erase(balancer)
    if not tagged:
        tags.forget(cloud, address["id"])
    free_address(cloud.tables["addresses"], address)


def leave_network(cloud: Cloud, address: Row) -> None:
    """The network goes: a VPC's address stays with the VPC, any other is released."""
    if "vpcid" in address:
        stop_static_nat(cloud, address)
    else:
        release(cloud, address, tagged=True)


def stop_static_nat(cloud: Cloud, address: Row) -> None:
    for field in MAPPED:
        address.pop(field, None)
    if "vpcid" in address:
        address.pop("associatednetworkid", None)
    cloud.tables["addresses"].update(address, isstaticnat=False)


def of_nic(cloud: Cloud, nic_id: str) -> Row | None:
    """The address that static NAT maps to the NIC: its `publicipid` and `publicip`."""
    return cloud.tables["addresses"].first(_nic=nic_id, isstaticnat=True)


def forget_nic(cloud: Cloud, nic_id: str) -> None:
    """The NIC goes; its address stays with the account."""
    address = of_nic(cloud, nic_id)
    if address is not None:
        stop_static_nat(cloud, address)


def shown(cloud: Cloud, address: Row) -> Row:
    row = {
        **public(address),
        "tags": tags.short(cloud, address["id"]),
        "hasrules": bool(cloud.tables["firewallrules"].where(ipaddressid=address["id"])),
    }
    network = cloud.tables["networks"].known(address.get("associatednetworkid", ""))
    vpc = cloud.tables["vpcs"].known(address.get("vpcid", ""))
    if network:
        row["associatednetworkname"] = network["name"]
    if vpc:
        row["vpcname"] = vpc["name"]
    return row | _machine_fields(cloud, address)


def _machine_fields(cloud: Cloud, address: Row) -> Row:
    machine = cloud.tables["machines"].known(address.get("virtualmachineid", ""))
    if machine is None:
        return {}
    return {
        "virtualmachinetype": "User",
        "virtualmachinename": machine["name"],
        **({"virtualmachinedisplayname": machine["displayname"]} if "displayname" in machine else {}),
    }


# Commands


@command("associateIpAddress")
def associate(call: Call) -> Answer:
    network, vpc = call.entity("networkid"), call.entity("vpcid")
    zone = _zone(call, network, vpc)
    if vpc is not None and vpc.get("_removed"):
        raise invalid("Can't find enabled VPC by ID specified")
    if network is not None and network.get("_removed"):
        raise invalid("Unable to find Network by network id specified")
    if network is None and vpc is None:
        network = _only_network(call, zone)
    call.limit("public_ip")
    place = _place(network, vpc)
    # The first one of a VPC that was not started, or of a network without machines, is its way out.
    if "vpcid" in place or (network and network["type"] == "Isolated"):
        place["issourcenat"] = not has_source_nat(call.cloud, **place)
    address = take(call.cloud, zone, call.owner(), call.params.get("ipaddress"), **place)
    state = "Allocated" if "vpcid" in place else "Allocating"

    def work() -> Row:
        return {"ipaddress": {**shown(call.cloud, address), "state": state}}

    return call.submit(
        work, kind="IpAddress", instance=address["id"], answer={"id": address["id"]}, weight=0.1
    )


def _place(network: Row | None, vpc: Row | None) -> Row:
    """What an address is acquired for: a tier's is its VPC's."""
    if vpc is not None:
        return {"vpcid": vpc["id"]}
    if network is None:
        return {}
    return {"vpcid": network["vpcid"]} if "vpcid" in network else {"associatednetworkid": network["id"]}


def _zone(call: Call, network: Row | None, vpc: Row | None) -> Row:
    zone = call.entity("zoneid")
    owner = network or vpc
    if owner is not None:
        zone = call.cloud.tables["zones"].known(owner["zoneid"])
    if zone is None:
        raise invalid(
            "Unable to figure out zone to assign IP to. Please specify either zoneId, or networkId, or vpcId "
            "in the call"
        )
    return zone


def _only_network(call: Call, zone: Row) -> Row | None:
    """In an advanced zone an address belongs to the account's one isolated network."""
    if zone["networktype"] == "Basic":
        return None
    owner = call.owner()
    place = "projectid" if "projectid" in owner else "account"
    rows = call.cloud.tables["networks"].where(zoneid=zone["id"], type="Isolated")
    rows = [row for row in rows if row.get(place) == owner[place] and "vpcid" not in row]
    if not rows:
        raise invalid(
            f"Account name={owner.get(place)} domain={owner['domain']} doesn't have virtual Networks "
            f"in zone={zone['name']}"
        )
    if len(rows) > 1:
        raise invalid("Account has more than one isolated network in the zone")
    return rows[0]


@command("disassociateIpAddress", id="addresses")
def disassociate(call: Call) -> Answer:
    address = call.entity("id")
    if address is None:
        address = call.cloud.tables["addresses"].first(ipaddress=call.params.get("ipaddress"))
        if address is None or not call.may_use(address):
            raise invalid("Unable to find ip address by ip address " + call.params.get("ipaddress", ""))
    if address["state"] == "Free":
        raise call.internal(f"Ip Address id={address['id']} is already released")
    held = address

    def work() -> Row:
        if held["issourcenat"]:
            text = "IP address is used for source nat purposes and can not be disassociated."
            raise ApiError(530, 4250, text)
        release(call.cloud, held)
        return {"success": True}

    return call.submit(work, kind="IpAddress", instance=address["id"], weight=0.2)


@command("updateIpAddress", id="addresses")
def update_address(call: Call) -> Answer:
    address = call.needed("id")
    return call.submit(lambda: {"ipaddress": shown(call.cloud, address)}, kind="IpAddress", weight=0.1)


@command("listPublicIpAddresses", id="addresses", vlanid="vlans", physicalnetworkid="physicalnetworks")
def list_addresses(call: Call) -> Answer:
    cloud = call.cloud
    for zone in cloud.tables["zones"]:
        pool(cloud, zone)
    table = cloud.tables["addresses"]
    rows = call.visible(row for row in table if row["state"] != "Free")
    if not call.flag("allocatedonly", default=True):
        rows += [row for row in table if row["state"] == "Free"]
        rows.sort(key=lambda row: int(row["_number"]))
    fields = ("zoneid", "ipaddress", "associatednetworkid", "vpcid", "issourcenat", "isstaticnat", "state")
    rows = call.matching(rows, *fields, keyword="ipaddress")
    return call.page("publicipaddress", rows, lambda row: shown(cloud, row))


# Static NAT


@command("enableStaticNat")
def enable_static_nat(call: Call) -> Answer:
    cloud = call.cloud
    address, machine = call.needed("ipaddressid"), call.needed("virtualmachineid")
    if address["issourcenat"]:
        text = f"Can't enable static, ip address {address_text(cloud, address)} is a sourceNat ip address"
        raise invalid(text)
    network_id = call.params.get("networkid") or address.get("associatednetworkid")
    nic = cloud.tables["nics"].first(_machine=machine["id"], networkid=network_id)
    if nic is None:
        raise invalid("Vm doesn't belong to the network with specified id")
    _refuse_mapped(cloud, address, machine, nic)
    cloud.tables["addresses"].update(
        address,
        isstaticnat=True,
        virtualmachineid=machine["id"],
        vmipaddress=call.params.get("vmguestip", nic["ipaddress"]),
        associatednetworkid=nic["networkid"],
        _nic=nic["id"],
    )
    return {"success": True}


def _refuse_mapped(cloud: Cloud, address: Row, machine: Row, nic: Row) -> None:
    if address["isstaticnat"] and address["virtualmachineid"] != machine["id"]:
        raise ApiError(
            537,
            9999,
            f"Failed to enable static for the ip address {address_text(cloud, address)} and "
            f"vm id={machine['_number']} as it's already assigned to another vm",
        )
    mapped = of_nic(cloud, nic["id"])
    if mapped is not None:
        raise invalid(
            f"Failed to enable static nat on the  ip {address['ipaddress']} with Id {address['id']} as the vm "
            f"{machines.instance_name(machine)} with Id {machine['id']} is already associated with another "
            f"public ip {mapped['ipaddress']} with id {mapped['id']}"
        )
    rules = cloud.tables["firewallrules"].where(ipaddressid=address["id"], _purpose="PortForwarding")
    if rules:
        raise ApiError(
            537,
            9999,
            f"Failed to enable static nat for the ip address {address_text(cloud, address)} as it already has "
            "PortForwarding rules assigned",
        )


@command("disableStaticNat")
def disable_static_nat(call: Call) -> Answer:
    address = call.needed("ipaddressid")

    def work() -> Row:
        if not address["isstaticnat"]:
            raise invalid("Specified IP address id is not associated with any vm Id")
        stop_static_nat(call.cloud, address)
        return {"success": True}

    return call.submit(work, queue=address["id"], weight=0.2)
