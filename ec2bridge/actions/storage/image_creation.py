"""Making images: of a machine, of a snapshot, of a disk that lies at a URL.

EC2 answers with an image that is pending, whatever the machine does. CloudStack makes a template of a stopped
machine's root volume at once, but of a running one's only through a snapshot that is whole; the template, and with it
the image's id, exists only then. So the answer waits for the snapshot, and a request that is sent again meanwhile
joins the one under way. A template has the root volume alone.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2 import background
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.ec2.values import gib, known
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images.lookup import ENA, MACHINE, SNAPSHOT, SRIOV, Root, check_name, image_rows
from ec2bridge.resources.images.records import keep
from ec2bridge.resources.images.sources import from_snapshot, from_url
from ec2bridge.resources.instance_types import TYPE_DETAIL
from ec2bridge.resources.key_pairs.records import KEY_DETAIL
from ec2bridge.resources.machines.devices import is_root
from ec2bridge.resources.machines.lookup import Machine, machine, moving, refuse_unless, volumes_of
from ec2bridge.resources.machines.states import ADDRESS, INDEX, KEY_NAMES, PUBLIC_KEY, RESERVATION, TOKEN
from ec2bridge.resources.snapshots import lookup as snapshots
from ec2bridge.resources.snapshots.lookup import take
from ec2bridge.resources.tags import resource_tags

OF_ONE_MACHINE = (RESERVATION, INDEX, TOKEN, ADDRESS, TYPE_DETAIL, KEY_DETAIL, KEY_NAMES, PUBLIC_KEY)
"""Details that are nothing to the machines that are made of an image of this one."""

log = logging.getLogger(__name__)

Row = dict[str, Any]

_DISKS = {
    "BlockDeviceMappings.Ebs.VolumeType": "a machine's offering decides what its root volume lies on",
    "BlockDeviceMappings.VirtualName": "machines have no instance store volumes",
}
# What is true of every image here.
_ROOT: dict[str, tuple[Any, ...]] = {
    "BlockDeviceMappings.Ebs.DeleteOnTermination": (True,),
    "BlockDeviceMappings.Ebs.Encrypted": (False,),
}
_MADE_BY = "Created by CreateImage({})"
"""How AWS describes the snapshots of images."""
PATIENCE = 6 * 3600.0
"""Seconds that a snapshot may take; nobody has to wait for it so long but the task that makes the image."""


@action(
    "CreateImage",
    honours=(
        "InstanceId",
        "Name",
        "Description",
        "NoReboot",
        "BlockDeviceMappings.DeviceName",
        "BlockDeviceMappings.NoDevice",
        "BlockDeviceMappings.Ebs.VolumeSize",
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
    refuse_unless([found], ("running", "stopped"), "made an image of")
    root = await _root(ctx, found)
    _check_mappings(request.get("BlockDeviceMappings") or [], root)
    name = await check_name(ctx, request.get("Name"))
    params = known(
        name=name,
        displaytext=request.get("Description") or name,
        ostypeid=found.row.get("guestosid") or found.row.get("ostypeid"),
        passwordenabled=bool(found.row.get("passwordenabled")),
    )
    marks = {MACHINE: found.id}
    if found.state == "stopped" and not tags["snapshot"]:
        return await submit_template(ctx, {**params, "volumeid": root["id"]}, tags["image"], marks)
    stops = found.state == "running" and not request.get("NoReboot")
    snapshot = await _rested(ctx, found, root, tags["snapshot"], stops=stops)
    marks[SNAPSHOT] = Root(snapshot["id"], gib(root.get("size") or 0)).mark()
    image = await submit_template(ctx, {**params, "snapshotid": snapshot["id"]}, tags["image"], marks)
    await _tell(ctx, snapshot, f"{_MADE_BY.format(found.id)} for {image}")
    return image


async def _tell(ctx: Context, snapshot: Row, text: str) -> None:
    """Say of a snapshot which image it was made for: whoever deletes the image looks for it by that."""
    try:
        await resource_tags.mark(ctx, "snapshot", snapshot, {snapshots.DESCRIPTION: text})
    except CloudStackError as error:
        # The image is being made all the same, and cannot be asked for once more.
        log.warning("%s has no description: %s", ec2_id("snap", snapshot["id"]), error)


async def _root(ctx: Context, found: Machine) -> Row:
    volumes = (await volumes_of(ctx, [found.row])).get(found.uuid, [])
    root = next((row for row in volumes if row.get("deviceid") == 0), None)
    if root is None:
        raise Ec2Error("IncorrectInstanceState", f"The instance '{found.id}' has no root volume.")
    return root


def _check_mappings(mappings: list[dict[str, Any]], root: Row) -> None:
    """Refuse block devices that the image would not have: it has the root volume as it is, and nothing else."""
    for mapping in mappings:
        disk, device = mapping.get("Ebs") or {}, mapping.get("DeviceName") or ""
        if disk and not (is_root(device) and disk.get("VolumeSize") in (None, gib(root.get("size") or 0))):
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter BlockDeviceMappings with {device} is not supported: an image has the machine's root"
                " volume as it is, and no other.",
            )


async def _rested(ctx: Context, found: Machine, root: Row, tags: dict[str, str], *, stops: bool) -> Row:
    """Return a whole snapshot of the root; with `stops` the machine rests meanwhile, as on a reboot."""
    if not stops:
        return await _snapshot(ctx, root, found, tags)
    await ctx.account.job("stopVirtualMachine", id=found.uuid)
    # As on AWS it shows as running all the while.
    moving(ctx)[found.uuid] = "running"
    try:
        return await _snapshot(ctx, root, found, tags)
    finally:
        answer = await ctx.account.submit("startVirtualMachine", id=found.uuid)
        background.start(ctx.site, _follow(ctx, found, answer["jobid"]), f"start {found.id}")


async def _follow(ctx: Context, found: Machine, job: str) -> None:
    try:
        await ctx.account.wait(job)
    except CloudStackError as error:
        log.warning("%s was stopped to make an image of it and does not start again: %s", found.id, error)
    finally:
        moving(ctx).pop(found.uuid, None)


async def _snapshot(ctx: Context, root: Row, found: Machine, tags: dict[str, str]) -> Row:
    row, job = await take(ctx, root, _MADE_BY.format(found.id), tags)
    try:
        await ctx.account.wait(job, timeout=PATIENCE)
    except CloudStackError:
        with suppress(CloudStackError):
            await snapshots.delete(ctx, row["id"])
        raise
    return row


async def submit_template(
    ctx: Context, params: dict[str, Any], tags: dict[str, str], marks: dict[str, str]
) -> str:
    """Begin a template and return its image's id; what becomes of it is seen when images are described."""
    # CloudStack gives the image its machine's details, and those to the machines that are made of the image.
    blank = dict.fromkeys(OF_ONE_MACHINE, "")
    made = await ctx.account.submit("createTemplate", **params, details=blank)
    ctx.directory.remember("image", [made])
    await keep(ctx, made["id"], made["jobid"], params["name"])
    await finish(ctx, made["id"], tags, marks)
    return ec2_id("ami", made["id"])


async def finish(ctx: Context, uuid: str, tags: dict[str, str], marks: dict[str, str]) -> None:
    """Tag a new template; undo it if that fails."""
    everything = {**tags, **{resource_tags.RESERVED + name: value for name, value in marks.items()}}
    if not everything:
        return
    try:
        await resource_tags.attach(ctx, "image", uuid, everything)
    except BaseException as error:
        refused = isinstance(error, CloudStackError | Ec2Error)
        if refused and not await image_rows(ctx, uuid):
            # It could not be made, and that was quicker: its record shows it as failed.
            return
        with suppress(CloudStackError):
            await asyncio.shield(ctx.account.job("deleteTemplate", id=uuid))
        raise


@action(
    "RegisterImage",
    honours=(
        "Name",
        "Description",
        "Architecture",
        "VirtualizationType",
        "RootDeviceName",
        "BlockDeviceMappings.DeviceName",
        "BlockDeviceMappings.NoDevice",
        "BlockDeviceMappings.Ebs.SnapshotId",
        "BlockDeviceMappings.Ebs.VolumeType",
        "BlockDeviceMappings.Ebs.VolumeSize",
        "ImageLocation",
        "EnaSupport",
        "SriovNetSupport",
        "TagSpecifications",
    ),
    ignores={
        "BlockDeviceMappings.VirtualName": _DISKS["BlockDeviceMappings.VirtualName"],
    },
    defaults=_ROOT,
    native=("createTemplate", "registerTemplate", "listSnapshots", "listTemplates", "listOsTypes"),
)
async def register_image(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make an image of a root volume's snapshot, or of the disk at the URL in ImageLocation (an extension)."""
    tags = resource_tags.specified(request, "image")
    name = await check_name(ctx, request.get("Name"))
    described = {"name": name, "displaytext": request.get("Description") or name}
    if request.get("ImageLocation"):
        params = {**described, **await from_url(ctx, request)}
        answer = await ctx.account.call("registerTemplate", **params)
        made = answer["template"][0]
        ctx.directory.remember("image", [made])
        await finish(ctx, made["id"], tags, _network_marks(request))
        return {"ImageId": ec2_id("ami", made["id"])}
    source, root = await from_snapshot(ctx, request)
    marks = {SNAPSHOT: root.mark(), **_network_marks(request)}
    return {"ImageId": await submit_template(ctx, {**described, **source}, tags, marks)}


def _network_marks(request: dict[str, Any]) -> dict[str, str]:
    """Return what the image is said to be able to do; what card a machine has, its hypervisor decides."""
    marks = {ENA: "true"} if request.get("EnaSupport") else {}
    return {**marks, SRIOV: request["SriovNetSupport"]} if request.get("SriovNetSupport") else marks
