"""Security groups. Groups are made and deleted at once, rules by jobs, and the rules' checks fail in the job.

A machine carries the ids of its groups in `_groups`; only zones with security groups apply them.
"""

from __future__ import annotations

from ipaddress import ip_network

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.errors import ApiError, invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

OWNER = ("account", "projectid", "project", "domainid", "domain", "domainpath")
NAMED_PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "all")


# What the machines' commands use


def default_group(call: Call) -> Row:
    """The owner's `default` group, made when it is first needed."""
    owner = call.owner()
    return _named(call, owner, "default") or call.cloud.tables["securitygroups"].add(
        {"name": "default", "description": "Default Security Group", **owner}
    )


def by_names(call: Call, names: list[str]) -> list[Row]:
    """The owner's groups of those names, for `securitygroupnames`."""
    owner = call.owner()
    default_group(call)
    return [_by_name(call, owner, name) for name in names]


def inside(cloud: Cloud, group_id: str) -> Row | None:
    """A group as it stands in the `securitygroup` list of a machine."""
    group = cloud.tables["securitygroups"].get(group_id)
    if group is None:
        return None
    place: Row = {field: group[field] for field in ("id", "name", "description", "account") if field in group}
    return {**place, "ingressrule": [], "egressrule": [], "tags": [], "virtualmachineids": []}


def members(cloud: Cloud, group_id: str) -> list[Row]:
    """Machines in the group; a destroyed one stays in it until it is expunged."""
    return [machine for machine in cloud.tables["machines"] if group_id in machine.get("_groups", ())]


# Finding


def _named(call: Call, owner: Row, name: str) -> Row | None:
    place = "projectid" if "projectid" in owner else "account"
    for group in call.cloud.tables["securitygroups"]:
        if group["name"].lower() == name.lower() and group.get(place) == owner[place]:
            return group
    return None


def _by_name(call: Call, owner: Row, name: str) -> Row:
    group = _named(call, owner, name)
    if group is None:
        account = call.cloud.tables["accounts"].first(name=owner.get("account")) or {}
        raise invalid(f"Unable to find security group {name} for account id={account.get('_number')}")
    return group


def _rules(cloud: Cloud, group_id: str, direction: str) -> list[Row]:
    return cloud.tables["securitygrouprules"].where(_group=group_id, _direction=direction)


def _shown_rule(cloud: Cloud, rule: Row) -> Row:
    return {"ruleid": rule["id"], **rule["_shown"], "tags": tags.full(cloud, rule["id"])}


def _shown(cloud: Cloud, group: Row) -> Row:
    machines = [machine["id"] for machine in members(cloud, group["id"])]
    return {
        **group,
        "ingressrule": [_shown_rule(cloud, rule) for rule in _rules(cloud, group["id"], "ingress")],
        "egressrule": [_shown_rule(cloud, rule) for rule in _rules(cloud, group["id"], "egress")],
        "tags": tags.full(cloud, group["id"]),
        "virtualmachinecount": len(machines),
        "virtualmachineids": machines,
    }


# Groups


@command("createSecurityGroup")
def create_group(call: Call) -> Answer:
    name, owner = call.need("name"), call.owner()
    default_group(call)
    if _named(call, owner, name) is not None:
        raise invalid(f"Unable to create security group, a group with name {name} already exists.")
    described = {"description": call.params["description"]} if "description" in call.params else {}
    group = call.cloud.tables["securitygroups"].add({"name": name, **described, **owner})
    return {"securitygroup": public(_shown(call.cloud, group))}


@command("updateSecurityGroup", id="securitygroups")
def update_group(call: Call) -> Answer:
    group = call.needed("id")
    name: str = call.params.get("name") or group["name"]
    if group["name"] == "default":
        raise invalid("The default security group cannot be renamed")
    if name.lower() != group["name"].lower() and _named(call, group, name) is not None:
        raise invalid(f"Unable to update security group, a group with name {name} already exists.")
    call.cloud.tables["securitygroups"].update(group, name=name)
    return {"securitygroup": public(_shown(call.cloud, group))}


@command("deleteSecurityGroup", id="securitygroups")
def delete_group(call: Call) -> Answer:
    cloud = call.cloud
    group = call.entity("id") or _by_name(call, call.owner(), call.params.get("name", ""))
    if group["name"] == "default":
        raise invalid("The network group default is reserved")
    if cloud.tables["securitygrouprules"].where(_allowed=group["id"]):
        raise _in_use("Cannot delete group when there are security rules that allow this group")
    if members(cloud, group["id"]):
        raise _in_use("Cannot delete group when it's in use by virtual machines")
    for rule in cloud.tables["securitygrouprules"].where(_group=group["id"]):
        # The database deletes the rules of itself, and nobody deletes their tags.
        cloud.tables["securitygrouprules"].erase(rule)
    tags.forget(cloud, group["id"])
    cloud.tables["securitygroups"].erase(group)
    return {"success": True}


def _in_use(text: str) -> ApiError:
    return ApiError(536, 9999, text)


@command("listSecurityGroups", id="securitygroups")
def list_groups(call: Call) -> Answer:
    cloud = call.cloud
    if not call.caller.is_admin or "projectid" in call.params:
        _ensure_default(call)
    rows = call.visible(cloud.tables["securitygroups"])
    machine = call.entity("virtualmachineid")
    if machine is not None:
        rows = [row for row in rows if row["id"] in machine.get("_groups", ())]
    if "securitygroupname" in call.params:
        rows = [row for row in rows if row["name"].lower() == call.params["securitygroupname"].lower()]
    return call.page("securitygroup", call.matching(rows), lambda group: _shown(cloud, group))


def _ensure_default(call: Call) -> None:
    if (
        call.params.get("projectid") != "-1"
        and call.params.get("account", call.caller.name) == call.caller.name
    ):
        default_group(call)


# Rules


@command("authorizeSecurityGroupIngress")
def authorize_ingress(call: Call) -> Answer:
    return _authorize(call, "ingress")


@command("authorizeSecurityGroupEgress")
def authorize_egress(call: Call) -> Answer:
    return _authorize(call, "egress")


def _authorize(call: Call, direction: str) -> Answer:
    group = call.entity("securitygroupid")
    if group is None:
        group = _by_name(call, call.owner(), call.params.get("securitygroupname", ""))
    target = group

    def work() -> Row:
        if call.cloud.tables["securitygroups"].get(target["id"]) is None:
            # Deleted since; SecurityGroupManagerImpl looks for it by its number.
            raise invalid(f"Unable to find security group by id {target['_number']}")
        added = _add_rules(call, target, direction)
        if not added:
            raise ApiError(530, 4250, f"Failed to authorize security group {direction} rule(s)")
        lists: Row = {"ingressrule": [], "egressrule": []}
        lists[f"{direction}rule"] = [{"ruleid": rule["id"], **rule["_shown"]} for rule in added]
        return {"securitygroup": {**public(target), **lists, "tags": [], "virtualmachineids": []}}

    return call.submit(work, kind="SecurityGroup", instance=target["id"], weight=0.1)


def _add_rules(call: Call, group: Row, direction: str) -> list[Row]:
    """The new rules, one a CIDR and one a group; those that exist already are passed over."""
    ports = _ports(call)
    table = call.cloud.tables["securitygrouprules"]
    present = [rule["_shown"] for rule in table.where(_group=group["id"], _direction=direction)]
    added = []
    for source, allowed in _sources(call):
        shown = {**ports, **source}
        if shown not in present:
            owner = {field: group[field] for field in OWNER if field in group}
            rule = {**owner, "_group": group["id"], "_direction": direction, "_shown": shown}
            added.append(table.add({**rule, "_allowed": allowed}))
            present.append(shown)
    return added


def _sources(call: Call) -> list[tuple[Row, str | None]]:
    """What the rule lets in: CIDRs, and groups with their ids."""
    cidrs, groups = call.words("cidrlist"), call.maps("usersecuritygrouplist")
    if not cidrs and not groups:
        raise invalid("At least one cidr or at least one security group needs to be specified")
    for cidr in cidrs:
        _check_cidr(cidr)
    found: list[tuple[Row, str | None]] = [({"cidr": cidr}, None) for cidr in cidrs]
    return found + [_group_source(call, entry) for entry in groups]


def _check_cidr(cidr: str) -> None:
    try:
        ip_network(cidr, strict=False)
        bad = "/" not in cidr
    except ValueError:
        bad = True
    if bad:
        raise invalid(f"Invalid cidr {cidr}")


def _group_source(call: Call, entry: dict[str, str]) -> tuple[Row, str]:
    account, name = entry.get("account", ""), entry.get("group", "")
    domain = call.caller.domain
    owner = call.cloud.tables["accounts"].first(name=account, domainid=domain["id"])
    if owner is None:
        raise invalid(f"Nonexistent account: {account} when trying to authorize security group rule")
    group = _named(call, {"account": account}, name)
    if group is None:
        raise invalid(
            f"Nonexistent group {name} for account {account}/{domain['_number']} is given, "
            "unable to authorize security group rule."
        )
    return {"securitygroupname": group["name"], "account": account}, group["id"]


def _ports(call: Call) -> Row:
    """Protocol with ports or with ICMP type and code, as a rule shows them."""
    protocol = call.params.get("protocol", "all").lower()
    number = int(protocol) if protocol.isdigit() else -1
    if protocol not in NAMED_PROTOCOLS and not 0 <= number <= 255:
        raise invalid(f"Invalid protocol {call.params['protocol']}")
    if protocol in ("icmp", "icmpv6"):
        return {"protocol": protocol, **_icmp(call)}
    start, end = call.number("startport"), call.number("endport")
    if protocol not in ("tcp", "udp"):
        if start is not None or end is not None:
            raise invalid("Cannot specify startPort or endPort without specifying protocol")
        return {"protocol": protocol, "startport": 0, "endport": 0}
    if start is None or end is None:
        null = "null"
        raise invalid(
            f"Invalid port range specified, startPort = {null if start is None else start}, "
            f"endPort = {null if end is None else end}"
        )
    _check_ports(start, end)
    return {"protocol": protocol, "startport": start, "endport": end}


def _check_ports(start: int, end: int) -> None:
    if not (0 <= start <= 65535 and 0 <= end <= 65535):
        raise invalid(f"Invalid port numbers {start}:{end}")
    if start > end:
        raise invalid(f"Invalid port range {start}:{end}")


def _icmp(call: Call) -> Row:
    kind, code = call.number("icmptype"), call.number("icmpcode")
    kind, code = -1 if kind is None else kind, -1 if code is None else code
    if not -1 <= kind <= 255:
        raise invalid(f"Invalid icmp type {kind}")
    if not -1 <= code <= 255 or (kind == -1 and code != -1):
        raise invalid(f"Invalid icmp code {code}")
    return {"icmptype": kind, "icmpcode": code}


@command("revokeSecurityGroupIngress", id="securitygrouprules")
def revoke_ingress(call: Call) -> Answer:
    return _revoke(call, "ingress")


@command("revokeSecurityGroupEgress", id="securitygrouprules")
def revoke_egress(call: Call) -> Answer:
    return _revoke(call, "egress")


def _revoke(call: Call, direction: str) -> Answer:
    rule = call.needed("id")

    def work() -> Row:
        if rule["_direction"] != direction:
            raise invalid(f"Mismatch in rule type for security rule with id {rule['id']}")
        _erase_rule(call.cloud, rule)
        return {"success": True}

    # The group's id goes with ingress jobs alone, as recorded.
    instance = rule["_group"] if direction == "ingress" else None
    return call.submit(work, kind="SecurityGroup", instance=instance, queue=rule["_group"], weight=0.1)


def _erase_rule(cloud: Cloud, rule: Row) -> None:
    tags.forget(cloud, rule["id"])
    cloud.tables["securitygrouprules"].erase(rule)
