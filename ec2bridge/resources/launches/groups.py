"""The security groups of a launch.

CloudStack takes groups only in zones that apply them itself; elsewhere a group exists all the same, and membership
is a reserved tag on the machine.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.membership import native_uuids
from ec2bridge.resources.groups.security_groups import Groups
from ec2bridge.resources.launches.network import Nics
from ec2bridge.resources.places.networks import default_vpc_id, vpc_id_of_network

Row = dict[str, Any]


async def launch_groups(
    ctx: Context, request: dict[str, Any], placed: Nics, known: Groups | None
) -> list[str]:
    """Return the uuids of the groups that a launch's machines are in; the VPC's default one when none is named."""
    ids = placed.groups or request.get("SecurityGroupIds") or []
    names = request.get("SecurityGroups") or []
    if names and request.get("SubnetId"):
        raise Ec2Error(
            "InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet"
        )
    if not ids and not names:
        # CloudStack puts a machine into its account's own default group.
        return (
            [] if placed.zone.security_groups else [await security_groups.default_uuid(ctx, placed.rows[0])]
        )
    known = known or await security_groups.groups(ctx)
    found = known.chosen(
        vpc_id_of_network(ctx, placed.rows[0]) if placed.rows else default_vpc_id(ctx), ids, names
    )
    return native_uuids(found) if placed.zone.security_groups else [group.uuid for group in found]
