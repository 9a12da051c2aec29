"""What a network says about its services: every capability of the provider behind each.

Offerings name services and providers alone; listNetworks spells out what the virtual router can do with each, which
is some four kilobytes a network and the same for all networks of an offering.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]


def _parameters(names: str) -> list[Row]:
    """`cookie-name nocache!`: the parameters of a stickiness method, flags marked."""
    flags = [(name.rstrip("!"), name.endswith("!")) for name in names.split()]
    return [
        {"paramname": name, "required": False, "isflag": is_flag, "description": " "}
        for name, is_flag in flags
    ]


def _stickiness() -> str:
    methods = (
        (
            "LbCookie",
            "cookie-name mode nocache! indirect! postonly! domain",
            "This is loadbalancer cookie based stickiness method.",
        ),
        (
            "AppCookie",
            "cookie-name length holdtime request-learn! prefix! mode",
            "This is App session based sticky method. Define session stickiness on an existing application"
            " cookie. It can be used only for a specific http traffic",
        ),
        (
            "SourceBased",
            "tablesize expire",
            "This is source based Stickiness method, it can be used for any type of protocol.",
        ),
    )
    rows = [
        {"methodname": name, "paramlist": _parameters(names), "description": text}
        for name, names, text in methods
    ]
    return json.dumps(rows, separators=(",", ":"))


def _counters() -> str:
    rows: list[Row] = [{"methodname": name, "paramlist": []} for name in ("CPU", "MEMORY", "VIRTUALROUTER")]
    return json.dumps(rows, separators=(",", ":"))


# What a virtual router says about each service inside a network's own listing.
_CAPABILITIES: dict[str, tuple[tuple[str, str], ...]] = {
    "Dhcp": (("DhcpAccrossMultipleSubnets", "true"),),
    "StaticNat": (("ElasticIp", "false"), ("AssociatePublicIP", "true")),
    "Firewall": (
        ("SupportedProtocols", "tcp,udp,icmp"),
        ("MultipleIps", "true"),
        ("SupportedEgressProtocols", "tcp,udp,icmp, all"),
        ("TrafficStatistics", "per public ip"),
        ("SupportedTrafficDirection", "ingress, egress"),
    ),
    "NetworkACL": (("SupportedProtocols", "tcp,udp,icmp"),),
    "SourceNat": (("SupportedSourceNatTypes", "peraccount"), ("RedundantRouter", "false")),
    "Dns": (("AllowDnsSuffixModification", "true"),),
    "PortForwarding": (("SupportedProtocols", "tcp,udp"),),
    "Lb": (
        ("SupportedProtocols", "tcp, udp, tcp-proxy, ssl"),
        ("LbSchemes", "Public"),
        ("AutoScaleCounters", _counters()),
        ("VmAutoScaling", "true"),
        ("SupportedLbAlgorithms", "roundrobin,leastconn,source"),
        ("SslTermination", "true"),
        ("SupportedStickinessMethods", _stickiness()),
        ("SupportedLBIsolation", "dedicated"),
        ("ElasticLb", "false"),
        ("InlineMode", "false"),
    ),
}
_CHOOSABLE = {"SupportedSourceNatTypes", "RedundantRouter", "SupportedLBIsolation"}


def _capabilities(service: str, providers: list[str]) -> Iterable[tuple[str, str]]:
    if service == "Vpn":
        kind = "s2svpn" if "VpcVirtualRouter" in providers else "remoteaccessvpn"
        return (("SupportedVpnTypes", "pptp,l2tp,ipsec"), ("VpnTypes", kind))
    return _CAPABILITIES.get(service, ())


def network_services(offering: Row) -> list[Row]:
    """The `service` list of a network made from this row of listNetworkOfferings."""
    rows: list[Row] = []
    for service in offering["service"]:
        providers = [provider["name"] for provider in service["provider"]]
        capabilities = [
            {"name": name, "value": value, "canchooseservicecapability": name in _CHOOSABLE}
            for name, value in _capabilities(service["name"], providers)
        ]
        rows.append({"name": service["name"], "provider": service["provider"], "capability": capabilities})
    return rows
