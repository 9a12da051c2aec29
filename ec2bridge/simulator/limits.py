"""Quotas of accounts and domains, and the refusal (535) of what would exceed one."""

from __future__ import annotations

from collections.abc import Callable

from ec2bridge.simulator.errors import ApiError
from ec2bridge.simulator.tables import Row, Tables

UNLIMITED = -1
GIB = 1 << 30
TABLES_OF = {
    "user_vm": "machines",
    "public_ip": "addresses",
    "volume": "volumes",
    "snapshot": "snapshots",
    "template": "templates",
    "network": "networks",
    "vpc": "vpcs",
    "cpu": "machines",
    "memory": "machines",
    "primary_storage": "volumes",
}


class Limits:
    """Counts what an owner holds. A resource without a counter here is never refused."""

    def __init__(self, tables: Tables, defaults: dict[str, int], unlimited: set[str]) -> None:
        self.tables = tables
        self.defaults = defaults
        self.unlimited = unlimited
        self._counters: dict[str, Callable[[list[Row]], int]] = {
            "user_vm": len,
            "public_ip": len,
            "volume": len,
            "snapshot": len,
            "template": len,
            "network": len,
            "vpc": len,
            "cpu": lambda rows: sum(row.get("cpunumber", 0) for row in rows),
            "memory": lambda rows: sum(row.get("memory", 0) for row in rows),
            "primary_storage": lambda rows: sum(row.get("size", 0) for row in rows) // GIB,
        }

    def used(self, owner: Row, resource: str) -> int:
        table = TABLES_OF.get(resource)
        if table is None:
            return 0
        rows = [row for row in self.tables[table] if _owned(row, owner) and _counts(table, row)]
        return self._counters[resource](rows)

    def used_in_domain(self, domain_id: str, resource: str) -> int:
        table = TABLES_OF.get(resource)
        rows = self.tables[table].where(domainid=domain_id) if table else []
        return self._counters[resource](rows) if table else 0

    def maximum(self, owner: Row, resource: str) -> int:
        """The owner's own limit, else the default of ordinary accounts; -1 is none."""
        row = self._row(owner, resource)
        if row is not None:
            return int(row["max"])
        if owner.get("account") in self.unlimited or "projectid" in owner:
            return UNLIMITED
        return int(self.defaults.get(resource, UNLIMITED))

    def set(self, owner: Row, resource: str, value: int) -> None:
        row = self._row(owner, resource)
        table = self.tables["limits"]
        if row is None:
            table.add({"_owner": _key(owner), "resourcetypename": resource, "max": value})
        else:
            table.update(row, max=value)

    def check(self, owner: Row, resource: str, amount: int) -> None:
        most = self.maximum(owner, resource)
        used = self.used(owner, resource)
        if most == UNLIMITED or used + amount <= most:
            return
        raise ApiError(
            535,
            9999,
            f"Maximum amount of resources of Type = '{resource}', tag = 'null' for Account Name = "
            f"{owner.get('account', owner.get('project'))} in Domain Id = 1 is exceeded: "
            f"Account Resource Limit = {most}, "
            f"Current Account Resource Amount = {used}, Current Account Resource Reservation = 0, "
            f"Requested Resource Amount = {amount}.",
        )

    def _row(self, owner: Row, resource: str) -> Row | None:
        return self.tables["limits"].first(_owner=_key(owner), resourcetypename=resource)


def _key(owner: Row) -> str:
    return str(owner.get("projectid") or f"{owner['domainid']}/{owner['account']}")


def _owned(row: Row, owner: Row) -> bool:
    if "projectid" in owner:
        return bool(row.get("projectid") == owner["projectid"])
    return bool(row.get("account") == owner["account"] and row.get("domainid") == owner["domainid"])


def _counts(table: str, row: Row) -> bool:
    """A machine in state Error, destroyed ones and system rows are outside the quota."""
    return not (table == "machines" and row.get("state") in ("Error", "Destroyed", "Expunging"))
