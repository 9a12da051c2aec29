"""A cloud as they are after ten years: full of what no client of the bridge made."""

from collections.abc import Iterator
from itertools import count, cycle
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.seed import AccountSeed, plant_account
from ec2bridge.simulator.tables import Row
from tests.conftest import Place
from tests.filled import fill

NAMES = (
    "",
    " ",
    "a\x00b\x01\x0b\x1b",
    "tab\tline\nreturn\r",
    "Überseeß",
    "日本語のサーバ",
    "🚀 𝔘𝔫𝔦",
    "<b a='1'>&amp;\"]]>",
    "\ufffe\uffff",
    "\ud800",
    "\u202ertl\u0301",
    "x" * 4096,
    "a,b;c=d|e",
    "../%00%0a",
    "null",
    "ec2bridge:groups",
)
MACHINES = (
    "Starting",
    "Running",
    "Stopping",
    "Stopped",
    "Destroyed",
    "Expunging",
    "Migrating",
    "Error",
    "Unknown",
    "Shutdown",
    "Restoring",
)
VOLUMES = (
    "Allocated",
    "Creating",
    "Ready",
    "Migrating",
    "Snapshotting",
    "RevertSnapshotting",
    "Resizing",
    "Expunging",
    "Expunged",
    "Destroy",
    "Destroying",
    "UploadOp",
    "Copying",
    "Uploaded",
    "NotUploaded",
    "UploadInProgress",
    "UploadError",
    "UploadAbandoned",
    "Attaching",
    "Restoring",
    "Consolidating",
)
SNAPSHOTS = (
    "Allocated",
    "Creating",
    "CreatedOnPrimary",
    "BackingUp",
    "BackedUp",
    "Copying",
    "Destroying",
    "Destroyed",
    "Error",
)
NETWORKS = ("Allocated", "Setup", "Implementing", "Implemented", "Shutdown", "Destroy")
IMAGES = 3000
TIERS = 12
LACKING = (
    "listVPCs",
    "listAffinityGroups",
    "listSnapshots",
    "listVpnGateways",
    "listVpnCustomerGateways",
    "listResourceLimits",
    "listNetworkACLs",
    "listNetworkACLLists",
    "listTags",
    "listDiskOfferings",
)
"""What an operator took out of carol's role."""

_numbers = count()


def age(place: Place) -> Any:
    """Fill a cloud with what people have, and return alice's client."""
    ec2 = fill(place)
    place.run(_age(place.sim.cloud))
    del place.bridge.site.caches["zones"]  # which were known before
    return ec2


async def _age(cloud: Cloud) -> None:
    # In the servers' loop, where nothing else touches the tables meanwhile.
    _zones(cloud)
    _accounts(cloud)
    _networks(cloud)
    _vpc(cloud)
    _images(cloud)
    _machines(cloud)
    _disks(cloud)
    _small(cloud)
    _limits(cloud)


def _more(cloud: Cloud, table: str, like: Row, **changed: Any) -> Row:
    """One more row like another, which stays as it is."""
    row = {key: value for key, value in like.items() if key != "_number"}
    ident = str(uuid5(NAMESPACE_URL, f"{table}/{next(_numbers)}"))
    return cloud.tables[table].add({**row, "id": ident, **changed})


def _zones(cloud: Cloud) -> None:
    """A disabled one, one at the edge, some of every kind, and names of all sorts."""
    models = list(cloud.tables["zones"])
    for name, like in zip(NAMES[3:8], cycle(models), strict=False):
        _more(cloud, "zones", like, name=name, allocationstate="Disabled" if like is models[0] else "Enabled")
    edge = _more(cloud, "zones", models[0], name="edge", type="Edge")
    del edge["zonetoken"]


def _accounts(cloud: Cloud) -> None:
    """A sub-domain's sub-domain with a user in it, a user of a narrow role, a project."""
    parent = cloud.tables["domains"].add(
        {"id": str(uuid5(NAMESPACE_URL, "domain/1")), "name": "Köln", "path": "ROOT/Köln", "level": 1}
    )
    child = cloud.tables["domains"].add(
        {"id": str(uuid5(NAMESPACE_URL, "domain/2")), "name": "R&D", "path": "ROOT/Köln/R&D", "level": 2}
    )
    users = cloud.rules(cloud.tables["roles"].first(name="User") or {})
    narrow = {"name": "Narrow", "type": "User", "_rules": sorted(users - {*LACKING})}
    cloud.tables["roles"].add(narrow)
    plant_account(cloud.tables, AccountSeed("carol", "Narrow").filled())
    plant_account(cloud.tables, AccountSeed("dave").filled())
    place = {"domainid": child["id"], "domain": child["name"]}
    for table in ("accounts", "users"):
        field = "name" if table == "accounts" else "username"
        row = cloud.tables[table].first(**{field: "dave"}) or {}
        cloud.tables[table].update(row, **place)
    cloud.tables["projects"].add(
        {
            "id": str(uuid5(NAMESPACE_URL, "project/1")),
            "name": "Projekt <1>",
            "displaytext": "",
            "domainid": parent["id"],
            "domain": parent["name"],
            "state": "Active",
            "projectaccountname": "PrjAcct-Projekt <1>-1",
            "_members": ["alice"],
        }
    )


def project(place: Place) -> str:
    return str(place.sim.cloud.tables["projects"].first(name="Projekt <1>")["id"])


def owner(cloud: Cloud, name: str) -> Row:
    """The fields of a row by which CloudStack tells whose it is."""
    account = cloud.tables["accounts"].first(name=name) or {}
    domain = cloud.tables["domains"].known(account["domainid"]) or {}
    place = {"domainid": domain["id"], "domain": domain["name"], "domainpath": domain["path"]}
    return {"account": name, **place}


def _networks(cloud: Cloud) -> None:
    tables = cloud.tables
    isolated = tables["networks"].first(type="Isolated", name="default") or {}
    shared = tables["networks"].first(name="sg-shared") or {}
    l2 = {key: value for key, value in isolated.items() if key not in ("cidr", "gateway", "netmask")}
    for name, state in zip(NAMES, cycle(NETWORKS), strict=False):
        _more(cloud, "networks", isolated, name=name, displaytext=name, state=state)
    _more(cloud, "networks", l2, name="layer 2", type="L2", broadcastdomaintype="Vlan")
    six = {"ip6cidr": "2001:db8:1::/64", "ip6gateway": "2001:db8:1::1"}
    _more(cloud, "networks", isolated, name="dual", internetprotocol="DualStack", **six)
    routes = [{"subnet": "2001:db8:1::/64", "gateway": "2001:db8::1"}]
    _more(cloud, "networks", isolated, name="six routed", ip6routes=routes, **six)
    ip4 = {"ip4routing": "Static", "ip4routes": [{"subnet": "10.99.0.0/24", "gateway": "10.1.36.7"}]}
    _more(cloud, "networks", isolated, name="routed", cidr="10.99.0.0/24", gateway="10.99.0.1", **ip4)
    _more(cloud, "networks", isolated, name="reserved", networkcidr="10.98.0.0/24", cidr="10.98.0.128/25")
    only_six = {key: value for key, value in shared.items() if key not in ("cidr", "gateway", "netmask")}
    _more(cloud, "networks", only_six, name="six alone", internetprotocol="IPv6", **six)
    below = {"domainid": tables["domains"].first(name="R&D")["id"], "domain": "R&D"}
    _more(cloud, "networks", shared, name="below", **below)
    two = {"cidr": "10.147.36.0/24,10.147.37.0/24", "gateway": "10.147.36.1,10.147.37.1"}
    _more(cloud, "networks", shared, name="two ranges", **two)
    basic = tables["networks"].first(name="guestNetworkForBasicZone") or {}
    for field in ("cidr", "gateway", "netmask"):
        del basic[field]


def _vpc(cloud: Cloud) -> None:
    """VPCs of all states; one has many tiers."""
    like = cloud.tables["vpcs"].first() or {}
    tier = next(row for row in cloud.tables["networks"] if row.get("vpcid") == like["id"])
    wide = _more(cloud, "vpcs", like, name="wide", cidr="10.200.0.0/16")
    for number in range(TIERS):
        _more(
            cloud,
            "networks",
            tier,
            name=f"tier {number}",
            cidr=f"10.200.{number}.0/24",
            gateway=f"10.200.{number}.1",
            vpcid=wide["id"],
        )
    for name in NAMES:
        _more(cloud, "vpcs", like, name=name, displaytext=name, state="Inactive")


def _images(cloud: Cloud) -> None:
    """Thousands: one's own and everybody's, ready and not."""
    like = next(row for row in cloud.tables["templates"] if row.get("account") == "alice")
    for number, name in zip(range(IMAGES), cycle(NAMES), strict=False):
        public = number % 2 == 0
        row = _more(
            cloud,
            "templates",
            like,
            name=name,
            displaytext=name,
            ispublic=public,
            isfeatured=number % 10 == 0,
            **owner(cloud, "bob" if public else "alice"),
        )
        if number % 7 == 0:
            row.update(isready=False, status="45% Downloaded")
        if number % 11 == 0:
            for field in ("ostypename", "ostypeid", "format", "arch", "details", "size"):
                row.pop(field, None)


def _machines(cloud: Cloud) -> None:
    """One of every name in every state."""
    tables = cloud.tables
    for state in MACHINES:
        for like, name in zip(cycle(list(tables["machines"])[:3]), NAMES, strict=False):
            machine = _more(
                cloud, "machines", like, name=name or "VM-1", displayname=name, state=state, details={}
            )
            if not name:
                del machine["displayname"]
            if state == "Error":
                machine["_rooted"] = False
                continue
            nic = tables["nics"].first(_machine=like["id"]) or {}
            made = _more(cloud, "nics", nic, _machine=machine["id"])
            if state == "Running":
                made.update(ip6address="2001:db8:1::7", ip6gateway="2001:db8:1::1", ip6cidr="2001:db8:1::/64")
            if state == "Starting":
                for field in ("ipaddress", "netmask", "gateway"):
                    made.pop(field, None)
            root = tables["volumes"].first(virtualmachineid=like["id"], type="ROOT") or {}
            if root:
                _more(cloud, "volumes", root, virtualmachineid=machine["id"], name=name)


def _disks(cloud: Cloud) -> None:
    """Volumes and snapshots of every state; what is made of volumes that are long gone."""
    tables = cloud.tables
    data = next(row for row in tables["volumes"] if not row.get("virtualmachineid"))
    for name, state in zip(cycle(NAMES), VOLUMES, strict=False):
        volume = _more(cloud, "volumes", data, name=name, state=state)
        if state in ("UploadError", "NotUploaded", "Allocated"):
            volume.pop("size", None)
    kept = tables["snapshots"].first() or {}
    gone = str(uuid5(NAMESPACE_URL, "volume/gone"))
    for name, state in zip(cycle(NAMES), SNAPSHOTS, strict=False):
        snapshot = _more(cloud, "snapshots", kept, name=name, state=state)
        orphan = _more(cloud, "snapshots", kept, name=name, state=state, volumeid=gone)
        for field in ("volumename", "ostypeid", "physicalsize", "virtualsize"):
            orphan.pop(field, None)
        assert snapshot["state"] == state


def _small(cloud: Cloud) -> None:
    """Groups, rules, keys, affinity groups, addresses, tags: of all names."""
    tables = cloud.tables
    group = tables["securitygroups"].first(name="plain") or {}
    rule = next(row for row in tables["securitygrouprules"] if row["_direction"] == "ingress")
    key, affinity = tables["keypairs"].first() or {}, tables["affinitygroups"].first() or {}
    machines = [row["id"] for row in tables["machines"].where(account="alice")]
    for name, machine in zip(NAMES, machines, strict=False):
        made = _more(cloud, "securitygroups", group, name=name, description=name)
        for shown in _rules():
            _more(cloud, "securitygrouprules", rule, _group=made["id"], _shown=shown)
        _more(cloud, "keypairs", key, name=name)
        _more(cloud, "affinitygroups", affinity, name=name, description=name, type="host affinity")
        tag = {**owner(cloud, "alice"), "resourcetype": "UserVm", "resourceid": machine}
        tables["tags"].add({"key": name or "k", "value": name, "_fold": name.lower(), **tag})
    free = tables["addresses"].where(state="Free")[:6]
    for state, address in zip(("Allocating", "Allocated", "Releasing") * 2, free, strict=True):
        tables["addresses"].update(address, state=state, allocated="2016-01-01T00:00:00+0000")
        tables["addresses"].update(address, **owner(cloud, "alice"))


def _rules() -> Iterator[Row]:
    yield {"protocol": "tcp", "startport": 1, "endport": 65535, "cidr": "0.0.0.0/0"}
    yield {"protocol": "icmp", "icmptype": -1, "icmpcode": -1, "cidr": "0.0.0.0/0"}
    yield {"protocol": "all", "startport": 0, "endport": 0, "cidr": "::/0"}
    yield {"protocol": "47", "cidr": "10.0.0.0/8"}
    yield {"protocol": "udp", "startport": 53, "endport": 53, "securitygroupname": "a&b", "account": "bob"}


def _limits(cloud: Cloud) -> None:
    for resource in ("user_vm", "public_ip", "volume", "vpc"):
        cloud.limits.set(owner(cloud, "alice"), resource, -1)
        cloud.limits.set(owner(cloud, "carol"), resource, 0)
