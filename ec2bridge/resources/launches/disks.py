"""The disks of a launch.

BlockDeviceMappings describe the root volume and further ones by device name. CloudStack sizes the root disk at
deploy; every further volume is created and attached once the machine runs.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import gib
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.machines.devices import device_number, is_root, number_name
from ec2bridge.resources.places.zones import Zone
from ec2bridge.resources.snapshots.lookup import resolve_snapshot
from ec2bridge.resources.snapshots.volumes import empty_volume, size_of, volume_of
from ec2bridge.resources.volumes.types import (
    check_root_type,
    check_size,
    check_type,
    disk_offerings,
    performance,
)

log = logging.getLogger(__name__)

Row = dict[str, Any]


@dataclass(slots=True)
class Disks:
    """The root disk's size (GiB, None for the image's), its type and encryption, as asked, and what is to be attached
    beside it."""

    root_size: int | None = None
    root_type: str | None = None
    root_encrypted: bool = False
    keep_root: bool = False
    extra: list[Row] = field(default_factory=list)
    """For each further volume: params of createVolume, its snapshot, device name, number, type, whether it goes with
    the machine."""

    def check_root(self, image: list[Row]) -> None:
        """Refuse a root disk that its image does not fit on; `image` are its rows, one for each zone."""
        least = gib(max((row.get("size") or 0 for row in image), default=0))
        if self.root_size is not None and self.root_size < least:
            raise Ec2Error(
                "InvalidBlockDeviceMapping",
                f"Volume of size {self.root_size}GB is smaller than the image '{ec2_id('ami', image[0]['id'])}',"
                f" expect size >= {least}GB",
            )

    def check_root_kind(self, ctx: Context, offering: Row) -> None:
        """Refuse a type of root disk, or an encryption, that the machine's offering does not promise."""
        if self.root_type is not None:
            check_root_type(ctx, self.root_type, offering)
        if self.root_encrypted and not offering.get("encryptroot"):
            if not ctx.settings.lenient:
                raise Ec2Error(
                    "UnsupportedOperation",
                    "The parameter Encrypted with the value 'True' is not supported for a root volume of this instance"
                    " type: its offering does not encrypt it. Use a type whose offering does, or further volumes. A"
                    " bridge with the setting lenient ignores it.",
                )
            _note(ctx)

    def params(self) -> Row:
        """The parameters of deployVirtualMachine."""
        return {"rootdisksize": self.root_size}


async def disks(ctx: Context, request: dict[str, Any], zone: Zone) -> Disks:
    """Read BlockDeviceMappings; raises for what CloudStack has no disk for."""
    found = Disks()
    for name, mapping in _by_device(request.get("BlockDeviceMappings") or []).items():
        ebs = mapping.get("Ebs") or {}
        if mapping.get("NoDevice") is not None or (mapping.get("VirtualName") and not ebs):
            # Images bring no further disks here and hosts no ephemeral ones: nothing there, nothing to leave out.
            continue
        if is_root(name):
            # A machine's own offering says how fast its root disk is: only what AWS gives unasked can be promised.
            performance(ebs.get("VolumeType") or "", None, ebs.get("Iops"))
            if ebs.get("VolumeType"):
                found.root_type = check_type(ctx, ebs["VolumeType"])
            found.root_encrypted = bool(ebs.get("Encrypted"))
            found.root_size = ebs.get("VolumeSize")
            found.keep_root = ebs.get("DeleteOnTermination") is False
        else:
            found.extra.append(await _extra(ctx, name, ebs, zone))
    return found


def _by_device(mappings: list[Row]) -> dict[str, Row]:
    """Return device name → what is said of it; raises where two mappings disagree.

    AWS takes a device that is named twice in the same terms: Jenkins' EC2 plug-in names the root volume so.
    """
    found: dict[str, Row] = {}
    for mapping in mappings:
        name = mapping.get("DeviceName") or ""
        told = found.setdefault(name, mapping)
        first, second = _flat(told), _flat(mapping)
        if any(first[member] != second[member] for member in first.keys() & second.keys()):
            raise Ec2Error(
                "InvalidBlockDeviceMapping",
                f"The device '{name}' is used in more than one block-device mapping",
            )
        found[name] = {**mapping, **told, "Ebs": {**(mapping.get("Ebs") or {}), **(told.get("Ebs") or {})}}
    return found


def _flat(mapping: Row) -> Row:
    """A mapping's members and those of its volume, side by side."""
    return {member: value for member, value in mapping.items() if member != "Ebs"} | (
        mapping.get("Ebs") or {}
    )


async def _extra(ctx: Context, name: str, ebs: dict[str, Any], zone: Zone) -> Row:
    number = device_number(name)
    ebs = await _with_encryption(ctx, ebs)
    entry: Row = {
        "device": name if number is None or number_name(number) != name else None,
        "number": number,
        "type": ebs.get("VolumeType"),
        # AWS: what a launch makes goes with the machine unless told otherwise; what is attached later stays.
        "goes": ebs.get("DeleteOnTermination") is not False,
    }
    if ebs.get("SnapshotId"):
        entry["params"], entry["source"] = await _from_snapshot(ctx, ebs, zone)
        return entry
    if not ebs.get("VolumeSize"):
        raise Ec2Error(
            "MissingParameter", f"The request must contain the parameter size or snapshotId for '{name}'"
        )
    entry["params"] = empty_volume(ctx, ebs, ebs["VolumeSize"], zone, await disk_offerings(ctx))
    await check_size(ctx, entry["params"])
    return entry


async def _with_encryption(ctx: Context, ebs: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked of a volume; a lenient bridge leaves out an encryption that no disk offering has."""
    if not ebs.get("Encrypted") or not ctx.settings.lenient:
        return ebs
    if any(row.get("encrypt") for row in await disk_offerings(ctx)) and not ebs.get("SnapshotId"):
        return ebs
    _note(ctx)
    return {**ebs, "Encrypted": False}


def _note(ctx: Context) -> None:
    log.warning(
        "%s: the parameter BlockDeviceMappings.Ebs.Encrypted cannot be had and was ignored", ctx.operation
    )


async def _from_snapshot(ctx: Context, ebs: dict[str, Any], zone: Zone) -> tuple[Row, str]:
    """Return what createVolume is told of a snapshot, and the snapshot's uuid."""
    snapshot = await resolve_snapshot(ctx, ebs["SnapshotId"])
    size, least = ebs.get("VolumeSize"), size_of(snapshot)
    if size and size < least:
        raise Ec2Error(
            "InvalidBlockDeviceMapping",
            f"Volume of size {size}GB is smaller than snapshot '{ec2_id('snap', snapshot['id'])}', expect size >="
            f" {least}GB",
        )
    params = await volume_of(ctx, snapshot, ebs, size, zone, await disk_offerings(ctx))
    return params, snapshot["id"]
