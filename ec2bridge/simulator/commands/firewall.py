"""Firewall, egress and port forwarding rules of isolated networks and VPC addresses.

All kinds share one table because they share one sequence of database ids in CloudStack's texts.
"""

from __future__ import annotations

from ipaddress import ip_network

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import addresses, tags
from ec2bridge.simulator.entities import OWNER, rule_text
from ec2bridge.simulator.errors import ApiError, invalid, malformed
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

FIREWALL, EGRESS, FORWARDING = "Firewall", "Egress", "PortForwarding"


def _add(call: Call, purpose: str, place: Row, rule: Row) -> Row:
    owner = {field: place[field] for field in OWNER if field in place}
    return call.cloud.tables["firewallrules"].add(
        {**rule, "state": "Active", "_purpose": purpose, "_owner": owner}
    )


def _rules(call: Call, *purposes: str) -> list[Row]:
    """The caller's rules of these purposes; the owner is hidden in the row because listings leave it out."""
    rows = (row for row in call.cloud.tables["firewallrules"] if row["_purpose"] in purposes)
    visible = {row["id"] for row in call.visible({"id": row["id"], **row["_owner"]} for row in rows)}
    return [row for row in call.cloud.tables["firewallrules"] if row["id"] in visible]


def _needed(call: Call) -> Row:
    rule = call.needed("id", check=False)
    if not call.may_use(rule["_owner"]):
        raise ApiError(531, 4365, "Caller does not have permission to operate with provided resource.")
    return rule


def _ports(call: Call) -> Row:
    """Protocol and ports or ICMP type and code."""
    protocol = call.need("protocol").lower()
    names: tuple[str, ...]
    if protocol == "icmp":
        names = ("icmptype", "icmpcode")
    elif protocol in ("tcp", "udp"):
        names = ("startport", "endport")
    elif protocol == "all" or protocol.isdigit():
        names = ()
    else:
        raise invalid(f"Protocol {protocol} is not supported")
    fields = {name: call.number(name) for name in names if name in call.params}
    if "startport" in fields:
        fields.setdefault("endport", fields["startport"])
    _check_ports(fields)
    return {"protocol": protocol, **fields}


def _check_ports(fields: dict[str, int | None]) -> None:
    start, end = fields.get("startport"), fields.get("endport")
    if start is None or end is None:
        return
    if not 0 <= start <= 65535 or not 0 <= end <= 65535:
        raise invalid(f"publicPort is an invalid value: {start if not 0 <= start <= 65535 else end}")
    if start > end:
        raise invalid(f"Start port can't be bigger than end port: {start}, {end}")


def _cidrs(call: Call, default: str) -> str:
    cidrs = call.words("cidrlist")
    for cidr in cidrs:
        try:
            ip_network(cidr, strict=False)
        except ValueError:
            raise malformed(f"Source cidrs formatting error {cidr}") from None
    return ",".join(cidrs) or default


def _refuse_conflict(call: Call, purpose: str, wanted: Row, first: str, last: str) -> None:
    """537 where another rule of the address has some of the ports."""
    for rule in call.cloud.tables["firewallrules"].where(ipaddressid=wanted["ipaddressid"], _purpose=purpose):
        if rule["protocol"] != wanted["protocol"] or first not in rule or first not in wanted:
            continue
        # Port forwarding rules spell their ports as strings.
        if int(rule[first]) <= int(wanted[last]) and int(wanted[first]) <= int(rule[last]):
            raise ApiError(
                537,
                4360,
                f"The range specified, {wanted[first]}-{wanted[last]}, conflicts with rule "
                f"{rule_text(call.cloud, rule)} which has {rule[first]}-{rule[last]}",
            )


def _shown(cloud: Cloud, rule: Row) -> Row:
    return {**public(rule), "tags": tags.short(cloud, rule["id"])}


def _submit_new(call: Call, key: str, rule: Row) -> Answer:
    return call.submit(
        lambda: {key: _shown(call.cloud, rule)},
        kind="FirewallRule",
        instance=rule["id"],
        queue=rule["networkid"],
        answer={"id": rule["id"]},
        weight=0.1,
    )


def _submit_removal(call: Call) -> Answer:
    rule = _needed(call)

    def work() -> Row:
        addresses.erase_rule(call.cloud, rule)
        return {"success": True}

    return call.submit(work, queue=rule["networkid"], weight=0.1)


def _list(call: Call, key: str, purpose: str) -> Answer:
    rows = call.matching(_rules(call, purpose), "ipaddressid", "networkid")
    return call.page(key, rows, lambda rule: _shown(call.cloud, rule))


# Ingress on an address


@command("createFirewallRule")
def create_firewall_rule(call: Call) -> Answer:
    address = call.needed("ipaddressid")
    if "associatednetworkid" not in address or "vpcid" in address:
        raise invalid(
            "Unable to create firewall rule for the ip id="
            f"{address['_number']} as ip is not associated with any network and no networkId is passed in"
        )
    rule = {
        **_ports(call),
        "ipaddressid": address["id"],
        "networkid": address["associatednetworkid"],
        "ipaddress": address["ipaddress"],
        "cidrlist": _cidrs(call, "0.0.0.0/0"),
        "destcidrlist": "",
        "traffictype": "Ingress",
    }
    _refuse_conflict(call, FIREWALL, rule, "startport", "endport")
    return _submit_new(call, "firewallrule", _add(call, FIREWALL, address, rule))


@command("listFirewallRules", id="firewallrules")
def list_firewall_rules(call: Call) -> Answer:
    return _list(call, "firewallrule", FIREWALL)


@command("deleteFirewallRule", id="firewallrules")
def delete_firewall_rule(call: Call) -> Answer:
    return _submit_removal(call)


# Egress from a network


@command("createEgressFirewallRule")
def create_egress_rule(call: Call) -> Answer:
    network = call.needed("networkid")
    if "vpcid" in network or network["type"] != "Isolated":
        raise invalid(f"Egress firewall rules are not supported for network {network['id']}")
    rule = {
        **_ports(call),
        "networkid": network["id"],
        "cidrlist": _cidrs(call, network["cidr"]),
        "destcidrlist": ",".join(call.words("destcidrlist")),
        "traffictype": "Egress",
    }
    same = ("protocol", "startport", "endport", "icmptype", "icmpcode", "cidrlist", "destcidrlist")
    for other in call.cloud.tables["firewallrules"].where(networkid=network["id"], _purpose=EGRESS):
        if all(other.get(field) == rule.get(field) for field in same):
            raise ApiError(
                537, 4360, f"New rule conflicts with existing rule: {rule_text(call.cloud, other)}"
            )
    return _submit_new(call, "firewallrule", _add(call, EGRESS, network, rule))


@command("listEgressFirewallRules", id="firewallrules")
def list_egress_rules(call: Call) -> Answer:
    return _list(call, "firewallrule", EGRESS)


@command("deleteEgressFirewallRule", id="firewallrules")
def delete_egress_rule(call: Call) -> Answer:
    return _submit_removal(call)


# Port forwarding


@command("createPortForwardingRule")
def create_forwarding_rule(call: Call) -> Answer:
    address, machine = call.needed("ipaddressid"), call.needed("virtualmachineid")
    network_id = call.params.get("networkid") or address.get("associatednetworkid")
    nic = call.cloud.tables["nics"].first(_machine=machine["id"], networkid=network_id)
    if nic is None:
        raise invalid("Vm doesn't belong to network associated with ipAddress")
    if address["isstaticnat"]:
        raise ApiError(
            537, 9999, f"Can't create port forwarding rule; static nat is enabled on {address['ipaddress']}"
        )
    private, first = call.number("privateport") or 0, call.number("publicport") or 0
    rule = {
        "privateport": str(private),
        "privateendport": str(call.number("privateendport") or private),
        "protocol": call.need("protocol").lower(),
        "publicport": str(first),
        "publicendport": str(call.number("publicendport") or first),
        "virtualmachineid": machine["id"],
        "ipaddressid": address["id"],
        "ipaddress": address["ipaddress"],
        "cidrlist": _cidrs(call, ""),
        "vmguestip": call.params.get("vmguestip", nic["ipaddress"]),
        "networkid": nic["networkid"],
    }
    _refuse_conflict(call, FORWARDING, rule, "publicport", "publicendport")
    return _submit_new(call, "portforwardingrule", _forwarding(call, _add(call, FORWARDING, address, rule)))


def _forwarding(call: Call, rule: Row) -> Row:
    """With the names of its machine and network, as the listing shows them."""
    machine = call.cloud.tables["machines"].known(rule["virtualmachineid"]) or {}
    network = call.cloud.tables["networks"].known(rule["networkid"]) or {}
    return {
        **rule,
        "virtualmachinename": machine.get("name"),
        "virtualmachinedisplayname": machine.get("displayname"),
        "networkname": network.get("name"),
    }


@command("listPortForwardingRules", id="firewallrules")
def list_forwarding_rules(call: Call) -> Answer:
    rows = call.matching(_rules(call, FORWARDING), "ipaddressid", "networkid")
    return call.page("portforwardingrule", rows, lambda rule: _shown(call.cloud, _forwarding(call, rule)))


@command("listIpForwardingRules")
def list_ip_forwarding_rules(call: Call) -> Answer:
    """List none: a static NAT is made by enableStaticNat alone; libcloud's driver asks with every list of machines."""
    return call.page("ipforwardingrule", [], dict)


@command("deletePortForwardingRule", id="firewallrules")
def delete_forwarding_rule(call: Call) -> Answer:
    return _submit_removal(call)
