"""Taking snapshots, of one volume or of all of a machine's.

CloudStack takes a snapshot only of a volume that has content, and of one volume at a time;
`resources/snapshots/empty.py` has those of volumes without.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.machines.lookup import machine, volumes_of
from ec2bridge.resources.places.zones import zones
from ec2bridge.resources.snapshots import creation
from ec2bridge.resources.snapshots.lookup import answer
from ec2bridge.resources.tags import resource_tags
from ec2bridge.resources.volumes.items import resolve_volume

Row = dict[str, Any]

_INFO = (
    "Description",
    "Tags",
    "Encrypted",
    "VolumeId",
    "State",
    "VolumeSize",
    "StartTime",
    "Progress",
    "OwnerId",
    "SnapshotId",
    "AvailabilityZone",
)


@action(
    "CreateSnapshot",
    honours=("VolumeId", "Description", "TagSpecifications"),
    defaults={"Location": ("regional",)},
    native=("createSnapshot", "listVolumes", "listSnapshots"),
)
async def create_snapshot(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin a snapshot of a volume; it is pending until CloudStack has copied it away."""
    tags, text = resource_tags.specified(request, "snapshot"), request.get("Description")
    row, places = await resolve_volume(ctx, request.get("VolumeId")), await zones(ctx)
    [made] = await creation.take(ctx, [(row, text, tags)])
    return answer(made, text, tags, places)


@action(
    "CreateSnapshots",
    honours=("InstanceSpecification", "Description", "TagSpecifications", "CopyTagsFromSource"),
    defaults={"Location": ("regional",)},
    native=("createSnapshot", "listVolumes", "listSnapshots", "listVirtualMachines"),
)
async def create_snapshots(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin snapshots of all volumes of a machine, or of none if one is refused.

    CloudStack takes them one after the other, so they are crash-consistent each, not with one another.
    """
    tags, text = resource_tags.specified(request, "snapshot"), request.get("Description")
    volumes = await _chosen_volumes(ctx, request.get("InstanceSpecification") or {})
    own: dict[str, dict[str, str]] = {}
    if request.get("CopyTagsFromSource"):
        merged = await resource_tags.merged(ctx, "volume", volumes)
        own = {uuid: {tag["Key"]: tag["Value"] for tag in pairs} for uuid, pairs in merged.items()}
    places = await zones(ctx)
    wanted = [(volume, text, {**own.get(volume["id"], {}), **tags}) for volume in volumes]
    rows = await creation.take(ctx, wanted)
    items = [answer(row, text, tagged, places) for row, (_, _, tagged) in zip(rows, wanted, strict=True)]
    return {"Snapshots": [{name: item[name] for name in _INFO if name in item} for item in items]}


async def _chosen_volumes(ctx: Context, wanted: dict[str, Any]) -> list[Row]:
    """Return the volumes of the machine that the request leaves in."""
    if not wanted.get("InstanceId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter InstanceSpecification")
    found = await machine(ctx, wanted["InstanceId"])
    volumes = (await volumes_of(ctx, [found.row])).get(found.uuid, [])
    left_out = wanted.get("ExcludeDataVolumeIds") or []
    known = {ec2_id("vol", row["id"]) for row in volumes if row["type"] != "ROOT"}
    for volume in left_out:
        if volume not in known:
            raise Ec2Error(
                "InvalidParameterValue", f"The volume '{volume}' is no data volume of '{found.id}'."
            )
    chosen = [row for row in volumes if ec2_id("vol", row["id"]) not in left_out]
    if wanted.get("ExcludeBootVolume"):
        chosen = [row for row in chosen if row["type"] != "ROOT"]
    if not chosen:
        raise Ec2Error("InvalidParameterValue", f"No volume of '{found.id}' is left to be copied.")
    return chosen
