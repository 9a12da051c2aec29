"""Load balancer rules of public addresses, their machines and their stickiness policies."""

from __future__ import annotations

import json

from ec2bridge.simulator import machines
from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import tags
from ec2bridge.simulator.entities import OWNER, rule_text
from ec2bridge.simulator.errors import ApiError, invalid, malformed
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

ALGORITHMS = ("roundrobin", "leastconn", "source")
METHODS = ("LbCookie", "AppCookie", "SourceBased")


def _shown(cloud: Cloud, rule: Row) -> Row:
    return {**public(rule), "tags": tags.short(cloud, rule["id"])}


@command("createLoadBalancerRule")
def create_rule(call: Call) -> Answer:
    if call.need("algorithm").lower() not in ALGORITHMS:
        raise malformed(f"Invalid algorithm: {call.need('algorithm')}")
    address, network = call.entity("publicipid"), call.entity("networkid")
    if address is not None and network is not None and address.get("vpcid") == network.get("vpcid"):
        # A VPC's address serves the tier that its first rule names.
        call.cloud.tables["addresses"].update(address, associatednetworkid=network["id"])
    if address is None or "associatednetworkid" not in address:
        raise invalid("Unable to create load balancer rule: the public ip is not associated with any network")
    port = call.need("publicport")
    for other in call.cloud.tables["loadbalancers"].where(publicipid=address["id"], publicport=port):
        text = rule_text(call.cloud, other)
        raise ApiError(
            537,
            9999,
            f"The range specified, {port}-{port}, conflicts with rule {text} which has {port}-{port}",
        )
    rule = call.cloud.tables["loadbalancers"].add(_new_row(call, address))

    def work() -> Row:
        return {"loadbalancer": _shown(call.cloud, rule)}

    return call.submit(work, kind="FirewallRule", instance=rule["id"], answer={"id": rule["id"]}, weight=0.1)


def _new_row(call: Call, address: Row) -> Row:
    optional: Row = {name: call.params[name] for name in ("description", "protocol") if name in call.params}
    cidrs = call.words("cidrlist")
    return {
        "name": call.need("name"),
        **optional,
        "publicipid": address["id"],
        "publicip": address["ipaddress"],
        "publicport": call.need("publicport"),
        "privateport": call.need("privateport"),
        "algorithm": call.need("algorithm").lower(),
        "networkid": address["associatednetworkid"],
        **({"cidrlist": ",".join(cidrs)} if cidrs else {}),
        **{field: address[field] for field in OWNER if field in address},
        "state": "Add",
        "zoneid": address["zoneid"],
        "zonename": address["zonename"],
        "_purpose": "LoadBalancing",
        "_machines": [],
    }


@command("listLoadBalancerRules", id="loadbalancers")
def list_rules(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["loadbalancers"])
    if "virtualmachineid" in call.params:
        rows = [row for row in rows if call.params["virtualmachineid"] in row["_machines"]]
    found = call.matching(rows, "publicipid", "networkid", "zoneid", "name")
    return call.page("loadbalancerrule", found, lambda rule: _shown(call.cloud, rule))


@command("listLoadBalancerRuleInstances", id="loadbalancers")
def list_instances(call: Call) -> Answer:
    rule = call.needed("id")
    found = [call.cloud.tables["machines"].get(machine) for machine in rule["_machines"]]

    def render(machine: Row) -> Row:
        return machines.show(call.cloud, machine, admin=call.caller.is_admin)

    return call.page("loadbalancerruleinstance", [machine for machine in found if machine], render)


@command("assignToLoadBalancerRule", id="loadbalancers")
def assign(call: Call) -> Answer:
    rule, added = call.needed("id"), call.entities("virtualmachineids")

    def work() -> Row:
        for machine in added:
            _refuse_unfit(call.cloud, rule, machine)
        kept = [*rule["_machines"], *(machine["id"] for machine in added)]
        call.cloud.tables["loadbalancers"].update(rule, _machines=kept, state="Active")
        return {"success": True}

    return call.submit(work, queue=rule["id"], weight=0.2)


def _refuse_unfit(cloud: Cloud, rule: Row, machine: Row) -> None:
    nics = [nic for nic in machines.nics_of(cloud, machine) if nic["networkid"] == rule["networkid"]]
    if not nics:
        reason = f"Instance {machine['id']} is not in the network of the load balancer."
        raise invalid(f"Failed to assign load balancer rule due to: {reason}")
    if machine["id"] in rule["_machines"]:
        raise ApiError(
            530,
            4250,
            f"Failed to assign load balancer rule due to: VM {machine['_number']} with {nics[0]['ipaddress']} "
            "is already mapped to load balancer.",
        )


@command("removeFromLoadBalancerRule", id="loadbalancers")
def remove(call: Call) -> Answer:
    rule = call.needed("id")
    gone = {machine["id"] for machine in call.entities("virtualmachineids")}

    def work() -> Row:
        kept = [machine for machine in rule["_machines"] if machine not in gone]
        call.cloud.tables["loadbalancers"].update(rule, _machines=kept)
        return {"success": True}

    return call.submit(work, queue=rule["id"], weight=0.2)


@command("updateLoadBalancerRule", id="loadbalancers")
def update_rule(call: Call) -> Answer:
    rule = call.needed("id")
    names = ("name", "description", "algorithm", "protocol")
    changes = {name: call.params[name] for name in names if name in call.params}

    def work() -> Row:
        if "protocol" not in rule:
            # A fault of the real server: a rule made without a protocol cannot be updated.
            getter = "com.cloud.network.dao.LoadBalancerVO.getLbProtocol()"
            text = f'Cannot invoke "String.equals(Object)" because the return value of "{getter}" is null'
            raise ApiError(530, 4250, text)
        call.cloud.tables["loadbalancers"].update(rule, **changes)
        return {"loadbalancer": _shown(call.cloud, rule)}

    return call.submit(work, queue=rule["id"], weight=0.2)


@command("deleteLoadBalancerRule", id="loadbalancers")
def delete_rule(call: Call) -> Answer:
    rule = call.needed("id")

    def work() -> Row:
        for policy in call.cloud.tables["stickinesspolicies"].where(_rule=rule["id"]):
            call.cloud.tables["stickinesspolicies"].erase(policy)
        # The real server leaves the rule's tags behind.
        call.cloud.tables["loadbalancers"].erase(rule)
        return {"success": True}

    return call.submit(work, queue=rule["id"], weight=0.2)


# Policies


def _shown_policies(rule: Row, policies: list[Row]) -> Row:
    owner: Row = {field: rule[field] for field in ("account", "domainid", "domain") if field in rule}
    return {"lbruleid": rule["id"], **owner, "stickinesspolicy": [public(policy) for policy in policies]}


@command("createLBStickinessPolicy", lbruleid="loadbalancers")
def create_stickiness(call: Call) -> Answer:
    rule, method = call.needed("lbruleid"), call.need("methodname")
    if method not in METHODS:
        raise invalid(f"Failed : Invalid Method name {method} for LB rule {rule['name']}")
    params = {entry["name"]: entry.get("value", "") for entry in call.maps("param") if "name" in entry}
    row = {"name": call.need("name"), "methodname": method, "params": params, "_rule": rule["id"]}
    policy = call.cloud.tables["stickinesspolicies"].add(row)
    return call.submit(
        lambda: {"stickinesspolicies": _shown_policies(rule, [policy])},
        kind="None",
        queue=rule["id"],
        answer={"id": policy["id"]},
        weight=0.1,
    )


@command("listLBStickinessPolicies", id="stickinesspolicies", lbruleid="loadbalancers")
def list_stickiness(call: Call) -> Answer:
    table = call.cloud.tables["stickinesspolicies"]
    rule = call.entity("lbruleid")
    if rule is None:
        policy = call.entity("id", check=False)
        rule = call.cloud.tables["loadbalancers"].known(policy["_rule"]) if policy else None
    if rule is None or not call.may_use(rule):
        return {}
    return call.page("stickinesspolicies", [_shown_policies(rule, table.where(_rule=rule["id"]))])


@command("deleteLBStickinessPolicy", id="stickinesspolicies")
def delete_stickiness(call: Call) -> Answer:
    policy = call.needed("id", check=False)

    def work() -> Row:
        call.cloud.tables["stickinesspolicies"].erase(policy)
        return {"success": True}

    return call.submit(work, queue=policy["_rule"], weight=0.1)


@command("createLBHealthCheckPolicy", lbruleid="loadbalancers")
def create_health_check(call: Call) -> Answer:
    rule = call.needed("lbruleid")
    fields = {
        "name": rule["name"],
        "id": rule["_number"],
        "purpose": rule["_purpose"],
        "state": rule["state"],
    }
    text = json.dumps({**fields, "uuid": rule["id"]}, separators=(",", ":"))
    raise ApiError(
        430,
        9999,
        "Failed to create HealthCheck policy: Validation Failed (HealthCheck Policy is not supported by LB Provider "
        f"for the LB rule:LoadBalancer {text})",
    )
