"""Copies of images.

EC2's image is a region's, and a copy of it is another image. CloudStack's template is in some zones of its cloud, and
copied to another zone it stays the same template with the same id. So a copy brings an image to the zones that lack
it; one under another name does not exist here and is refused.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import keep_description
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images.lookup import image_rows, resolve_image
from ec2bridge.resources.places.zones import Zone, asked_zone, require_region, zones
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]


@action(
    "CopyImage",
    honours=(
        "SourceImageId",
        "SourceRegion",
        "Name",
        "DestinationAvailabilityZone",
        "DestinationAvailabilityZoneId",
        "TagSpecifications",
        "ClientToken",
    ),
    ignores={
        "CopyImageTags": "the copy is the same image and keeps its tags",
    },
    defaults={"Encrypted": (False,)},
    native=("copyTemplate", "listTemplates", "listZones"),
)
async def copy_image(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin to copy an image to all zones that lack it, or to the one named; it keeps its id and its name."""
    tags = resource_tags.specified(request, "image")
    require_region(ctx, request.get("SourceRegion"))
    row = await resolve_image(ctx, request.get("SourceImageId"))
    if request.get("Name") not in (None, row["name"]):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Name with the value '{request['Name']}' is not supported: a copy in another zone is the"
            f" same image in CloudStack and keeps its name, '{row['name']}'.",
        )
    keep_description(request.get("Description"), row.get("displaytext"), "image")
    if not row.get("isready"):
        raise Ec2Error("IncorrectState", f"The image '{ec2_id('ami', row['id'])}' is not available yet.")
    present = {other["zoneid"] for other in await image_rows(ctx, row["id"])}
    targets = [zone.uuid for zone in await _targets(ctx, request, present)]
    if targets:
        await ctx.account.submit(
            "copyTemplate", id=row["id"], sourcezoneid=row["zoneid"], destzoneids=targets
        )
    if tags:
        await resource_tags.assign(ctx, "image", {row["id"]: resource_tags.native(row)}, tags)
    return {"ImageId": ec2_id("ami", row["id"])}


async def _targets(ctx: Context, request: dict[str, Any], present: set[str]) -> list[Zone]:
    """Return the zones to copy to; CloudStack refuses those that have the image."""
    wanted = await asked_zone(ctx, request, ("DestinationAvailabilityZone", "DestinationAvailabilityZoneId"))
    chosen = [wanted] if wanted else await zones(ctx)
    return [zone for zone in chosen if zone.uuid not in present]
