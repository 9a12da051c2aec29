"""The security groups of a launch.

CloudStack takes groups only in zones that apply them itself; elsewhere a group exists all the same, and membership
is a reserved tag on the machine.
"""

from collections.abc import Iterable
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.launches.network import Nics
from ec2bridge.resources.places.zones import default_vpc_id, vpc_id_of_network

Row = dict[str, Any]

MOST_MARKED = 6
"""So many uuids fit into a tag's 255 characters; AWS's own default is 5."""


async def launch_groups(ctx: Context, request: dict[str, Any], placed: Nics) -> list[str]:
    """Return the uuids of the groups that a launch's machines are in; the VPC's default one when none is named."""
    ids = placed.groups or request.get("SecurityGroupIds") or []
    names = request.get("SecurityGroups") or []
    if not ids and not names and placed.zone.security_groups:
        return []
    vpc = vpc_id_of_network(ctx, placed.rows[0]) if placed.rows else default_vpc_id(ctx)
    found = await security_groups.chosen(ctx, vpc, ids, names)
    return native_uuids(found) if placed.zone.security_groups else [group.uuid for group in found]


def membership(uuids: list[str]) -> str:
    """Return the value of a machine's reserved tag that says which groups it is in; CloudStack's tags are short."""
    if len(uuids) > MOST_MARKED:
        raise Ec2Error(
            "SecurityGroupsPerInterfaceLimitExceeded",
            f"The maximum number of security groups per interface has been reached: {MOST_MARKED} in this zone.",
        )
    return ",".join(uuids)


def native_uuids(found: Iterable[security_groups.Group]) -> list[str]:
    """Return CloudStack's own ids of groups, for a zone that applies them."""
    return [str(group.row["id"]) for group in found if group.row]
