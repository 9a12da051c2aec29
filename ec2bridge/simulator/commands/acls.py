"""Network ACL lists and their rules.

Two lists, `default_allow` and `default_deny`, belong to every VPC; a tier without a list has the second.
"""

from __future__ import annotations

from ipaddress import ip_network

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.commands.vpcs import default_acl, erase_list, erase_rule
from ec2bridge.simulator.entities import OWNER
from ec2bridge.simulator.errors import ApiError, invalid, malformed, no_permission
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

DEFAULTS = ("default_deny", "default_allow")
ANYWHERE = "0.0.0.0/0,::/0"
PROTOCOLS = ("tcp", "udp", "icmp", "all")
ICMP = ("icmptype", "icmpcode")


def _owner(cloud: Cloud, acl: Row) -> Row:
    """A list has its VPC's owner; the two defaults have none."""
    vpc = cloud.tables["vpcs"].known(acl.get("vpcid", "")) or {}
    return {field: vpc[field] for field in OWNER if field in vpc}


def _usable(call: Call, acl: Row) -> Row:
    if not call.may_use(_owner(call.cloud, acl)):
        raise no_permission()
    return acl


def _changeable(call: Call, acl: Row, what: str = "modified") -> Row:
    if acl.get("_default"):
        raise invalid(f"Default ACL cannot be {what}")
    return _usable(call, acl)


def _visible(call: Call) -> list[Row]:
    """Newest first; the defaults, the oldest, come last."""
    cloud = call.cloud
    defaults = [default_acl(cloud, name) for name in DEFAULTS]
    own = [row for row in cloud.tables["acls"] if not row.get("_default")]
    seen = {row["id"] for row in call.visible({"id": row["id"], **_owner(cloud, row)} for row in own)}
    return [row for row in reversed(own) if row["id"] in seen] + defaults[::-1]


def _shown(cloud: Cloud, acl: Row) -> Row:
    vpc = cloud.tables["vpcs"].known(acl.get("vpcid", ""))
    return {**public(acl), "vpcname": vpc["name"]} if vpc else public(acl)


# Lists


@command("createNetworkACLList")
def create_list(call: Call) -> Answer:
    vpc = call.entity("vpcid")
    if vpc is None:
        raise invalid("Unable to find VPC by id null")
    if vpc.get("_removed"):
        raise invalid(f"Unable to find VPC with ID [{vpc['_number']}].")
    described = {"description": call.params["description"]} if "description" in call.params else {}
    acl = call.cloud.tables["acls"].add({"name": call.need("name"), **described, "vpcid": vpc["id"]})
    return call.submit(
        lambda: {"networkacllist": _shown(call.cloud, acl)},
        kind="NetworkAcl",
        queue=acl["id"],
        answer={"id": acl["id"]},
        weight=0.1,
    )


@command("listNetworkACLLists", id="acls")
def list_lists(call: Call) -> Answer:
    rows = _visible(call)
    network = call.entity("networkid")
    if network is not None:
        rows = [row for row in rows if row["id"] == _acl_of(call.cloud, network)]
    vpc = call.entity("vpcid")
    if vpc is not None:
        rows = [row for row in rows if row.get("vpcid") in (None, vpc["id"])]
    return call.page("networkacllist", call.matching(rows, "name"), lambda row: _shown(call.cloud, row))


def _acl_of(cloud: Cloud, network: Row) -> str:
    return str(network.get("aclid") or default_acl(cloud, "default_deny")["id"])


@command("updateNetworkACLList", id="acls")
def update_list(call: Call) -> Answer:
    acl = _changeable(call, call.needed("id", check=False))

    def work() -> Row:
        changes = {name: call.params[name] for name in ("name", "description") if name in call.params}
        call.cloud.tables["acls"].update(acl, **changes)
        return {"success": True}

    return call.submit(work, kind="NetworkAcl", queue=acl["id"], weight=0.1)


@command("deleteNetworkACLList", id="acls")
def delete_list(call: Call) -> Answer:
    acl = _changeable(call, call.needed("id", check=False), "removed")

    def work() -> Row:
        tiers = call.cloud.tables["networks"].where(aclid=acl["id"])
        if tiers:
            text = (
                f"ACL is still associated with {len(tiers)} tier(s). Cannot delete network ACL: {acl['id']}"
            )
            raise ApiError(530, 4250, text)
        erase_list(call.cloud, acl)
        return {"success": True}

    return call.submit(work, kind="NetworkAcl", queue=acl["id"], weight=0.1)


@command("replaceNetworkACLList", gatewayid="privategateways")
def replace_list(call: Call) -> Answer:
    acl = _usable(call, call.needed("aclid", check=False))
    network, gateway = call.entity("networkid"), call.entity("gatewayid")
    if network is not None and "vpcid" not in network:
        raise invalid(f"Network is not part of a VPC: {network['id']}")
    if network is not None and acl.get("vpcid") not in (None, network["vpcid"]):
        raise invalid(f"Network: {network['id']} and ACL: {acl['id']} do not belong to the same VPC")
    table, row = ("networks", network) if network else ("privategateways", gateway)
    if row is None:
        raise invalid("Network id and private gateway can't be null at the same time")

    def work() -> Row:
        # What the network has is written down before its router is told.
        call.cloud.tables[table].update(row, aclid=acl["id"])
        if call.cloud.settings["router.fails"]:
            raise ApiError(530, 9999, "Failed to replace network ACL")
        return {"success": True}

    return call.submit(work, queue=row["id"], weight=0.2)


# Rules


@command("createNetworkACL")
def create_rule(call: Call) -> Answer:
    acl = _target(call)
    number = _number(call, acl)
    action = _word(
        call, "action", ("Allow", "Deny"), "Invalid action [{}]. Permitted actions are Allow and Deny"
    )
    ports, cidrs = _ports(call), _cidrs(call) or ANYWHERE
    rule = call.cloud.tables["aclrules"].add(
        {
            **_protocol(call, ports),
            "traffictype": _word(call, "traffictype", ("Ingress", "Egress"), "Invalid traffic type {}"),
            "state": "Active",
            "cidrlist": cidrs,
            "aclid": acl["id"],
            "number": number,
            "action": action,
            **({"reason": call.params["reason"]} if "reason" in call.params else {}),
            "_owner": _owner(call.cloud, acl),
        }
    )
    return call.submit(
        lambda: {"networkacl": _shown_rule(call.cloud, rule)},
        kind="NetworkAclItem",
        queue=acl["id"],
        answer={"id": rule["id"]},
        weight=0.1,
    )


def _target(call: Call) -> Row:
    acl = call.entity("aclid", check=False)
    network = call.entity("networkid")
    if acl is None and network is not None:
        acl = call.cloud.tables["acls"].known(_acl_of(call.cloud, network))
    if acl is None:
        raise invalid("Cannot create Network ACL Item. ACL Id or network Id is required")
    return _changeable(call, acl)


def _number(call: Call, acl: Row) -> int:
    """The rule's place; without one it goes to the end."""
    taken = {rule["number"] for rule in call.cloud.tables["aclrules"].where(aclid=acl["id"])}
    number = call.number("number")
    if number is None:
        return max(taken, default=0) + 1
    if number < 1:
        raise invalid(f"Invalid number [{number}]. Number cannot be < 1")
    if number in taken:
        raise invalid(f"ACL item with number {number} already exists in ACL: {acl['id']}")
    return number


def _word(call: Call, name: str, words: tuple[str, str], refusal: str) -> str:
    """A parameter of which only two words are taken, in any case; the first where it is missing."""
    text = call.params.get(name, words[0])
    if text.capitalize() not in words:
        raise invalid(refusal.format(text))
    return text.capitalize()


def _ports(call: Call) -> Row:
    if "startport" not in call.params:
        return {}
    start = call.number("startport") or 0
    end = start if call.number("endport") is None else call.number("endport") or 0
    return _checked_ports(start, end, call.need("protocol"))


def _checked_ports(start: int, end: int, protocol: str) -> Row:
    for which, port in (("Start", start), ("End", end)):
        if not 0 <= port <= 65535:
            raise invalid(f"{which} public port is an invalid value: {port}")
    if start > end:
        raise invalid(f"Start port can't be bigger than end port [startport={start},endport={end}]")
    if protocol.lower() == "all":
        raise invalid("start port and end port must be null if protocol = 'all'")
    return {"startport": str(start), "endport": str(end)}


def _protocol(call: Call, ports: Row) -> Row:
    """The protocol, checked, with its ports or its ICMP type and code."""
    protocol = call.need("protocol").strip().lower()
    fields: Row = {name: call.number(name) for name in ICMP if name in call.params}
    if protocol in ("icmp", "1"):
        fields = {"icmptype": -1, "icmpcode": -1, **fields}
        protocol = "icmp"
    return _checked_protocol(protocol, ports, fields)


def _checked_protocol(protocol: str, ports: Row, icmp: Row) -> Row:
    if protocol.isdigit() and int(protocol) > 255:
        raise invalid(f"Invalid protocol number: {int(protocol)}")
    if not protocol.isdigit() and protocol not in PROTOCOLS:
        expected = ",".join(PROTOCOLS)
        raise invalid(f"Invalid protocol [{protocol}]. Expected one of: [{expected}]")
    if protocol != "icmp" and icmp:
        raise invalid("Can specify icmpCode and icmpType for ICMP protocol only")
    if protocol == "icmp" and ports:
        raise invalid("Can't specify start/end port when protocol is ICMP")
    if icmp:
        _check_icmp(icmp["icmptype"], icmp.get("icmpcode", -1))
    return {"protocol": protocol, **ports, **icmp}


def _check_icmp(kind: int, code: int) -> None:
    if not -1 <= kind <= 255:
        raise invalid(f"Invalid icmp type [{kind}]. It should belong to [0-255] range")
    if not -1 <= code <= 16:
        raise invalid(
            f"Invalid icmp code [{code}]. It should belong to [0-16] range and can be defined when icmpType"
            " belongs to [0-40] range"
        )


def _cidrs(call: Call) -> str:
    cidrs = call.words("cidrlist")
    for cidr in cidrs:
        try:
            bad = "/" not in cidr or ip_network(cidr, strict=False) is None
        except ValueError:
            bad = True
        if bad:
            raise malformed(f"Source cidrs formatting error {cidr}")
    return ",".join(cidrs)


def _shown_rule(cloud: Cloud, rule: Row) -> Row:
    acl = cloud.tables["acls"].known(rule["aclid"]) or {}
    told = {field: value for field, value in public(rule).items() if value is not None}
    return {**told, "aclname": acl.get("name"), "tags": tags.short(cloud, rule["id"])}


@command("listNetworkACLs", id="aclrules")
def list_rules(call: Call) -> Answer:
    cloud = call.cloud
    lists = {acl["id"] for acl in _visible(call)}
    network = call.entity("networkid")
    if network is not None:
        lists &= {_acl_of(cloud, network)}
    rows = [*_default_rules(cloud), *cloud.tables["aclrules"]]
    rows = [rule for rule in reversed(rows) if rule["aclid"] in lists]
    found = call.matching(rows, "aclid", "traffictype", "protocol", "action")
    return call.page("networkacl", found, lambda rule: _shown_rule(cloud, rule))


def _default_rules(cloud: Cloud) -> list[Row]:
    """What the two default lists hold: everything in and out, allowed or denied."""
    for name, action in (("default_deny", "Deny"), ("default_allow", "Allow")):
        acl = default_acl(cloud, name)
        if cloud.tables["aclrules"].where(aclid=acl["id"]):
            continue
        for number, direction in enumerate(("Ingress", "Egress"), start=1):
            rule = {"protocol": "all", "traffictype": direction, "state": "Active", "cidrlist": "0.0.0.0/0"}
            cloud.tables["aclrules"].add(
                {**rule, "aclid": acl["id"], "number": number, "action": action, "_owner": {}}
            )
    return []


def _needed_rule(call: Call) -> Row:
    rule = call.needed("id", check=False)
    _changeable(call, call.cloud.tables["acls"].known(rule["aclid"]) or {})
    return rule


_CONTENT = ("startport", "endport", *ICMP, "reason", "protocol", "action", "traffictype", "cidrlist")


@command("updateNetworkACLItem", id="aclrules")
def update_rule(call: Call) -> Answer:
    rule = _needed_rule(call)
    # CloudStack keeps what is not named, unless it is told that this is all there is.
    whole = not call.flag("partialupgrade", default=True)
    changes: Row = {**dict.fromkeys(_CONTENT), "action": "Allow"} if whole else {}
    changes |= {name: str(call.number(name)) for name in ("startport", "endport") if name in call.params}
    changes |= {name: call.number(name) for name in (*ICMP, "number") if name in call.params}
    for name in ("action", "traffictype"):
        if name in call.params:
            changes[name] = call.params[name].capitalize()
    for name in ("protocol", "reason"):
        if name in call.params:
            changes[name] = call.params[name]

    def work() -> Row:
        if "cidrlist" in call.params:
            changes["cidrlist"] = _cidrs(call) or ANYWHERE
        _check_rule({**rule, **changes})
        call.cloud.tables["aclrules"].update(rule, **changes)
        return {"networkacl": {**_shown_rule(call.cloud, rule), "state": "Add"}}

    return call.submit(work, kind="NetworkAclItem", queue=rule["aclid"], weight=0.1)


def _check_rule(rule: Row) -> None:
    """Refuse what a change would make, before anything is written."""
    protocol, ports = str(rule["protocol"] or "").lower(), {}
    if rule.get("startport") is not None:
        ports = _checked_ports(int(rule["startport"]), int(rule["endport"]), protocol)
    if protocol:
        _checked_protocol(protocol, ports, {name: rule[name] for name in ICMP if rule.get(name) is not None})


@command("deleteNetworkACL", id="aclrules")
def delete_rule(call: Call) -> Answer:
    rule = _needed_rule(call)

    def work() -> Row:
        erase_rule(call.cloud, rule)
        return {"success": True}

    return call.submit(work, kind="NetworkAclItem", queue=rule["aclid"], weight=0.1)
