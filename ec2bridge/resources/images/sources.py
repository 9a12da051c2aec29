"""What an image is made of when it is registered: a snapshot, or a disk at a URL.

EC2's image says nothing of the system in it; CloudStack wants an OS type, a hypervisor and a disk format.
"""

import re
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from ec2bridge.ec2 import releases
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import gib
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.images.lookup import Root
from ec2bridge.resources.machines.devices import ROOT_DEVICE, is_root
from ec2bridge.resources.places.zones import cached, zones
from ec2bridge.resources.snapshots.lookup import require_completed, resolve_snapshot
from ec2bridge.resources.volumes.types import check_root_type

Row = dict[str, Any]

# A disk's format is in the name of its file; the hypervisor that has such disks, where the zone has several.
FORMATS = MappingProxyType(
    {
        "qcow2": ("QCOW2", "KVM"),
        "img": ("QCOW2", "KVM"),
        "raw": ("RAW", "KVM"),
        "vhd": ("VHD", "XenServer"),
        "vhdx": ("VHDX", "Hyperv"),
        "ova": ("OVA", "VMware"),
        "vmdk": ("VMDK", "VMware"),
    }
)
_PACKED = re.compile(r"\.(?:gz|bz2|xz|zip)$")
ARCHITECTURES = ("x86_64", "i386", "arm64")
OS_TYPES = MappingProxyType(
    {
        "x86_64": ("Other Linux (64-bit)", "Other (64-bit)", "Other PV (64-bit)"),
        "arm64": ("Other Linux (64-bit)", "Other (64-bit)"),
        "i386": ("Other Linux (32-bit)", "Other (32-bit)", "Other PV (32-bit)"),
    }
)


async def from_snapshot(ctx: Context, request: dict[str, Any]) -> tuple[dict[str, Any], Root]:
    """Return what createTemplate is told of the root volume's snapshot, and what the image remembers of it.

    The volume type is remembered and shown, because Terraform replaces an image that shows another; what a machine's
    root volume lies on is said by the machine's offering.
    """
    disk = _root_disk(request)
    kind = check_root_type(ctx, disk["VolumeType"]) if disk.get("VolumeType") else None
    row = await resolve_snapshot(ctx, disk["SnapshotId"])
    require_completed(row)
    if row.get("empty"):
        raise Ec2Error(
            "InvalidParameterValue",
            f"The snapshot '{disk['SnapshotId']}' holds nothing that an image could be made of: its volume was never"
            " attached.",
        )
    size = gib(row.get("virtualsize") or 0)
    if disk.get("VolumeSize") not in (None, size):
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter VolumeSize with the value '{disk['VolumeSize']}' is not supported: the image has the size"
            f" of its snapshot, {size} GiB.",
        )
    os_type = row.get("ostypeid") or await default_os_type(ctx, _architecture(request))
    params = {
        "snapshotid": row["id"],
        "ostypeid": os_type,
        "requireshvm": request.get("VirtualizationType") != "paravirtual",
    }
    return {**params, **await _native_architecture(ctx, releases.ARM_SNAPSHOT, request)}, Root(
        row["id"], size, kind
    )


def _root_disk(request: dict[str, Any]) -> dict[str, Any]:
    """Return the EBS part of the one mapping that an image can have: the root's, with a snapshot."""
    name = request.get("RootDeviceName") or ROOT_DEVICE
    mappings = [m for m in request.get("BlockDeviceMappings") or [] if m.get("Ebs")]
    others = [m for m in mappings if m.get("DeviceName") != name and not is_root(m.get("DeviceName") or "")]
    if others:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter BlockDeviceMappings with {others[0].get('DeviceName')} is not supported: an image has a"
            " root volume and no other.",
        )
    disk = dict(mappings[0]["Ebs"]) if mappings else {}
    if not disk.get("SnapshotId"):
        raise Ec2Error(
            "MissingParameter",
            "The request must contain the root volume's snapshot in BlockDeviceMappings, or a URL in ImageLocation",
        )
    return disk


async def from_url(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return what registerTemplate is told of a disk that CloudStack is to fetch."""
    url = request["ImageLocation"]
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no IPv6 address
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({url}) for parameter imageLocation is invalid: a URL is expected (http:// or https://).",
        )
    if any(mapping.get("Ebs") for mapping in request.get("BlockDeviceMappings") or []):
        raise Ec2Error(
            "InvalidParameterCombination", "ImageLocation and BlockDeviceMappings cannot be used together"
        )
    ending = _PACKED.sub("", parts.path.lower()).rpartition(".")[2]
    if ending not in FORMATS:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({url}) for parameter imageLocation is invalid: the name of the file must end in one of"
            f" {', '.join(sorted(FORMATS))}, and may then be packed (.gz, .bz2, .xz, .zip).",
        )
    form, usual = FORMATS[ending]
    return {
        "url": url,
        "format": form,
        "hypervisor": await _hypervisor(ctx, usual),
        "ostypeid": await default_os_type(ctx, _architecture(request)),
        # An image is the region's: without a list of zones CloudStack lets administrators register it alone.
        "zoneids": [zone.uuid for zone in await zones(ctx)],
        "requireshvm": request.get("VirtualizationType") != "paravirtual",
        **await _native_architecture(ctx, releases.ARM_IMAGE, request),
    }


async def _hypervisor(ctx: Context, usual: str) -> str:
    """Return the hypervisor of the zones: the one that has such disks, else the first."""
    names: list[str] = []
    for zone in await zones(ctx):
        names += await cached(ctx, "hypervisors").get(
            (ctx.account.cache_key, zone.uuid), partial(_hypervisors, ctx, zone.uuid)
        )
    return next((name for name in names if name.lower() == usual.lower()), names[0] if names else usual)


async def _hypervisors(ctx: Context, zone: str) -> list[str]:
    # A listing without pages.
    answer = await ctx.account.call("listHypervisors", zoneid=zone)
    return [row["name"] for row in answer.get("hypervisor", ())]


def _architecture(request: dict[str, Any]) -> str:
    """Return the image's architecture; AWS takes i386 for images without one, which no client means."""
    wanted = str(request.get("Architecture") or "x86_64")
    if wanted not in ARCHITECTURES:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter Architecture with the value '{wanted}' is not supported: CloudStack's images are"
            f" {', '.join(ARCHITECTURES)}.",
        )
    return wanted


async def _native_architecture(ctx: Context, need: releases.Need, request: dict[str, Any]) -> dict[str, Any]:
    wanted = _architecture(request)
    if wanted == "i386":
        return {"bits": 32}
    if wanted == "x86_64":
        return {}
    await releases.require(ctx, need)
    return {"arch": "aarch64"}


async def default_os_type(ctx: Context, architecture: str) -> str:
    """Return the uuid of the OS type for a system of which nothing is known."""
    rows: list[Row] = await cached(ctx, "os-types").get(
        ctx.account.cache_key, lambda: ctx.account.list("listOsTypes")
    )
    by_name = {row["description"]: row["id"] for row in rows}
    wanted = [by_name[name] for name in OS_TYPES[architecture] if name in by_name]
    other = [uuid for name, uuid in by_name.items() if name.startswith("Other")]
    found = wanted or other or list(by_name.values())
    if not found:
        raise Ec2Error("UnsupportedOperation", "This cloud has no OS type that an image could have.")
    return str(found[0])
