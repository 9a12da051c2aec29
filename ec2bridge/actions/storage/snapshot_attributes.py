"""Who may make volumes of a snapshot.

EC2 shares snapshots with accounts or with all; CloudStack's are their owner's alone. So nobody else has a permission,
taking one away succeeds, and giving one is refused.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.snapshots.lookup import resolve_snapshot

PERMISSION = "createVolumePermission"


@action("DescribeSnapshotAttribute", honours=("SnapshotId", "Attribute"), native=("listSnapshots",))
async def describe_snapshot_attribute(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one attribute of a snapshot; both are always empty."""
    members = {PERMISSION: "CreateVolumePermissions", "productCodes": "ProductCodes"}
    attribute = request.get("Attribute")
    if attribute not in members:
        raise Ec2Error("InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid.")
    row = await resolve_snapshot(ctx, request.get("SnapshotId"))
    return {"SnapshotId": ec2_id("snap", row["id"]), members[attribute]: []}


@action(
    "ModifySnapshotAttribute",
    honours=(
        "SnapshotId",
        "Attribute",
        "OperationType",
        "UserIds",
        "GroupNames",
        "CreateVolumePermission",
    ),
    native=("listSnapshots",),
)
async def modify_snapshot_attribute(ctx: Context, request: dict[str, Any]) -> None:
    """Take permissions away, which nobody has; refuse to give one."""
    if request.get("Attribute") not in (None, PERMISSION):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({request['Attribute']}) for parameter attribute is invalid: only {PERMISSION} can be changed.",
        )
    await resolve_snapshot(ctx, request.get("SnapshotId"))
    named = request.get("UserIds") or request.get("GroupNames")
    adds = (request.get("CreateVolumePermission") or {}).get("Add")
    if adds or (named and request.get("OperationType") != "remove"):
        raise Ec2Error(
            "UnsupportedOperation",
            "A snapshot cannot be shared: CloudStack's snapshots are their owner's alone. Share an image instead.",
        )


@action("ResetSnapshotAttribute", honours=("SnapshotId", "Attribute"), native=("listSnapshots",))
async def reset_snapshot_attribute(ctx: Context, request: dict[str, Any]) -> None:
    """Take all permissions away, which nobody has."""
    if request.get("Attribute") != PERMISSION:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({request.get('Attribute')}) for parameter attribute is invalid: only {PERMISSION} can be reset.",
        )
    await resolve_snapshot(ctx, request.get("SnapshotId"))
