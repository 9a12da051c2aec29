"""The security groups of a launch.

CloudStack takes groups only in zones that apply them itself; elsewhere a group exists all the same, and membership
is a reserved tag on the machine. EC2 knows a group by id or, in the default VPC, by name.
"""

from typing import Any

from ec2bridge.actions import _tags
from ec2bridge.actions._context import Context
from ec2bridge.actions._launch_network import Nics
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id

Row = dict[str, Any]

DEFAULT = "default"


async def launch_groups(ctx: Context, request: dict[str, Any], placed: Nics) -> list[str]:
    """Return the uuids of the groups that a launch's machines are in; the default one when none is named."""
    ids = list(placed.groups or request.get("SecurityGroupIds") or [])
    names = list(request.get("SecurityGroups") or [])
    if not ids and not names and placed.zone.security_groups:
        return []
    rows = await ctx.account.list("listSecurityGroups")
    return choose(rows, ids, names)


def choose(rows: list[Row], ids: list[str], names: list[str]) -> list[str]:
    """Return the uuids behind group ids and names, or raise as AWS does for the first that is unknown."""
    if not ids and not names:
        return [row["id"] for row in rows if ec2_name(row) == DEFAULT][:1]
    found = [_by_id(rows, ident) for ident in ids] + [_by_name(rows, name) for name in names]
    return list(dict.fromkeys(row["id"] for row in found))


def ec2_name(row: Row) -> str:
    """Return a group's EC2 name; its native one may have a suffix."""
    return _tags.hidden(row).get("name") or str(row["name"])


def _by_id(rows: list[Row], ident: str) -> Row:
    for row in rows:
        if ident in (ec2_id("sg", row["id"]), row["id"]):
            return row
    kind = KINDS["security-group"]
    raise kind.missing(ident) if kind.is_id(ident) else kind.refused(ident)


def _by_name(rows: list[Row], name: str) -> Row:
    for row in rows:
        if ec2_name(row) == name:
            return row
    raise Ec2Error("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
