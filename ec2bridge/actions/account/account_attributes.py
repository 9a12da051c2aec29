"""What an account may have: the default VPC, and CloudStack's resource limits as EC2's attributes.

docker-machine and fog read `default-vpc` before anything else. CloudStack limits machines and addresses; where it
sets none, or where EC2 limits something that CloudStack does not, the attribute has no value to give.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.places.networks import default_vpc_id

# CloudStack's resource types: 0 is user_vm, 1 is public_ip.
LIMITS = {"max-instances": "0", "max-elastic-ips": "1", "vpc-max-elastic-ips": "1"}
NAMES = ("supported-platforms", "default-vpc", *LIMITS, "vpc-max-security-groups-per-interface")


@action("DescribeAccountAttributes", honours=("AttributeNames",), native=("listResourceLimits",))
async def describe_account_attributes(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes asked for, all of them by default."""
    asked = request.get("AttributeNames") or NAMES
    for name in asked:
        if name not in NAMES:
            raise Ec2Error("InvalidParameterValue", f"Value ({name}) for parameter attributeName is invalid.")
    values = {"supported-platforms": "VPC", "default-vpc": default_vpc_id(ctx)}
    if any(name in LIMITS for name in asked):
        values |= await _limits(ctx)
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": values[name]}]}
            for name in dict.fromkeys(asked)
            if name in values
        ]
    }


async def _limits(ctx: Context) -> dict[str, str]:
    rows = await ctx.account.list("listResourceLimits")
    # Limits with a tag are for machines on tagged hosts; -1 is no limit.
    most = {str(row["resourcetype"]): int(row["max"]) for row in rows if not row.get("tag")}
    return {name: str(most[kind]) for name, kind in LIMITS.items() if most.get(kind, -1) >= 0}
