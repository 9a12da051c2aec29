"""Networks: isolated, shared, L2 and VPC tiers, and their offerings.

A network costs nothing until a machine needs it: then it is implemented, with a VLAN and, where its offering has
source NAT, a public address of its own.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from uuid import NAMESPACE_URL, uuid5

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import addresses, tags
from ec2bridge.simulator.entities import account_number, network_text, vpc_text
from ec2bridge.simulator.errors import ApiError, invalid, no_permission
from ec2bridge.simulator.network_services import network_services
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now

ISOLATED_GATEWAY, ISOLATED_NETMASK = "10.1.1.1", "255.255.255.0"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,190}}$){_LABEL}(\.{_LABEL})*")
_NO_TIER_DNS = "DNS can not be specified for a VPC tier"
_PRIVATE = tuple(IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


# What the machines' commands use


def implement(cloud: Cloud, network: Row) -> None:
    """Give a network what a running machine needs: a VLAN, and its public address or its VPC's."""
    if network["type"] == "Isolated" and "vpcid" not in network and has_service(cloud, network, "SourceNat"):
        addresses.ensure_source_nat(cloud, network)
    if (vpc := cloud.tables["vpcs"].known(network.get("vpcid", ""))) is not None:
        addresses.ensure_vpc_source_nat(cloud, vpc)
    if network["state"] == "Allocated":
        cloud.tables["networks"].update(network, state="Implemented")


def machines_in(cloud: Cloud, network_id: str) -> list[Row]:
    """NICs in the network: a destroyed machine holds its own until it is expunged."""
    return cloud.tables["nics"].where(networkid=network_id)


def has_service(cloud: Cloud, network: Row, service: str) -> bool:
    offering = cloud.tables["networkofferings"].known(network["networkofferingid"])
    return offering is not None and service in [entry["name"] for entry in offering["service"]]


def is_basic(zone: Row) -> bool:
    return bool(zone["networktype"] == "Basic")


def is_rfc1918(network: IPv4Network) -> bool:
    return any(network.subnet_of(private) for private in _PRIVATE)


def shown(cloud: Cloud, network: Row, *, admin: bool = False) -> Row:
    """A network as listNetworks shows it; VLANs are for admins alone."""
    offering = cloud.tables["networkofferings"].known(network["networkofferingid"])
    row = {
        **public(network),
        "service": network_services(offering) if offering else [],
        "tags": tags.short(cloud, network["id"]),
        **_vpc_fields(cloud, network),
    }
    if admin:
        row |= {"details": {}, "displaynetwork": True, **_vlan_fields(network)}
    return row


def _vpc_fields(cloud: Cloud, network: Row) -> Row:
    fields = {}
    for name, table in (("vpc", "vpcs"), ("acl", "acls")):
        target = cloud.tables[table].known(network.get(f"{name}id", ""))
        if target:
            fields[f"{name}name"] = target["name"]
    return fields


def _vlan_fields(network: Row) -> Row:
    vlan = network.get("_vlan")
    return {"vlan": str(vlan), "broadcasturi": f"vlan://{vlan}"} if vlan else {}


# Creating


@command("createNetwork")
def create_network(call: Call) -> Answer:
    zone, offering = call.needed("zoneid"), call.needed("networkofferingid")
    _check_place(call, zone, offering)
    vpc = call.entity("vpcid")
    if vpc is not None and vpc.get("_removed"):
        raise invalid("Unable to find Enabled VPC ")
    cidr = _cidr(call, offering)
    _check_size(call, cidr)
    check_domain(call)
    if vpc is not None:
        _check_tier(call, vpc, offering, cidr)
    elif offering["forvpc"]:
        raise invalid("Network offering can be used for VPC networks only")
    call.limit("network")
    row = call.cloud.tables["networks"].add(_new_row(call, zone, offering, cidr))
    row["related"] = row["id"]
    if vpc is not None:
        row |= {"vpcid": vpc["id"], "networkdomain": vpc["networkdomain"], **_vpc_servers(call.cloud, vpc)}
    acl = call.entity("aclid")
    if acl is not None:
        row["aclid"] = acl["id"]
    call.cloud.tables["networks"].save(row)
    return {"network": shown(call.cloud, row, admin=call.caller.is_admin)}


def check_domain(call: Call) -> None:
    domain = call.params.get("networkdomain")
    if domain is not None and not _DOMAIN.fullmatch(domain):
        raise invalid(
            "Invalid network domain. Total length shouldn't exceed 190 chars. Each domain label must be between 1 and "
            "63 characters long, can contain ASCII letters 'a' through 'z', the digits '0' through '9', and the hyphen "
            "('-'); can't start or end with \"-\""
        )


def _vpc_servers(cloud: Cloud, vpc: Row) -> Row:
    """The name servers that tiers have from their VPC; before 4.19.1 they have the zone's all the same."""
    if not cloud.since("4.19.1") or "dns1" not in vpc:
        return {}
    return {name: vpc[name] for name in ("dns1", "dns2") if name in vpc}


def _check_place(call: Call, zone: Row, offering: Row) -> None:
    """Which kinds of network the zone and the caller may have."""
    if is_basic(zone) and call.params.get("acltype", "account").lower() != "domain":
        raise invalid("Only AclType=Domain can be specified for network creation in Basic zone")
    if zone.get("securitygroupsenabled") and offering["guestiptype"] == "Isolated":
        raise invalid("Only shared or L2 guest network can be created in security group enabled zone")
    if offering["specifyvlan"] and not call.caller.is_admin:
        raise invalid(
            "This user can only create an Isolated network, a L2 network or a Shared network with "
            "specifyVlan=false."
        )


def _cidr(call: Call, offering: Row) -> IPv4Network | None:
    """The network that gateway and netmask span; isolated ones have a default, L2 ones none."""
    kind = offering["guestiptype"]
    if kind == "L2":
        return None
    gateway, netmask = call.params.get("gateway"), call.params.get("netmask")
    if gateway is None and netmask is None and kind == "Isolated" and not offering["forvpc"]:
        gateway, netmask = ISOLATED_GATEWAY, ISOLATED_NETMASK
    if gateway is None or netmask is None:
        raise invalid("gateway and netmask are required when create a network of this type")
    try:
        IPv4Address(gateway)
    except ValueError:
        raise invalid(f"Invalid gateway {gateway}") from None
    try:
        return IPv4Network(f"{gateway}/{netmask}", strict=False)
    except ValueError:
        raise invalid(f"Invalid netmask {netmask}") from None


def _check_size(call: Call, cidr: IPv4Network | None) -> None:
    """Users may have no network larger than a setting says, and that is 22 by default."""
    least = int(call.cloud.settings["network.guest.cidr.limit"])
    if cidr is not None and cidr.prefixlen < least and not call.caller.is_admin:
        raise invalid(f"Cidr size can't be less than {least}")


def _check_tier(call: Call, vpc: Row, offering: Row, cidr: IPv4Network | None) -> None:
    if "dns1" in call.params or "dns2" in call.params:
        raise invalid(_NO_TIER_DNS)
    if not offering["forvpc"]:
        raise invalid("Network offering can't be used for VPC networks")
    if cidr is None or not cidr.subnet_of(IPv4Network(vpc["cidr"], strict=False)):
        raise invalid(f"Network cidr {cidr} is not within vpc {vpc_text(vpc)} cidr")
    for tier in call.cloud.tables["networks"].where(vpcid=vpc["id"]):
        if cidr.overlaps(IPv4Network(tier["cidr"])):
            raise invalid(
                f"Network cidr {cidr} crosses other network cidr {network_text(call.cloud, tier)} "
                f"belonging to the same vpc {vpc_text(vpc)}"
            )


def _new_row(call: Call, zone: Row, offering: Row, cidr: IPv4Network | None) -> Row:
    shared = offering["guestiptype"] == "Shared"
    name = call.need("name")
    vlan = call.params.get("vlan")
    return {
        "name": name,
        "displaytext": call.params.get("displaytext", name),
        **_place_fields(zone, offering),
        **_address_fields(call, cidr),
        "state": "Setup" if shared else "Allocated",
        **_owner_fields(call, shared, layer3=cidr is not None),
        **({"egressdefaultpolicy": False} if _has_egress_policy(offering) else {}),
        "created": now(),
        **({"_vlan": int(vlan)} if vlan and vlan.isdigit() else {}),
        **_range_fields(call),
    }


def _has_egress_policy(offering: Row) -> bool:
    return "Firewall" in [service["name"] for service in offering["service"]]


def _place_fields(zone: Row, offering: Row) -> Row:
    return {
        "broadcastdomaintype": "Vlan",
        "traffictype": "Guest",
        "zoneid": zone["id"],
        "zonename": zone["name"],
        "networkofferingid": offering["id"],
        "networkofferingname": offering["name"],
        "networkofferingdisplaytext": offering["displaytext"],
        "networkofferingconservemode": offering["conservemode"],
        "networkofferingavailability": offering["availability"],
        "issystem": False,
        "dns1": zone["_dns"]["dns1"],
        "type": offering["guestiptype"],
        "physicalnetworkid": addresses.physical_network(zone),
        "restartrequired": False,
        "specifyvlan": offering["specifyvlan"],
        "specifyipranges": offering["specifyipranges"],
        "canusefordeploy": True,
        "ispersistent": False,
        "strechedl2subnet": False,
        "redundantrouter": False,
        "supportsvmautoscaling": "Lb" in [service["name"] for service in offering["service"]],
        "receivedbytes": 0,
        "sentbytes": 0,
        "publicmtu": 1500,
        "privatemtu": 1500,
        "hasannotations": False,
    }


def _address_fields(call: Call, cidr: IPv4Network | None) -> Row:
    if cidr is None:
        return {}
    gateway = call.params.get("gateway", ISOLATED_GATEWAY)
    return {"gateway": gateway, "netmask": str(cidr.netmask), "cidr": str(cidr)}


def _range_fields(call: Call) -> Row:
    """The addresses that a shared network may hand out."""
    names = (("startip", "_startip"), ("endip", "_endip"))
    return {field: call.params[name] for name, field in names if name in call.params}


def _owner_fields(call: Call, shared: bool, layer3: bool) -> Row:
    owner = call.owner()
    domain = {key: owner[key] for key in ("domainid", "domain", "domainpath")}
    if shared and call.params.get("acltype", "domain").lower() == "domain":
        return {
            "acltype": "Domain",
            "subdomainaccess": True,
            **domain,
            "networkdomain": call.params.get("networkdomain", "cs1sim.internal"),
        }
    default = f"cs{account_number(call.cloud, owner):x}sim.internal"
    suffix = {"networkdomain": call.params.get("networkdomain", default)} if layer3 else {}
    return {"acltype": "Account", **owner, **suffix}


# Listing, changing, deleting


@command("listNetworks", id="networks", physicalnetworkid="physicalnetworks")
def list_networks(call: Call) -> Answer:
    rows = call.visible(reversed(list(call.cloud.tables["networks"])))
    if "forvpc" in call.params:
        rows = [row for row in rows if ("vpcid" in row) == call.flag("forvpc")]
    if "supportedservices" in call.params:
        rows = [row for row in rows if _supports(call, row)]
    rows = call.matching(
        rows,
        "zoneid",
        "vpcid",
        "type",
        "acltype",
        "name",
        "traffictype",
        "networkofferingid",
        "issystem",
        "canusefordeploy",
        "restartrequired",
        "specifyipranges",
    )
    return call.page("network", rows, lambda row: shown(call.cloud, row, admin=call.caller.is_admin))


def _supports(call: Call, network: Row) -> bool:
    return all(has_service(call.cloud, network, name) for name in call.words("supportedservices"))


def _changeable(call: Call) -> Row:
    network = call.needed("id")
    if network.get("_removed"):
        raise invalid(f"Network ID={network['_number']} doesn't exist")
    if "account" not in network and "projectid" not in network and not call.caller.is_admin:
        raise no_permission()
    return network


@command("updateNetwork", id="networks")
def update_network(call: Call) -> Answer:
    network = _changeable(call)

    def work() -> Row:
        names = ("name", "displaytext", "networkdomain", "dns1", "dns2")
        changes = {name: call.params[name] for name in names if name in call.params}
        if "networkdomain" in changes and network["type"] != "Isolated":
            raise invalid(
                "NetworkOffering and domain suffix upgrade can be perfomed for Isolated networks only"
            )
        if "vpcid" in network and changes.keys() & {"dns1", "dns2"}:
            raise invalid(_NO_TIER_DNS)
        check_domain(call)
        call.cloud.tables["networks"].update(network, **changes)
        return {"network": public(shown(call.cloud, network, admin=call.caller.is_admin))}

    return call.submit(work, kind="Network", weight=0.1, queue=network["id"])


@command("restartNetwork", id="networks")
def restart_network(call: Call) -> Answer:
    network = _changeable(call)
    return call.submit(lambda: {"success": True}, kind="Network", weight=0.6, queue=network["id"])


@command("deleteNetwork", id="networks")
def delete_network(call: Call) -> Answer:
    network = _changeable(call)

    def work() -> Row:
        if machines_in(call.cloud, network["id"]):
            raise ApiError(530, 4250, "Failed to delete network")
        remove(call.cloud, network)
        return {"success": True}

    return call.submit(work, kind="Network", weight=0.3, queue=network["id"])


def remove(cloud: Cloud, network: Row) -> None:
    """Delete the network and give back what it held."""
    for address in cloud.tables["addresses"].where(associatednetworkid=network["id"]):
        addresses.leave_network(cloud, address)
    for rule in cloud.tables["firewallrules"].where(networkid=network["id"]):
        addresses.erase_rule(cloud, rule)
    tags.forget(cloud, network["id"])
    cloud.tables["networks"].remove(network)


@command("listVlanIpRanges", id="vlanranges", podid="pods", physicalnetworkid="physicalnetworks")
def list_vlan_ip_ranges(call: Call) -> Answer:
    """The ranges of shared networks: their own, or one a pod."""
    given = list(call.cloud.tables["vlanranges"])
    several = {row["networkid"] for row in given}
    shared = call.cloud.tables["networks"].where(type="Shared")
    own = [_own_range(row) for row in shared if "cidr" in row and row["id"] not in several]
    fields = ("networkid", "zoneid", "podid", "vlan", "forvirtualnetwork", "physicalnetworkid")
    return call.page("vlaniprange", call.matching([*own, *given], *fields))


def _own_range(network: Row) -> Row:
    block = IPv4Network(network["cidr"])
    return {
        "id": str(uuid5(NAMESPACE_URL, f"vlan/{network['id']}")),
        "forvirtualnetwork": False,
        "zoneid": network["zoneid"],
        "vlan": "vlan://untagged",
        "gateway": network["gateway"],
        "netmask": network["netmask"],
        "cidr": network["cidr"],
        "startip": str(block[10]),
        "endip": str(block[-2]),
        "networkid": network["id"],
        "physicalnetworkid": network["physicalnetworkid"],
    }


@command("listNetworkOfferings", id="networkofferings")
def list_network_offerings(call: Call) -> Answer:
    rows = call.cloud.tables["networkofferings"]
    wanted = set(call.words("supportedservices"))
    found = [row for row in rows if wanted <= {service["name"] for service in row["service"]}]
    fields = (
        "name",
        "displaytext",
        "guestiptype",
        "state",
        "forvpc",
        "specifyvlan",
        "isdefault",
        "availability",
        "traffictype",
        "specifyipranges",
    )
    return call.page("networkoffering", call.matching(found, *fields))
