"""Copies of images.

EC2's image is a region's, and a copy of it is another image. CloudStack's template is in some zones of its cloud, and
copied to another zone it stays the same template with the same id. So a copy brings an image to the zones that lack
it. One under another name is another image, made of the same snapshot; where there is no snapshot CloudStack has
nothing that it could be made of, and it is refused.
"""

from typing import Any

from ec2bridge.ec2 import journal, releases
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import keep_description, known
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images import copying, creation
from ec2bridge.resources.images.lookup import (
    ENA,
    SNAPSHOT,
    SRIOV,
    Root,
    check_name,
    image_rows,
    own_templates,
    resolve_image,
    root_of,
)
from ec2bridge.resources.instance_types import architecture
from ec2bridge.resources.places.zones import Zone, asked_zone, require_region, zones
from ec2bridge.resources.snapshots.lookup import require_completed, require_zone, snapshot_rows
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

_ZONE = ("DestinationAvailabilityZone", "DestinationAvailabilityZoneId")


@action(
    "CopyImage",
    honours=(
        "SourceImageId",
        "SourceRegion",
        "Name",
        "Description",
        "CopyImageTags",
        "DestinationAvailabilityZone",
        "DestinationAvailabilityZoneId",
        "TagSpecifications",
        "ClientToken",
    ),
    defaults={"Encrypted": (False,)},
    native=("copyTemplate", "createTemplate", "listTemplates", "listSnapshots", "listZones"),
)
async def copy_image(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Copy an image to all zones that lack it, or to the one named; it keeps its id, unless it is renamed."""
    tags = resource_tags.specified(request, "image")
    require_region(ctx, request.get("SourceRegion"))
    row = await resolve_image(ctx, request.get("SourceImageId"))
    if request.get("Name") not in (None, row["name"]):
        return {"ImageId": await _renamed(ctx, request, row, tags)}
    place = copying.place_of(row["id"], next((request[name] for name in _ZONE if request.get(name)), None))
    if await journal.claim(ctx, copying.PLAN, place):
        await copying.finish(ctx, place)
        return {"ImageId": ec2_id("ami", row["id"])}
    keep_description(request.get("Description"), row.get("displaytext"), "image")
    if not row.get("isready"):
        raise Ec2Error("IncorrectState", f"The image '{ec2_id('ami', row['id'])}' is not available yet.")
    present = {other["zoneid"] for other in await image_rows(ctx, row["id"])}
    targets = [zone.uuid for zone in await _targets(ctx, request, present)]
    if targets or tags:
        await copying.copy(ctx, row, targets, tags, place)
    return {"ImageId": ec2_id("ami", row["id"])}


async def _targets(ctx: Context, request: dict[str, Any], present: set[str]) -> list[Zone]:
    """Return the zones to copy to; CloudStack refuses those that have the image."""
    wanted = await asked_zone(ctx, request, _ZONE)
    chosen = [wanted] if wanted else await zones(ctx)
    return [zone for zone in chosen if zone.uuid not in present]


async def _renamed(ctx: Context, request: dict[str, Any], source: Row, tags: dict[str, str]) -> str:
    """Make another image of the snapshot that one was made of, and return its id."""
    place = creation.place_of(str(request["Name"]), source["id"])
    begun = await journal.claim(ctx, creation.PLAN, place)
    name = str(request["Name"]) if begun else await check_name(ctx, request["Name"])
    root = await _snapshot_of(ctx, request, source)
    if request.get("CopyImageTags"):
        copied = (await resource_tags.merged(ctx, "image", [source]))[source["id"]]
        tags = {**{tag["Key"]: tag["Value"] for tag in copied}, **tags}
    marks = {name: mark for name, mark in resource_tags.hidden(source).items() if name in (ENA, SRIOV)}
    marks[SNAPSHOT] = root.mark()
    params = known(
        name=name,
        displaytext=request.get("Description") or name,
        snapshotid=root.snapshot,
        ostypeid=source.get("ostypeid"),
        passwordenabled=bool(source.get("passwordenabled")),
        requireshvm=source.get("requireshvm"),
        **await _native_architecture(ctx, source),
    )
    given = {
        "params": params,
        "details": source.get("details") or {},
        "tags": {**tags, **{resource_tags.RESERVED + mark: value for mark, value in marks.items()}},
    }
    return await creation.make(ctx, given, place)


async def _snapshot_of(ctx: Context, request: dict[str, Any], source: Row) -> Root:
    """Return what a copy is made of, or refuse: of another's image only its words would tell, and they may lie."""
    root = root_of(source) if source["id"] in {row["id"] for row in await own_templates(ctx)} else None
    rows = await snapshot_rows(ctx, [root.snapshot]) if root else []
    if root is None or not rows:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Name with the value '{request['Name']}' is not supported: CloudStack makes another image of"
            f" a snapshot only, and there is none of yours for '{source['name']}'. Launch an instance from it and use"
            f" CreateImage; a copy called '{source['name']}' brings the image itself to other zones.",
        )
    require_completed(rows[0])
    wanted = await asked_zone(ctx, request, _ZONE)
    if wanted:
        require_zone(rows[0], wanted, await zones(ctx))
    return root


async def _native_architecture(ctx: Context, source: Row) -> dict[str, Any]:
    kind = architecture(source)
    if kind == "arm64":
        await releases.require(ctx, releases.ARM_SNAPSHOT)
        return {"arch": source["arch"]}
    return {"bits": 32} if kind == "i386" else {}
