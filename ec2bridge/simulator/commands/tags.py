"""Resource tags. One table for all kinds of objects; every check happens in the job.

Two keys are one to CloudStack's database when they differ only by case, by an accent or by trailing spaces, and
nothing beyond Unicode's basic plane can be stored.
"""

from __future__ import annotations

import unicodedata

from ec2bridge.simulator.call import Call
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.errors import ApiError, invalid
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

KINDS = {
    kind.lower(): (kind, table)
    for kind, table in {
        "UserVm": "machines",
        "Template": "templates",
        "ISO": "templates",
        "Volume": "volumes",
        "Snapshot": "snapshots",
        "Network": "networks",
        "LoadBalancer": "loadbalancers",
        "PortForwardingRule": "firewallrules",
        "FirewallRule": "firewallrules",
        "SecurityGroup": "securitygroups",
        "SecurityGroupRule": "securitygrouprules",
        "PublicIpAddress": "addresses",
        "Project": "projects",
        "Vpc": "vpcs",
        "NetworkACL": "aclrules",
        "StaticRoute": "staticroutes",
        "VMSnapshot": "vmsnapshots",
    }.items()
}
_UNTAGGABLE = (
    "Nic",
    "NetworkACLList",
    "VpnGateway",
    "CustomerGateway",
    "VpnConnection",
    "PrivateGateway",
    "RemoteAccessVpn",
    "User",
    "DiskOffering",
    "ServiceOffering",
    "NetworkOffering",
    "VpcOffering",
    "AutoScaleVmProfile",
    "AutoScaleVmGroup",
    "LBStickinessPolicy",
    "LBHealthCheckPolicy",
    "SnapshotPolicy",
    "GuestOs",
    "Zone",
    "Storage",
    "Account",
    "Domain",
)
WIDEST = 255
UNTAGGABLE = {kind.lower(): kind for kind in _UNTAGGABLE}
_HIDDEN_INSIDE = ("id", "domainpath")
_NOT_YOURS = "Caller does not have permission to operate with provided resource."


def fold(key: str) -> str:
    """What the database compares: no case, no accents, no trailing spaces."""
    plain = (char for char in unicodedata.normalize("NFD", key) if not unicodedata.combining(char))
    return "".join(plain).casefold().rstrip(" ")


def shown(tag: Row) -> Row:
    return {key: value for key, value in tag.items() if key != "id" and not key.startswith("_")}


def inside(cloud: Cloud, resource_id: str) -> list[Row]:
    """The `tags` of a machine, volume, snapshot or template inside its own row."""
    return [
        {key: value for key, value in shown(tag).items() if key not in _HIDDEN_INSIDE}
        for tag in of(cloud, resource_id)
    ]


def short(cloud: Cloud, resource_id: str) -> list[Row]:
    """The `tags` of a network, VPC, address or rule: key and value alone."""
    return [{"key": tag["key"], "value": tag["value"]} for tag in of(cloud, resource_id)]


def full(cloud: Cloud, resource_id: str) -> list[Row]:
    """The `tags` of a security group or its rules: as listTags shows them."""
    return [shown(tag) for tag in of(cloud, resource_id)]


def of(cloud: Cloud, resource_id: str) -> list[Row]:
    return cloud.tables["tags"].where(resourceid=resource_id)


def forget(cloud: Cloud, resource_id: str) -> None:
    """An object that is gone for good takes its tags along."""
    for tag in of(cloud, resource_id):
        cloud.tables["tags"].erase(tag)


def add(call: Call, kind: str, row: Row, pairs: dict[str, str]) -> None:
    """Tag one object of the call's owner, as creations with `tags` do."""
    for key, value in pairs.items():
        call.cloud.tables["tags"].add(_tag(kind, row, key, value))


def _owner(row: Row) -> Row:
    """Firewall rules hide their owner, because listings leave it out."""
    return row.get("_owner") or row


def _tag(kind: str, row: Row, key: str, value: str) -> Row:
    fields = ("account", "projectid", "project", "domainid", "domain")
    holder = _owner(row)
    owner: Row = {field: holder[field] for field in fields if field in holder}
    return {
        "key": key,
        "value": value,
        "resourcetype": kind,
        "resourceid": row["id"],
        **owner,
        "domainpath": holder.get("domainpath", "ROOT"),
        "_fold": fold(key),
    }


def _kind(name: str) -> tuple[str, str]:
    if name.lower() in UNTAGGABLE:
        raise invalid(f"The resource type {UNTAGGABLE[name.lower()]} doesn't support resource tags")
    if name.lower() not in KINDS:
        raise invalid(f"Invalid resource type {name}")
    return KINDS[name.lower()]


def _resources(call: Call, kind: str, table: str) -> list[Row]:
    rows = []
    for resource_id in call.words("resourceids"):
        row = call.cloud.tables[table].get(resource_id)
        if row is None:
            raise invalid(f"Unable to find resource by uuid {resource_id} and type {kind}")
        owner = _owner(row)
        if row.get("state") == "Free":
            # An address that nobody has; the real server's own words.
            getter = "org.apache.cloudstack.acl.ControlledEntity.getDomainId()"
            raise ApiError(530, 4250, f'Cannot invoke "{getter}" because "entity" is null')
        public = "account" not in owner and "projectid" not in owner
        if not call.may_use(owner) or (public and not call.caller.is_admin):
            raise ApiError(530, 4250, _NOT_YOURS)
        rows.append(row)
    return rows


@command("createTags")
def create_tags(call: Call) -> Answer:
    def work() -> Row:
        kind, table = _kind(call.need("resourcetype"))
        pairs = _pairs(call)
        rows = _resources(call, kind, table)
        for row in rows:
            _refuse_taken(call, kind, row, pairs)
        for row in rows:
            add(call, kind, row, pairs)
        return {"success": True}

    return call.submit(work, weight=0.05)


def _pairs(call: Call) -> dict[str, str]:
    pairs = {}
    for tag in call.maps("tags"):
        if "key" not in tag or "value" not in tag:
            raise ApiError(530, 4250, "Command failed due to Internal Server Error")
        if not tag["value"]:
            raise invalid(f"Value for the key {tag['key']} is either null or empty")
        # The database cuts off what is too long, and nobody is told.
        pairs[tag["key"][:WIDEST]] = tag["value"][:WIDEST]
    for field in ("key", "value"):
        for text in pairs if field == "key" else pairs.values():
            _refuse_wide(field, text)
    return pairs


def _refuse_wide(field: str, text: str) -> None:
    wide = next((char for char in text if ord(char) > 0xFFFF), None)
    if wide is None:
        return
    octets = "".join(f"\\x{octet:02X}" for octet in wide.encode())
    raise ApiError(
        530,
        4250,
        f"Unable to persist on DB, due to: Data truncation: Incorrect string value: '{octets}' "
        f"for column `cloud`.`resource_tags`.`{field}` at row 1",
    )


def _refuse_taken(call: Call, kind: str, row: Row, pairs: dict[str, str]) -> None:
    taken = {tag["_fold"] for tag in of(call.cloud, row["id"])}
    for key in pairs:
        if fold(key) in taken:
            raise ApiError(530, 4250, f"tag {key} already on {kind} with id {row['id']}")
        taken.add(fold(key))


@command("deleteTags")
def delete_tags(call: Call) -> Answer:
    def work() -> Row:
        kind, _ = _kind(call.need("resourcetype"))
        wanted = [(fold(tag.get("key", "")), tag.get("value")) for tag in call.maps("tags")]
        # Tags are found by their object's uuid, whether the object is still there or not.
        tags = [tag for ident in call.words("resourceids") for tag in of(call.cloud, ident)]
        found = [tag for tag in tags if tag["resourcetype"] == kind and _wanted(tag, wanted)]
        if not found:
            raise ApiError(530, 4250, "Failed to delete tags")
        if not all(call.may_use(tag) for tag in found):
            raise ApiError(530, 4250, _NOT_YOURS)
        for tag in found:
            call.cloud.tables["tags"].erase(tag)
        return {"success": True}

    return call.submit(work, weight=0.05)


def _wanted(tag: Row, wanted: list[tuple[str, str | None]]) -> bool:
    """No tags named means all of them; a value that is given must be the tag's."""
    return not wanted or any(
        key == tag["_fold"] and value in (None, "", tag["value"]) for key, value in wanted
    )


@command("listTags")
def list_tags(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["tags"])
    if "key" in call.params:
        rows = [row for row in rows if row["_fold"] == fold(call.params["key"])]
    return call.page("tag", call.matching(rows, "resourceid", "resourcetype", "value", keyword="key"), shown)
