"""VPCs and their offerings, private gateways and static routes.

A VPC holds a public address for source NAT from its birth to its end; its tiers are networks (`networks.py`).
"""

from __future__ import annotations

from ipaddress import IPv4Network

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.commands import addresses, networks, tags
from ec2bridge.simulator.entities import OWNER, account_number, vpc_text
from ec2bridge.simulator.errors import ApiError, invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row, now


def shown(cloud: Cloud, vpc: Row) -> Row:
    offering = cloud.tables["vpcofferings"].known(vpc["vpcofferingid"]) or {}
    tiers = cloud.tables["networks"].where(vpcid=vpc["id"])
    return {
        **public(vpc),
        "service": offering.get("service", []),
        "network": [networks.shown(cloud, tier) for tier in reversed(tiers)],
        "tags": tags.short(cloud, vpc["id"]),
    }


@command("createVPC")
def create_vpc(call: Call) -> Answer:
    zone, offering = call.needed("zoneid"), call.needed("vpcofferingid")
    if zone["networktype"] != "Advanced" or zone.get("securitygroupsenabled"):
        raise invalid(
            "Provider VpcVirtualRouter should be enabled in at least one physical network of the zone specified"
        )
    cidr = _cidr(call.params.get("cidr", ""))
    networks.check_domain(call)
    call.limit("vpc")
    call.limit("public_ip")
    vpc = call.cloud.tables["vpcs"].add(_new_row(call, zone, offering, cidr))
    try:
        if call.flag("start", default=True):
            addresses.ensure_vpc_source_nat(call.cloud, vpc)
    except ApiError:
        call.cloud.tables["vpcs"].erase(vpc)
        raise

    def work() -> Row:
        return {"vpc": shown(call.cloud, vpc)}

    return call.submit(work, kind="None", queue=vpc["id"], answer={"id": vpc["id"]}, weight=0.8)


def _cidr(text: str) -> str:
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise invalid(f"Invalid CIDR specified {text}") from None
    if not networks.is_rfc1918(network):
        raise invalid(f"Guest Cidr {text} is not RFC1918 compliant")
    return text


def _new_row(call: Call, zone: Row, offering: Row, cidr: str) -> Row:
    name, owner = call.need("name"), call.owner()
    suffix = f"cs{account_number(call.cloud, owner):x}sim.internal"
    return {
        "name": name,
        "displaytext": call.params.get("displaytext", name),
        "state": "Enabled",
        "zoneid": zone["id"],
        "zonename": zone["name"],
        "cidr": cidr,
        "vpcofferingid": offering["id"],
        "vpcofferingname": offering["name"],
        "vpcofferingconservemode": offering["conservemode"],
        "created": now(),
        **owner,
        "restartrequired": False,
        "networkdomain": call.params.get("networkdomain", suffix),
        **{name: call.params[name] for name in ("dns1", "dns2") if call.params.get(name)},
        "distributedvpcrouter": False,
        "regionlevelvpc": False,
        "redundantvpcrouter": offering["name"].startswith("Redundant"),
        "publicmtu": 1500,
        "hasannotations": False,
    }


@command("listVPCs", id="vpcs")
def list_vpcs(call: Call) -> Answer:
    rows = call.visible(reversed(list(call.cloud.tables["vpcs"])))
    fields = ("name", "displaytext", "cidr", "state", "zoneid", "vpcofferingid", "restartrequired")
    return call.page("vpc", call.matching(rows, *fields), lambda row: shown(call.cloud, row))


def _live(call: Call) -> Row:
    vpc = call.needed("id")
    if vpc.get("_removed"):
        raise invalid(f"Unable to find VPC by id {vpc['_number']}")
    return vpc


@command("updateVPC", id="vpcs")
def update_vpc(call: Call) -> Answer:
    vpc = _live(call)

    changes = {name: call.params[name] for name in ("name", "displaytext") if name in call.params}
    wanted = _new_source_nat(call.cloud, vpc, call.params.get("sourcenatipaddress"))

    def work() -> Row:
        if not changes and wanted is None:
            raise ApiError(530, 4250, "Failed to update VPC")
        call.cloud.tables["vpcs"].update(vpc, **changes)
        return {"vpc": shown(call.cloud, vpc)}

    if wanted is not None:
        # Noted as soon as the job begins; the rest is the router's new start.
        for address in call.cloud.tables["addresses"].where(vpcid=vpc["id"], issourcenat=True):
            call.cloud.tables["addresses"].update(address, issourcenat=False)
        call.cloud.tables["addresses"].update(wanted, issourcenat=True)
    return call.submit(work, kind="Vpc", queue=vpc["id"], weight=0.1 if wanted is None else 0.6)


def _new_source_nat(cloud: Cloud, vpc: Row, text: str | None) -> Row | None:
    """The address that is to be the VPC's source NAT; one that cannot be is passed over, and nobody told."""
    address = cloud.tables["addresses"].first(ipaddress=text, vpcid=vpc["id"]) if text else None
    if (
        address is None
        or address["issourcenat"]
        or cloud.tables["firewallrules"].where(ipaddressid=address["id"])
    ):
        return None
    return address


@command("restartVPC", id="vpcs")
def restart_vpc(call: Call) -> Answer:
    vpc = _live(call)
    return call.submit(lambda: {"success": True}, kind="Vpc", queue=vpc["id"], weight=0.6)


@command("deleteVPC", id="vpcs")
def delete_vpc(call: Call) -> Answer:
    vpc = _live(call)

    def work() -> Row:
        tiers = call.cloud.tables["networks"].where(vpcid=vpc["id"])
        if tiers:
            raise invalid(f"Can't delete VPC {vpc_text(vpc)} as its used by {len(tiers)} networks")
        _release(call.cloud, vpc)
        return {"success": True}

    return call.submit(work, kind="Vpc", queue=vpc["id"], weight=0.4)


def erase_list(cloud: Cloud, acl: Row) -> None:
    """An ACL list goes, and its rules with it."""
    for rule in cloud.tables["aclrules"].where(aclid=acl["id"]):
        erase_rule(cloud, rule)
    cloud.tables["acls"].erase(acl)


def erase_rule(cloud: Cloud, rule: Row) -> None:
    """An ACL rule goes, and its tags with it."""
    tags.forget(cloud, rule["id"])
    cloud.tables["aclrules"].erase(rule)


def _release(cloud: Cloud, vpc: Row) -> None:
    """A VPC's end takes its addresses, lists, routes and gateways along."""
    for address in cloud.tables["addresses"].where(vpcid=vpc["id"]):
        addresses.release(cloud, address, tagged=True)
    for acl in cloud.tables["acls"].where(vpcid=vpc["id"]):
        erase_list(cloud, acl)
    for kind in ("staticroutes", "privategateways", "vpngateways"):
        for row in cloud.tables[kind].where(vpcid=vpc["id"]):
            cloud.tables[kind].erase(row)
    tags.forget(cloud, vpc["id"])
    cloud.tables["vpcs"].remove(vpc)


@command("listVPCOfferings", id="vpcofferings")
def list_vpc_offerings(call: Call) -> Answer:
    rows = call.cloud.tables["vpcofferings"]
    return call.page("vpcoffering", call.matching(rows, "name", "displaytext", "isdefault", "state"))


# Private gateways and static routes


@command("createPrivateGateway", associatednetworkid="networks", physicalnetworkid="physicalnetworks")
def create_private_gateway(call: Call) -> Answer:
    vpc, acl = call.needed("vpcid"), call.entity("aclid", check=False)
    vlan = call.params.get("vlan")
    if not call.caller.is_admin or vlan is None:
        raise invalid("One of vlanId and associatedNetworkId must be specified")
    zone = call.cloud.tables["zones"].known(vpc["zoneid"]) or {}
    row = call.cloud.tables["privategateways"].add(
        {
            **{name: call.need(name) for name in ("gateway", "netmask", "ipaddress")},
            "zoneid": zone["id"],
            "zonename": zone["name"],
            "vlan": f"vlan://{vlan}",
            "vpcid": vpc["id"],
            "physicalnetworkid": addresses.physical_network(zone),
            **{field: vpc[field] for field in OWNER if field in vpc},
            "state": "Ready",
            "sourcenatsupported": call.flag("sourcenatsupported"),
            "aclid": acl["id"] if acl else default_acl(call.cloud, "default_deny")["id"],
        }
    )
    return call.submit(
        lambda: {"privategateway": _shown_gateway(call.cloud, row)},
        kind="PrivateGateway",
        instance=row["id"],
        answer={"id": row["id"]},
        weight=0.4,
    )


def default_acl(cloud: Cloud, name: str) -> Row:
    """`default_deny` and `default_allow` belong to nobody and to every VPC."""
    what = "Allow All" if name == "default_allow" else "Deny All"
    table = cloud.tables["acls"]
    described = {"name": name, "description": f"Default Network ACL {what}"}
    return table.first(name=name, _default=True) or table.add({**described, "_default": True})


def _shown_gateway(cloud: Cloud, row: Row) -> Row:
    vpc = cloud.tables["vpcs"].known(row["vpcid"]) or {}
    acl = cloud.tables["acls"].known(row["aclid"]) or {}
    return {**public(row), "vpcname": vpc.get("name"), "aclname": acl.get("name")}


@command("listPrivateGateways", id="privategateways")
def list_private_gateways(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["privategateways"])
    found = call.matching(rows, "vpcid", "ipaddress", "state", "vlan")
    return call.page("privategateway", found, lambda row: _shown_gateway(call.cloud, row))


@command("deletePrivateGateway", id="privategateways")
def delete_private_gateway(call: Call) -> Answer:
    row = call.needed("id")

    def work() -> Row:
        routes = call.cloud.tables["staticroutes"].where(vpcgatewayid=row["id"])
        if routes:
            number = (call.cloud.tables["vpcs"].known(row["vpcid"]) or {}).get("_number")
            raise ApiError(
                530,
                4250,
                f'Can\'t delete private gateway VpcGateway {{"id":{row["_number"]},"ip4Address":'
                f'"{row["ipaddress"]}","uuid":"{row["id"]}","vpcId":{number}}} as it has {len(routes)} static '
                "routes applied. Remove the routes first",
            )
        call.cloud.tables["privategateways"].erase(row)
        return {"success": True}

    return call.submit(work, queue=row["id"], weight=0.2)


@command("createStaticRoute", gatewayid="privategateways")
def create_static_route(call: Call) -> Answer:
    gateway, vpc = call.entity("gatewayid"), call.entity("vpcid")
    hop = call.params.get("nexthop")
    if (gateway is None) == (vpc is None or hop is None):
        raise invalid("Either vpcId and nexthop or gatewayId must be specified")
    cidr = _route_cidr(call.need("cidr"))
    holder = gateway or vpc or {}
    vpc_id = holder["vpcid"] if gateway else holder["id"]
    if call.cloud.tables["staticroutes"].where(vpcid=vpc_id, cidr=cidr):
        raise ApiError(537, 4360, f"New static route cidr conflicts with existing route {cidr}")
    through = (
        {"vpcgatewayid": gateway["id"], "vpcgatewayip": gateway["ipaddress"]} if gateway else {"nexthop": hop}
    )
    row = call.cloud.tables["staticroutes"].add(
        {
            "state": "Active",
            "vpcid": vpc_id,
            **through,
            "cidr": cidr,
            **{field: holder[field] for field in OWNER if field in holder},
        }
    )
    return call.submit(
        lambda: {"staticroute": _shown_route(call.cloud, row)},
        kind="StaticRoute",
        instance=row["id"],
        answer={"id": row["id"]},
        weight=0.1,
    )


def _route_cidr(text: str) -> str:
    try:
        return str(IPv4Network(text, strict=False))
    except ValueError:
        raise invalid(f"Invalid format for cidr {text}") from None


def _shown_route(cloud: Cloud, row: Row) -> Row:
    return {**public(row), "tags": tags.short(cloud, row["id"])}


@command("listStaticRoutes", id="staticroutes", gatewayid="privategateways")
def list_static_routes(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["staticroutes"])
    if "gatewayid" in call.params:
        rows = [row for row in rows if row.get("vpcgatewayid") == call.params["gatewayid"]]
    found = call.matching(rows, "vpcid", "state")
    return call.page("staticroute", found, lambda row: _shown_route(call.cloud, row))


@command("deleteStaticRoute", id="staticroutes")
def delete_static_route(call: Call) -> Answer:
    row = call.needed("id")

    def work() -> Row:
        tags.forget(call.cloud, row["id"])
        call.cloud.tables["staticroutes"].erase(row)
        return {"success": True}

    return call.submit(work, queue=row["id"], weight=0.1)
