"""The length of ids, which AWS let accounts choose from 2016 to 2018: here all are long, for everyone."""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS
from ec2bridge.resources.tags.resource_tags import resource_type


def _statuses(resource: str | None = None) -> list[dict[str, Any]]:
    names = sorted(resource_type(kind) for kind in KINDS)
    if resource and resource not in names:
        raise Ec2Error("InvalidParameterValue", f"Value ({resource}) for parameter resource is invalid.")
    return [{"Resource": name, "UseLongIds": True} for name in names if resource in (None, "", name)]


@action("DescribeIdFormat", honours=("Resource",))
async def describe_id_format(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that ids are long, of one kind or of all."""
    return {"Statuses": _statuses(request.get("Resource"))}


@action("DescribeIdentityIdFormat", honours=("Resource", "PrincipalArn"))
async def describe_identity_id_format(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the same for any identity."""
    return {"Statuses": _statuses(request.get("Resource"))}


@action("DescribeAggregateIdFormat")
async def describe_aggregate_id_format(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that ids of every kind are long."""
    return {"UseLongIdsAggregated": True, "Statuses": _statuses()}
