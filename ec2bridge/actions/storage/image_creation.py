"""Making images: of a machine, of a snapshot, of a disk that lies at a URL.

EC2 answers with an image that is pending, whatever the machine does. CloudStack makes a template of a stopped
machine's root volume at once, but of a running one's only through a snapshot that is whole; the template, and with it
the image's id, exists only then. So the answer waits for the snapshot, and a request that is sent again meanwhile
joins the one under way. A template has the root volume alone.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from ec2bridge.ec2 import background, journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import gib, known
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.images import creation
from ec2bridge.resources.images.lookup import ENA, MACHINE, SNAPSHOT, SRIOV, check_name
from ec2bridge.resources.images.sources import from_snapshot, from_url
from ec2bridge.resources.machines.devices import is_root
from ec2bridge.resources.machines.lookup import Machine, machine, refuse_unless, volumes_of
from ec2bridge.resources.snapshots.creation import asked
from ec2bridge.resources.snapshots.lookup import settled_volume
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes.types import check_root_type

Row = dict[str, Any]

_DISKS = {
    "BlockDeviceMappings.NoDevice": "an image has the root volume alone, whatever else is left out",
    "BlockDeviceMappings.VirtualName": "machines have no instance store volumes",
}
# What is true of every image here.
_ROOT: dict[str, tuple[Any, ...]] = {
    "BlockDeviceMappings.Ebs.DeleteOnTermination": (True,),
    "BlockDeviceMappings.Ebs.Encrypted": (False,),
}
_MADE_BY = "Created by CreateImage({})"
"""How AWS describes the snapshots of images."""


@action(
    "CreateImage",
    honours=(
        "InstanceId",
        "Name",
        "Description",
        "NoReboot",
        "BlockDeviceMappings.DeviceName",
        "BlockDeviceMappings.Ebs.VolumeSize",
        "BlockDeviceMappings.Ebs.VolumeType",
        "TagSpecifications",
    ),
    ignores=_DISKS,
    defaults={"SnapshotLocation": ("regional",), **_ROOT},
    native=("createTemplate", "createSnapshot", "listVirtualMachines", "listVolumes", "listTemplates"),
)
async def create_image(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make an image of a machine's root volume; a running machine is stopped for it unless NoReboot is asked for."""
    if ctx.dry_run:
        return {"ImageId": await _create(ctx, request)}
    place = (ctx.account.cache_key, request.get("Name"), request.get("InstanceId"))
    return {"ImageId": await _joined(ctx, place, _create(ctx, request))}


async def _joined(ctx: Context, place: Any, work: Coroutine[Any, Any, str]) -> str:
    """Return what the work returns, or what the same work returns that is under way."""
    making: dict[Any, asyncio.Task[str]] = ctx.site.caches.setdefault("images-in-making", {})
    task = making.get(place)
    if task is None:
        task = making[place] = background.start(ctx.site, work, f"image {place[1]}")
        task.add_done_callback(lambda done: making.pop(place))
    else:
        work.close()
    return await asyncio.shield(task)


async def _create(ctx: Context, request: dict[str, Any]) -> str:
    tags = resource_tags.specifications(request, "image", "snapshot")
    found = await machine(ctx, request.get("InstanceId") or "")
    place = creation.place_of(request.get("Name") or "", found.uuid)
    begun = await journal.claim(ctx, creation.PLAN, place)
    if begun is None:
        found = await machine(ctx, found.id)
    # The name first: who asks again, not having heard the answer, learns that there is an image of that name.
    name = str(request["Name"]) if begun else await check_name(ctx, request.get("Name"))
    if not begun:
        # Else it may rest for just this image.
        refuse_unless([found], ("running", "stopped"), "made an image of")
    root = await _root(ctx, found)
    kind = _check_mappings(ctx, request.get("BlockDeviceMappings") or [], root)
    given: dict[str, Any] = {
        "machine": found.uuid,
        "params": known(
            name=name,
            displaytext=request.get("Description") or name,
            ostypeid=found.row.get("guestosid") or found.row.get("ostypeid"),
            passwordenabled=bool(found.row.get("passwordenabled")),
        ),
        "tags": {**tags["image"], resource_tags.RESERVED + MACHINE: found.id},
    }
    if found.state == "stopped" and not tags["snapshot"]:
        given["params"]["volumeid"] = root["id"]
    else:
        root = await settled_volume(ctx, root)
        given |= {
            "stops": found.state == "running" and not request.get("NoReboot"),
            "snapshot": asked(root, _MADE_BY.format(found.id), tags["snapshot"]),
            "size": gib(root.get("size") or 0),
            "kind": kind,
        }
    return await creation.make(ctx, given, place)


async def _root(ctx: Context, found: Machine) -> Row:
    volumes = (await volumes_of(ctx, [found.row])).get(found.uuid, [])
    root = next((row for row in volumes if row.get("deviceid") == 0), None)
    if root is None:
        raise Ec2Error("IncorrectInstanceState", f"The instance '{found.id}' has no root volume.")
    return root


def _check_mappings(ctx: Context, mappings: list[dict[str, Any]], root: Row) -> str | None:
    """Refuse block devices that the image would not have: it has the root volume as it is, and nothing else.

    Return the volume type that is asked for; those that promise nothing but space stand for one another.
    """
    kind = None
    for mapping in mappings:
        disk, device = mapping.get("Ebs") or {}, mapping.get("DeviceName") or ""
        if disk and not (is_root(device) and disk.get("VolumeSize") in (None, gib(root.get("size") or 0))):
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter BlockDeviceMappings with {device} is not supported: an image has the machine's root"
                " volume as it is, and no other.",
            )
        if disk.get("VolumeType"):
            kind = check_root_type(ctx, disk["VolumeType"])
    return kind


@action(
    "RegisterImage",
    honours=(
        "Name",
        "Description",
        "Architecture",
        "VirtualizationType",
        "RootDeviceName",
        "BlockDeviceMappings.DeviceName",
        "BlockDeviceMappings.Ebs.SnapshotId",
        "BlockDeviceMappings.Ebs.VolumeType",
        "BlockDeviceMappings.Ebs.VolumeSize",
        "ImageLocation",
        "EnaSupport",
        "SriovNetSupport",
        "TagSpecifications",
    ),
    ignores=_DISKS,
    defaults=_ROOT,
    native=("createTemplate", "registerTemplate", "listSnapshots", "listTemplates", "listOsTypes"),
)
async def register_image(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make an image of a root volume's snapshot, or of the disk at the URL in ImageLocation (an extension)."""
    tags = resource_tags.specified(request, "image")
    place = creation.place_of(request.get("Name") or "", "")
    begun = await journal.claim(ctx, creation.PLAN, place)
    name = str(request["Name"]) if begun else await check_name(ctx, request.get("Name"))
    described = {"name": name, "displaytext": request.get("Description") or name}
    marks = _network_marks(request)
    if request.get("ImageLocation"):
        given = {"command": "registerTemplate", "params": {**described, **await from_url(ctx, request)}}
    else:
        source, root = await from_snapshot(ctx, request)
        marks[SNAPSHOT] = root.mark()
        given = {"params": {**described, **source}}
    given["tags"] = {**tags, **{resource_tags.RESERVED + mark: value for mark, value in marks.items()}}
    return {"ImageId": await creation.make(ctx, given, place)}


def _network_marks(request: dict[str, Any]) -> dict[str, str]:
    """Return what the image is said to be able to do; what card a machine has, its hypervisor decides."""
    marks = {ENA: "true"} if request.get("EnaSupport") else {}
    return {**marks, SRIOV: request["SriovNetSupport"]} if request.get("SriovNetSupport") else marks
