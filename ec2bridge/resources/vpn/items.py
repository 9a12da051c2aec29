"""A VPN connection as EC2 describes it, with what the customer's side has to be told."""

import re
from typing import Any
from xml.sax.saxutils import escape

from ec2bridge.ids import ec2_id
from ec2bridge.resources.vpn import objects as vpn
from ec2bridge.resources.vpn.objects import Connection, Thing
from ec2bridge.resources.vpn.tunnels import GROUPS

Item = dict[str, Any]

_HMAC = {"sha1": "hmac-sha1-96"}
"""What AWS calls the digest of the second phase where it is another word than the first phase's."""
ANYWHERE = "0.0.0.0/0"


def item(connection: Connection, gateway: Thing | None, tags: list[dict[str, str]]) -> Item:
    """Return a connection that is there."""
    address = gateway.row.get("publicip") if gateway else None
    return {
        **_ends(connection.id, connection.customer, connection.gateway),
        "State": "available",
        "GatewayAssociationState": "associated" if address else "not-associated",
        "CustomerGatewayConfiguration": _configuration(connection, address),
        "Options": {
            "EnableAcceleration": False,
            "StaticRoutesOnly": True,
            "LocalIpv4NetworkCidr": ANYWHERE,
            "RemoteIpv4NetworkCidr": ANYWHERE,
            "OutsideIpAddressType": "PublicIpv4",
            "TunnelInsideIpVersion": "ipv4",
            "TunnelOptions": [_tunnel(connection, address)],
        },
        "Routes": [
            {"DestinationCidrBlock": to, "Source": "Static", "State": "available"} for to in connection.routes
        ],
        "VgwTelemetry": [_telemetry(connection, address)] if address else [],
        "Tags": tags,
    }


def _ends(ident: str, customer: str, gateway: str) -> Item:
    return {
        "VpnConnectionId": ident,
        "CustomerGatewayId": customer,
        "VpnGatewayId": gateway,
        "Type": vpn.TYPE,
        "Category": "VPN",
    }


def past(key: str, record: dict[str, Any]) -> Item:
    """Return a connection that was deleted a short while ago."""
    ends = _ends(ec2_id("vpn", key), record["customer"], record["gateway"])
    return {**ends, "State": "deleted", "Routes": [], "VgwTelemetry": [], "Tags": []}


def _telemetry(connection: Connection, address: str) -> Item:
    state = (connection.link or {}).get("state", "")
    return {
        "OutsideIpAddress": address,
        "Status": "UP" if state == "Connected" else "DOWN",
        "StatusMessage": "" if state == "Connected" else state,
        "AcceptedRouteCount": len(connection.routes) if connection.link else 0,
    }


def _tunnel(connection: Connection, address: str | None) -> Item:
    """Return the tunnel as DescribeVpnConnections has it: its ends, its key, and what was asked for."""
    asked = {
        {"IKEVersions": "IkeVersions", "DPDTimeoutAction": "DpdTimeoutAction"}.get(name, name): value
        for name, value in connection.record.get("tunnel", {}).items()
    }
    ends = {"OutsideIpAddress": address} if address else {}
    return {**ends, "PreSharedKey": connection.row.get("ipsecpsk"), **asked}


def _configuration(connection: Connection, address: str | None) -> str:
    """Return what the customer's side has to be told, in AWS's words.

    CloudStack's one tunnel stands there twice, since clients read two.
    """
    esp = _phase(connection.row, "esp")
    tunnel = _element(
        {
            "customer_gateway": {"tunnel_outside_address": {"ip_address": connection.row.get("gateway")}},
            "vpn_gateway": {"tunnel_outside_address": {"ip_address": address}},
            "ike": {
                **_phase(connection.row, "ike"),
                "mode": "main",
                "pre_shared_key": connection.row.get("ipsecpsk"),
            },
            "ipsec": {
                "protocol": "esp",
                **esp,
                "authentication_protocol": _HMAC.get(
                    esp["authentication_protocol"], esp["authentication_protocol"]
                ),
                "mode": "tunnel",
            },
        }
    )
    ends = _element(
        {
            "customer_gateway_id": connection.customer,
            "vpn_gateway_id": connection.gateway,
            "vpn_connection_type": "ipsec.1",
            "vpn_connection_attributes": "NoBGPVPNConnection",
        }
    )
    tunnels = f"<ipsec_tunnel>{tunnel}</ipsec_tunnel>" * 2
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{declaration}\n<vpn_connection id="{connection.id}">{ends}{tunnels}</vpn_connection>'


def _phase(row: Item, phase: str) -> Item:
    policy = str(row.get(f"{phase}policy") or "").split(",")[0]
    ciphers, _, group = policy.partition(";")
    cipher, _, digest = ciphers.partition("-")
    number = next((number for number, word in GROUPS.items() if word == group), None)
    return {
        "authentication_protocol": digest,
        "encryption_protocol": re.sub(r"^aes(\d+)$", r"aes-\1-cbc", cipher),
        "lifetime": row.get(f"{phase}lifetime"),
        "perfect_forward_secrecy": f"group{number}" if number else group,
    }


def _element(members: Item) -> str:
    return "".join(
        f"<{name}>{_element(value) if isinstance(value, dict) else escape(str(value or ''))}</{name}>"
        for name, value in members.items()
    )
