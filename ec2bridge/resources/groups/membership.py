"""Which groups a machine is in: CloudStack's own where the zone applies groups, else a reserved tag on the machine."""

from collections.abc import Iterable
from typing import Any

from ec2bridge.errors import Ec2Error
from ec2bridge.resources.groups import security_groups

Row = dict[str, Any]


MOST_MARKED = 6
"""So many uuids fit into a tag's 255 characters; AWS's own default is 5."""


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
