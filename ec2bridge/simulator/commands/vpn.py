"""Site-to-site VPN: a VPC's gateway, the customer's gateway, and the connection between them."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from itertools import combinations

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.entities import OWNER, vpc_text
from ec2bridge.simulator.errors import invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now

POLICY = re.compile(r"(3des|aes128|aes192|aes256)-(md5|sha1|sha256|sha384|sha512)(;(modp\d+|curve25519))?")
MOST_CONNECTIONS = 4  # site2site.vpn.vpngateway.connection.limit
MOST_SUBNETS = 10  # site2site.vpn.customergateway.subnets.limit
_TUNNEL = (
    "gateway",
    "cidrlist",
    "ipsecpsk",
    "ikepolicy",
    "esppolicy",
    "ikelifetime",
    "esplifetime",
    "dpd",
    "forceencap",
    "splitconnections",
    "ikeversion",
)


def _owner(row: Row) -> Row:
    return {field: row[field] for field in OWNER if field in row}


# Gateways of VPCs


@command("createVpnGateway")
def create_gateway(call: Call) -> Answer:
    vpc = call.needed("vpcid")
    if vpc.get("_removed"):
        raise invalid(f"Invalid VPC {vpc['_number']} for site to site vpn gateway creation!")
    if call.cloud.tables["vpngateways"].where(vpcid=vpc["id"]):
        raise invalid(f"The VPN gateway of VPC {vpc_text(vpc)} already exists!")
    source = call.cloud.tables["addresses"].first(vpcid=vpc["id"], issourcenat=True)
    if source is None:
        raise call.internal(f"Cannot found source nat ip of vpc {vpc['id']}")
    row = call.cloud.tables["vpngateways"].add(
        {"publicip": source["ipaddress"], "vpcid": vpc["id"], **_owner(vpc)}
    )
    return call.submit(
        lambda: {"vpngateway": _shown_gateway(call.cloud, row)},
        kind="None",
        queue=row["id"],
        answer={"id": row["id"]},
        weight=0.1,
    )


def _shown_gateway(cloud: Cloud, row: Row) -> Row:
    vpc = cloud.tables["vpcs"].known(row["vpcid"]) or {}
    return {**public(row), "vpcname": vpc.get("name")}


@command("listVpnGateways", id="vpngateways")
def list_gateways(call: Call) -> Answer:
    rows = call.matching(call.visible(call.cloud.tables["vpngateways"]), "vpcid")
    return call.page("vpngateway", rows, lambda row: _shown_gateway(call.cloud, row))


@command("deleteVpnGateway", id="vpngateways")
def delete_gateway(call: Call) -> Answer:
    row = call.needed("id")

    def work() -> Row:
        if call.cloud.tables["vpnconnections"].where(s2svpngatewayid=row["id"]):
            raise invalid(
                f"Unable to delete VPN gateway {row['id']} because there is still related VPN connections!"
            )
        call.cloud.tables["vpngateways"].erase(row)
        return {"success": True}

    return call.submit(work, queue=row["id"], weight=0.1)


# Customer gateways


@command("createVpnCustomerGateway")
def create_customer_gateway(call: Call) -> Answer:
    name, owner = call.params.get("name") or f"VPN-{call.need('gateway')}", call.owner()
    if call.cloud.tables["customergateways"].first(name=name, **owner):
        raise invalid(f"The customer gateway with name {name} already exists!")
    row = call.cloud.tables["customergateways"].add(
        {"name": name, **_tunnel(call), **owner, "hasannotations": False}
    )
    return call.submit(
        lambda: {"vpncustomergateway": public(row)},
        kind="VpnCustomerGateway",
        queue=row["id"],
        answer={"id": row["id"]},
        weight=0.1,
    )


def _tunnel(call: Call) -> Row:
    for name, kind in (("ikepolicy", "IKE"), ("esppolicy", "ESP")):
        if not all(POLICY.fullmatch(policy) for policy in call.need(name).split(",")):
            raise invalid(
                f"The customer gateway {kind} policy {call.need(name)} is invalid!  Verify the required Diffie "
                "Hellman (DH) group is specified."
            )
    _check_cidrs(call.words("cidrlist"))
    return {
        **{name: call.need(name) for name in ("gateway", "cidrlist", "ipsecpsk", "ikepolicy", "esppolicy")},
        "ikelifetime": call.number("ikelifetime") or 86400,
        "esplifetime": call.number("esplifetime") or 3600,
        "dpd": call.flag("dpd"),
        "forceencap": call.flag("forceencap"),
        "splitconnections": call.flag("splitconnections"),
        "ikeversion": call.params.get("ikeversion", "ike"),
    }


def _check_cidrs(cidrs: list[str]) -> None:
    for cidr in cidrs:
        try:
            IPv4Network(cidr, strict=False)
        except ValueError:
            text = ",".join(cidrs)
            raise invalid(f"The customer gateway peer cidr list {text} contains an invalid cidr!") from None
    if len(cidrs) > MOST_SUBNETS:
        raise invalid(f"Too many subnets of customer gateway! The limit is {MOST_SUBNETS}")
    for one, other in combinations(cidrs, 2):
        if _overlap(one, other):
            raise invalid(
                f"The subnet of customer gateway {one} is overlapped with another subnet {other} of customer gateway!"
            )


@command("updateVpnCustomerGateway", id="customergateways")
def update_customer_gateway(call: Call) -> Answer:
    row, tunnel = call.needed("id"), _tunnel(call)

    def work() -> Row:
        name = call.params.get("name", row["name"])
        call.cloud.tables["customergateways"].update(row, name=name, **tunnel)
        return {"vpncustomergateway": public(row)}

    return call.submit(work, kind="VpnCustomerGateway", queue=row["id"], weight=0.1)


@command("listVpnCustomerGateways", id="customergateways")
def list_customer_gateways(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["customergateways"])
    return call.page("vpncustomergateway", call.matching(rows))


@command("deleteVpnCustomerGateway", id="customergateways")
def delete_customer_gateway(call: Call) -> Answer:
    row = call.needed("id")

    def work() -> Row:
        if call.cloud.tables["vpnconnections"].where(s2scustomergatewayid=row["id"]):
            raise invalid(
                f'Unable to delete VPN customer gateway Site2SiteCustomerGateway {{"id":{row["_number"]},'
                f'"name":"{row["name"]}","uuid":"{row["id"]}"}} because there is still related VPN connections!'
            )
        call.cloud.tables["customergateways"].erase(row)
        return {"success": True}

    return call.submit(work, kind="VpnCustomerGateway", queue=row["id"], weight=0.1)


# Connections


@command("createVpnConnection", s2svpngatewayid="vpngateways", s2scustomergatewayid="customergateways")
def create_connection(call: Call) -> Answer:
    gateway, customer = call.needed("s2svpngatewayid"), call.needed("s2scustomergatewayid")
    table = call.cloud.tables["vpnconnections"]
    if table.where(s2svpngatewayid=gateway["id"], s2scustomergatewayid=customer["id"]):
        raise invalid("The VPN connection with customer gateway and VPN gateway already exists!")
    _check_ranges(call.cloud, gateway, customer)
    row = table.add(
        {
            "s2svpngatewayid": gateway["id"],
            "s2scustomergatewayid": customer["id"],
            "state": "Disconnected" if call.flag("passive") else "Connecting",
            "passive": call.flag("passive"),
            **_owner(gateway),
            "created": now(),
        }
    )
    return call.submit(
        lambda: {"vpnconnection": _shown_connection(call.cloud, row)},
        kind="None",
        queue=gateway["id"],
        answer={"id": row["id"]},
        weight=0.2,
    )


def _check_ranges(cloud: Cloud, gateway: Row, customer: Row) -> None:
    vpc = cloud.tables["vpcs"].known(gateway["vpcid"]) or {}
    ranges = customer["cidrlist"].split(",")
    for cidr in ranges:
        if _overlap(vpc["cidr"], cidr):
            text = f"The subnets of customer gateway {customer['name']} subnet {cidr} is overlapped with VPC cidr"
            raise invalid(f"{text} {vpc['cidr']}!")
    others = cloud.tables["vpnconnections"].where(s2svpngatewayid=gateway["id"])
    if len(others) >= MOST_CONNECTIONS:
        raise invalid(
            f"There are too many VPN connections with current VPN gateway! The limit is {MOST_CONNECTIONS}"
        )
    for other in others:
        far = cloud.tables["customergateways"].known(other["s2scustomergatewayid"]) or {}
        for old in far["cidrlist"].split(","):
            for cidr in ranges:
                if _overlap(cidr, old):
                    text = (
                        f"The new connection's remote subnet {cidr} is overlapped with existed VPN connection"
                    )
                    raise invalid(f"{text} to customer gateway {far['name']}'s subnet {old}")


def _overlap(one: str, other: str) -> bool:
    return IPv4Network(one, strict=False).overlaps(IPv4Network(other, strict=False))


def _shown_connection(cloud: Cloud, row: Row) -> Row:
    gateway = cloud.tables["vpngateways"].known(row["s2svpngatewayid"]) or {}
    customer = cloud.tables["customergateways"].known(row["s2scustomergatewayid"]) or {}
    tunnel = {name: customer[name] for name in _TUNNEL if name in customer}
    return {**public(row), "publicip": gateway.get("publicip"), **tunnel}


@command("listVpnConnections", id="vpnconnections")
def list_connections(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["vpnconnections"])
    if "vpcid" in call.params:
        gateways = {row["id"] for row in call.cloud.tables["vpngateways"].where(vpcid=call.params["vpcid"])}
        rows = [row for row in rows if row["s2svpngatewayid"] in gateways]
    return call.page("vpnconnection", call.matching(rows), lambda row: _shown_connection(call.cloud, row))


@command("resetVpnConnection", id="vpnconnections")
def reset_connection(call: Call) -> Answer:
    row = call.needed("id")
    return call.submit(
        lambda: {"vpnconnection": _shown_connection(call.cloud, row)}, queue=row["id"], weight=0.2
    )


@command("deleteVpnConnection", id="vpnconnections")
def delete_connection(call: Call) -> Answer:
    row = call.needed("id")

    def work() -> Row:
        call.cloud.tables["vpnconnections"].erase(row)
        return {"success": True}

    return call.submit(work, queue=row["id"], weight=0.1)
