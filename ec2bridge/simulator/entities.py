"""How CloudStack's error texts write its objects: Java's `toString` with the database's own numbers."""

from __future__ import annotations

import json
from typing import Any

from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.tables import Row, Table

OWNER = ("account", "projectid", "project", "domainid", "domain", "domainpath")
MAPPED = ("virtualmachineid", "vmipaddress", "_nic")


def _compact(**fields: Any) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _number(cloud: Cloud, table: str, row_id: str | None) -> int:
    row = cloud.tables[table].known(row_id or "")
    return row["_number"] if row else 0


def account_number(cloud: Cloud, row: Row) -> int:
    """The database id of the row's account; 1 is the system's."""
    account = cloud.tables["accounts"].first(name=row.get("account"), domainid=row.get("domainid"))
    return 1 + account["_number"] if account else 1


def network_text(cloud: Cloud, network: Row) -> str:
    fields = {
        "id": network["_number"],
        "name": network["name"],
        "uuid": network["id"],
        "networkofferingid": _number(cloud, "networkofferings", network["networkofferingid"]),
    }
    return f"Network {json.dumps(fields)}"


def zone_text(zone: Row) -> str:
    return f"Zone {json.dumps({'id': str(zone['_number']), 'name': zone['name'], 'uuid': zone['id']})}"


def vpc_text(vpc: Row) -> str:
    return f"VPC {_compact(id=vpc['_number'], name=vpc['name'], uuid=vpc['id'])}"


def address_text(cloud: Cloud, address: Row) -> str:
    fields = _compact(
        address=address["ipaddress"],
        dataCenterId=_number(cloud, "zones", address["zoneid"]),
        id=address["_number"],
        uuid=address["id"],
    )
    return f"IPAddress {fields}"


def rule_text(cloud: Cloud, rule: Row) -> str:
    fields = _compact(
        id=rule["_number"],
        networkId=_number(cloud, "networks", rule["networkid"]),
        purpose=rule["_purpose"],
        state=rule["state"],
        uuid=rule["id"],
    )
    return f"FirewallRule {fields}"


def volume_text(cloud: Cloud, volume: Row) -> str:
    fields = _compact(
        id=volume["_number"],
        instanceId=_number(cloud, "machines", volume.get("virtualmachineid")),
        name=volume["name"],
        uuid=volume["id"],
        volumeType=volume["type"],
    )
    return f"Volume {fields}"


def snapshot_text(cloud: Cloud, snapshot: Row) -> str:
    fields = _compact(
        id=snapshot["_number"],
        name=snapshot["name"],
        state=snapshot["state"],
        uuid=snapshot["id"],
        version="2.2",
        volumeId=_number(cloud, "volumes", snapshot["volumeid"]),
    )
    return f"Snapshot {fields}"


def free_address(table: Table, address: Row) -> None:
    """A public address is nobody's; its row and its uuid stay."""
    for field in (*OWNER, *MAPPED, "allocated", "associatednetworkid", "vpcid"):
        address.pop(field, None)
    table.update(address, state="Free", issourcenat=False, isstaticnat=False)
