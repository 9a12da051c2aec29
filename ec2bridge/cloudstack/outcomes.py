"""What became of a change whose answer did not come.

A connection that ends, a proxy's page, half an answer, a job that outlasts the wait: none of them says whether the
change was made. Many changes leave a trace that does: a thing that is not listed any more, or one that is and has what
was asked for. There CloudStack is asked, and where it shows the change to be made, that is the answer; else it is not
known, and the client is told so.

Only what cannot be anybody else's doing is a trace: an id that is gone, a name that CloudStack takes once, or a text
that holds the request's id.
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError

Row = dict[str, Any]
Params = Mapping[str, str]
Lister = Callable[..., Awaitable[list[Row]]]
"""Lists the rows of a command for the caller."""

PAUSES = (0.0, 0.2, 0.8, 2.0)
"""Seconds between looks: the change may still be on its way, or in its job."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a change shows: the listing, and which row of it is the one."""

    listing: str
    asked: Params = field(default_factory=dict)
    """Parameters of the listing by those of the change."""
    is_it: Callable[[Row, Params], bool] = lambda row, params: True
    envelope: str = ""
    """Of what is made or changed, as the command answers it; "" where a thing goes."""
    further: Mapping[str, Any] = field(default_factory=dict)


def _same(*names: str) -> Callable[[Row, Params], bool]:
    """The row has what the change was given under these names."""
    return lambda row, params: all(str(row.get(name, "")) == params.get(name, "") for name in names)


def is_key(row: Row, params: Params) -> bool:
    """A key pair of that name and that very key: CloudStack's fingerprint is the MD5 of the key alone."""
    blob = base64.b64decode(params["publickey"].split()[1])
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return row["name"] == params["name"] and str(row.get("fingerprint", "")).replace(":", "") == digest


def _is_held(row: Row, _: Params) -> bool:
    """An address that is released stays in some listings, as free."""
    return row.get("state") in ("Allocated", "Allocating", "Releasing")


def _has_network(row: Row, params: Params) -> bool:
    return any(nic["networkid"] == params["networkid"] for nic in row.get("nic") or ())


def _lacks_nic(row: Row, params: Params) -> bool:
    return all(nic["id"] != params["nicid"] for nic in row.get("nic") or ())


def _opens_the_same(row: Row, params: Params) -> bool:
    ranges = {str(params.get("cidrlist", "")), str(row.get("cidrlist", ""))}
    return (
        _same("protocol")(row, params)
        and all(
            str(row.get(name, params[name])) == params[name]
            for name in ("startport", "endport", "icmptype", "icmpcode")
            if name in params
        )
        and len({frozenset(one.split(",")) for one in ranges}) == 1
    )


def _goes(listing: str, asked: str = "id", **further: Any) -> Trace:
    return Trace(listing, {asked: "id"}, further=further)


TRACES: Mapping[str, Trace] = MappingProxyType(
    {
        "deleteAffinityGroup": _goes("listAffinityGroups"),
        "deleteFirewallRule": _goes("listFirewallRules"),
        "deleteEgressFirewallRule": _goes("listEgressFirewallRules"),
        "deleteNetwork": _goes("listNetworks"),
        "deleteNetworkACL": _goes("listNetworkACLs"),
        "deleteNetworkACLList": _goes("listNetworkACLLists"),
        "deleteSSHKeyPair": Trace("listSSHKeyPairs", {"name": "name"}, _same("name")),
        "deleteSecurityGroup": _goes("listSecurityGroups"),
        "deleteSnapshot": _goes("listSnapshots"),
        "deleteTemplate": _goes("listTemplates", templatefilter="self"),
        "deleteVPC": _goes("listVPCs"),
        "deleteVolume": _goes("listVolumes"),
        "deleteVpnConnection": _goes("listVpnConnections"),
        "deleteVpnCustomerGateway": _goes("listVpnCustomerGateways"),
        "deleteVpnGateway": _goes("listVpnGateways"),
        "disassociateIpAddress": Trace("listPublicIpAddresses", {"id": "id"}, _is_held),
        "createAffinityGroup": Trace(
            "listAffinityGroups", {"name": "name"}, _same("name", "type"), "affinitygroup"
        ),
        # CloudStack refuses a rule that has a port in common with another of the address.
        "createFirewallRule": Trace(
            "listFirewallRules", {"ipaddressid": "ipaddressid"}, _opens_the_same, "firewallrule"
        ),
        "createNetwork": Trace("listNetworks", {}, _same("name", "displaytext"), "network"),
        "createNetworkACL": Trace(
            "listNetworkACLs", {"aclid": "aclid"}, _same("number", "traffictype"), "networkacl"
        ),
        "createNetworkACLList": Trace(
            "listNetworkACLLists", {"vpcid": "vpcid"}, _same("name"), "networkacllist"
        ),
        "createSecurityGroup": Trace(
            "listSecurityGroups",
            {"name": "securitygroupname"},
            _same("name", "description"),
            "securitygroup",
        ),
        "createVPC": Trace("listVPCs", {}, _same("name", "displaytext"), "vpc"),
        "createVpnConnection": Trace(
            "listVpnConnections", {}, _same("s2svpngatewayid", "s2scustomergatewayid"), "vpnconnection"
        ),
        "createVpnCustomerGateway": Trace("listVpnCustomerGateways", {}, _same("name"), "vpncustomergateway"),
        "createVpnGateway": Trace("listVpnGateways", {"vpcid": "vpcid"}, envelope="vpngateway"),
        "registerSSHKeyPair": Trace("listSSHKeyPairs", {"name": "name"}, is_key, "keypair"),
        "addNicToVirtualMachine": Trace(
            "listVirtualMachines", {"virtualmachineid": "id"}, _has_network, "virtualmachine"
        ),
        "removeNicFromVirtualMachine": Trace(
            "listVirtualMachines", {"virtualmachineid": "id"}, _lacks_nic, "virtualmachine"
        ),
        "attachVolume": Trace("listVolumes", {"id": "id"}, _same("virtualmachineid"), "volume"),
        "detachVolume": Trace(
            "listVolumes", {"id": "id"}, lambda row, _: not row.get("virtualmachineid"), "volume"
        ),
        "disableStaticNat": Trace(
            "listPublicIpAddresses",
            {"ipaddressid": "id"},
            lambda row, _: not row.get("isstaticnat"),
            "ipaddress",
        ),
        "replaceNetworkACLList": Trace("listNetworks", {"networkid": "id"}, _same("aclid"), "network"),
    }
)


async def learn(lister: Lister, command: str, params: Params) -> Row | None:
    """Return what the command would have answered if it shows to have had its effect; None where it does not."""
    trace = TRACES.get(command)
    if trace is None:
        return None
    for pause in PAUSES:
        await asyncio.sleep(pause)
        rows = await _rows(lister, trace, params)
        if rows is None or len(rows) > 1:
            return None
        if trace.envelope and rows:
            return {trace.envelope: rows[0]}
        if not trace.envelope and not rows:
            return {"success": True}
    return None


async def _rows(lister: Lister, trace: Trace, params: Params) -> list[Row] | None:
    """List the rows that may be the one; None where that cannot be done."""
    asked = {name: params[given] for given, name in trace.asked.items() if given in params}
    try:
        rows = await lister(trace.listing, **asked, **trace.further)
    except CloudStackError as error:
        return [] if error.is_unknown_id else None
    return [row for row in rows if trace.is_it(row, params)]
