"""Deregistering images.

EC2 lets an image go while machines of it run, and leaves its snapshots unless told otherwise. CloudStack deletes a
template that is in use only when forced; its machines keep what they have.
"""

from typing import Any

from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images import records as image_records
from ec2bridge.resources.images import removal
from ec2bridge.resources.images.lookup import (
    PROTECTED,
    UNPROTECTED,
    cooling_until,
    resolve_image,
    root_of,
)
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


@action(
    "DeregisterImage",
    honours=("ImageId", "DeleteAssociatedSnapshots"),
    native=("deleteTemplate", "listTemplates"),
)
async def deregister_image(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove an image from all zones; machines that were made of it go on."""
    place = removal.place_of(request.get("ImageId"), bool(request.get("DeleteAssociatedSnapshots")))
    begun = await journal.claim(ctx, removal.PLAN, place)
    if begun:
        return _answer(request, await removal.remove(ctx, None, None, place))
    uuid = await image_records.failed(ctx, request.get("ImageId") or "")
    try:
        row = await resolve_image(ctx, request.get("ImageId"))
    except Ec2Error as error:
        if begun is None and error.code == "InvalidAMIID.NotFound":
            # Whoever took the first request up has been through with it.
            return _answer(request, None)
        if uuid is None or error.code != "InvalidAMIID.NotFound":
            raise
        # One that came to nothing is there to be looked at, and goes from the record.
        await resource_tags.forget(ctx, "image", uuid)
        await image_records.bury(ctx, uuid)
        return {"Return": True}
    _refuse_protected(row)
    source = root_of(row) if request.get("DeleteAssociatedSnapshots") else None
    removed = await removal.remove(ctx, row["id"], source.snapshot if source else None, place)
    return _answer(request, removed)


def _answer(request: dict[str, Any], removed: tuple[str, str] | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"Return": True}
    if request.get("DeleteAssociatedSnapshots"):
        results = [removed] if removed else []
        answer["DeleteSnapshotResults"] = [
            {"SnapshotId": ec2_id("snap", snapshot), "ReturnCode": code} for snapshot, code in results
        ]
    return answer


def _refuse_protected(row: Row) -> None:
    held = resource_tags.hidden(row).get(PROTECTED, UNPROTECTED)
    until = cooling_until(held)
    if held != UNPROTECTED and (until is None or until > 0):
        raise Ec2Error(
            "OperationNotPermitted",
            f"The image '{ec2_id('ami', row['id'])}' may not be deregistered: its deregistration protection is {held}.",
        )
